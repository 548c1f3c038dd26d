"""Listening: accepting connections by a thread that waits, or as an entry of a loop.

Nothing here waits for an interval to pass: the wait is for the listening socket, and for a wake-up. What accepts is a
server as ``socketserver`` has it, whose methods are called as documented there.
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

# How long nothing is accepted when the system has no room for another connection, and none ends; in seconds.
EXHAUSTED_SECONDS = 0.1
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Accepting(Protocol):
    """Who has connections accepted; see ``pytest_httpserve.net.service.Service``."""

    stop_asked: bool

    def begin(self, request: socket.socket, client_address: object, /) -> object:
        """One has been accepted."""


class Acceptor:
    """Accepts for one server. ``taking`` is whether a connection is being taken that the service does not know yet."""

    taking: bool = False

    def __init__(self, server: socketserver.TCPServer, service: Accepting) -> None:
        self._server = server
        self._service = service
        self._exhausted = False  # whether the system had no room once, and the log says so

    def accept_one(self) -> bool:
        """Accept a connection and have it processed; False if the system has no room for another one.

        What goes wrong with a connection concerns it alone, as ``socketserver`` has it.
        """
        server = self._server
        self.taking = True
        try:
            request, client_address = server.get_request()
        except OSError as error:
            self.taking = False
            if error.errno not in EXHAUSTED:  # its client has left again
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
        # A client that left between its announcement and the accept must not block the loop in accept.
        server.socket.setblocking(False)
        listener = server.fileno()
        try:
            wait, wait_for_room = readiness(listener, wake.fileno()), readiness(wake.fileno())
            while not service.stop_asked:
                ready = wait(interval)
                if service.stop_asked:
                    break
                if wake.fileno() in ready:  # by a signal
                    wake.clear()
                if listener in ready and not self.accept_one():
                    wait_for_room(EXHAUSTED_SECONDS)
                server.service_actions()
        finally:
            # It is closed by now if a handler that ran in the loop has closed the server.
            with contextlib.suppress(OSError):
                server.socket.settimeout(listener_timeout)


class Listener:
    """A server's listening socket, as an entry of a loop."""

    expiry: float | None = None  # of a pause, since the system has no room for another connection
    led: bool = False

    def __init__(self, server: socketserver.TCPServer, service: Accepting, loop: Loop, *, watched: bool) -> None:
        self.file: int = server.fileno()
        self._socket = server.socket
        self._acceptor = Acceptor(server, service)
        self._watched = watched
        self._loop = loop
        self._claimed = threading.Lock()
        self._accepting: int | None = None  # in which thread
        self._ended = False
        self._timeout = server.socket.gettimeout()
        # A client that left between its announcement and the accept must not block the loop in accept.
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
                # The server class may shake hands while it accepts, or look who has come.
                accept = self._acceptor.accept_one
                room = self._loop.run(self, accept) if self._watched else accept()
        finally:
            self.led, self._accepting = False, None
            if not self._ended:
                self._go_on(room)
            self._claimed.release()

    def _go_on(self, room: bool) -> None:
        if not self._loop.has(self):  # accepting took its time, and the loop has gone on without
            self._loop.add(self)
        if not room:
            self._loop.pause(self, EXHAUSTED_SECONDS)

    def expire(self) -> bool:
        self.resume()
        return True

    def has_more(self) -> bool:
        """Whether clients have connected that are yet to be accepted."""
        if self._ended or self.expiry is not None:
            return False
        try:
            return bool(readiness(self.file)(0)) or self._acceptor.taking
        except (OSError, ValueError):  # it is closed
            return False

    def resume(self) -> None:
        """Go on after a pause: there may be room again."""
        if self.expiry is not None:
            self._loop.resume(self)

    def end(self, seconds: float | None) -> None:
        """Accept no more: when this returns, no connection comes any more.

        One that is just being accepted is waited for, but no longer than this; None waits until it is.
        """
        self._ended = True
        self._loop.remove(self)
        if self._accepting != threading.get_ident():
            if self._claimed.acquire(timeout=-1 if seconds is None else seconds):
                self._claimed.release()
            if self._loop.has(self):  # it has been put back meanwhile
                self._loop.remove(self)
        with contextlib.suppress(OSError):  # it is closed
            self._socket.settimeout(self._timeout)


def end_listening(sock: socket.socket) -> None:
    """Before it is closed: end it, and with it the copies that forks of the process have. Nobody is accepted now."""
    with contextlib.suppress(OSError):  # it did not listen, or is closed; and not every system does that
        sock.shutdown(socket.SHUT_RDWR)


def keep_port(sock: socket.socket) -> None:
    """Before it is bound: its port may be one that was just left, and is nobody else's as long as it has it.

    That is what SO_REUSEADDR says, but for Windows, where it lets two servers have one port.
    """
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
