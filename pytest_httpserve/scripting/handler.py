"""The server and the handler class behind every HTTPServe: who answers a request, and what the journal learns of it."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.journal import Answer, Exchange, Journal
from pytest_httpserve.scripting.mounts import Mounts, StaticMount
from pytest_httpserve.scripting.request import NO_BODY, Body, Request, canonical_path, path_of
from pytest_httpserve.scripting.responses import Response
from pytest_httpserve.scripting.routes import Routes
from pytest_httpserve.server.listening import describe_hanging
from pytest_httpserve.server.servers import ThreadingHTTPServer
from pytest_httpserve.server.static import SimpleHTTPRequestHandler
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.server.connection import Connection, Writer

logger = logging.getLogger("pytest_httpserve.scripting")

_NO_TRAILERS = Headers()


@dataclass(frozen=True, slots=True)
class Script:
    """What a server has been told, and what it has seen."""

    routes: Routes = field(default_factory=Routes)
    mounts: Mounts = field(default_factory=Mounts)
    journal: Journal = field(default_factory=Journal)


class ScriptedServer(ThreadingHTTPServer):
    """A ThreadingHTTPServer that answers by a script, and tells the journal of every failure."""

    def __init__(self, host: str, port: int, script: Script) -> None:
        self.script = script
        # An instance attribute: socketserver reads it when it makes the socket.
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), ScriptedHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """An exception left a handler: it fails the test."""
        self.script.journal.record_failure(f"a handler raised:\n{traceback.format_exc()}")

    def report_hanging(self, connections: list[Connection]) -> None:
        """A handler that will not end fails the test."""
        for connection in connections:
            self.script.journal.record_failure(describe_hanging(connection))


class ScriptedHandler(SimpleHTTPRequestHandler):
    """Answers a request by a route, else by a mounted directory, else by a 404 that fails the test."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    strict = True

    server: ScriptedServer
    wfile: Writer
    _exchange: Exchange | None = None
    _mount: StaticMount

    @property
    def headers(self) -> Headers:
        return self._fields

    def parse_request(self) -> bool:
        self._exchange = None
        return super().parse_request()

    def answer_request(self) -> None:
        script = self.server.script
        path = canonical_path(path_of(self.path))
        route = script.routes.find(self.command or "", path)
        mount = script.mounts.find(path) if route is None else None
        # A body sent to a route is part of what the test looks at; a directory has no use for one.
        self._exchange = exchange = Exchange(self._take_request(with_body=mount is None))
        if mount is not None:
            self._serve_directory(mount)
            return
        response = None
        if route is not None:
            exchange.route = route
            response = route.take(exchange)
        self._send(response or _unanswered(script, exchange), exchange)

    def _take_request(self, *, with_body: bool) -> Request:
        reader = self._reader()
        content, trailers = NO_BODY, _NO_TRAILERS
        if with_body and not reader.complete:
            content = Body(reader.read1)
            trailers = reader.trailers
            if reader.truncated:
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended inside the body")
        # path has lost the second of two slashes at its beginning; the target is what was sent.
        target = self.raw_requestline.split(b" ")[1].decode("latin-1")
        return Request(self.command or "", target, self._fields, self._version, self.client_address, content, trailers)

    # Routes

    def _send(self, response: Response, exchange: Exchange) -> None:
        if response.file is not None:
            self._send_whole_file(response, response.file)
            return
        if response.connection == "close":
            self.close_connection = True
        head = response.head(close=self.close_connection, version=self._version)
        self._status = response.status
        self._record(exchange, head)
        self.wfile.write(head if self.command == "HEAD" else head + response.body)

    def _send_whole_file(self, response: Response, path: os.PathLike[str]) -> None:
        with open(path, "rb") as file:
            self._hold()
            self.send_response(response.status, response.reason)
            named = {name.lower() for name, _ in response.fields}
            for name, value in response.fields:
                self.send_header(name, value)
            if "content-type" not in named:
                self.send_header("Content-Type", self.guess_type(path))
            if "content-length" not in named:
                self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            if self.command != "HEAD":
                self.copyfile(file, self.wfile)

    # Directories

    def _serve_directory(self, mount: StaticMount) -> None:
        self._mount = mount
        self.directory, self.listing, self.index_pages = mount.directory, mount.listing, mount.index_pages
        self.response_headers = mount.headers
        match self.command:
            case "GET":
                self.do_GET()
            case "HEAD":
                self.do_HEAD()
            case _:
                self._refuse_method()

    def _refuse_method(self) -> None:
        self._hold()
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def translate_path(self, path: str) -> str:
        return super().translate_path(self._mount.below(path_of(path)))

    # Journal: it has an exchange before the client has the response, so that a test can look at once.

    def end_headers(self) -> None:
        if self._exchange is not None and self._status is not None:
            self._record(self._exchange, b"".join(self._headers_buffer) + b"\r\n")
        super().end_headers()

    def _record(self, exchange: Exchange, head: bytes) -> None:
        exchange.response = Answer(self._status or 0, head)
        self.server.script.journal.record(exchange)

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: " + format, self.address_string(), *args)


def _unanswered(script: Script, exchange: Exchange) -> Response:
    """The 404 for a request that nobody answers, which fails the test with the same text."""
    lines = [f"nothing answers {exchange.request}"]
    if exchange.route is not None:
        lines = [f"the route for {exchange.request}, written at {exchange.route.place}, was given no response"]
    lines += [f"  route {route.method} {route.path}, written at {route.place}" for route in script.routes]
    lines += [f"  {mount.directory} is served beneath {mount.prefix or '/'}" for mount in script.mounts]
    if len(lines) == 1:
        lines.append("  the server has no route, and serves no directory")
    text = "\n".join(lines) + "\n"
    script.journal.record_failure(text)
    return Response(404, text=text)
