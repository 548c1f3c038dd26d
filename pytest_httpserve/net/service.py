"""What a server does beyond ``socketserver``: it serves until it is asked to stop, and ends its connections.

It tracks every connection from its first to its last moment, so that a stop can wake all of them and name those that
do not end.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

from pytest_httpserve import clock
from pytest_httpserve.net import system
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.forks import close_copy
from pytest_httpserve.net.listening import Acceptor, Listener, end_listening
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.poller import Wake, readiness
from pytest_httpserve.net.watcher import Watcher
from pytest_httpserve.net.workers import Workers

DEFAULT_GRACE = 1.0
# How long a connection that was cut off has to notice, in seconds.
AFTERMATH = 0.25
# How long a connection whose client has gone has to end: most are about to.
_MOMENT = 0.02
# How often a wait checks whether clients have left.
_GLANCE = 0.05
# How often a wait checks whether pending connections have been accepted.
_ACCEPTING = 0.001


class Service:
    """The part of a server that ``socketserver`` does not have.

    ``stop_asked`` is whether ``serve`` is to end, ``closing`` whether the server is. ``loop`` is where its connections
    rest; None if it serves in threads alone.
    """

    def __init__(self) -> None:
        self.watcher: Watcher = Watcher()
        self._maker = system.getpid()
        self._serves = False
        self.at_close: list[Callable[[], object]] = []  # called when all connections have ended
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.stop_asked: bool = False
        self.closing: bool = False
        self.loop: Loop | None = None
        self.connections: dict[socket.socket, Connection] = {}
        # By descriptor, the latest: an earlier one with the same number is about to be forgotten.
        self._numbered: dict[int, Connection] = {}
        # Used itself where nobody waits or is notified: through the condition it takes three times as long.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # how many threads wait for a change
        self._process = system.getpid()
        self._tracked = 0
        self._acts = False  # whether service_actions is to be called after each connection
        self._serving: dict[threading.Thread, Wake] = {}  # serve_forever may run in several
        self._workers: Workers | None = None  # those that it has made
        self._listener: Listener | None = None

    @property
    def inherited(self) -> bool:
        """Whether this process is a fork of the one that serves: it has copies of all sockets, and no thread."""
        return system.getpid() != self._process

    # Serving

    def serve(
        self, server: socketserver.TCPServer, poll_interval: float, workers: Callable[[], Workers] | None = None
    ) -> None:
        """Serve until a stop is asked for: in the calling thread or, with ``workers``, in a loop that they lead.

        Calls ``service_actions`` every ``poll_interval`` seconds, if the server overrides it.
        """
        if self.inherited:
            self._begin_anew()
        actions = getattr(server.service_actions, "__func__", None)
        interval = poll_interval if actions is not socketserver.BaseServer.service_actions else None
        self._serves = True
        with self._wakeable() as wake:
            if self.stop_asked:
                return  # the listener may be closed already
            if workers is None:
                Acceptor(server, self).accept_all(wake, interval)
            else:
                self._acts = interval is not None
                with self._changed:
                    if self._listener is None:
                        self.attach(server, self.loop or Loop(workers()))
                self._wait_for_stop(server, wake, interval)

    def _wait_for_stop(self, server: socketserver.TCPServer, wake: Wake, interval: float | None) -> None:
        wait = readiness(wake.fileno())
        try:
            while not self.stop_asked:
                if wait(interval) and not self.stop_asked:  # by a signal, or a connection
                    wake.clear()
                server.service_actions()
        finally:
            if self.stop_asked or len(self._serving) == 1:
                self.detach(grace_of(server))

    def serve_one(self, server: socketserver.TCPServer) -> None:
        """Serve one connection, or call ``handle_timeout`` when none comes within ``timeout`` seconds.

        The stop ends the wait.
        """
        if self.inherited:
            self._begin_anew()
        self._serves = True
        with self._wakeable() as wake:
            if self.stop_asked:
                return
            limits = [limit for limit in (server.socket.gettimeout(), server.timeout) if limit is not None]
            ready = readiness(server.fileno(), wake.fileno())(min(limits, default=None))
            if self.stop_asked:
                return
            if ready:
                Acceptor(server, self).accept_one()
            else:
                server.handle_timeout()

    @contextlib.contextmanager
    def _wakeable(self) -> Iterator[Wake]:
        """While this thread serves, other threads can end its wait with the wake."""
        wake = Wake()
        me = threading.current_thread()
        with self._changed:
            self._serving[me] = wake
        try:
            with wake.on_signals():
                yield wake
        finally:
            with self._changed:
                del self._serving[me]
                if not self._serving:
                    self.stop_asked = False
                self._changed.notify_all()
            wake.close()

    def attach(self, server: socketserver.TCPServer, loop: Loop, *, watched: bool = True) -> None:
        """Let ``loop`` accept and serve, until ``detach``. With ``watched``, the server's own methods may take their
        time over a new connection."""
        system.check_threads()
        self.loop, self._serves = loop, True
        self._listener = Listener(server, self, loop, watched=watched)
        loop.add(self._listener)

    def detach(self, seconds: float | None) -> None:
        """Stop accepting; connections go on. Waits up to so many seconds for one that is being accepted."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.end(seconds)

    def own_workers(self, name: str, *, daemon: bool) -> Workers:
        """The threads of this server alone, made on first use."""
        if self._workers is None:
            self._workers = Workers(name, daemon=daemon, idle=1.0)
        return self._workers

    # Stopping

    def ask_to_stop(self) -> None:
        """Make ``serve`` end. A signal handler may call this."""
        with self._changed:  # else the wake could be closed meanwhile, and its descriptor belong to another file
            self.stop_asked = True
            self._wake_up()

    def _wake_up(self) -> None:
        for wake in self._serving.values():
            wake.set()

    def stop(self) -> None:
        """Make ``serve`` end, and wait until it has."""
        if self.inherited:
            return  # it does not run here
        with self._changed:
            self.ask_to_stop()
            for connection in list(self.connections.values()):
                # The loop cannot end while its own thread waits for the client of this connection.
                if connection.turn.thread in self._serving:
                    connection.close_when_idle()
            if threading.current_thread() in self._serving:
                return  # called by a handler in the loop's own thread: the loop ends after the handler
            self._wait(lambda: not self._serving, None)

    def close_copies(self, server: socketserver.TCPServer) -> None:
        """In a fork of the process that serves: close all sockets, except those that this thread serves.

        A handler may have forked to let the child serve its connection.
        """
        for connection in self.connections.values():
            if not is_mine(connection):
                close_copy(connection.accepted)
                close_copy(connection.transport.socket)
        close_copy(server.socket)

    def close(self, server: socketserver.TCPServer, close_listener: Callable[[], object], grace: float | None) -> None:
        """Stop, close the listener, and end every connection.

        Idle connections end at once, those of running handlers when the handler ends or after ``grace`` seconds (None
        waits until they end). The watcher is told of handlers that have not ended then.

        In a fork of the process that serves, this closes the copies of the sockets, and the server goes on.
        """
        if self.inherited:
            for request in self.connections:
                request.close()
            close_listener()
            return
        me = threading.current_thread()
        self.ask_to_stop()
        # Do this before the loop's thread wakes for clients that have just left, and competes for the interpreter.
        if not self.closing:
            self.closing = True
            self.dismiss()
        self.detach(grace)
        started = clock.monotonic()
        # The loop must not have a closed listener.
        self._wait(lambda: self._serving.keys() <= {me}, grace)
        # A server that forks of this process serve ends in each of them separately.
        if self._serves and self._maker == system.getpid():
            end_listening(server.socket)
        close_listener()
        self.end_connections(None if grace is None else grace - (clock.monotonic() - started))
        for end in self.at_close:
            end()
        if self._workers is not None:
            self._workers.close(AFTERMATH)

    def dismiss(self) -> None:
        """Tell all connections to end: at once if they are idle, else after the current response."""
        for connection in list(self.connections.values()):
            connection.close_when_idle()

    def end_connections(self, seconds: float | None) -> None:
        """Wait until the connections have ended, as they were told to; after ``seconds``, cut those that are left.

        This does not wait for a handler whose client has gone without its response, unless ``seconds`` is None. Nor
        does it cut such a connection: a client that has only ended its own side may still read.
        """
        hanging: list[Connection] = []
        if not self.wait_for_connections(seconds):
            cut = self._awaited()
            for connection in cut:
                connection.abort()
            self._wait(lambda: not self._left_of(cut), AFTERMATH)
            if hanging := self._left_of(cut):
                self.watcher.hanging(hanging)
                for connection in hanging:
                    connection.left_alone = True
                    self._let_be(connection)
        if abandoned := [connection for connection in self._others() if connection not in hanging]:
            for connection in abandoned:
                connection.left_alone = True
                connection.ending.say("client", "FIN")
            self._wait(lambda: not self._left_of(abandoned), _MOMENT)
            self.watcher.left_alone(self._left_of(abandoned))
            for connection in abandoned:
                self._let_be(connection)

    def accept_pending(self, seconds: float) -> None:
        """Wait up to so many seconds until all clients that have connected are accepted."""
        listener, expiry = self._listener, clock.monotonic() + seconds
        while listener is not None and listener.has_more() and clock.monotonic() < expiry:
            clock.sleep(_ACCEPTING)

    def wait_for_connections(self, seconds: float | None) -> bool:
        """Whether all connections whose clients have not gone end within ``seconds``; with None, wait for all."""
        if seconds is None:
            return self._wait(lambda: not self._others(), None)
        expiry = clock.monotonic() + seconds
        # Nothing notifies this thread of a client that leaves meanwhile.
        while not self._wait(lambda: not self._awaited(), min(max(expiry - clock.monotonic(), 0.0), _GLANCE)):
            if clock.monotonic() >= expiry:
                return False
        return True

    def wait_for(self, connections: list[Connection], seconds: float) -> bool:
        """Whether these connections end within ``seconds``."""
        return self._wait(lambda: not self._left_of(connections), seconds)

    def _awaited(self) -> list[Connection]:
        return [connection for connection in self._others() if not connection.is_abandoned]

    def _left_of(self, connections: list[Connection]) -> list[Connection]:
        """Those of the connections that have not ended."""
        return [connection for connection in self._others() if connection in connections]

    def _let_be(self, connection: Connection) -> None:
        """From now on, nobody waits for the thread that serves the connection."""
        for stream in connection.streams():
            self._let_be(stream)
        thread = connection.turn.thread
        for workers in (self._workers, self.loop.workers if self.loop is not None else None):
            if workers is not None and thread is not None:
                workers.leave_alone(thread)

    def _others(self) -> list[Connection]:
        """All connections except one that this thread serves: a handler may close its own server."""
        return [connection for connection in list(self.connections.values()) if not is_mine(connection)]

    def _wait(self, condition: Callable[[], bool], seconds: float | None) -> bool:
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(condition, seconds)
            finally:
                self._waiting -= 1

    # Connections

    def begin(self, request: socket.socket, client_address: object) -> Connection:
        """Make the record of a connection that was accepted."""
        with self._lock:
            connection = self.connections[request] = Connection(request, client_address)
            self._numbered[connection.number] = connection
            connection.ending.closing = self.closing
            connection.index, self._tracked = self._tracked, self._tracked + 1
            self.watcher.opened(connection)
        return connection

    def track(self, request: socket.socket, client_address: object) -> Connection:
        """The record of this connection, made on first use.

        ``request`` may also be a socket that a subclass or a handler class has wrapped around the accepted one.
        """
        if (known := self.connections.get(request)) is not None:
            return known
        with self._lock:
            return self.connections.get(request) or self._wrapped_by(request) or self.begin(request, client_address)

    def _wrapped_by(self, request: socket.socket) -> Connection | None:
        connection = self._numbered.get(request.fileno())
        if connection is None:
            return None
        sock = connection.transport.socket
        if sock is not request and sock.fileno() >= 0:
            return None
        connection.transport.wrap(request)
        return connection

    def enter(self, request: socket.socket, client_address: object) -> Connection:
        """The connection is about to be processed, by this thread."""
        connection = self.connections.get(request) or self.track(request, client_address)
        with self._lock:
            connection.turn.thread = thread = threading.current_thread()
            if self.stop_asked and thread in self._serving:
                connection.ending.closing = True  # it was not there yet when the stop was asked for
            if self._acts:
                self._wake_up()
        return connection

    def attend(self, server: socketserver.TCPServer, connection: Connection) -> None:
        """Serve a connection in this thread, until it ends or rests."""
        turn, ends = connection.turn, True
        given_away = turn.given_away
        try:
            try:
                if connection.ending.closing and not connection.busy:
                    if connection.begun:
                        turn.serve()
                elif turn.comes_to_something():
                    turn.serve()
                else:
                    turn.resting = True
            except Exception:
                server.handle_error(connection.accepted, connection.peer)
            if turn.given_away != given_away:
                ends = False
            elif turn.resting:  # after an error, too: the client is to read the response
                connection.rest()
                ends = False
        except Exception:
            server.handle_error(connection.accepted, connection.peer)
        finally:
            if ends:
                server.shutdown_request(connection.accepted)
                self.forget(connection.accepted)

    def forget(self, request: socket.socket) -> None:
        """The connection is closed: forget its record, if there is one."""
        connection = self.connections.get(request)
        if connection is None:
            return
        connection.end_wait()
        transport = connection.transport
        transport.let_go()
        if transport.socket is not request:  # a wrapper around the accepted one
            transport.socket.close()
        # Last: those who wait for its end must find it gone.
        with self._lock:
            self.connections.pop(request, None)
            if self._numbered.get(connection.number) is connection:
                del self._numbered[connection.number]
            if self._waiting:
                self._changed.notify_all()
        self.watcher.closed(connection)
        connection.forget()
        listener = self._listener  # once: another thread may detach it
        if listener is not None and listener.expiry is not None:
            listener.resume()


def is_mine(connection: Connection) -> bool:
    """Whether the calling thread serves the connection now, and was not just the last to do so."""
    if connection.turn.thread is threading.current_thread() and not connection.turn.rests:
        return True
    return any(map(is_mine, connection.streams()))


def grace_of(server: object) -> float | None:
    """How many seconds a server that ends waits for running handlers; None until they end.

    An attribute of that name with any other type belongs to a subclass.
    """
    grace = getattr(server, "grace", None)
    return grace if grace is None or isinstance(grace, int | float) else DEFAULT_GRACE
