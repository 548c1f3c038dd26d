"""Applications behind a prefix: handler classes written for ``http.server`` or for ours, and WSGI applications.

Both get the one request in hand and write their response as they are used to; what passes here is read along, so that
the journal knows the response and the connection is kept where it can be.
"""

from __future__ import annotations

import functools
import io
import socketserver
import sys
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire.framing import (
    CHUNKED,
    Framing,
    encode_chunk,
    encode_last_chunk,
    keeps_alive,
    response_framing,
)
from pytest_httpserve.wire.head import parse_fields
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handler import ScriptedHandler
    from pytest_httpserve.server.connection import Reader

HandlerClass = Callable[[Any, Any, Any], object]
Application = Callable[..., Any]  # PEP 3333 leaves most types open


@dataclass(frozen=True, slots=True)
class HandlerMount:
    """A handler class beneath ``prefix``; it sees paths without the prefix."""

    prefix: str
    handler_class: HandlerClass

    def describe(self) -> str:
        """What stands there, for a message."""
        return f"{_name(self.handler_class)} is mounted"

    def serve(self, handler: ScriptedHandler, below: str) -> None:
        """Let a handler of the class answer the request, whose path beneath the prefix is ``below``."""
        response = Outgoing(handler)
        head = _head_with_path(handler, below)
        self.handler_class(_OneRequest(head, handler.reader, response), handler.client_address, handler.server)
        response.finish()


@dataclass(frozen=True, slots=True)
class WSGIMount:
    """A WSGI application (PEP 3333) beneath ``prefix``, which is its SCRIPT_NAME."""

    prefix: str
    application: Application

    def describe(self) -> str:
        """What stands there, for a message."""
        return f"{_name(self.application)} is mounted"

    def serve(self, handler: ScriptedHandler, below: str) -> None:
        """Let the application answer the request, whose path beneath the prefix is ``below``."""
        from pytest_httpserve.scripting.gateway import Gateway

        response = Outgoing(handler, chunk=handler.request_version == "HTTP/1.1")
        Gateway(handler, response, _environ(handler, self.prefix, below)).run(self.application)
        response.finish()


def application_mount(prefix: str, application: object) -> HandlerMount | WSGIMount:
    """The mount for a handler class (or a functools.partial of one), or else for a WSGI application.

    Raises UsageError for what is neither.
    """
    inner = application.func if isinstance(application, functools.partial) else application
    if isinstance(inner, type) and issubclass(inner, socketserver.BaseRequestHandler):
        return HandlerMount(prefix, application)  # type: ignore[arg-type]  # it is callable, being a class or a partial
    if not callable(application):
        raise UsageError(f"mount() takes a handler class or a WSGI application, not {application!r}")
    return WSGIMount(prefix, application)


def _name(thing: object) -> str:
    inner = thing.func if isinstance(thing, functools.partial) else thing
    return getattr(inner, "__qualname__", type(inner).__qualname__)


