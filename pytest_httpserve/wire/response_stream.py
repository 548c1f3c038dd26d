"""The bytes of a response as somebody writes them, taken apart: heads with 1xx, the final head, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_httpserve.wire.head import parse_fields
from pytest_httpserve.wire.headers import Headers

_BLANK_LINE = b"\r\n\r\n"


class ResponseHead:
    """The head of a response as it was written, right or wrong; ``raw`` has its bytes up to and with its blank line."""

    __slots__ = ("_status_line", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes = raw
        self._status_line = raw.partition(b"\r\n")[0].decode("latin-1")

    @property
    def protocol(self) -> str:
        """As in ``HTTP/1.1``."""
        return self._status_line.partition(" ")[0]

    @property
    def status(self) -> int:
        """The status code. Raises ValueError if there is none."""
        return int(self._status_line.partition(" ")[2][:3])

    @property
    def reason(self) -> str:
        """The reason phrase; empty if it has none."""
        return self._status_line.partition(" ")[2].partition(" ")[2]

    @property
    def is_informational(self) -> bool:
        """Whether another head follows (RFC 9110 section 15.2): not after 101, with which HTTP ends."""
        status = self._status_line.partition(" ")[2]
        return status.startswith("1") and not status.startswith("101")

    @property
    def lines(self) -> list[bytes]:
        """Its lines, without their ends: the status line first."""
        return self.raw[: -len(_BLANK_LINE)].split(b"\r\n")

    @property
    def headers(self) -> Headers:
        """Its headers, whatever is wrong with them."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines[1:])
        return Headers((name, value.strip(" \t")) for name, _, value in pairs)

    def checked_headers(self) -> Headers:
        """Its headers. Raises RequestError for lines that are none (RFC 9112 section 5)."""
        return parse_fields(self.raw.partition(b"\r\n")[2][:-2])


class ResponseStream:
    """Takes the bytes of one response in pieces of any size. ``head`` is the final head, once that has come.

    What follows that is not looked into.
    """

    __slots__ = ("_held", "head")

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self._held = b""  # what has come of a head

    def feed(self, data: bytes) -> Iterator[ResponseHead | bytes]:
        """What these bytes bring: each head once it is whole, and then what follows the final one."""
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
