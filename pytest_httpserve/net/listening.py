"""Listening: accepts connections in a waiting thread, or as an entry of a loop.

Nothing here polls at an interval: it waits for the listening socket, and for a wake-up. Connections are accepted by a
``socketserver`` server, whose methods are called as documented there.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve.net.poller import Wake, readiness

if TYPE_CHECKING:
    from pytest_httpserve.net.loop import Loop

logger: logging.Logger = logging.getLogger("pytest_httpserve.server")

# How many seconds to accept nothing when the system has no room for another connection, and none ends
EXHAUSTED_SECONDS = 0.1
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Accepting(Protocol):
    """Receives the accepted connections; see ``pytest_httpserve.net.service.Service``."""

    stop_asked: bool

    def begin(self, request: socket.socket, client_address: object, /) -> object:
        """Take over an accepted connection."""


class Acceptor:
    """Accepts for one server. ``taking`` is True while a connection is accepted that the service does not know yet."""

    taking: bool = False

    def __init__(self, server: socketserver.TCPServer, service: Accepting) -> None:
        self._server = server
        self._service = service
        self._exhausted = False  # whether the system has run out of room, and this was logged

    def accept_one(self) -> bool:
        """Accept a connection and have it processed; False if the system has no room for another one.

        A failure of one connection does not affect others, as in ``socketserver``.
        """
        server = self._server
        self.taking = True
        try:
            request, client_address = server.get_request()
        except OSError as error:
            self.taking = False
            if error.errno not in EXHAUSTED:  # its client has already left
                return True
            if not self._exhausted:
                self._exhausted = True
                logger.error("%s: connections wait until others have ended", error)
            return False
        try:
            if server.verify_request(request, client_address):
                self._service.begin(request, client_address)
                self.taking = False
                server.process_request(request, client_address)
            else:
                self.taking = False
                server.shutdown_request(request)
        except Exception:
            self.taking = False
            server.handle_error(request, client_address)
            server.shutdown_request(request)
        except BaseException:
            server.shutdown_request(request)
            raise
        return True

    def accept_all(self, wake: Wake, interval: float | None) -> None:
        """Accept until ``service`` is asked to stop; ``service_actions`` is called every ``interval`` seconds."""
        server, service = self._server, self._service
        listener_timeout = server.socket.gettimeout()
        # If the client leaves before the accept, the accept must not block.
        server.socket.setblocking(False)
        listener = server.fileno()
        try:
            wait, wait_for_room = readiness(listener, wake.fileno()), readiness(wake.fileno())
            while not service.stop_asked:
                ready = wait(interval)
                if service.stop_asked:
                    break
                if wake.fileno() in ready:  # set by a signal
                    wake.clear()
                if listener in ready and not self.accept_one():
                    wait_for_room(EXHAUSTED_SECONDS)
                server.service_actions()
        finally:
            # A handler that ran in the loop may have closed the server.
            with contextlib.suppress(OSError):
                server.socket.settimeout(listener_timeout)


class Listener:
    """A server's listening socket, as an entry of a loop."""

    expiry: float | None = None  # the end of a pause while the system has no room for another connection
    led: bool = False

    def __init__(self, server: socketserver.TCPServer, service: Accepting, loop: Loop, *, watched: bool) -> None:
        self.file: int = server.fileno()
        self._socket = server.socket
        self._acceptor = Acceptor(server, service)
        self._watched = watched
        self._loop = loop
        self._claimed = threading.Lock()
        self._accepting: int | None = None  # the thread that is accepting
        self._ended = False
        self._timeout = server.socket.gettimeout()
        # If the client leaves before the accept, the accept must not block.
        server.socket.setblocking(False)

    def claim(self, leader: threading.Thread) -> bool:
        if not self._claimed.acquire(False):
            return False
        self.led = True
        return True

    def go_alone(self) -> None:
        self.led = False

    def proceed(self) -> None:
        self._accepting = threading.get_ident()
        room = True
        try:
            if not self._ended:
                # The server class may shake hands while it accepts, or check the client's address.
                accept = self._acceptor.accept_one
                room = self._loop.run(self, accept) if self._watched else accept()
        finally:
            self.led, self._accepting = False, None
            if not self._ended:
                self._go_on(room)
            self._claimed.release()

    def _go_on(self, room: bool) -> None:
        if not self._loop.has(self):  # accepting took long, and the loop has gone on without it
            self._loop.add(self)
        if not room:
            self._loop.pause(self, EXHAUSTED_SECONDS)

    def expire(self) -> bool:
        self.resume()
        return True

    def has_more(self) -> bool:
        """Whether connections are waiting to be accepted."""
        if self._ended or self.expiry is not None:
            return False
        try:
            return bool(readiness(self.file)(0)) or self._acceptor.taking
        except (OSError, ValueError):  # it is closed
            return False

    def resume(self) -> None:
        """End a pause: there may be room again."""
        if self.expiry is not None:
            self._loop.resume(self)

    def end(self, seconds: float | None) -> None:
        """Stop accepting: when this returns, no more connections come.

        Waits up to ``seconds`` for a connection that is just being accepted; None waits without limit.
        """
        self._ended = True
        self._loop.remove(self)
        if self._accepting != threading.get_ident():
            if self._claimed.acquire(timeout=-1 if seconds is None else seconds):
                self._claimed.release()
            if self._loop.has(self):  # the accepting thread has put it back
                self._loop.remove(self)
        with contextlib.suppress(OSError):  # it is closed
            self._socket.settimeout(self._timeout)


def end_listening(sock: socket.socket) -> None:
    """Before closing a listening socket: shut it down, together with its copies in forks of the process."""
    with contextlib.suppress(OSError):  # it is not listening, or is closed; and not every system supports this
        sock.shutdown(socket.SHUT_RDWR)


def keep_port(sock: socket.socket) -> None:
    """Before binding a socket: allow a port that was just released, but no port that another socket has.

    SO_REUSEADDR does this, except on Windows, where it lets two servers share one port.
    """
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
