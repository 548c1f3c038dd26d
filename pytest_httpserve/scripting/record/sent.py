"""A response as the server sent it."""

from __future__ import annotations

import zlib
from typing import Any

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.wire.framing import OF_CONNECTION, UNTIL_CLOSE, Framing, body_decoder, response_framing
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

_NOTHING = Transcript()


class SentResponse:
    """The response of an exchange as the server sent it."""

    __slots__ = ("_method", "_raw", "given", "status")

    def __init__(self, status: int, head: bytes, raw: Transcript = _NOTHING, method: str = "GET") -> None:
        self.status: int = status
        self.given: bytes = head  # before a fault changed it
        self._raw = raw
        self._method = method  # of the request: the response to HEAD has no body

    @property
    def head(self) -> bytes:
        """The bytes before the body: status line, headers and the empty line."""
        sent = self._raw.response
        if not sent or self.given in sent:
            return self.given
        stream = ResponseStream()
        for _ in stream.feed(sent):
            pass
        return stream.head.raw if stream.head is not None else self.given

    @property
    def headers(self) -> Headers:
        """All headers that were sent, including those that the server added."""
        headers = self._of_message
        if self._raw.stream_id is None:
            return headers
        return Headers(field for field in headers.fields if field[0].lower() not in OF_CONNECTION)

    @property
    def _of_message(self) -> Headers:
        """The headers and, over HTTP/2, also those with which HTTP/1 would frame the body."""
        return ResponseHead(self.head).headers

    @property
    def content(self) -> bytes:
        """The bytes after the head, as far as they were kept: the body in its framing."""
        head = self.head
        return self._raw.response.partition(head)[2] if head else b""

    @property
    def is_cut(self) -> bool:
        """Whether the journal kept only a part of the body. It keeps 64 KiB of a response, and nothing of a file."""
        return self._raw.dropped_sent > 0

    @property
    def body(self) -> bytes:
        """The body as it was sent, without chunks or other framing; only its beginning if it ``is_cut``.

        A content coding, such as gzip, is not decoded.
        """
        try:
            framing = response_framing(self._method, self.status, self._of_message)
        except RequestError:  # the test set a Content-Length that is not valid
            framing = UNTIL_CLOSE
        return unframed(self.content, framing)

    @property
    def text(self) -> str:
        """The body, decoded from gzip and deflate, as text in the charset that its type names, else in UTF-8."""
        headers = self.headers
        _, _, charset = headers.get("content-type", "").lower().partition("charset=")
        data = decoded(self.body, headers)
        try:
            return data.decode(charset.partition(";")[0].strip(' "') or "utf-8", "replace")
        except LookupError:
            return data.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, decoded from gzip and deflate, as JSON. Raises ValueError if it is not, or was not kept whole."""
        if self.is_cut:
            raise ValueError(f"the journal kept only the first {len(self.body)} bytes of this body")
        import json

        return json.loads(decoded(self.body, self.headers))

    def __repr__(self) -> str:
        return f"<SentResponse {self.status}>"


def unframed(data: bytes, framing: Framing) -> bytes:
    """A body without its chunks."""
    try:
        return body_decoder(framing).decode(data)[0]
    except RequestError:  # a test may make the server send something else
        return data


def decoded(body: bytes, headers: Headers) -> bytes:
    """A body without its content coding, if that is gzip or deflate; as much of it as there is."""
    if headers.get("content-encoding", "").lower() not in ("gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body)
    except zlib.error:
        return body
