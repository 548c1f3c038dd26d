"""The server and the handler class behind every HTTPServe: who answers a request, and what the journal learns of it."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError, ScriptError
from pytest_httpserve.scripting.cgi_mount import CGIMount
from pytest_httpserve.scripting.journal import Answer, Exchange, Journal
from pytest_httpserve.scripting.mounts import Mounts, below
from pytest_httpserve.scripting.request import NO_BODY, Body, Request, path_of, route_path
from pytest_httpserve.scripting.responses import Response
from pytest_httpserve.scripting.routes import Routes
from pytest_httpserve.server.cgi import CGIHTTPRequestHandler
from pytest_httpserve.server.cgi_paths import is_beneath
from pytest_httpserve.server.cgi_script import CGIScript
from pytest_httpserve.server.listening import describe_hanging
from pytest_httpserve.server.servers import ThreadingHTTPServer
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.server.connection import Connection, Reader, Writer

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


class ScriptedHandler(CGIHTTPRequestHandler):
    """Answers a request by a route, else by a mounted directory, else by a 404 that fails the test."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    strict = True

    server: ScriptedServer
    wfile: Writer
    _exchange: Exchange | None = None
    _below = "/"
    _options: Mapping[str, Any] = MappingProxyType({})

    @property
    def headers(self) -> Headers:
        return self._fields

    @property
    def reader(self) -> Reader:
        """What the request's body is read from."""
        return self._reader()

    def parse_request(self) -> bool:
        self._exchange = None
        for option in self._options:  # those of the directory that the last request was for
            vars(self).pop(option, None)
        self._options = {}
        return super().parse_request()

    def answer_request(self) -> None:
        try:
            self._answer()
        except RequestError:
            raise
        except Exception as error:
            if self._connection is not None and error is self._connection.failure:
                if self._exchange is not None and self._exchange.response is None:
                    self.server.script.journal.record(self._exchange)
                raise
            # Told before the client hears of it: the test may end as soon as it does.
            self.record_exception(error)
            self._fail()

    def record_exception(self, error: BaseException) -> None:
        """An exception in what answers the request fails the test."""
        text = "".join(traceback.format_exception(error))
        self.server.script.journal.record_failure(f"the handler of {self.requestline!r} raised:\n{text}")

    def _answer(self) -> None:
        script = self.server.script
        target = self.path if self._local_redirects else self._target
        path = route_path(target)
        route = script.routes.find(self.command or "", path)
        mount = script.mounts.find(path) if route is None else None
        # A body sent to a route is part of what the test looks at; a directory has no use for one.
        exchange = self._exchange or Exchange(self._take_request(target, with_body=mount is None))
        self._exchange = exchange
        if mount is not None:
            mount.serve(self, below(mount.prefix, path_of(target)))
            return
        response = None
        if route is not None:
            exchange.route = route
            response = route.take(exchange)
        self._send(response or _unanswered(script, exchange), exchange)

    def _take_request(self, target: str, *, with_body: bool) -> Request:
        content, trailers = NO_BODY, _NO_TRAILERS
        if with_body and self._framing.kind != "none":
            reader = self._reader()
            content = Body(reader.read1)
            trailers = reader.trailers
            if reader.truncated:
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended inside the body")
        client = self.client_address if len(self.client_address) == 2 else self.client_address[:2]
        return Request(self.command or "", target, self._fields, self._version, client, content, trailers)

    # Routes

    def _send(self, response: Response, exchange: Exchange) -> None:
        if response.file is not None:
            self._send_whole_file(response, response.file)
            return
        if response.closes:
            self.close_connection = True
        head = response.head(close=self.close_connection, version=self._version)
        self._status = response.status
        self._record(exchange, head)
        self.wfile.write_whole(head, b"" if self.command == "HEAD" else response.body)

    def _send_whole_file(self, response: Response, path: os.PathLike[str]) -> None:
        with open(path, "rb") as file:
            self._hold()
            self.send_response_only(response.status, response.reason)
            added = {
                "Content-Type": self.guess_type(path),
                "Content-Length": str(os.fstat(file.fileno()).st_size),
                "Server": self.version_string(),
                "Date": self.date_time_string(),
            }
            for name, value in response.fields:
                self.send_header(name, value)
            for name, value in added.items():
                if name not in response.headers:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.copyfile(file, self.wfile)

    # Mounts

    def enter_directory(self, directory: str, below: str, options: Mapping[str, Any]) -> None:
        """For this request, be a handler of ``directory`` with these options; ``below`` is the path in it."""
        self.directory, self._below, self._options = directory, below, options
        vars(self).update(options)

    def translate_path(self, path: str) -> str:
        return super().translate_path(self._below)

    # CGI: a script is asked for by its mount alone, and what one mount runs, no other one shows.

    def is_cgi(self) -> bool:
        return False

    def _is_script(self, path: str) -> bool:
        mounts = self.server.script.mounts
        return any(is_beneath(path, mount.directory) for mount in mounts if isinstance(mount, CGIMount))

    def _translate(self, path: str) -> str:
        return super().translate_path(path)

    def log_script(self, script: CGIScript, text: str) -> None:
        super().log_script(script, text)
        if self._exchange is not None:
            self._exchange.notes += (_printable(f"{script.name}: {text}"),)

    def script_failed(self, script: CGIScript, error: ScriptError) -> None:
        # Told before the client hears of it. A server that stops asks for no answer.
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            said = f"; it wrote to stderr:\n{error.stderr.rstrip()}" if error.stderr else ""
            text = f"the CGI script {script.file} failed: {error}{said}\n"
            self.server.script.journal.record_failure(_printable(text))
        super().script_failed(script, error)

    def refuse_method(self) -> None:
        """Answer a method that a directory does not have."""
        self._hold()
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD, OPTIONS")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take_over(self, status: int, head: bytes) -> None:
        """An application has begun its response with this head, and writes it itself."""
        self._status = status
        if self._exchange is not None:
            self._record(self._exchange, head)

    # Journal: it has an exchange before the client has the response, so that a test can look at once.

    def flush_headers(self) -> None:
        if self._exchange is not None and self._status is not None:
            self._record(self._exchange, b"".join(self._headers_buffer))
        super().flush_headers()

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
    lines += [f"  {mount.describe()} beneath {mount.prefix or '/'}" for mount in script.mounts]
    if len(lines) == 1:
        lines.append("  the server has no route, and serves no directory")
    text = _printable("\n".join([*lines, ""]))
    script.journal.record_failure(text)
    return Response(404, text=text)


def _printable(text: str) -> str:
    """The name of a file or a directory may be no Unicode."""
    return text.encode(errors="backslashreplace").decode()
