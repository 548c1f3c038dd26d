"""The server classes, as ``http.server`` has them."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_httpserve.net.listening import AFTERMATH, EXHAUSTED_SECONDS, ListeningServer
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.poller import Wake, readiness
from pytest_httpserve.net.workers import Workers

if TYPE_CHECKING:
    import ssl

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.server.https import PasswordArgument, PathArgument


# What begins a connection.
_BEGINNING = ("process_request_thread", "finish_request")


class HTTPServer(ListeningServer):
    """An HTTP server that serves one connection at a time.

    ``server_name`` and ``server_port`` are where it listens; the name is the address as bound, since nothing here
    looks names up.
    """

    allow_reuse_address = True
    server_name: str
    server_port: int

    def server_bind(self) -> None:
        super().server_bind()
        host, self.server_port = self.server_address[:2]
        self.server_name = host if isinstance(host, str) else bytes(host).decode("ascii")

    @property
    def _handler_class(self) -> Any:  # it may be anything that can be called
        """The handler class, also if the server was given a functools.partial of it."""
        return getattr(self.RequestHandlerClass, "func", self.RequestHandlerClass)


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """An HTTP server that serves its connections at the same time, in threads that are used again.

    A connection has no thread while nothing comes from its client; between its requests it rests in a loop (see
    ``pytest_httpserve.net.loop``). A handler class with a ``setup``, ``handle`` or ``handle_one_request`` of its own
    has a thread for each connection from its beginning to its end.

    With ``daemon_threads = False`` and ``block_on_close = True``, ``server_close`` waits until every handler has ended,
    however long that takes, as ``socketserver`` documents it.
    """

    daemon_threads = True
    # Whether a connection rests in the loop before its first request, too: not if a subclass has a part in that.
    _rests: ClassVar[bool] = True
    _acts = False  # whether service_actions is to be called after each connection
    _workers: Workers | None = None  # threads of its own
    _loop: Loop | None = None
    _listening: Listening | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:  # whatever a subclass takes
        super().__init_subclass__(**kwargs)
        said = next(one for one in cls.__mro__ if "_rests" in vars(one))
        if said is not cls and any(getattr(cls, name) is not getattr(said, name) for name in _BEGINNING):
            cls._rests = False

    def attach(self, loop: Loop) -> None:
        """Have ``loop`` accept and serve, without ``serve_forever``, until ``server_close``."""
        self._loop = loop
        self._listening = Listening(self, loop)
        loop.add(self._listening)

    def detach(self) -> None:
        """Accept no more; connections are served on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.end(self.grace)

    def _serve(self, wake: Wake, poll_interval: float) -> None:
        if self._loop is None:
            self._loop = Loop(self._own_workers())
        self.attach(self._loop)
        interval = self._actions_interval(poll_interval)
        self._acts = interval is not None
        wait = readiness(wake.fileno())
        try:
            while not self._stop_asked:
                if wait(interval) and not self._stop_asked:  # by a signal, or a connection
                    wake.clear()
                self.service_actions()
        finally:
            self.detach()

    def _own_workers(self) -> Workers:
        if self._workers is None:
            # A server on a Unix socket has no port.
            name = f"httpserve-{getattr(self, 'server_port', self.server_address)}"
            self._workers = Workers(name, daemon=self.daemon_threads, idle=1.0)
        return self._workers

    # typeshed's type of a request also covers datagrams, in this and the next.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        connection = self.track(request, client_address)
        connection.loop = loop = self._loop
        connection.proceed = partial(self._attend, connection)
        handler_class = self._handler_class
        if self._acts:
            self._wake_up()
        if loop is not None and self._rests and getattr(handler_class, "_rests", False):
            connection.serve = partial(self.finish_request, request, client_address)
            connection.timeout = getattr(self, "handshake_timeout", handler_class.timeout)
            connection.rest()
        else:
            workers = loop.workers if loop is not None else self._own_workers()
            workers.run(partial(self.process_request_thread, request, client_address))

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve a connection in this thread, until it ends or rests."""
        connection = self.track(request, client_address)
        connection.serve = partial(self.finish_request, request, client_address)
        self._attend(connection)

    def _attend(self, connection: Connection) -> None:
        ends = True
        try:
            if not connection.closing or connection.begun:
                connection.serve()
            if connection.resting:
                connection.rest()
                ends = False
        except Exception:
            self.handle_error(connection.accepted, connection.peer)
        finally:
            if ends:
                self.shutdown_request(connection.accepted)

    # typeshed's type of a request also covers datagrams.
    def close_request(self, request: socket.socket) -> None:  # type: ignore[override]
        if self._loop is not None and (connection := self.connections.get(request)) is not None:
            self._loop.remove(connection)
        super().close_request(request)
        listening = self._listening  # once: another thread may detach it
        if listening is not None and listening.expiry is not None:
            listening.resume()

    def server_close(self) -> None:
        if self.inherited:
            super().server_close()
            return
        if not self.daemon_threads and self.block_on_close:
            self.grace = None
        # Before the loop's thread wakes for clients that have just left, and has this one wait for the interpreter.
        self._dismiss()
        self.detach()
        super().server_close()
        if self._workers is not None:
            self._workers.close(AFTERMATH)


class Listening:
    """A server's listening socket, as an entry of a loop."""

    expiry: float | None = None  # of a pause, since the system has no room for another connection
    led = False
    thread: threading.Thread | None = None

    def __init__(self, server: ListeningServer, loop: Loop) -> None:
        self.file = server.fileno()
        self._server = server
        self._loop = loop
        self._claimed = threading.Lock()
        self._accepting: int | None = None  # in which thread
        self._ended = False
        self._timeout = server.socket.gettimeout()
        # A client that left between its announcement and the accept must not block the loop in accept.
        server.socket.setblocking(False)

    def claim(self) -> bool:
        return self._claimed.acquire(False)

    def proceed(self) -> None:
        self._accepting = threading.get_ident()
        room = True
        try:
            if not self._ended:
                # Watched: the server class may shake hands while it accepts, or look who has come.
                room = self._loop.run(self, self._server.accept_one)
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

    def resume(self) -> None:
        """Go on after a pause: there may be room again."""
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
            self._server.socket.settimeout(self._timeout)


