"""Stand-ins for the socket of a request: applications read the request from them, and write the response to them.

Once an application has answered 101, the connection belongs to it, as on a server from ``http.server``.
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
    """The source of a request. ``unread`` has come in already, and can be read without waiting."""

    @property
    def unread(self) -> bytes:
        """Bytes that can be read without waiting."""

    def read1(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes: those that are there, or the next ones. Empty at the end."""


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
    """A socket from which the request can be read, and to which the response can be written; after 101, any bytes.

    It has the methods of a socket that handlers and WebSocket libraries use. Socket options have no effect.
    """

    def __init__(self, asked: Asked, source: Source, response: Outgoing) -> None:
        self._asked = asked
        self._source = source
        self._response = response
        self._timeout: float | None = None
        self._has_left = False

    def makefile(self, mode: str = "r", buffering: int | None = None, **_: object) -> Any:  # depends on the mode
        """A file to read the request from, up to the end of its body, or to write the response to."""
        reads, writes = io.BufferedReader(_Input(self)), io.BufferedWriter(_Output(self))
        if "w" not in mode:
            return reads
        return io.BufferedRWPair(_Input(self), _Output(self)) if "r" in mode else writes

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The next bytes. After 101, raises TimeoutError like a socket; before, the server applies its own timeouts."""
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
        """Like ``recv``, into a buffer."""
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
        """Leave the connection to the application, without a timeout, until the server stops."""
        self._has_left = True
        connection = self._asked.connection
        connection.leave_loop()
        connection.turn.set_timeout(None)
        connection.transport.tap = None  # the following bytes belong to no exchange
        connection.busy = False
        self._asked.note("the connection has left HTTP")

    def send(self, data: Any, flags: int = 0) -> int:  # any object with the buffer protocol
        """Send everything, like ``sendall``."""
        self.sendall(data)
        return memoryview(data).nbytes

    def fileno(self) -> int:
        """The descriptor of the connection, to wait for it."""
        return self._asked.connection.transport.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Set how long ``recv`` waits after 101."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """How long ``recv`` waits after 101."""
        return self._timeout

    def setblocking(self, blocks: bool) -> None:
        """Set whether ``recv`` waits at all."""
        self._timeout = None if blocks else 0.0

    def setsockopt(self, *option: object) -> None:
        """Do nothing: the server has set its own options."""

    def getpeername(self) -> tuple[str, int]:
        """The client's address."""
        return self._asked.client

    def getsockname(self) -> Any:  # a host and a port, or a path
        """The server's address."""
        return self._asked.server.server_address

    def shutdown(self, how: int) -> None:
        """Shut down one or both directions."""
        self._asked.connection.transport.shut_down(how)

    def close(self) -> None:
        """Do nothing: the server closes the connection when the application returns."""


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
