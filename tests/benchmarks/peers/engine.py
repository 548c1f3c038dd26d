"""Ours, the engine: the drop-in for ``http.server`` with handlers as users write them, logging off."""

from __future__ import annotations

import functools
import time

from pytest_httpserve.server import (
    BaseHTTPRequestHandler,
    CGIHTTPRequestHandler,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
    ThreadingHTTPSServer,
)

from . import BODY, ENGINE, PIECE, Peer
from .threaded import Threaded


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay = 0.0

    def do_GET(self) -> None:
        if self.delay:
            time.sleep(self.delay)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.answer(BODY)

    decodes_body = True

    def do_POST(self) -> None:
        count = 0
        while piece := self.rfile.read(PIECE):  # which ends where the body ends
            count += len(piece)
        self.send_response(200)
        self.answer(str(count).encode())

    def answer(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Files(SimpleHTTPRequestHandler):
    """Serves a directory."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Scripts(CGIHTTPRequestHandler):
    """Runs scripts, with the connection kept, as the user who runs this."""

    protocol_version = "HTTP/1.1"
    cgi_as_nobody = False

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def plain() -> Threaded:
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def secure(certificate: str) -> Threaded:
    return Threaded(ThreadingHTTPSServer(("127.0.0.1", 0), Handler, certfile=certificate))


def files(directory: str) -> Threaded:
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=directory)))


def handler(seconds: str) -> Threaded:
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), type("Sleeping", (Handler,), {"delay": float(seconds)})))


def cgi(directory: str) -> Threaded:
    """The scripts are in ``cgi-bin`` beneath the directory."""
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Scripts, directory=directory)))


PEER = Peer(
    ENGINE,
    {
        "plain": plain,
        "secure": secure,
        "files": files,
        "upload": plain,
        "chunked": plain,
        "handler": handler,
        "cgi": cgi,
    },
)
