"""``http.server`` at its best: HTTP/1.1, head and body in one write, no logging, a backlog that takes a burst.

As it comes it writes head and body apart, which costs 40 ms a response over keep-alive connections, and its backlog of
5 drops connections; both would measure the kernel's timers instead of the server. In a suite, all tests share one.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from . import BODY, PIECE, STDLIB, Peer, suite_of
from .threaded import Threaded
from .wsgi import hello


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    delay = 0.0

    def do_GET(self) -> None:
        if self.delay:
            time.sleep(self.delay)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.answer(BODY)

    def do_POST(self) -> None:
        length = left = int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
        self.send_response(200)
        self.answer(str(length - left).encode())

    def answer(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")  # else the load's client takes the end for an error
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Files(SimpleHTTPRequestHandler):
    """Serves a directory."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Server(ThreadingHTTPServer):
    request_queue_size = 1024


class SecureServer(Server):
    """As HTTPS servers were written before Python 3.14: each accepted socket is wrapped, its handshake left to the
    thread that reads first."""

    def __init__(self, certificate: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


class ApplicationServer(ThreadingMixIn, WSGIServer):
    request_queue_size = 1024
    daemon_threads = True


class ApplicationHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def plain() -> Threaded:
    return Threaded(Server(("127.0.0.1", 0), Handler))


def secure(certificate: str) -> Threaded:
    return Threaded(SecureServer(certificate))


def files(directory: str) -> Threaded:
    return Threaded(Server(("127.0.0.1", 0), functools.partial(Files, directory=directory)))


def handler(seconds: str) -> Threaded:
    return Threaded(Server(("127.0.0.1", 0), type("Sleeping", (Handler,), {"delay": float(seconds)})))


def application() -> Threaded:
    """By wsgiref, which speaks HTTP/1.0 and closes each connection."""
    server = ApplicationServer(("127.0.0.1", 0), ApplicationHandler)
    server.set_app(hello)
    return Threaded(server)


PEER = Peer(
    STDLIB,
    {
        "plain": plain,
        "secure": secure,
        "files": files,
        "upload": plain,
        "handler": handler,
        "application": application,
    },
    suite=suite_of(__name__, "session"),
    secure_suite=suite_of(__name__, "session", "secure"),
)
