"""The answer of a real host on its way into a recording."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.errors import HTTPServeError
from pytest_httpserve.scripting.origins.upstream import end_to_end
from pytest_httpserve.scripting.record.coding import MOST_DECODED_BYTES, decoded
from pytest_httpserve.scripting.record.request import GrowingBody
from pytest_httpserve.scripting.recordings.entry import MOST_CHUNKS, MOST_INLINE_BYTES, Digest, Entry
from pytest_httpserve.scripting.recordings.matching import digest_of, plain_body
from pytest_httpserve.scripting.recordings.secrets import Redaction, Secrets
from pytest_httpserve.scripting.recordings.writing import pieces_of
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.origins.upstream import Answer
    from pytest_httpserve.scripting.record.request import Request


class Taken:
    """A request to a real host, and as much of the answer as has come, in memory or in an unnamed file."""

    def __init__(self, request: Request, origin: str, redaction: Redaction) -> None:
        self.answer: Answer | None = None
        self._redaction = redaction
        self._request = request
        self._request_body = _redacted_request(request, redaction)
        self._origin = origin
        self._date = clock.now()
        self._asked = self._last = clock.monotonic()
        self._wait = 0.0
        self._chunks: list[tuple[int, int]] = []
        self._body = GrowingBody()

    def begins(self, answer: Answer) -> None:
        """Note that the head of the answer has come."""
        self.answer = answer
        self._last = clock.monotonic()
        self._wait = (self._last - self._asked) * 1000

    def came(self, piece: bytes) -> None:
        """Add a piece of the body."""
        now = clock.monotonic()
        if len(self._chunks) <= MOST_CHUNKS:
            self._chunks.append((len(piece), round((now - self._last) * 1000)))
        self._last = now
        self._body.add(piece)

    def entry(self) -> Entry:
        """An entry without secrets. Raises HTTPServeError if the body cannot be searched for secrets."""
        assert self.answer is not None
        request, answer, redaction = self._request, self.answer, self._redaction
        target = target_of(request.target)
        fields = redaction.fields(answer.fields)
        body, coding, chunks = self._redacted_body(answer)
        if answer.has_body:
            fields = tuple(field for field in fields if field[0].lower() != "content-length")
        received = self._last - self._asked - self._wait / 1000
        return Entry(
            request.method,
            redaction.url(self._origin + target.path + target.query_with_mark),
            redaction.fields(end_to_end(request.headers)),
            self._request_body,
            answer.status,
            answer.reason,
            fields,
            body,
            coding,
            chunks,
            self._wait,
            max(received * 1000, 0.0),
            datetime.fromtimestamp(self._date, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )

    def _redacted_body(self, answer: Answer) -> tuple[bytes | GrowingBody, str, tuple[tuple[int, int], ...]]:
        """The body to keep, the coding that was removed, and the chunks if the body is as it was sent."""
        redaction = self._redaction
        self._body.end()
        headers = Headers(answer.fields)
        kind, codings = headers.get("content-type", ""), headers.get("content-encoding", "")
        has_chunks = "content-length" not in headers and len(self._chunks) <= MOST_CHUNKS
        chunks = tuple(self._chunks) if has_chunks else ()
        is_large = self._body.size > MOST_INLINE_BYTES
        if is_large and not redaction.reads(kind):
            return self._body, "", ()
        if self._body.size > MOST_DECODED_BYTES:
            raise HTTPServeError(f"a body of {self._body.size} bytes is too large to look for secrets in it")
        sent = self._body.read()
        try:
            plain = decoded(sent, codings)
        except ValueError:  # incomplete, or in an unknown coding
            if redaction.reads(kind) and codings:
                raise HTTPServeError(
                    f"a body that is not {codings}, though it says so, cannot be searched for secrets"
                ) from None
            return sent, "", chunks
        put = redaction.body(plain, kind)
        if is_large and put == plain:
            return self._body, "", ()  # the file has it as it was sent
        return put, codings, chunks if put == sent else ()

    def close(self) -> None:
        """Delete what is on disk."""
        self._body.close()


def _redacted_request(request: Request, redaction: Redaction) -> bytes | Digest | None:
    if not request.content.size:
        return None
    if request.content.size > MOST_INLINE_BYTES:
        return digest_of(request.content)
    body = plain_body(request.body, request.headers)
    return redaction.body(body, request.headers.get("content-type", ""))


def place_of_secret(entry: Entry, secrets: Secrets) -> tuple[str, str] | None:
    """The environment variable whose value is in an entry, and where; None if there is none."""
    for place, piece in _texts(entry, secrets.longest) if secrets.longest else ():
        if (name := secrets.find(piece)) is not None:
            return name, place
    return None


def _texts(entry: Entry, longest: int) -> Iterator[tuple[str, bytes]]:
    """All texts of an entry, with their places."""
    yield "the URL", entry.url.encode()
    for whose, fields in (("request", entry.request_fields), ("response", entry.fields)):
        for name, value in fields:
            yield f"the {whose} header {name}", value.encode()
            yield f"the name of a {whose} header", name.encode()
    if isinstance(entry.request_body, bytes):
        yield "the request body", entry.request_body
    if entry.body is not None:
        before = b""
        for piece in pieces_of(entry.body):
            yield "the response body", before + piece
            before = (before + piece)[-longest:]
