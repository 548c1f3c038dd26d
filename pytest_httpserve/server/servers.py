"""The server classes, as ``http.server`` has them."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.server.listening import AFTERMATH, ListeningServer, Workers

if TYPE_CHECKING:
    import ssl

    from pytest_httpserve.server.https import PasswordArgument, PathArgument


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


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """An HTTP server that serves each connection in a thread; threads are used again.

    With ``daemon_threads = False`` and ``block_on_close = True``, ``server_close`` waits until every handler has ended,
    however long that takes, as ``socketserver`` documents it.
    """

    daemon_threads = True
    # Threads shared with other servers, which outlive this one; None for threads of its own.
    shared_workers: Workers | None = None
    _own_workers: Workers | None = None

    # typeshed's type of a request also covers datagrams.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.track(request, client_address)
        workers = self.shared_workers or self._own_workers
        if workers is None:
            # A server on a Unix socket has no port.
            name = f"httpserve-{getattr(self, 'server_port', self.server_address)}"
            workers = self._own_workers = Workers(name, daemon=self.daemon_threads)
        workers.run(partial(self.process_request_thread, request, client_address))

    def server_close(self) -> None:
        if not self.daemon_threads and self.block_on_close:
            self.grace = None
        super().server_close()
        if self._own_workers is not None:
            self._own_workers.close(AFTERMATH)


class HTTPSServer(HTTPServer):
    """An HTTP server over TLS that serves one connection at a time.

    ``certfile`` is a PEM file with the certificate and its chain, ``keyfile`` one with its key (default: the same),
    ``password`` opens an encrypted key, ``alpn_protocols`` are offered to clients (default: ``http/1.1``). All are read
    once, when the server is made: OSError tells of a file that cannot be read, ssl.SSLError of one that is wrong.

    A handshake may take ``handshake_timeout`` seconds, in the connection's own thread. A client that speaks plain HTTP
    is answered with 400.
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
        from pytest_httpserve.server.https import server_context

        self.certfile, self.keyfile, self.password = certfile, keyfile, password
        self.alpn_protocols = ["http/1.1"] if alpn_protocols is None else list(alpn_protocols)
        self.context: ssl.SSLContext = server_context(certfile, keyfile, password, self.alpn_protocols)
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection; its handshake comes later, in its own thread."""
        request, client_address = super().get_request()
        try:
            request.getpeername()  # of a client that has gone, the ssl module would leave its socket open
            return self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False), client_address
        except BaseException:
            request.close()
            raise

    # typeshed's type of a request also covers datagrams, in this and the next.
    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        from pytest_httpserve.server.https import shake_hands

        if shake_hands(self.track(request, client_address), self.handshake_timeout):
            super().finish_request(request, client_address)

    def shutdown_request(self, request: ssl.SSLSocket) -> None:  # type: ignore[override]
        if (connection := self.connections.get(request)) is not None:
            connection.say_goodbye()
        super().shutdown_request(request)


class ThreadingHTTPSServer(ThreadingHTTPServer, HTTPSServer):
    """An HTTP server over TLS that serves each connection in a thread."""
