"""The server classes of ``http.server``."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pytest_httpserve.net.listening import keep_port
from pytest_httpserve.net.service import DEFAULT_GRACE, Service, grace_of
from pytest_httpserve.server.running import SERVICE_OF, is_ours, may_rest, timeout_of, whole_head

if TYPE_CHECKING:
    import ssl

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.net.workers import Workers
    from pytest_httpserve.server.https import PasswordArgument, PathArgument

# The methods of a server that last as long as a connection.
_FRAMING = ("finish_request", "process_request_thread")


class _StopFlag:
    """``socketserver``'s stop flag. Programs set it from a handler or a signal handler: it stops our servers, too."""

    def __get__(self, server: HTTPServer | None, owner: type) -> Any:  # whether it is set
        return self if server is None else service_of(server).stop_asked

    def __set__(self, server: HTTPServer, value: bool) -> None:
        service = service_of(server)
        if value:
            service.ask_to_stop()
        else:
            service.stop_asked = False


class HTTPServer(socketserver.TCPServer):
    """An HTTP server that serves one connection at a time.

    ``server_name`` and ``server_port`` are where it listens; the name is the address as bound, since nothing here
    looks names up. Beyond ``http.server``, ``grace`` is how many seconds ``server_close`` waits for running handlers
    before it cuts their connections; None waits until they end. With a number, it does not wait for a handler whose
    client left before its response was complete.
    """

    allow_reuse_address: bool = True
    request_queue_size = 1024
    grace: float | None = DEFAULT_GRACE

    server_name: str
    server_port: int

    _BaseServer__shutdown_request = _StopFlag()
    __service: Service

    # Not in __init__: subclasses with their own socket call only BaseServer's.
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        self.__service = Service()
        return self

    def server_bind(self) -> None:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            self.allow_reuse_address = False  # socketserver would set an option that is harmful there
            keep_port(self.socket)
        super().server_bind()
        host, self.server_port = self.server_address[:2]
        self.server_name = host if isinstance(host, str) else bytes(host).decode("ascii")

    # The loop

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until ``shutdown``.

        ``poll_interval`` (seconds) is how often ``service_actions`` is called, and matters only to a subclass that
        defines it; a shutdown never waits for it.
        """
        _serve_forever(self, poll_interval)

    def handle_request(self) -> None:
        """Serve one connection, or call ``handle_timeout`` when none comes within ``timeout`` seconds.

        ``shutdown`` and ``server_close`` end the wait.
        """
        self.__service.serve_one(self)

    def shutdown(self) -> None:
        """End ``serve_forever`` and return when it has ended, at once if it is not running.

        If it is called before ``serve_forever`` starts in its thread, that ends as soon as it starts.
        """
        self.__service.stop()

    # Connections. typeshed's type of a request also covers datagrams; in a TCP server it is always a socket.

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.__service.enter(request, client_address)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        if (connection := self.__service.connections.get(request)) is not None:
            connection.ending.say_whose()
        super().shutdown_request(request)

    def close_request(self, request: socket.socket) -> None:  # type: ignore[override]
        if (connection := self.__service.connections.get(request)) is not None:
            connection.end_wait()
        super().close_request(request)
        self.__service.forget(request)

    # The end

    def server_close(self) -> None:
        """Stop serving and listening, and end every connection.

        Idle connections end at once, those of running handlers when the handler ends or ``grace`` is over. A handler
        that does not end even then is logged with its stack. See ``grace`` for those whose clients have gone.

        In a forked child of the process that serves, it closes the child's copies of the sockets; the server goes on.
        """
        self.__service.close(self, super().server_close, grace_of(self))


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """An HTTP server that serves its connections at the same time, in reusable threads.

    A connection needs no thread while its client is silent; between requests it rests in a loop (see
    ``pytest_httpserve.net.loop``), unless its handler class keeps a thread for each connection.

    With ``daemon_threads = False`` and ``block_on_close = True``, ``server_close`` waits until every handler has ended,
    however long that takes, as ``socketserver`` documents.
    """

    daemon_threads = True
    grace: float | None

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Like ``HTTPServer.serve_forever``."""
        _serve_forever(self, poll_interval, partial(_workers, self))

    # typeshed's type of a request also covers datagrams, in this and the next.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        _begin(self, request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve a connection in this thread, until it ends or rests."""
        service = service_of(self)
        connection = service.track(request, client_address)
        connection.turn.serve = partial(self.finish_request, request, client_address)
        service.attend(self, connection)

    def server_close(self) -> None:
        if not self.daemon_threads and self.block_on_close:
            self.grace = None
        HTTPServer.server_close(self)


