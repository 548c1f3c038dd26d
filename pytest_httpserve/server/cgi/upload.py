"""Passes a request's body to a running CGI script: receives what comes, and writes what the script accepts.

A file keeps the bytes that the script has not read yet. So a client that sends everything before it reads anything, and
a script that answers while it reads, never block each other.
"""

from __future__ import annotations

import math
import os
import select
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from pytest_httpserve import clock
from pytest_httpserve.errors import BrokenOff
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.source import PROGRESS_BYTES
from pytest_httpserve.server.files.paths import read_at

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection

PIECE_BYTES = 65_536
_POLLIN = int(getattr(select, "POLLIN", 0))
_POLLOUT = int(getattr(select, "POLLOUT", 0))


class Upload:
    """A body of ``length`` bytes, most of which are still to come.

    ``complete`` is whether all of it has arrived, ``starved`` whether the script has read everything that has arrived.
    The client has until ``expiry`` to send its next 64 KiB.
    """

    def __init__(self, reader: Reader, connection: Connection, length: int) -> None:
        import tempfile

        self.length = length
        self._reader = reader
        self._connection = connection
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed by close
        self._pipe: IO[bytes] | None = None
        self._poll: Any = None  # what make_poll returns
        self._watched = False  # whether the poll watches the pipe
        self._received = self._given = self._progress = 0
        self.expiry: float = math.inf

    @property
    def complete(self) -> bool:
        return self._reader.complete

    @property
    def starved(self) -> bool:
        return self._pipe is not None and not self.complete and self._given == self._received

    def begin(self, pipe: IO[bytes], poll: Any) -> None:
        """From here on, write to the script's input ``pipe``, and register what to watch with ``poll``."""
        if hasattr(os, "set_blocking"):
            os.set_blocking(pipe.fileno(), False)
        self._pipe, self._poll = pipe, poll
        self._restart()
        if self._reader.unread:  # it came together with the head
            self._receive()
        self._give()

    def advance(self, events: dict[int, int]) -> None:
        """Receive and write what is possible now, and remove the handled events.

        Raises RequestError (400) if the body is cut short, and OSError if the client has left or is too late.
        """
        if self._pipe is not None and events.pop(self._pipe.fileno(), 0):
            self._give()
        client = self._connection.transport.socket.fileno()
        if not self.complete and events.get(client, 0) & _POLLIN:
            del events[client]
            self._receive()
            self._give()
        if not self.complete and clock.monotonic() >= self.expiry:
            transport = self._connection.transport
            late = TimeoutError(f"{self._progress} bytes of the body came in {transport.timeout} s")
            raise transport.failed(late)

    def close(self) -> None:
        self._end_input()
        self._file.close()

    def _restart(self) -> None:
        timeout = self._connection.transport.timeout
        self._progress = 0
        self.expiry = clock.monotonic() + timeout if timeout is not None else math.inf

    def _receive(self) -> None:
        piece = self._reader.read1(PIECE_BYTES)
        if not piece and self._reader.truncated:
            raise BrokenOff(
                HTTPStatus.BAD_REQUEST, "the client ended the connection within the body", rule="RFC 9112 section 8"
            )
        self._progress += len(piece)
        if self._progress >= PROGRESS_BYTES:
            self._restart()
        if self._pipe is not None:  # otherwise, the script reads no more
            self._file.write(piece)
            self._received += len(piece)

    def _give(self) -> None:
        """Write to the script what it accepts without waiting, and watch the pipe for the rest."""
        if self._pipe is None:
            return
        try:
            while piece := read_at(self._file, self._given, PIECE_BYTES):
                self._given += os.write(self._pipe.fileno(), piece)
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it reads no more, or has ended
            self._end_input()
            return
        if self.complete and self._given == self._received:
            self._end_input()
        else:
            self._watch(self._given < self._received)

    def _watch(self, watched: bool) -> None:
        """Watch the pipe, or stop watching it: with nothing to write, it would be ready all the time."""
        if watched and not self._watched:
            self._poll.register(self._pipe, _POLLOUT)
        elif self._watched and not watched:
            self._poll.unregister(self._pipe)
        self._watched = watched

    def _end_input(self) -> None:
        if self._pipe is not None:
            self._watch(False)
            self._pipe.close()
        self._pipe = None
        self._given = self._received