class Outgoing:
    """The response of an application, on its way through: ``write`` takes its bytes, head and all.

    With ``chunk``, a body without an announced end is sent in chunks; else such a body ends the connection.
    """

    def __init__(self, handler: ScriptedHandler, *, chunk: bool = False) -> None:
        self._handler = handler
        self._chunk = chunk
        self._head = b""  # what came of the head so far
        self._framing: Framing | None = None  # None until the head is whole
        self._chunking = False
        self._bodiless = False
        self._broken = False
        self._written = 0

    def write(self, data: bytes) -> None:
        """Send what the application has written: each piece at once."""
        if self._framing is not None:
            self._write_body(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = b""
        self._write_head(head + b"\r\n")
        if rest:
            # Behind a 1xx comes the head proper.
            self.write(rest)

    def _write_head(self, head: bytes) -> None:
        handler = self._handler
        status_line, _, block = head.partition(b"\r\n")
        version, _, status = status_line.partition(b" ")
        if status.startswith(b"1") and not status.startswith(b"101"):
            handler.wfile.write_head(head + b"\r\n", more=False)
            return
        fields = parse_fields(block)
        code = int(status[:3])
        self._framing = framing = response_framing(handler.command or "", code, fields)
        self._bodiless = framing.kind == "none"
        last = keeps_alive(fields, (1, 1) if version == b"HTTP/1.1" else (1, 0))
        if framing.kind == "close" and self._chunk and code != 101:
            self._chunking, self._framing = True, CHUNKED
            head += b"Transfer-Encoding: chunked\r\n"
        elif framing.kind == "close":
            last = False
        if not last:
            handler.close_connection = True
        head += self._connection_field(fields, version)
        handler.take_over(code, head + b"\r\n")
        handler.wfile.write_head(head + b"\r\n", more=framing.kind == "length" and framing.length > 0)

    def _connection_field(self, fields: Headers, version: bytes) -> bytes:
        if "connection" in fields or version != b"HTTP/1.1" or not self._handler.close_connection:
            return b""
        return b"Connection: close\r\n"

    def _write_body(self, data: bytes) -> None:
        if self._bodiless:
            return  # HEAD and 304 have none, whatever the application writes
        self._written += len(data)
        self._handler.wfile.write(encode_chunk(data) if self._chunking else data)

    def break_off(self) -> None:
        """The application has failed: what went out so far must not pass for a whole response."""
        self._broken = self._framing is not None

    def finish(self) -> None:
        """The application is done. A body that is shorter or longer than it said ends the connection."""
        handler = self._handler
        if self._framing is None:
            raise RuntimeError("the application ended without a response")
        if self._broken:
            handler.close_connection = True
        elif self._chunking and not self._bodiless:
            handler.wfile.write(encode_last_chunk())
        elif self._framing.kind == "length" and self._written != self._framing.length:
            handler.close_connection = True


class _OneRequest:
    """What a handler class takes for its socket: the request in hand to be read, and a response to be written.

    ``socketserver.StreamRequestHandler`` asks for ``makefile`` and ``sendall``. Options of a socket mean nothing here.
    """

    def __init__(self, head: bytes, body: Reader, response: Outgoing) -> None:
        self._input = _HeadThenBody(head, body)
        self._response = response

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedIOBase:
        """The request, head first, as a file; it ends with the request's body."""
        if "r" not in mode:
            return io.BufferedWriter(_Output(self._response))
        return self._input

    def sendall(self, data: bytes) -> None:
        """Send what the handler writes."""
        self._response.write(bytes(data))

    def send(self, data: bytes) -> int:
        """Send all of it, too."""
        self.sendall(data)
        return len(data)

    def settimeout(self, seconds: float | None) -> None:
        """The server has set its own."""

    def setsockopt(self, *option: object) -> None:
        """The server has set its own."""


class _HeadThenBody(io.BufferedIOBase):
    def __init__(self, head: bytes, body: Reader) -> None:
        self._head = io.BytesIO(head)
        self._body = body

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._head.readline(-1 if size is None else size) or self._body.readline(size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._head.read1(size) or self._body.read1(size)

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = sys.maxsize if size is None or size < 0 else size
        head = self._head.read(wanted)
        return head + self._body.read(wanted - len(head)) if len(head) < wanted else head


class _Output(io.RawIOBase):
    def __init__(self, response: Outgoing) -> None:
        self._response = response

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # any object with the buffer protocol
        piece = bytes(data)
        self._response.write(piece)
        return len(piece)


def _head_with_path(handler: ScriptedHandler, below: str) -> bytes:
    _, mark, query = handler.path.partition("?")
    lines = [f"{handler.command} {below}{mark}{query} {handler.request_version}\r\n"]
    # 100 has been said where it was expected.
    lines += [f"{name}: {value}\r\n" for name, value in handler.headers.fields if name.lower() != "expect"]
    return "".join([*lines, "\r\n"]).encode("latin-1")


def _environ(handler: ScriptedHandler, prefix: str, below: str) -> dict[str, Any]:
    """The variables of a request (PEP 3333, RFC 3875 section 4.1). Text in them is latin-1 decoded bytes."""
    headers = handler.headers
    host, port = handler.server.server_address[:2]
    environ: dict[str, Any] = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": urllib.parse.unquote_to_bytes(below).decode("latin-1"),
        "QUERY_STRING": handler.path.partition("?")[2],
        "REMOTE_ADDR": str(handler.client_address[0]),
        "REMOTE_PORT": str(handler.client_address[1]),
        "REQUEST_METHOD": handler.command,
        "SCRIPT_NAME": urllib.parse.unquote_to_bytes(prefix).decode("latin-1"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": handler.request_version,
        "SERVER_SOFTWARE": handler.version_string(),
        "wsgi.input_terminated": True,  # the input ends where the body does, announced or chunked
    }
    for name in headers:
        if "_" in name:
            continue  # X_A would be taken for X-A
        variable = name.upper().replace("-", "_")
        environ[variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"] = headers[name]
    environ.pop("HTTP_PROXY", None)  # CVE-2016-5387: programs take it for their own setting
    return environ
