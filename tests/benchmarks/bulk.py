"""Servers of files, ours and ``http.server`` at its best, and one of ours for uploads that are read in pieces."""

from __future__ import annotations

import contextlib
import functools
import http.server
import tempfile
from collections.abc import Callable, Iterator

from pytest_httpserve import HTTPServe
from pytest_httpserve.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from tests.interop.nginx_server import Nginx

from .peers import ENGINE, FIXTURE, NGINX, Running
from .peers.stdlib import Server
from .peers.threaded import Threaded
from .serving import serve

_PIECE = 65536


class Files(SimpleHTTPRequestHandler):
    """Serves a directory."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class OtherFiles(http.server.SimpleHTTPRequestHandler):
    """Serves a directory with the standard library, head and body in one write where the body is small."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Sink(BaseHTTPRequestHandler):
    """Reads what is posted, keeps none of it, and answers its length."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = left = int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, _PIECE))):
            left -= len(piece)
        answer = str(length - left).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def engine(directory: str) -> Threaded:
    """The engine with its handler for files."""
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=directory)))


def stdlib(directory: str) -> Threaded:
    """The standard library's handler for files."""
    return Threaded(Server(("127.0.0.1", 0), functools.partial(OtherFiles, directory=directory)))


def sink() -> Threaded:
    """The engine with a handler for uploads."""
    return Threaded(ThreadingHTTPServer(("127.0.0.1", 0), Sink))


def fixture(directory: str) -> HTTPServe:
    """The fixture's object with a directory at its root."""
    server = HTTPServe()
    server.start()
    server.serve_dir(directory)
    return server


_STARTS: dict[str, Callable[..., Running]] = {"stdlib": stdlib, ENGINE: engine, FIXTURE: fixture}
FILE_SERVERS = (NGINX, *_STARTS)


@contextlib.contextmanager
def serving(name: str, directory: str) -> Iterator[Running]:
    """One of FILE_SERVERS on a directory, in a process of its own."""
    if name != NGINX:
        with serve(_STARTS[name], directory) as served:
            yield served
        return
    with tempfile.TemporaryDirectory() as prefix:
        nginx = Nginx(directory, prefix)
        try:
            yield nginx
        finally:
            nginx.stop()
