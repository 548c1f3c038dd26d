"""BaseHTTPRequestHandler: turns a request's bytes into a call of a ``do_*`` method, and its calls into a response."""

from __future__ import annotations

import html
import io
import socket
import socketserver
import sys
import time
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pytest_httpserve._version import __version__
from pytest_httpserve.errors import RequestError
from pytest_httpserve.server import running
from pytest_httpserve.server.colours import GREY, REQUEST, ErrorFormat, paint, painted, takes_colours
from pytest_httpserve.server.dates import http_date
from pytest_httpserve.server.error_page import DEFAULT_ERROR_CONTENT_TYPE, DEFAULT_ERROR_MESSAGE
from pytest_httpserve.server.escaping import CONTROL_CHARACTERS
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from email.message import Message

    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.server.fronts import Front

_MONTHS = (None, "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _MessageClass:
    """``http.client.HTTPMessage``, imported when a handler first needs it: it imports ``email`` and ``ssl``."""

    def __get__(self, instance: object, owner: type) -> type[Message]:
        from http.client import HTTPMessage

        BaseHTTPRequestHandler.MessageClass = HTTPMessage
        return HTTPMessage


class _Socket:
    """The socket of a handler, as ``request`` and ``connection``. Code that gets it may write to it, so the output held
    back goes out first, and from then on the size of the response is unknown."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, handler: BaseHTTPRequestHandler | None, owner: type) -> Any:  # whatever was set
        if handler is None:
            return self
        http1: HTTP1 | None = vars(handler).get(running.HTTP1_OF)
        if http1 is not None:
            http1.stream.measured = False
            if http1.writer is not None:
                http1.writer.flush()
        try:
            return vars(handler)[self._name]
        except KeyError:
            raise AttributeError(f"this handler has no {self._name}: its setup() has not run") from None

    def __set__(self, handler: BaseHTTPRequestHandler, value: object) -> None:
        vars(handler)[self._name] = value

    def __delete__(self, handler: BaseHTTPRequestHandler) -> None:
        vars(handler).pop(self._name, None)


class BaseHTTPRequestHandler(socketserver.StreamRequestHandler):
    """Serves the requests of one connection: ``do_SPAM()`` answers a request with the method ``SPAM``.

    A subclass defines such methods. In them, ``command``, ``path`` (the target as sent), ``request_version``,
    ``headers``, ``requestline``, ``client_address`` and ``server`` describe the request, and ``rfile`` is its body,
    with an end. To answer, call ``send_response``, ``send_header`` for each header and ``end_headers``, and write to
    ``wfile``. With ``protocol_version = "HTTP/1.1"`` connections are kept open if both sides can.

    ``timeout`` (seconds; None for no limit) bounds every wait for the client: for its next request, for a whole
    request head, for each 64 KiB of a body, for each write. Beyond ``http.server``:

    - ``limits`` (``Limits``) bounds the sizes of a request's parts.
    - ``strict`` refuses what RFC 9112 refuses; without it, HTTP/0.9, extra spaces in the request line, LF for CRLF and
      HTTP/1.1 without Host are accepted, as in ``http.server``.
    - ``decodes_body``: ``rfile`` decodes a chunked body; without it, ``rfile`` has the chunks as sent.
    - ``thread_per_connection``: True keeps a thread for each connection from its beginning to its end, False lets
      connections rest in the server's loop between requests. None decides by the class (whether it overrides a method
      that lasts as long as the connection) and by the instance (whether a request has set new attributes on it).
    """

    server_version: str = f"pytest-httpserve/{__version__}"
    sys_version: str = "Python/" + sys.version.split(maxsplit=1)[0]
    error_message_format = DEFAULT_ERROR_MESSAGE
    error_content_type = DEFAULT_ERROR_CONTENT_TYPE
    protocol_version = "HTTP/1.0"
    default_request_version = "HTTP/0.9"
    MessageClass: ClassVar[Any] = _MessageClass()  # any class like email.message.Message
    responses: ClassVar[dict[int, tuple[str, str]]] = {
        status: (status.phrase, status.description) for status in HTTPStatus
    }
    monthname: ClassVar[list[str | None]] = list(_MONTHS)
    weekdayname: ClassVar[list[str]] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

    timeout: ClassVar[float | None] = 60.0
    disable_nagle_algorithm = True
    limits: ClassVar[Limits] = DEFAULT_LIMITS
    strict: ClassVar[bool] = False
    decodes_body: ClassVar[bool] = False
    thread_per_connection: ClassVar[bool | None] = None

    request: Any = _Socket()
    connection: Any = _Socket()

    client_address: Any
    server: socketserver.BaseServer
    rfile: io.BufferedIOBase
    wfile: io.BufferedIOBase

    # None until the first request line has been read.
    command: str | None = None
    path: str
    request_version: str
    requestline: str = ""
    raw_requestline: bytes
    close_connection: bool = True

    _headers_buffer: list[bytes]

    # Not in setup: subclasses exist that call neither ours nor __init__.
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        self = super().__new__(cls)
        self._headers_buffer = []
        return self

    # One connection

    # The parameters are socketserver's.
    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        self.request, self.client_address, self.server = request, client_address, server
        self.setup()
        running.serve(self)

    def setup(self) -> None:
        """Make ``rfile`` and ``wfile`` from the connection."""
        sock = self.request
        self.connection = sock
        if isinstance(sock, socket.socket):
            running.begin(self, sock)
            return
        # Not a real socket: it needs only makefile and sendall, and has no options to set.
        self.rfile = sock.makefile("rb", self.rbufsize)
        self.wfile = sock.makefile("wb", self.wbufsize) if self.wbufsize else running.Sending(sock)

    def handle(self) -> None:
        """Serve requests until the connection should end."""
        self.close_connection = True
        self.handle_one_request()
        while not self.close_connection and running.goes_on(self):
            self.handle_one_request()

    def finish(self) -> None:
        """Send the output still held back, and say goodbye to the client."""
        running.see_off(self)

    # One request

    def handle_one_request(self) -> None:
        """Read one request and answer it, or end the connection."""
        http1 = running.http1_of(self)
        self.command, self.requestline = None, ""
        try:
            self.raw_requestline = http1.next_line()
            if not self.raw_requestline:
                self.close_connection = True
            elif self.parse_request():
                running.answer(self, http1.connection)
                self.wfile.flush()
                running.end_request(self)
            else:
                self.close_connection = True
                self.wfile.flush()
        except RequestError as error:  # in the body, while a handler read it
            running.refuse(self, error)
        except OSError as error:
            if not running.is_clients(self, error):
                running.handler_failed(self)
                raise
            running.client_failed(self, error, running.refuse)
        except Exception:
            running.handler_failed(self)
            raise

    def parse_request(self) -> bool:
        """Parse the head that begins with ``raw_requestline`` and goes on in ``rfile``; send 100 if the client waits.

        False if there is no request, or if it was refused, in which case the answer has been sent.
        """
        self.command = None
        self.close_connection = True
        self.__dict__.pop("headers", None)
        http1 = running.http1_of(self)
        if not self.raw_requestline or (http1.read_by_others and not self.raw_requestline.strip()):
            return False
        try:
            stream = http1.read_head(
                self.raw_requestline,
                strict=self.strict,
                speaks_1_1=self.protocol_version >= "HTTP/1.1",
                raw=not self.decodes_body,
            )
        except RequestError as error:
            running.enter_refused(self, error)
            running.refuse(self, error)
            return False
        running.enter(self, stream)
        self.close_connection = not stream.lasts
        return self.handle_expect_100() if stream.fields.expects_continue and stream.speaks_1_1 else True

    @cached_property
    def headers(self) -> Any:  # an instance of MessageClass, which may be any class
        """The request's headers, as an instance of ``MessageClass``."""
        message = self.MessageClass()
        add = getattr(message, "set_raw", message.__setitem__)
        for name, value in running.http1_of(self).stream.headers.fields:
            add(name, value)
        if hasattr(message, "set_payload"):  # without a payload, a multipart message would print as one without parts
            message.set_payload("")
        return message

    def handle_expect_100(self) -> bool:
        """Answer ``Expect: 100-continue``: by default, with 100.

        An override may send a final answer instead, and return False.
        """
        self.send_response_only(HTTPStatus.CONTINUE)
        self.end_headers()
        return True

    # Answers

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Log and send a whole error response, and end the connection after it.

        ``message`` is the reason phrase, ``explain`` the text of the page; both default to those in ``responses``.
        """
        send_error_page(self, code, message, explain, (("Connection", "close"),))

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin a response: status line, ``Server`` and ``Date``; logs the request."""
        self.log_request(code)
        self.send_response_only(code, message)
        self.send_header("Server", self.version_string())
        self.send_header("Date", self.date_time_string())

    def send_response_only(self, code: int, message: str | None = None) -> None:
        """Begin a response with its status line alone. Raises ValueError for a message of more than one line."""
        code = int(code)  # an enumeration's hash takes ten times as long as an integer's
        if code >= 200 or code == HTTPStatus.SWITCHING_PROTOCOLS:
            running.begin_response(self, code)
        if self.request_version != "HTTP/0.9":
            if message is None:
                message = self.responses.get(code, ("",))[0]
            self._headers_buffer.append(_encode_line(f"{self.protocol_version} {code} {message}"))

    if TYPE_CHECKING:

        def send_header(self, keyword: str, value: object) -> None:  # as documented, and as overrides define it
            """Add a header to the response. Raises ValueError for a value of more than one line."""

    else:

        def send_header(self, keyword: str, value: object, *, _is_extra: bool = False) -> None:
            """Add a header to the response. Raises ValueError for a value of more than one line."""
            # Code written for Python 3.15 may pass _is_extra. It changes nothing here.
            text = str(value)
            line, name = _encode_field(keyword, text)
            if self.request_version != "HTTP/0.9":
                self._headers_buffer.append(line)
            if name:
                running.note_header(self, name, text)

    def end_headers(self) -> None:
        """End the response's head: it is sent with the first bytes of the body, or by itself if none follow."""
        if self.request_version == "HTTP/0.9":
            return
        for name, value in running.last_fields(self):
            self.send_header(name, value)
        self._headers_buffer.append(b"\r\n")
        self.flush_headers()

    def flush_headers(self) -> None:
        """Send the lines of the head that were added so far."""
        lines, self._headers_buffer = self._headers_buffer, []
        running.write_head(self, b"".join(lines))

    # What a response says about its server

    def version_string(self) -> str:
        """The value of ``Server``: ``server_version`` and ``sys_version``."""
        return f"{self.server_version} {self.sys_version}".rstrip()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """``timestamp`` (seconds since the epoch; now if None) as an HTTP date (RFC 9110 section 5.6.7)."""
        return http_date(timestamp)

    # Logging

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request and the code of its answer; called by ``send_response``."""
        code = int(code) if isinstance(code, HTTPStatus) else code
        self.log_message(REQUEST, self.requestline, str(code), str(size))

    def log_error(self, format: str, *args: Any) -> None:  # whatever % takes
        """Log an error; by default, like any other message."""
        self.log_message(ErrorFormat(format), *args)

    _control_char_table = CONTROL_CHARACTERS

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        """Write ``format % args`` to stderr as one line, with the client's address and the time.

        Control characters are escaped, so a request cannot add lines or colours to a log. On a terminal, the line has
        colours.
        """
        message = (format % args).translate(self._control_char_table)
        origin = f"{self.address_string()} - - [{self.log_date_time_string()}]"
        if takes_colours(sys.stderr):
            origin, message = paint(origin, GREY), painted(message, format)
        sys.stderr.write(f"{origin} {message}\n")

    def log_date_time_string(self) -> str:
        """The local time in the format of the log."""
        now = time.localtime()
        return f"{now.tm_mday:02}/{self.monthname[now.tm_mon]}/{now.tm_year:04} {time.strftime('%H:%M:%S', now)}"

    def address_string(self) -> str:
        """The client's address; its host name is not looked up."""
        return str(self.client_address[0])


