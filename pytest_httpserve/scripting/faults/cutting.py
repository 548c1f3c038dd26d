"""Carries out a Split: cuts the body of a response into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.net.reading import unread

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Split

# Seconds after which a client that reads nothing is not waited for any more.
_READ_SECONDS = 1.0
# Seconds between two looks whether it has read, and seconds to wait where the system does not say.
_GLANCE_SECONDS = 0.00005
_MOMENT_SECONDS = 0.001


class Cutter:
    """Cuts the body of one response, and waits between two pieces for the client to read the first."""

    def __init__(self, split: Split, connection: Connection) -> None:
        self._lines = split.lines
        self._left = split.upto  # bytes that may still be cut
        self._lines_left = split.first or split.lines  # until the next cut
        self._connection = connection
        self._cuts = True

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Cut the next bytes of the body. Yields a piece only when the client has read the one before."""
        start = 0
        while start < len(data):
            self._cuts = self._cuts and self._is_read() and self._left > 0
            end = self._end(data, start) if self._cuts else len(data)
            self._left -= end - start
            yield data[start:end]
            start = end

    def _end(self, data: bytes, start: int) -> int:
        """The end of the piece that begins at ``start``."""
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
        """Wait until the client has read everything sent so far. False if it is too slow, or if the server stops."""
        connection = self._connection
        expiry = clock.monotonic() + _READ_SECONDS
        while (waiting := unread(connection.transport.socket)) and not connection.closing:
            if clock.monotonic() >= expiry:
                return False
            clock.sleep(_GLANCE_SECONDS)
        if waiting is None:
            clock.sleep(_MOMENT_SECONDS)
        return not connection.closing
