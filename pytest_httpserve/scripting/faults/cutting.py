"""What a Split does to the body of a response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.net.reading import unread

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Split

# A client that has read nothing for so long is not waited for any more, in seconds.
_READ_SECONDS = 1.0
# How often it is looked whether it has, and how long it is waited for where that cannot be seen.
_GLANCE_SECONDS = 0.00005
_MOMENT_SECONDS = 0.001


class Cutter:
    """Cuts the body of one response, and waits between two pieces for the client to read the first."""

    def __init__(self, split: Split, connection: Connection) -> None:
        self._lines = split.lines
        self._left = split.upto  # bytes, within which it cuts
        self._lines_left = split.first or split.lines  # to the next cut
        self._connection = connection
        self._cuts = True

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The pieces of what comes next. The client has read one before the next is given."""
        start = 0
        while start < len(data):
            self._cuts = self._cuts and self._is_read() and self._left > 0
            end = self._end(data, start) if self._cuts else len(data)
            self._left -= end - start
            yield data[start:end]
            start = end

    def _end(self, data: bytes, start: int) -> int:
        """Where the piece that begins here ends."""
        if not self._lines:
            return start + 1
        end = start
        while self._lines_left and end < len(data):
            place = data.find(b"\n", end)
            if place < 0:
                return len(data)
            end = place + 1
            self._lines_left -= 1
        self._lines_left = self._lines_left or self._lines
        return end

    def _is_read(self) -> bool:
        """Wait until the client has read what was sent; False if it has not in time, or the server stops."""
        connection = self._connection
        expiry = clock.monotonic() + _READ_SECONDS
        while (waiting := unread(connection.transport.socket)) and not connection.closing:
            if clock.monotonic() >= expiry:
                return False
            clock.sleep(_GLANCE_SECONDS)
        if waiting is None:
            clock.sleep(_MOMENT_SECONDS)
        return not connection.closing
