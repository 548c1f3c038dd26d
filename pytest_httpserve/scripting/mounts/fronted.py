"""Handlers in the style of ``http.server`` that answer for the scripted server: for directories and CGI.

A handler is made for each request. It is never run, only its methods are called; the scripted server handles the
connection and the journal.
"""

from __future__ import annotations

import io
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

# By its full name: if a test restores sys.modules, the attribute of the package may be an older module.
import pytest_httpserve.server.files.serving as serving
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler, send_error_page
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.files.paths import file_beneath
from pytest_httpserve.server.files.roots import DEFAULT_OPTIONS, Root

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

FrontedT = TypeVar("FrontedT", bound="Fronted")


class Fronted(SimpleHTTPRequestHandler):
    """A handler that answers the request ``asked``."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    strict = True
    decodes_body = True

    asked: Asked
    root: Root = Root("", DEFAULT_OPTIONS)

    def end_headers(self) -> None:
        if self.root.options.cors:
            serving.add_origin(self, self.root.options.cors)
        if running.stream_of(self).status is not None:  # only for a final response
            for name, value in self.asked.added:
                self.send_header(name, value)
        BaseHTTPRequestHandler.end_headers(self)

    def flush_headers(self) -> None:
        lines, self._headers_buffer = self._headers_buffer, []
        head = b"".join(lines)
        if (status := running.stream_of(self).status) is not None:
            self.asked.begin(SentResponse(status, head))
        running.write_head(self, head)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Like ``http.server``, but keep the connection: the request was well-formed."""
        send_error_page(self, code, message, explain, ())

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:
        return serving.send_listing(self, self.root, path)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Do nothing: the exchange is logged with its answer."""

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        self.asked.log(format, *args)


def fronted(asked: Asked, handler_class: type[FrontedT]) -> FrontedT:
    """A handler of the class for this request."""
    handler = handler_class.__new__(handler_class)
    http1, stream = asked.http1, asked.stream
    target = asked.target
    vars(handler).update({
        running.HTTP1_OF: http1,
        "asked": asked,
        "server": asked.server,
        "client_address": asked.client,
        "rfile": http1.reader,
        "wfile": http1.writer,
        "command": asked.method,
        "path": "/" + target.lstrip("/") if target.startswith("//") else target,
        "requestline": stream.line.text,
        "request_version": stream.line.protocol,
        "close_connection": not stream.lasts,
    })  # fmt: skip
    return handler


def serve_files(asked: Asked, root: Root, below: str) -> None:
    """Answer with a file or a listing from a directory. ``below`` is the path in it."""
    handler = fronted(asked, Fronted)
    handler.root = root
    path = file_beneath(root.directory, below)
    match handler.command:
        case "GET" | "HEAD" as command:
            serving.answer(handler, root, path, with_body=command == "GET")
        case "OPTIONS":
            serving.send_options(handler, root)
        case _:
            _refuse_method(handler)
    asked.stream.lasts = not handler.close_connection


def _refuse_method(handler: Fronted) -> None:
    running.hold_head(handler)
    handler.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
    handler.send_header("Allow", "GET, HEAD, OPTIONS")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