class HTTPSServer(HTTPServer):
    """An HTTP server over TLS that serves one connection at a time.

    ``certfile`` is a PEM file with the certificate and its chain, ``keyfile`` one with its key (default: the same),
    ``password`` opens an encrypted key, ``alpn_protocols`` are offered to clients (default: ``http/1.1``). All are read
    once, when the server is made: OSError tells of a file that cannot be read, ssl.SSLError of one that is wrong.

    A handshake may take ``handshake_timeout`` seconds. A client that speaks plain HTTP is answered with 400.
    """

    handshake_timeout: float = 10.0

    # The type of socketserver's own parameter is private to typeshed.
    def __init__(  # type: ignore[no-untyped-def]
        self,
        server_address,
        RequestHandlerClass,
        bind_and_activate: bool = True,
        *,
        certfile: PathArgument,
        keyfile: PathArgument | None = None,
        password: PasswordArgument = None,
        alpn_protocols: Sequence[str] | None = None,
    ) -> None:
        try:
            import ssl
        except ImportError:
            raise RuntimeError("this Python was built without the ssl module, which HTTPS needs") from None

        self.ssl = ssl
        self.certfile, self.keyfile, self.password = certfile, keyfile, password
        self.alpn_protocols = ["http/1.1"] if alpn_protocols is None else list(alpn_protocols)
        self.context = self._create_context()
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def _create_context(self) -> ssl.SSLContext:
        """The context of all connections, made when the server is; by this name, ``http.server`` lets one change it."""
        from pytest_httpserve.server.https import server_context

        return server_context(self.certfile, self.keyfile, self.password, self.alpn_protocols)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; its handshake comes later, when the client has begun it."""
        request, client_address = super().get_request()
        try:
            request.getpeername()  # of a client that has gone, the ssl module would leave its socket open
            return self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False), client_address
        except BaseException:
            request.close()
            raise

    # typeshed's type of a request also covers datagrams, in this and the next.
    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Shake hands, and serve what is asked for behind that."""
        self._shake_hands(self.track(request, client_address))

    def _shake_hands(self, connection: Connection) -> None:
        from pytest_httpserve.net.tls_handshake import shake_hands, take_leave
        from pytest_httpserve.server.https import PLAIN_ANSWER

        rests = connection.led
        shaken = shake_hands(connection, self.handshake_timeout)
        if shaken is None:
            connection.await_client(partial(self._shake_hands, connection), connection.left)
            return
        self.handshake_ended(connection, shaken)
        if not shaken:
            take_leave(connection, PLAIN_ANSWER)
            return
        serve = partial(super().finish_request, connection.socket, connection.peer)
        if rests:  # the first request may be long in coming
            connection.await_client(serve, self._handler_class.timeout)
        else:
            serve()

    def handshake_ended(self, connection: Connection, shaken: bool) -> None:
        """Called when a handshake is done, or has failed; does nothing."""

    def shutdown_request(self, request: ssl.SSLSocket) -> None:  # type: ignore[override]
        if (connection := self.connections.get(request)) is not None:
            connection.say_goodbye()
        super().shutdown_request(request)


class ThreadingHTTPSServer(ThreadingHTTPServer, HTTPSServer):
    """An HTTP server over TLS that serves its connections at the same time; no thread waits for a handshake."""

    _rests = True
