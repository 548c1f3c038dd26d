"""How an event stream is sent: over a connection that waits in the loop, or by the thread that serves it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve import clock
from pytest_httpserve.net.connection import LINGER_SECONDS
from pytest_httpserve.scripting.live.waiting import Interrupted, pause
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

_SEND_SECONDS = 10.0
_LONG = 86_400.0


class Outlet(Protocol):
    """Sends an event stream. It calls ``over`` when the client has gone, or when the server ends the stream."""

    def send(self, data: bytes, /) -> None:
        """Send more of the body. Raises OSError if the client has gone."""

    def end(self) -> None:
        """End the body in an orderly way."""

    def reset(self) -> None:
        """Reset the connection or, over HTTP/2, the stream."""


class Resting:
    """The connection waits for its client in the loop, and the thread that sends writes to it directly."""

    def __init__(self, asked: Asked, over: Callable[[], object], *, chunked: bool) -> None:
        loop = service_of(asked.server).loop
        assert loop is not None  # each HTTPServe has one
        self._loop = loop
        self._connection = asked.connection
        self._over = over
        self._chunked = chunked
        self._changed = threading.Lock()
        self._expiry: float | None = None
        self._resets = False
        self._duplex = self._connection.duplex()

    def begin(self) -> None:
        """Wait for the client to leave."""
        self._connection.busy = False
        self._go_on()

    def _serve(self) -> None:
        """Called when the client has gone or sent something, the server stops, or the client has not left in time."""
        if self._resets:
            self._duplex.end_by(self._connection.ending.reset)
        elif not self._connection.closing and self._receives():
            self._go_on()
            return
        self._over()

    def _receives(self) -> bool:
        """Read and ignore what the client has sent. Whether the client is still there."""
        try:
            return self._duplex.receive() != b""
        except OSError:
            return False

    def _go_on(self) -> None:
        with self._changed:
            left = max(self._expiry - clock.monotonic(), 0.0) if self._expiry is not None else None
            self._connection.turn.await_client(self._serve, left)

    def send(self, data: bytes) -> None:
        self._duplex.send(lambda: encode_chunk(data) if self._chunked else data, _SEND_SECONDS)

    def end(self) -> None:
        try:
            if self._chunked:
                self._duplex.send(lambda: encode_last_chunk(()), _SEND_SECONDS)
            self._connection.ending.say("server", "FIN")
            self._duplex.end()
        except OSError:
            return  # the client left first
        self._end_within(LINGER_SECONDS)

    def reset(self) -> None:
        self._connection.ending.say("server", "RST")
        self._resets = True
        self._end_within(0.0)

    def _end_within(self, seconds: float) -> None:
        with self._changed:
            self._expiry = expiry = clock.monotonic() + seconds
            self._connection.turn.expiry = expiry
        self._loop.expect(expiry)


class InThread:
    """The thread that serves the connection sends the stream, so that faults and delays can apply."""

    def __init__(self, asked: Asked, over: Callable[[], object]) -> None:
        self._asked = asked
        self._connection = asked.connection
        self._over = over
        self._waiting: deque[bytes] = deque()
        self._more = threading.Event()
        self._ended = self._resets = False

    def pieces(self) -> Iterator[bytes]:
        """The pieces of the body as they come. Raises OSError if it breaks off."""
        try:
            while not self._resets:
                self._more.clear()
                while self._waiting and not self._resets:
                    yield self._waiting.popleft()
                if self._ended and not self._waiting:
                    return
                self._await_more()
            self._asked.reset_connection()
            raise self._connection.transport.failed(Interrupted("the test has reset the stream"))
        finally:
            self._over()

    def _await_more(self) -> None:
        connection = self._connection
        if pause(connection, _LONG, self._more, heeds_client=True):
            return
        if connection.closing:
            connection.ending.say_whose()
            raise connection.transport.failed(Interrupted("the server stopped while the stream was open"))
        raise connection.transport.failure or ConnectionAbortedError("the client left")

    def send(self, data: bytes) -> None:
        self._waiting.append(data)
        self._more.set()

    def end(self) -> None:
        self._ended = True
        self._more.set()

    def reset(self) -> None:
        self._connection.ending.say("server", "RST")
        self._resets = True
        self._more.set()
