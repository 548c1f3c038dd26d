"""What applications take for the socket of a request: they read the request from it, and write a response to it.

Once they have answered 101, the connection is theirs, as it would be on a server of ``http.server``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.mounts.outgoing import Outgoing

_MOST_BYTES = 65_536


class Source(Protocol):
    """What the request is read from: ``unread`` has come in, and is to be read without a wait."""

    @property
    def unread(self) -> bytes:
        """See above."""

    def read1(self, size: int = -1, /) -> bytes:
        """What there is, or what comes next, so many bytes at most; none at the end."""


class PieceReader:
    """A request that comes piece by piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.unread: bytes = b""

    def read1(self, size: int = -1) -> bytes:
        """See ``Source``."""
        piece = self.unread or next(self._pieces, b"")
        size = size if size >= 0 else len(piece)
        piece, self.unread = piece[:size], piece[size:]
        return piece


class SocketOfRequest:
    """The request in hand to be read from ``source``, and a response to be written; after 101, whatever follows.

    It has what handlers, and those who read and write frames, ask a socket for. Options mean nothing here.
    """

    def __init__(self, asked: Asked, source: Source, response: Outgoing) -> None:
        self._asked = asked
        self._source = source
        self._response = response
        self._timeout: float | None = None
        self._has_left = False

    def makefile(self, mode: str = "r", buffering: int | None = None, **_: object) -> Any:  # what the mode says
        """The request, head first, as a file, which ends with the request's body; or one for the response."""
        reads, writes = io.BufferedReader(_Input(self)), io.BufferedWriter(_Output(self))
        if "w" not in mode:
            return reads
        return io.BufferedRWPair(_Input(self), _Output(self)) if "r" in mode else writes

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What comes next. After 101, raises TimeoutError as a socket does; before, the server keeps the time."""
        if self._has_left and self._timeout is not None:
            self._wait(self._timeout)
        return self._source.read1(size)

    def _wait(self, seconds: float) -> None:
        if not self._has_unread() and not self._asked.connection.transport.await_input(seconds):
            raise TimeoutError("timed out") if seconds else BlockingIOError("nothing has come")

    def _has_unread(self) -> bool:
        asked = self._asked
        return bool(self._source.unread or asked.http1.reader.unread) or asked.connection.transport.has_unread()

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:  # any object with the buffer protocol
        """The same, into a buffer."""
        with memoryview(buffer).cast("B") as view:
            data = self.recv(size or len(view))
            view[: len(data)] = data
        return len(data)

    def sendall(self, data: Any, flags: int = 0) -> None:  # any object with the buffer protocol
        """Send what the application writes."""
        self._response.write(bytes(data))
        if self._response.has_left and not self._has_left:
            self._leave_http()

    def _leave_http(self) -> None:
        """From here on, the connection is the application's: it may wait for long, and ends when the server does."""
        self._has_left = True
        connection = self._asked.connection
        connection.leave_loop()
        connection.turn.set_timeout(None)
        connection.transport.tap = None  # what follows belongs to no exchange
        connection.busy = False
        self._asked.note("the connection has left HTTP")

    def send(self, data: Any, flags: int = 0) -> int:  # any object with the buffer protocol
        """Send all of it, too."""
        self.sendall(data)
        return memoryview(data).nbytes

    def fileno(self) -> int:
        """The descriptor of the connection, to wait by."""
        return self._asked.connection.transport.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """How long ``recv`` waits, after 101."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """How long that is."""
        return self._timeout

    def setblocking(self, blocks: bool) -> None:
        """Whether ``recv`` waits at all."""
        self._timeout = None if blocks else 0.0

    def setsockopt(self, *option: object) -> None:
        """The server has set its own."""

    def getpeername(self) -> tuple[str, int]:
        """The client's address."""
        return self._asked.client

    def getsockname(self) -> Any:  # a host and a port, or a path
        """The server's address."""
        return self._asked.server.server_address

    def shutdown(self, how: int) -> None:
        """End it, or one of its directions."""
        self._asked.connection.transport.shut_down(how)

    def close(self) -> None:
        """The server ends the connection when the application returns."""


class _Input(io.RawIOBase):
    def __init__(self, socket: SocketOfRequest) -> None:
        self._socket = socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # any object with the buffer protocol
        return self._socket.recv_into(buffer)


class _Output(io.RawIOBase):
    def __init__(self, socket: SocketOfRequest) -> None:
        self._socket = socket

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # any object with the buffer protocol
        return self._socket.send(data)
