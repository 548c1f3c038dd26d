"""The server classes, as ``http.server`` has them."""

from __future__ import annotations

import socket
import socketserver
from functools import partial

from pytest_httpserve.server.listening import AFTERMATH, ListeningServer, Workers


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
    _workers: Workers | None = None

    # typeshed's type of a request also covers datagrams.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.track(request, client_address)
        if self._workers is None:
            self._workers = Workers(f"httpserve-{self.server_port}", daemon=self.daemon_threads)
        self._workers.run(partial(self.process_request_thread, request, client_address))

    def server_close(self) -> None:
        if not self.daemon_threads and self.block_on_close:
            self.grace = None
        super().server_close()
        if self._workers is not None:
            self._workers.close(AFTERMATH)
