"""Handlers in the style of ``http.server`` that answer on behalf of the scripted handler: for directories and CGI.

The scripted handler owns the request and the connection; it is the ``front`` of the other.
"""

from __future__ import annotations

import io
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.files import serving
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
from pytest_httpserve.server.files.paths import file_beneath
from pytest_httpserve.server.files.roots import DEFAULT_OPTIONS, Root

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handler import ScriptedHandler

FrontedT = TypeVar("FrontedT", bound="Fronted")


class _OfTheFront:
    """An attribute that is that of the handler in front."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, handler: Fronted | None, owner: type) -> Any:  # whatever it is there
        return self if handler is None else getattr(handler.front, self._name)

    def __set__(self, handler: Fronted, value: object) -> None:
        setattr(handler.front, self._name, value)


class Fronted(SimpleHTTPRequestHandler):
    """A handler whose request, connection and journal are those of the scripted handler in ``front`` of it."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    strict = True
    decodes_body = True

    front: ScriptedHandler
    root = Root("", DEFAULT_OPTIONS)

    request = client_address = None
    server: Any = _OfTheFront()
    connection: Any = _OfTheFront()
    command: Any = _OfTheFront()
    path: Any = _OfTheFront()
    requestline: Any = _OfTheFront()
    request_version: Any = _OfTheFront()
    close_connection: Any = _OfTheFront()
    rfile: Any = _OfTheFront()
    wfile: Any = _OfTheFront()

    def end_headers(self) -> None:
        if self.root.options.cors:
            serving.add_origin(self, self.root.options.cors)
        self.front.add_headers(self)
        BaseHTTPRequestHandler.end_headers(self)

    def flush_headers(self) -> None:
        self._headers_buffer = self.front.note_head(self._headers_buffer)
        BaseHTTPRequestHandler.flush_headers(self)

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:
        return serving.send_listing(self, self.root, path)

    def address_string(self) -> str:
        return self.front.address_string()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """It is logged with its answer."""

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        self.front.log_message(format, *args)


def fronted(front: ScriptedHandler, handler_class: type[FrontedT]) -> FrontedT:
    """A handler of the class for the request that ``front`` has in hand. It is not run: its methods are called."""
    handler = handler_class.__new__(handler_class)
    handler.front = front
    own = vars(handler)
    own[running.HTTP1_OF], own["rfile"] = front.http1, front.rfile
    own["client_address"] = front.client_address
    return handler


def serve_files(front: ScriptedHandler, root: Root, below: str) -> None:
    """Answer with what is beneath a directory; ``below`` is the path in it."""
    handler = fronted(front, Fronted)
    handler.root = root
    path = file_beneath(root.directory, below)
    match front.command:
        case "GET" | "HEAD" as command:
            serving.answer(handler, root, path, with_body=command == "GET")
        case "OPTIONS":
            serving.send_options(handler, root)
        case _:
            _refuse_method(handler)


def _refuse_method(handler: Fronted) -> None:
    running.hold_head(handler)
    handler.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
    handler.send_header("Allow", "GET, HEAD, OPTIONS")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