def add_fields(handler: Front, fields: tuple[Field, ...]) -> None:
    """Call ``send_header`` for each of the fields; all at once if no subclass overrides it, for they repeat often."""
    if not running.is_ours(handler, "send_header"):
        for name, value in fields:
            handler.send_header(name, value)
        return
    lines, framing = _encode_fields(fields)
    if handler.request_version != "HTTP/0.9":
        handler._headers_buffer += lines
    for name, value in framing:
        running.note_header(handler, name, value)


@lru_cache(256)
def _encode_fields(fields: tuple[Field, ...]) -> tuple[tuple[bytes, ...], tuple[Field, ...]]:
    """The fields as lines of bytes, and the framing fields among them, with their names in lower case."""
    encoded = [(_encode_field(name, value), value) for name, value in fields]
    return tuple(line for (line, _), _ in encoded), tuple((name, value) for (_, name), value in encoded if name)


@lru_cache(256)
def _encode_line(line: str) -> bytes:
    """A line of a head as bytes. Raises ValueError for a line break or NUL in it."""
    if "\n" in line or "\r" in line or "\0" in line:
        raise ValueError(f"CR, LF or NUL in a line of the response's head: {line!r}")
    return line.encode("latin-1") + b"\r\n"


@lru_cache(256)
def _encode_field(name: str, value: str) -> tuple[bytes, str]:
    """A field line as bytes, and its name in lower case if it is a framing field."""
    small = name.lower()
    framing = small if small in ("connection", "content-length", "transfer-encoding") else ""
    return _encode_line(f"{name}: {value}"), framing


def send_error_page(
    handler: BaseHTTPRequestHandler, code: int, message: str | None, explain: str | None, fields: tuple[Field, ...]
) -> None:
    """Log and send a whole error response, with these additional fields."""
    short, long = handler.responses.get(code, ("???", "???"))
    message = short if message is None else message
    explain = long if explain is None else explain
    handler.log_error("code %d, message %s", code, message)
    body = b""
    running.hold_head(handler)
    handler.send_response(code, message)
    for name, value in fields:
        handler.send_header(name, value)
    if code >= 200 and code not in (204, 205, 304):
        page = handler.error_message_format % {
            "code": code,
            "message": html.escape(message, quote=False),
            "explain": html.escape(explain, quote=False),
        }
        body = page.encode("utf-8", "replace")
        handler.send_header("Content-Type", handler.error_content_type)
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if body and handler.command != "HEAD":
        handler.wfile.write(body)
