"""WSGI applications under a prefix (PEP 3333): they are called, and what they answer goes out piece by piece."""

from __future__ import annotations

import sys
import urllib.parse
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper, is_hop_by_hop

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answers.responses import SERVER
from pytest_httpserve.scripting.mounts.heads import FAILED, GivenHead, given_head
from pytest_httpserve.scripting.mounts.mount import ApplicationMount
from pytest_httpserve.scripting.mounts.outgoing import Outgoing
from pytest_httpserve.scripting.mounts.sockets import SocketOfRequest
from pytest_httpserve.wire.memory import remembered

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.wire.headers import Field

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]

_SAME_FOR_ALL: dict[str, Any] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SERVER_SOFTWARE": SERVER,
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
    "wsgi.input_terminated": True,  # the input ends where the body does, announced or chunked
}


class WSGIMount(ApplicationMount):
    """A WSGI application (PEP 3333); the prefix is its SCRIPT_NAME."""

    __slots__ = ()

    def serve(self, asked: Asked, below: str) -> None:
        """Let the application answer what is asked; its path under the prefix is ``below``."""
        asked.invite_body()
        # Whoever asks for the prefix itself, without a slash after it, asks for no path in the application.
        path = "" if below == "/" and not asked.parts.path.endswith("/") else below
        with Outgoing(asked, chunk=asked.stream.version >= (1, 1)) as response:
            environ = environ_of(asked, self.prefix, path)
            write: Callable[[bytes], object] = response.write
            if asked.stream.asks_to_leave:
                # By the name that Werkzeug's server has for it: simple-websocket and Flask-Sock look for that.
                environ["werkzeug.socket"] = SocketOfRequest(asked, asked.http1.reader, response)
                write = partial(_write_unless_left, response)
            Gateway(asked, write, response.break_off).run(self.application, environ)


def _write_unless_left(response: Outgoing, data: bytes) -> None:
    """Send what an application returns, unless it has answered 101 itself: frameworks have to return something."""
    if not response.has_left:
        response.write(data)


class Gateway:
    """Runs an application for one request.

    ``write`` takes the bytes of its response: the head, with whatever there is of the body by then, and each further
    piece. ``break_off`` is called when the application has failed.
    """

    __slots__ = ("_asked", "_break_off", "_head", "_sent", "_whole", "_write")

    def __init__(self, asked: Asked, write: Callable[[bytes], object], break_off: Callable[[], object]) -> None:
        self._asked = asked
        self._write = write
        self._break_off = break_off
        self._head: GivenHead | None = None  # as start_response was given it
        self._sent = False  # whether it has left
        self._whole = False  # whether the first piece is all of the body

    def run(self, application: Any, environ: dict[str, Any]) -> None:  # PEP 3333 leaves most types open
        """Let the application answer. What it raises fails the test, unless it is what the client did."""
        try:
            pieces = application(environ, self.start_response)
            try:
                self._send(pieces)
            finally:
                if (close := getattr(pieces, "close", None)) is not None:
                    close()
        except BaseException as error:
            if isinstance(error, RequestError) or self._asked.is_clients(error):
                raise
            self._fail(error)

    def start_response(
        self, status: str, headers: Iterable[Field], exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], None]:
        """What an application calls with its head.

        Raises TypeError for what is no text, ValueError for what could not be sent.
        """
        if exc_info:
            try:
                if self._sent:  # too late for another head
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # the traceback leads to this frame
        elif self._head is not None:
            raise AssertionError("start_response was called twice, the second time without exc_info")
        try:
            fields = tuple(headers)
            for name, value in fields:
                if is_hop_by_hop(name):
                    raise ValueError(f"{name} is the server's to send (PEP 3333), and the application has: {value!r}")
            self._head = given_head(status, fields)
        except (TypeError, AttributeError):
            raise TypeError(
                f"start_response takes a status and a list of (name, value), all of them str, "
                f"not {status!r} and {headers!r}"
            ) from None
        return self.write

    def write(self, data: bytes) -> None:
        """What an application calls with a piece of its body, if it does not return all of them."""
        if not isinstance(data, bytes):
            raise TypeError(
                f"the body of a WSGI response is made of bytes, and this is {type(data).__name__}: {data!r}"
            )
        if self._head is None:
            raise AssertionError("the application has given a piece of the body before it called start_response")
        if self._sent:
            self._write(data)
        elif data:  # nothing leaves before there is some of it
            self._send_head(self._head, data)

    def _send(self, pieces: Any) -> None:  # anything that can be iterated
        try:  # noqa: SIM105  for each request: suppress takes longer than the call
            self._whole = len(pieces) == 1
        except (TypeError, AttributeError, NotImplementedError):
            pass  # their number shows at their end
        for piece in pieces:
            self.write(piece)
        if self._head is None:
            raise AssertionError("the application returned without a call of start_response")
        if not self._sent:
            self._send_head(self._head, b"")

    def _send_head(self, head: GivenHead, first: bytes) -> None:
        self._sent = True
        self._write(head.before(first, whole=self._whole or not first, method=self._asked.method))

    def _fail(self, error: BaseException) -> None:
        """An exception left the application: it fails the test, with the text that the client is answered with."""
        self._break_off()
        text = self._asked.record_exception(error).encode()
        if not self._sent:
            self._whole = True
            self._head = FAILED
            self.write(text)


def environ_of(asked: Asked, prefix: str, below: str) -> dict[str, Any]:
    """The variables of a request under ``prefix`` (PEP 3333, RFC 3875 section 4.1). Text in them is latin-1 decoded
    bytes."""
    headers, client = asked.stream.headers, asked.client
    address: object = asked.server.server_address
    host, port = address[:2] if isinstance(address, tuple) else (address, "")  # of a Unix socket, it is a path
    secure = not asked.connection.transport.plain
    environ = {
        **_SAME_FOR_ALL,
        "PATH_INFO": _decoded(below),
        "QUERY_STRING": asked.parts.query or "",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": _decoded(prefix),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": asked.stream.line.protocol,
        "wsgi.input": asked.http1.reader,
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "https" if secure else "http",
    }
    if secure:
        environ["HTTPS"] = "on"
    for name in headers:
        if variable := _variable(name):
            environ[variable] = headers[name]
    return environ


@remembered(256)
def _decoded(path: str) -> str:
    return urllib.parse.unquote_to_bytes(path).decode("latin-1")


@remembered(256)
def _variable(name: str) -> str:
    """The variable that has a field of the request; empty for a field that has none."""
    variable = name.upper().replace("-", "_")
    # X_A would be taken for X-A; and programs take HTTP_PROXY for their own setting (CVE-2016-5387).
    if "_" in name or variable == "PROXY":
        return ""
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"
