"""Listening, accepting and stopping: the part of a server that knows nothing of HTTP.

The accept loop waits on the listening socket and on a wake-up pipe, never for an interval to pass. Every connection
is tracked from its first to its last moment, so that a stop can wake all of them and name those that will not end.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Self

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.poller import Wake, readiness

logger = logging.getLogger("pytest_httpserve.server")

# How long a connection that was cut off has to notice, in seconds.
AFTERMATH = 0.25
# How long nothing is accepted when the system has no room for another connection, and none ends; in seconds.
EXHAUSTED_SECONDS = 0.1
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ListeningServer(socketserver.TCPServer):
    """A TCP server whose loop is woken, not polled, and whose connections end with it.

    ``grace`` is how long ``server_close`` waits for running handlers before it cuts their connections, in seconds;
    None waits until they end.
    """

    request_queue_size = 1024
    grace: float | None = 1.0

    connections: dict[socket.socket, Connection]
    _changed: threading.Condition
    _process: int
    _stop_asked = False
    _closing = False
    _tracked = 0
    _exhausted = False  # whether the system had no room once, and the log says so
    _serving: threading.Thread | None = None
    _wake: Wake | None = None

    # Not in __init__: subclasses that bring a socket of their own call no other than BaseServer's.
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        self.connections = {}
        self._changed = threading.Condition()
        self._process = os.getpid()
        return self

    @property
    def inherited(self) -> bool:
        """Whether this process is a fork of the one that serves: it has copies of all sockets, and no thread."""
        return os.getpid() != self._process

    def server_bind(self) -> None:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            self.allow_reuse_address = False  # by which socketserver would do what is not wanted there
            keep_port(self.socket)
        super().server_bind()

    # The loop

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until ``shutdown``.

        ``poll_interval`` (seconds) is how often ``service_actions`` is called, and matters only to a subclass that
        defines it; a shutdown never waits for it.
        """
        with self._wakeable() as wake:
            if not self._stop_asked:  # else the listener may be closed by now
                self._serve(wake, poll_interval)

    def handle_request(self) -> None:
        """Serve one connection, or call ``handle_timeout`` when none comes within ``timeout`` seconds.

        ``shutdown`` and ``server_close`` end the wait.
        """
        with self._wakeable() as wake:
            if self._stop_asked:
                return
            limits = [limit for limit in (self.socket.gettimeout(), self.timeout) if limit is not None]
            ready = readiness(self.fileno(), wake.fileno())(min(limits, default=None))
            if self._stop_asked:
                return
            if ready:
                self.accept_one()
            else:
                self.handle_timeout()

    @contextlib.contextmanager
    def _wakeable(self) -> Iterator[Wake]:
        """While this thread serves: what another one ends its wait with."""
        wake = Wake()
        with self._changed:
            self._wake, self._serving = wake, threading.current_thread()
        try:
            with wake.on_signals():
                yield wake
        finally:
            with self._changed:
                self._stop_asked, self._wake, self._serving = False, None, None
                self._changed.notify_all()
            wake.close()

    def _serve(self, wake: Wake, poll_interval: float) -> None:
        interval = self._actions_interval(poll_interval)
        listener_timeout = self.socket.gettimeout()
        # A client that left between its announcement and the accept must not block the loop in accept.
        self.socket.setblocking(False)
        listener = self.fileno()
        try:
            wait, wait_for_room = readiness(listener, wake.fileno()), readiness(wake.fileno())
            while not self._stop_asked:
                ready = wait(interval)
                if self._stop_asked:
                    break
                if wake.fileno() in ready:  # by a signal
                    wake.clear()
                if listener in ready and not self.accept_one():
                    wait_for_room(EXHAUSTED_SECONDS)
                self.service_actions()
        finally:
            # It is closed by now if a handler that ran in the loop has closed the server.
            with contextlib.suppress(OSError):
                self.socket.settimeout(listener_timeout)

    def accept_one(self) -> bool:
        """Accept a connection and have it processed; False if the system has no room for another one.

        What goes wrong with a connection concerns it alone, as ``socketserver`` has it.
        """
        try:
            request, client_address = self.get_request()
        except OSError as error:
            if error.errno not in _EXHAUSTED:  # its client has left again
                return True
            if not self._exhausted:
                self._exhausted = True
                logger.error("%s: connections wait until others have ended", error)
            return False
        try:
            if self.verify_request(request, client_address):
                with self._changed:
                    self._begin_tracking(request, client_address)
                self.process_request(request, client_address)
            else:
                self.shutdown_request(request)
        except Exception:
            self.handle_error(request, client_address)
            self.shutdown_request(request)
        except BaseException:
            self.shutdown_request(request)
            raise
        return True

    def _actions_interval(self, poll_interval: float) -> float | None:
        """How long to wait at most before ``service_actions`` is called; None if it does nothing."""
        actions = getattr(self.service_actions, "__func__", None)
        return poll_interval if actions is not socketserver.BaseServer.service_actions else None

    def shutdown(self) -> None:
        """End ``serve_forever`` and return when it has ended, at once if it does not run.

        Called before ``serve_forever`` starts in its thread, it ends it as soon as it does.
        """
        if self.inherited:
            return  # it does not run here
        with self._changed:
            self._ask_to_stop()
            for connection in list(self.connections.values()):
                # Served by the loop's own thread: the loop cannot end while this one waits for its client.
                if connection.thread is self._serving:
                    connection.close_when_idle()
            if self._serving is threading.current_thread():
                return  # called by a handler that the loop itself runs: it ends as soon as that one has
            self._changed.wait_for(lambda: self._serving is None)

    def _ask_to_stop(self) -> None:
        self._stop_asked = True
        if self._wake is not None:
            self._wake.set()

    def _wake_up(self) -> None:
        """Have the thread that serves look at what has changed."""
        with self._changed:  # or the wake-up could be closed in between, and its number be another file's
            if self._wake is not None:
                self._wake.set()

    # Connections

    def track(self, request: socket.socket, client_address: object) -> Connection:
        """The record of this connection, made when first asked for.

        ``request`` may also be what a subclass, or a handler class, has made of the socket that was accepted.
        """
        if (known := self.connections.get(request)) is not None:
            return known
        with self._changed:
            return (
                self.connections.get(request)
                or self._wrapped_by(request)
                or self._begin_tracking(request, client_address)
            )

    def _wrapped_by(self, request: socket.socket) -> Connection | None:
        file = request.fileno()
        # The latest: others that had its number are about to be forgotten.
        for connection in reversed(self.connections.values()):
            if connection.file == file and (connection.socket is request or connection.socket.fileno() < 0):
                connection.wrap(request)
                return connection
        return None

    def _begin_tracking(self, request: socket.socket, client_address: object) -> Connection:
        connection = self.connections[request] = Connection(request, client_address)
        connection.closing = self._closing
        connection.index, self._tracked = self._tracked, self._tracked + 1
        self.connection_opened(connection)
        return connection

    def connection_opened(self, connection: Connection) -> None:
        """Called with each new connection, before anything is read from it; does nothing."""

    def connection_closed(self, connection: Connection) -> None:
        """Called with each connection when its socket is closed; does nothing."""

    # typeshed allows the socket or, for datagrams, a pair; a TCP server only ever has the socket.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        connection = self.track(request, client_address)
        with self._changed:
            connection.thread = threading.current_thread()
            if self._stop_asked and self._serving is connection.thread:
                connection.closing = True  # the shutdown came before it could know of this one
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        if (connection := self.connections.get(request)) is not None:
            connection.end(*connection.whose_end())
        super().shutdown_request(request)

    def close_request(self, request: socket.socket) -> None:  # type: ignore[override]
        super().close_request(request)
        with self._changed:
            connection = self.connections.pop(request, None)
            self._changed.notify_all()
        if connection is not None:
            if connection.socket is not request:  # somebody has made it of the one that was accepted
                connection.socket.close()
            self.connection_closed(connection)
            connection.forget()

    # The end

    def server_close(self) -> None:
        """Stop serving and listening, and end every connection.

        Idle connections end at once, those of running handlers when the handler ends or ``grace`` is over. What does
        not end even then goes to ``report_hanging``.

        In a fork of the process that serves, it closes the copies of the sockets, and the server goes on.
        """
        if self.inherited:
            for request in self.connections:
                request.close()
            super().server_close()
            return
        me = threading.current_thread()
        with self._changed:
            self._ask_to_stop()
        if not self._closing:
            self._dismiss()
        started = time.monotonic()
        # The loop must not be left with a closed listener.
        self._wait(lambda: self._serving in (None, me), self.grace)
        super().server_close()
        self.end_connections(None if self.grace is None else self.grace - (time.monotonic() - started))

    def _dismiss(self) -> None:
        """Tell all connections to end, and those that are still to come."""
        with self._changed:
            self._closing = True
        for connection in list(self.connections.values()):
            connection.close_when_idle()

    def end_connections(self, seconds: float | None) -> None:
        """Wait until the connections, which were told to, have ended; after ``seconds``, cut those that are left."""
        if self.wait_for_connections(seconds):
            return
        for connection in self._others():
            connection.abort()
        if not self.wait_for_connections(AFTERMATH):
            self.report_hanging(self._others())

    def wait_for_connections(self, seconds: float | None) -> bool:
        """Whether all connections have ended within ``seconds``."""
        return self._wait(lambda: not self._others(), seconds)

    def _others(self) -> list[Connection]:
        """The connections but for one that is served by the calling thread: a handler may close its own server."""
        me = threading.current_thread()
        return [connection for connection in list(self.connections.values()) if connection.thread is not me]

    def _wait(self, condition: Callable[[], bool], seconds: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def report_hanging(self, connections: list[Connection]) -> None:
        """Called by ``server_close`` with the connections whose handlers did not end; logs each with its stack."""
        for connection in connections:
            logger.error("%s", describe_hanging(connection))


def describe_hanging(connection: Connection) -> str:
    """Which request a handler hangs in, on which thread, and where."""
    thread = connection.thread
    name = thread.name if thread is not None else "no thread"
    frame = sys._current_frames().get(thread.ident) if thread is not None and thread.ident is not None else None
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "(it has just ended)\n"
    return f"the handler of {connection.doing or connection.peer!r} did not end ({name}); it stands here:\n{stack}"


def keep_port(sock: socket.socket) -> None:
    """Before it is bound: its port may be one that was just left, and is nobody else's as long as it has it.

    That is what SO_REUSEADDR says, but for Windows, where it lets two servers have one port.
    """
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
