"""Servers over TLS with a certificate from a file: a bare one, which marks what is possible, and the engine."""

from __future__ import annotations

import contextlib
import socket
import ssl

from pytest_httpserve.server import ThreadingHTTPSServer

from .peers.engine import Handler
from .peers.raw import RawServer
from .peers.threaded import Threaded


class RawTLSServer(RawServer):
    """The raw server with a handshake before its answer, in the connection's own thread."""

    def __init__(self, certificate: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__()

    def _answer(self, connection: socket.socket) -> None:
        # Session tickets are a first small write; an answer behind it would wait for their acknowledgement.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            super()._answer(self._context.wrap_socket(connection, server_side=True))
        self._open.pop(connection, None)


def engine(certificate: str) -> Threaded:
    """The engine, with the handler that it has everywhere."""
    return Threaded(ThreadingHTTPSServer(("127.0.0.1", 0), Handler, certfile=certificate))
