"""WSGI applications under a prefix (PEP 3333)."""

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
    "wsgi.input_terminated": True,  # the input ends with the body, whether its length is known or it is in chunks
}


class WSGIMount(ApplicationMount):
    """A WSGI application (PEP 3333); the prefix is its SCRIPT_NAME."""

    __slots__ = ()

    def serve(self, asked: Asked, below: str) -> None:
        """Let the application answer the request. ``below`` is its path under the prefix."""
        asked.invite_body()
        # A request for the prefix itself, without a slash after it, has an empty path in the application.
        path = "" if below == "/" and not asked.parts.path.endswith("/") else below
        with Outgoing(asked, chunk=asked.stream.version >= (1, 1)) as response:
            environ = environ_of(asked, self.prefix, path)
            write: Callable[[bytes], object] = response.write
            if asked.stream.asks_to_leave:
                # The name that Werkzeug's server uses: simple-websocket and Flask-Sock look for it.
                environ["werkzeug.socket"] = SocketOfRequest(asked, asked.http1.reader, response)
                write = partial(_write_unless_left, response)
            Gateway(asked, write, response.break_off).run(self.application, environ)


def _write_unless_left(response: Outgoing, data: bytes) -> None:
    """Send what an application returns, unless it has answered 101: frameworks must return something even then."""
    if not response.has_left:
        response.write(data)


class Gateway:
    """Runs an application for one request.

    ``write`` is called with the bytes of the response: the head with the first piece of the body, then each further
    piece. ``break_off`` is called if the application fails.
    """

    __slots__ = ("_asked", "_break_off", "_head", "_sent", "_whole", "_write")

    def __init__(self, asked: Asked, write: Callable[[bytes], object], break_off: Callable[[], object]) -> None:
        self._asked = asked
        self._write = write
        self._break_off = break_off
        self._head: GivenHead | None = None  # as given to start_response
        self._sent = False  # whether the head has been sent
        self._whole = False  # whether the first piece is all of the body

    def run(self, application: Any, environ: dict[str, Any]) -> None:  # PEP 3333 leaves most types open
        """Let the application answer. If it raises, the test fails, unless the client broke off."""
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
        """Take the head from the application (PEP 3333).

        Raises TypeError for anything but str, ValueError for what cannot be sent.
        """
        if exc_info:
            try:
                if self._sent:  # too late for another head
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # the traceback refers to this frame
        elif self._head is not None:
            raise AssertionError("start_response was called twice, the second time without exc_info")
        try:
            fields = tuple(headers)
            for name, value in fields:
                if is_hop_by_hop(name):
                    raise ValueError(f"only the server may send {name} (PEP 3333), but the application gave {value!r}")
            self._head = given_head(status, fields)
        except (TypeError, AttributeError):
            raise TypeError(
                f"start_response takes a status and a list of (name, value), all of them str, "
                f"not {status!r} and {headers!r}"
            ) from None
        return self.write

    def write(self, data: bytes) -> None:
        """Take a piece of the body from an application that does not return its whole body."""
        if not isinstance(data, bytes):
            raise TypeError(f"the body of a WSGI response must be bytes, not {type(data).__name__}: {data!r}")
        if self._head is None:
            raise AssertionError("the application wrote a piece of the body before it called start_response")
        if self._sent:
            self._write(data)
        elif data:  # the head waits for the first bytes of the body
            self._send_head(self._head, data)

    def _send(self, pieces: Any) -> None:  # anything that can be iterated
        try:  # noqa: SIM105  for every request: suppress() takes longer than the call
            self._whole = len(pieces) == 1
        except (TypeError, AttributeError, NotImplementedError):
            pass  # their number is not known yet
        for piece in pieces:
            self.write(piece)
        if self._head is None:
            raise AssertionError("the application returned without calling start_response")
        if not self._sent:
            self._send_head(self._head, b"")

    def _send_head(self, head: GivenHead, first: bytes) -> None:
        self._sent = True
        self._write(head.before(first, whole=self._whole or not first, method=self._asked.method))

    def _fail(self, error: BaseException) -> None:
        """Fail the test with an exception of the application, and send the same text to the client."""
        self._break_off()
        text = self._asked.record_exception(error).encode()
        if not self._sent:
            self._whole = True
            self._head = FAILED
            self.write(text)


def environ_of(asked: Asked, prefix: str, below: str) -> dict[str, Any]:
    """The variables of a request under ``prefix`` (PEP 3333, RFC 3875 section 4.1). Their texts are bytes decoded as
    latin-1."""
    headers, client = asked.stream.headers, asked.client
    address: object = asked.server.server_address
    host, port = address[:2] if isinstance(address, tuple) else (address, "")  # a path, for a Unix socket
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
    """The variable for a field of the request; empty if there is none."""
    variable = name.upper().replace("-", "_")
    # X_A could be confused with X-A, and programs use HTTP_PROXY as a setting (CVE-2016-5387).
    if "_" in name or variable == "PROXY":
        return ""
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"
