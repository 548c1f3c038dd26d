"""Pass an application's response on, and read it on the way, for the journal and to keep the connection if possible."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.wire.framing import (
    NO_BODY,
    UNTIL_CLOSE,
    BodyDecoder,
    Framing,
    body_decoder,
    encode_chunk,
    encode_last_chunk,
    keeps_alive,
    response_framing,
)
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

_KEPT_BYTES = 4_096
_LOCATION = re.compile(rb"^location:[ \t]*(?=/(?!/))", re.IGNORECASE | re.MULTILINE)


class Outgoing:
    """Passes an application's response on: ``write`` takes all its bytes, including the head.

    As a context manager, it requires a complete response at the end of the block. With ``chunk``, a body without an
    announced end is sent in chunks; otherwise such a body ends the connection. ``prefix`` is added to the paths in
    ``Location``. ``has_left`` says that the response was a 101, after which no body follows.
    """

    def __init__(self, asked: Asked, *, prefix: str = "", chunk: bool = False) -> None:
        self._asked = asked
        self._prefix = prefix.encode("ascii")
        self._chunk = chunk
        self._stream = ResponseStream()
        self._framing: Framing | None = None  # None until the head is whole
        self._chunking = False
        self._body: BodyDecoder = body_decoder(NO_BODY)  # follows the body
        self._finished = False
        self._sound = True  # whether the body matches the head
        self.has_left: bool = False

    def __enter__(self) -> Outgoing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.break_off()

    def write(self, data: bytes) -> None:
        """Send what the application has written: each piece at once, but a head together with what follows it."""
        parts = list(self._stream.feed(data))
        for part in parts:
            if isinstance(part, bytes):
                self._write_body(part)
            elif part.is_informational:
                self._write_informational(part)
            else:
                self._write_head(part, alone=part is parts[-1])

    def _write_informational(self, head: ResponseHead) -> None:
        asked = self._asked
        if asked.stream.version >= (1, 1):  # else they are unknown (RFC 9110 section 15.2)
            asked.writer.write_head(head.raw, more=False)
            asked.awaits_100 &= head.status != 100

    def _write_head(self, given: ResponseHead, *, alone: bool) -> None:
        asked, head = self._asked, given.raw[:-2]
        stream, writer = asked.stream, asked.writer
        understand = _understand if len(head) > _KEPT_BYTES else _kept
        said = understand(head, asked.method)
        framing = said.framing
        if said.status == 101:
            self.has_left = True
            asked.http1.reader.begin_tunnel()
        elif framing == UNTIL_CLOSE and self._chunk:
            self._chunking = True
            head += b"Transfer-Encoding: chunked\r\n"
        self._framing, self._body = framing, body_decoder(framing)
        # A client that got no 100 may or may not send its body, so the next bytes could be anything.
        if not said.lasts or asked.awaits_100 or (framing == UNTIL_CLOSE and not self._chunking):
            stream.lasts = False
        if self._prefix:
            head = _LOCATION.sub(lambda found: found[0] + self._prefix, head)
        stream.said = said.of_connection
        further = asked.added + stream.connection_fields()
        head += "".join(f"{name}: {value}\r\n" for name, value in further).encode("latin-1") + b"\r\n"
        stream.length = framing.length if framing.kind == "length" else None
        asked.begin(SentResponse(said.status, head))
        if not alone and framing != NO_BODY:
            writer.hold()
        writer.write_head(head, more=framing.kind == "length" and framing.length > 0)

    def _write_body(self, data: bytes) -> None:
        if self._framing == NO_BODY:
            return  # HEAD and 304 have none, whatever the application writes
        if self._chunking:
            data = encode_chunk(data)
        elif self._sound:
            try:
                _, surplus = self._body.decode(data)
                self._sound = not surplus
            except RequestError:
                self._sound = False
            else:
                data = data[: len(data) - len(surplus)]
        elif self._body.complete:
            return  # everything announced has been sent
        self._asked.writer.write(data)

    def break_off(self) -> None:
        """Note that the application has failed: the client must not take what was sent for a complete response."""
        if self._framing is None:
            return  # nothing was sent, so an error response can follow
        if self._framing == UNTIL_CLOSE and not self._chunking:
            self._asked.reset_connection()
        self._asked.stream.lasts = False
        self._sound = False

    def finish(self) -> None:
        """Note that the application has finished. A body of the wrong length ends the connection."""
        if self._finished:
            return
        self._finished = True
        if self._framing is None:
            raise RuntimeError("the application ended without a response")
        if self._chunking and self._sound:
            self._asked.writer.write(encode_last_chunk())
        elif not self._sound or not self._body.complete:
            self._asked.stream.lasts = False
            if self._framing != UNTIL_CLOSE:  # such a body has no announced length
                what = "more" if self._body.complete else "less"
                self._asked.note(f"the application wrote {what} than the body that its head announces")


class _Said(NamedTuple):
    """What a head says: the framing of the body, whether the connection lasts, and whether it says so explicitly."""

    status: int
    framing: Framing
    lasts: bool
    of_connection: bool


def _understand(head: bytes, method: str) -> _Said:
    """Read the final head of a response to ``method``, given without its blank line. Raises ValueError if invalid."""
    given = ResponseHead(head + b"\r\n")
    version = (1, 1) if given.protocol == "HTTP/1.1" else (1, 0)
    try:
        status, fields = given.status, given.checked_headers()
        framing = response_framing(method, status, fields) if status != 101 else UNTIL_CLOSE
    except (RequestError, ValueError) as error:
        raise ValueError(f"the application wrote an invalid head: {error}\n{head.decode('latin-1')}") from None
    return _Said(status, framing, keeps_alive(fields, version), "connection" in fields or version < (1, 1))


# Within a second, applications give the same heads again and again.
_kept = lru_cache(256)(_understand)
