"""Ours, the engine: the drop-in for ``http.server`` with a handler as users write them, logging off."""

from __future__ import annotations

from pytest_httpserve.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import BODY, ENGINE, Peer
from .threaded import Threaded


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def start() -> Threaded:
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), Handler))


PEER = Peer(ENGINE, start)
