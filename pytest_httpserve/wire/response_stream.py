"""Splits the bytes of a response, as they are written, into 1xx heads, the final head, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_httpserve.wire.head import parse_fields
from pytest_httpserve.wire.headers import Headers

_BLANK_LINE = b"\r\n\r\n"


class ResponseHead:
    """The head of a response as it was written, valid or not; ``raw`` has its bytes, the blank line included."""

    __slots__ = ("_status_line", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes = raw
        self._status_line = raw.partition(b"\r\n")[0].decode("latin-1")

    @property
    def protocol(self) -> str:
        """The protocol version, as in ``HTTP/1.1``."""
        return self._status_line.partition(" ")[0]

    @property
    def status(self) -> int:
        """The status code. Raises ValueError if there is none."""
        return int(self._status_line.partition(" ")[2][:3])

    @property
    def reason(self) -> str:
        """The reason phrase; empty if there is none."""
        return self._status_line.partition(" ")[2].partition(" ")[2]

    @property
    def is_informational(self) -> bool:
        """Whether another head follows (RFC 9110 section 15.2): not after 101, which ends HTTP on the connection."""
        status = self._status_line.partition(" ")[2]
        return status.startswith("1") and not status.startswith("101")

    @property
    def lines(self) -> list[bytes]:
        """The lines, without their ends: the status line first."""
        return self.raw[: -len(_BLANK_LINE)].split(b"\r\n")

    @property
    def headers(self) -> Headers:
        """The headers, which may be malformed."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines[1:])
        return Headers((name, value.strip(" \t")) for name, _, value in pairs)

    def checked_headers(self) -> Headers:
        """The headers. Raises RequestError for malformed lines (RFC 9112 section 5)."""
        return parse_fields(self.raw.partition(b"\r\n")[2][:-2])


class ResponseStream:
    """Takes the bytes of one response in pieces of any size. ``head`` is the final head, once it has come.

    The bytes after it pass through unexamined.
    """

    __slots__ = ("_held", "head")

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self._held = b""  # the start of a head that is not complete yet

    def feed(self, data: bytes) -> Iterator[ResponseHead | bytes]:
        """Take more bytes: yields each head that they complete, and then whatever follows the final head."""
        while self.head is None:
            data = self._held + data
            end = data.find(_BLANK_LINE, max(len(self._held) - len(_BLANK_LINE) + 1, 0)) + len(_BLANK_LINE)
            if end < len(_BLANK_LINE):
                self._held = data
                return
            head, data, self._held = ResponseHead(data[:end]), data[end:], b""
            if not head.is_informational:
                self.head = head
            yield head
        if data:
            yield data
