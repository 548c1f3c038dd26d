"""Whether clients can connect: the server listens, its port refuses, or its backlog is full."""

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

# Seconds before a port that a server has left is used again: a client may still have it in its connection pool.
RECYCLE_SECONDS = 10.0
# At most so many ports are kept out of use in this way: the system has 14,000 to 28,000 to choose from, so with more it
# would be hard to find a free one.
MOST_LEFT = 4096
# After putting back so many ports, take the next one in any case.
MOST_PUT_BACK = 64
# The old listener may not be quite gone: attempts to take its port again, and seconds between them.
_ATTEMPTS = 50
_PAUSE = 0.02

_left: dict[int, float] = {}  # ports, and when a server of this process left them, oldest first
_lock = ForkedLock()


class Presence:
    """Where a server listens, and the sockets that hold the place when it does not."""

    def __init__(self, server: ThreadingHTTPServer, loop: Loop) -> None:
        self._server = server
        self._loop = loop
        self._stand_ins: list[socket.socket] = []
        service_of(server).attach(server, loop, watched=False)
        self._there = True

    def resume(self) -> None:
        """Listen again on the same address."""
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
        """Stop listening. The port stays taken, so that nobody else answers there."""
        if self._refuses:
            return
        self._leave()
        if not self._is_unix:  # a Unix socket's file stays, and nobody listens
            self._stand_ins.append(_again(lambda: self._bind(None)))

    def hang(self) -> None:
        """Make connecting hang with a full backlog. Raises UnsupportedError where a full backlog refuses instead."""
        if system.PLATFORM != "linux" or self._is_unix:
            raise UnsupportedError("hang() works only on Linux and over TCP: elsewhere, a full backlog refuses")
        self._leave()
        listener = _again(lambda: self._bind(0))
        filler = socket.socket(listener.family)
        self._stand_ins += [listener, filler]
        # A backlog of 0 takes one connection. Do not wait for it: a client may have been faster.
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())

    def end(self) -> None:
        """Close the sockets that hold the place: the server has stopped."""
        self._clear()

    def close_copies(self) -> None:
        """In a fork of the process, close the copies of these sockets."""
        for sock in self._stand_ins:
            close_copy(sock)

    @property
    def _refuses(self) -> bool:
        """Whether a socket holds the port without listening."""
        return len(self._stand_ins) == 1

    @property
    def _is_unix(self) -> bool:
        return self._server.address_family == getattr(socket, "AF_UNIX", None)

    def _leave(self) -> None:
        """Close the listener and all connections. Busy ones end after the current response."""
        self._clear()
        service = service_of(self._server)
        if self._there:
            self._there = False
            service.detach(self._server.grace)
            end_listening(self._server.socket)
            self._server.socket.close()
        service.dismiss()
        # A client that has its response must not find its connection still open, so give it a moment.
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
                    os.unlink(server.server_address)  # type: ignore[arg-type]  # a path, for a Unix socket
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
    """Note that a server has left this port."""
    now = clock.monotonic()
    with _lock:
        _left.pop(port, None)  # move it to the end
        _left[port] = now
        while len(_left) > MOST_LEFT or _left[next(iter(_left))] < now - RECYCLE_SECONDS:
            del _left[next(iter(_left))]


def is_fresh(port: int) -> bool:
    """Whether no server of this process has just left this port."""
    when = _left.get(port)
    return when is None or clock.monotonic() - when >= RECYCLE_SECONDS
