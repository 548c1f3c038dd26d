"""Whether a server is there for those who connect: listening, refusing on its port, or with a backlog that is full."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.errors import HTTPServeError, UnsupportedError
from pytest_httpserve.net import system
from pytest_httpserve.net.forks import ForkedLock, close_copy
from pytest_httpserve.net.listening import end_listening, keep_port
from pytest_httpserve.net.service import AFTERMATH
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from pytest_httpserve.net.loop import Loop
    from pytest_httpserve.server.servers import ThreadingHTTPServer

# A port that a server has left is not taken again for so long, in seconds: a client may still have it in its pool.
RECYCLE_SECONDS = 10.0
# Nor while so many others have not been left since: were more of them taken out, those that are free would be hard to
# find, for the system gives one out of some 14,000 to 28,000.
MOST_LEFT = 4096
# So many ports are put back before one is taken as it is.
MOST_PUT_BACK = 64
# The listener that went may not have gone altogether: so many attempts to take its port, so many seconds apart.
_ATTEMPTS = 50
_PAUSE = 0.02

_left: dict[int, float] = {}  # ports, and when a server of this process left them: the latest last
_lock = ForkedLock()


class Presence:
    """Where a server listens, and what stands there when it does not."""

    def __init__(self, server: ThreadingHTTPServer, loop: Loop) -> None:
        self._server = server
        self._loop = loop
        self._stand_ins: list[socket.socket] = []
        service_of(server).attach(server, loop, watched=False)
        self._there = True

    def resume(self) -> None:
        """Listen, on the same address."""
        if not self._there:
            backlog = self._server.request_queue_size
            if self._refuses:
                self._server.socket = self._stand_ins.pop()
                self._server.socket.listen(backlog)
            else:
                self._clear()
                self._server.socket = _again(lambda: self._bind(backlog))
            service_of(self._server).attach(self._server, self._loop, watched=False)
            self._there = True

    def refuse(self) -> None:
        """Listen no more. The port stays taken, so that nobody else answers."""
        if self._refuses:
            return
        self._leave()
        if not self._is_unix:  # where the file stays, and nobody listens
            self._stand_ins.append(_again(lambda: self._bind(None)))

    def hang(self) -> None:
        """Let connecting hang: the backlog is full. Raises UnsupportedError where a full backlog refuses."""
        if system.PLATFORM != "linux" or self._is_unix:
            raise UnsupportedError("connecting hangs on Linux alone, and over TCP: elsewhere, a full backlog refuses")
        self._leave()
        listener = _again(lambda: self._bind(0))
        filler = socket.socket(listener.family)
        self._stand_ins += [listener, filler]
        filler.connect(listener.getsockname())  # which is all that a backlog of 0 takes

    def end(self) -> None:
        """The server has stopped."""
        self._clear()

    def close_copies(self) -> None:
        """In a fork of the process: close what stands in for the server."""
        for sock in self._stand_ins:
            close_copy(sock)

    @property
    def _refuses(self) -> bool:
        """Whether a socket stands in that has the port, and does not listen."""
        return len(self._stand_ins) == 1

    @property
    def _is_unix(self) -> bool:
        return self._server.address_family == getattr(socket, "AF_UNIX", None)

    def _leave(self) -> None:
        """No listener, and no connections: those that are busy end with the response in hand."""
        self._clear()
        service = service_of(self._server)
        if self._there:
            self._there = False
            service.detach(self._server.grace)
            end_listening(self._server.socket)
            self._server.socket.close()
        service.dismiss()
        # A client that has its response must not find the connection still open: a moment may be missing.
        service.wait_for_connections(AFTERMATH)

    def _clear(self) -> None:
        while self._stand_ins:
            sock = self._stand_ins.pop()
            end_listening(sock)
            sock.close()

    def _bind(self, backlog: int | None) -> socket.socket:
        """A socket on the server's address, listening if there is a ``backlog``."""
        server = self._server
        sock = socket.socket(server.address_family, server.socket_type)
        try:
            if self._is_unix:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(server.server_address)  # type: ignore[arg-type]  # of a Unix socket, it is a path
            else:
                keep_port(sock)
                if server.address_family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, server.server_address[0] != "::")
            sock.bind(server.server_address)
            if backlog is not None:
                sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return sock


def _again(bind: Callable[[], socket.socket]) -> socket.socket:
    for attempt in range(_ATTEMPTS):
        try:
            return bind()
        except OSError as error:
            if attempt == _ATTEMPTS - 1:
                raise HTTPServeError(f"cannot take the port again: {error.strerror}") from None
            clock.sleep(_PAUSE)
    raise AssertionError("there is at least one attempt")


# Ports


def left(port: int) -> None:
    """A server has left this port."""
    now = clock.monotonic()
    with _lock:
        _left.pop(port, None)  # what is put in last stands last
        _left[port] = now
        while len(_left) > MOST_LEFT or _left[next(iter(_left))] < now - RECYCLE_SECONDS:
            del _left[next(iter(_left))]


def is_fresh(port: int) -> bool:
    """Whether it is none of those that servers of this process have just left."""
    when = _left.get(port)
    return when is None or clock.monotonic() - when >= RECYCLE_SECONDS