class HTTPSServer(HTTPServer):
    """An HTTP server over TLS that serves one connection at a time.

    ``certfile`` is a PEM file with the certificate and its chain, ``keyfile`` one with its key (default: the same),
    ``password`` opens an encrypted key, ``alpn_protocols`` are offered to clients (default: ``http/1.1``). All are read
    once, when the server is made: raises OSError for a file that cannot be read, ssl.SSLError for a wrong one.

    A handshake may take ``handshake_timeout`` seconds. A client that speaks plain HTTP is answered with 400.
    """

    handshake_timeout: float = 10.0

    # Any, as in typeshed: the request and the address with which a handler class is called.
    def __init__(
        self,
        server_address: tuple[str | bytes | bytearray, int],
        RequestHandlerClass: Callable[[Any, Any, Self], socketserver.BaseRequestHandler],
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
        self.certfile: PathArgument = certfile
        self.keyfile: PathArgument | None = keyfile
        self.password: PasswordArgument = password
        self.alpn_protocols: list[str] = ["http/1.1"] if alpn_protocols is None else list(alpn_protocols)
        self.context: ssl.SSLContext = self._create_context()
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def _create_context(self) -> ssl.SSLContext:
        """The context of all connections, made with the server; ``http.server`` allows overrides of this name."""
        from pytest_httpserve.server.https import server_context

        return server_context(self.certfile, self.keyfile, self.password, self.alpn_protocols)

    def server_activate(self) -> None:
        # Its threads are going to use these modules, and must not be the first to import them.
        from pytest_httpserve.net import tls_handshake as tls_handshake
        from pytest_httpserve.server import https as https

        super().server_activate()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; its handshake comes later, when the client has begun it."""
        request, client_address = super().get_request()
        try:
            request.getpeername()  # if the client has gone, the ssl module would leave the socket open
            return self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False), client_address
        except BaseException:
            request.close()
            raise

    # typeshed's type of a request also covers datagrams, in this and the next.
    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Shake hands, and then serve the requests."""
        connection = service_of(self).track(request, client_address)
        _shake_hands(self, connection, partial(super().finish_request, request, client_address))

    def shutdown_request(self, request: ssl.SSLSocket) -> None:  # type: ignore[override]
        if (connection := service_of(self).connections.get(request)) is not None:
            connection.transport.say_goodbye()
        super().shutdown_request(request)


class ThreadingHTTPSServer(ThreadingHTTPServer, HTTPSServer):
    """An HTTP server over TLS that serves its connections at the same time; no thread waits for a handshake."""


# What the classes do beyond socketserver's, in functions, so that a subclass is free to name its own methods


def service_of(server: HTTPServer) -> Service:
    """The service of a server."""
    service: Service = vars(server)[SERVICE_OF]
    return service


def _serve_forever(server: HTTPServer, poll_interval: float, workers: Callable[[], Workers] | None = None) -> None:
    # Programs wait for this event, as socketserver's own shutdown does.
    over: threading.Event | None = getattr(server, "_BaseServer__is_shut_down", None)
    if over is not None:
        over.clear()
    try:
        service_of(server).serve(server, poll_interval, workers)
    finally:
        if over is not None:
            over.set()


def _handler_class(server: HTTPServer) -> Any:  # it may be anything that can be called
    """The handler class, even if the server was given a functools.partial of it."""
    return getattr(server.RequestHandlerClass, "func", server.RequestHandlerClass)


def connections_rest(server: HTTPServer) -> bool:
    """Whether a connection rests in the loop before its first request, too: not if a subclass's code spans it."""
    ours = is_ours(server, *_FRAMING, beside=socketserver.__file__)
    return ours and may_rest(_handler_class(server))


def _begin(server: ThreadingHTTPServer, request: socket.socket, client_address: object) -> None:
    """Have a connection served: at once in its own thread, or once its client has sent something."""
    service = service_of(server)
    connection = service.enter(request, client_address)
    connection.turn.proceed = partial(service.attend, server, connection)
    if service.loop is None or not connections_rest(server):
        workers = service.loop.workers if service.loop is not None else _workers(server)
        workers.run(partial(server.process_request_thread, request, client_address))
        return
    connection.turn.loop = service.loop
    serve = partial(server.finish_request, request, client_address)
    if hasattr(server, "handshake_timeout"):
        connection.turn.await_client(serve, server.handshake_timeout)
    else:
        _await_request(server, connection, serve)
    connection.rest()


def _await_request(server: HTTPServer, connection: Connection, serve: Callable[[], object]) -> None:
    """Have the loop wait for the first request of a connection."""
    handler_class = _handler_class(server)
    connection.turn.await_client(serve, timeout_of(handler_class), whole_head(handler_class))


def _workers(server: ThreadingHTTPServer) -> Workers:
    # A server on a Unix socket has no port.
    name = f"httpserve-{getattr(server, 'server_port', server.server_address)}"
    return service_of(server).own_workers(name, daemon=server.daemon_threads)


def _shake_hands(server: HTTPSServer, connection: Connection, serve: partial[None]) -> None:
    from pytest_httpserve.net.tls_handshake import shake_hands, take_leave
    from pytest_httpserve.server.https import PLAIN_ANSWER

    turn = connection.turn
    rests = turn.led
    shaken = shake_hands(connection, server.handshake_timeout)
    if shaken is None:
        turn.await_client(partial(_shake_hands, server, connection, serve), turn.left)
        return
    service_of(server).watcher.shaken(connection, done=shaken)
    if not shaken:
        take_leave(connection, PLAIN_ANSWER)
    elif rests:  # the first request may take long to come
        _await_request(server, connection, serve)
    else:
        serve()
