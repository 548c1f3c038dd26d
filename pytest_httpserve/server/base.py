"""BaseHTTPRequestHandler: from a request's bytes to a ``do_*`` method, and from its calls to a response."""

from __future__ import annotations

import contextlib
import html
import io
import socket
import socketserver
import sys
import time
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pytest_httpserve.errors import RequestError
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.protocol.reader import FileSource, Reader
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.server.colours import GREY, REQUEST, ErrorFormat, paint, painted, takes_colours
from pytest_httpserve.server.dates import date_line, http_date
from pytest_httpserve.server.error_page import DEFAULT_ERROR_CONTENT_TYPE, DEFAULT_ERROR_MESSAGE
from pytest_httpserve.server.escaping import CONTROL_CHARACTERS
from pytest_httpserve.wire.framing import NO_BODY, Framing, connection_options
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.head import Version
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.message import Fields, Line, parse_header_block, parse_line

if TYPE_CHECKING:
    from email.message import Message

# RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
_MOST_EMPTY_LINES = 8
# What is wrong with a request may quote it; so much of that is sent back.
_MOST_TEXT = 300
# What a connection's life consists of.
_LIVING = ("setup", "handle", "handle_one_request")
# What send_response calls.
_ADDING_HEADERS = ("send_response", "send_response_only", "send_header", "version_string", "date_time_string")
_MONTHS = (None, "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _MessageClass:
    """``http.client.HTTPMessage``, imported when a handler first wants it: it brings ``email`` and ``ssl`` along."""

    def __get__(self, instance: object, owner: type) -> type[Message]:
        from http.client import HTTPMessage

        BaseHTTPRequestHandler.MessageClass = HTTPMessage
        return HTTPMessage


class BaseHTTPRequestHandler(socketserver.StreamRequestHandler):
    """Serves the requests of one connection: a request with the method ``SPAM`` is answered by ``do_SPAM()``.

    A subclass defines such methods. In them, ``command``, ``path`` (the target as sent), ``request_version``,
    ``headers``, ``requestline``, ``client_address`` and ``server`` tell what was asked; ``rfile`` gives the body and
    ends where it ends; the answer is ``send_response``, ``send_header`` for each header, ``end_headers``, and writes to
    ``wfile``. With ``protocol_version = "HTTP/1.1"`` connections are kept open where both sides can.

    ``timeout`` (seconds; None for no limit) bounds every wait for the client: for its next request, for a whole
    request head, for each 64 KiB of a body, for each write. ``limits`` are the sizes taken. ``strict`` refuses what
    RFC 9112 refuses; without it, HTTP/0.9, extra blanks in the request line, LF for CRLF and HTTP/1.1 without Host are
    taken, as ``http.server`` takes them.
    """

    server_version = "pytest-httpserve/0.1.0"
    sys_version = "Python/" + sys.version.split(maxsplit=1)[0]
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

    # None until the first request line was taken.
    command: str | None = None
    path: str
    request_version: str
    requestline: str = ""
    raw_requestline: bytes
    close_connection: bool = True

    _connection: Connection | None = None  # None when run over something that is no socket
    _headers_buffer: list[bytes]
    _fields: Headers  # the headers as the wire has them
    _version: Version = (1, 1)
    _framing: Framing = NO_BODY  # of the request's body
    _target: str  # as it was sent: path has lost the second of two slashes at its beginning
    _status: int | None = None  # of the final response, once it is given
    _declared: int | None = None  # the Content-Length of the response
    _delimited = False  # whether the response says where it ends
    _connection_said = False
    _linger = False

    # Whether its connections rest in the server's loop between two requests.
    _rests: ClassVar[bool] = True
    # Whether a subclass parses requests in a way of its own.
    _parses: ClassVar[bool] = False
    # Whether a subclass wants to see each header of a response.
    _adds_headers: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:  # whatever a subclass takes
        super().__init_subclass__(**kwargs)
        # Who takes a connection's life into their own hands keeps the thread, unless they say that they need not.
        said = next(one for one in cls.__mro__ if "_rests" in vars(one))
        if said is not cls and any(getattr(cls, name) is not getattr(said, name) for name in _LIVING):
            cls._rests = False
        base = BaseHTTPRequestHandler
        cls._parses = cls.parse_request is not base.parse_request
        cls._adds_headers = any(getattr(cls, name) is not getattr(base, name) for name in _ADDING_HEADERS)

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
        self._serve()

    def _serve(self) -> None:
        """Serve what there is; at the end, be finished, unless the connection is to rest."""
        try:
            self.handle()
        finally:
            if self._connection is None or not self._connection.resting:
                self.finish()

    def setup(self) -> None:
        """Make ``rfile`` and ``wfile`` of the connection."""
        if not isinstance(self.request, socket.socket):
            # All that is asked of it is makefile and sendall: it has no options to be set.
            vars(self).update(timeout=None, disable_nagle_algorithm=False)
            super().setup()
            return
        self.connection = self.request
        track = getattr(self.server, "track", None)
        made = track(self.request, self.client_address) if track else Connection(self.request, self.client_address)
        self._connection = connection = made
        connection.begin(self.timeout, nodelay=self.disable_nagle_algorithm)
        self.rfile = Reader(connection, limits=self.limits, read_ahead=self.rbufsize != 0)
        self.wfile = Writer(connection)
        if self.wbufsize != 0:
            size = self.wbufsize if self.wbufsize > 0 else io.DEFAULT_BUFFER_SIZE
            self.wfile = io.BufferedWriter(self.wfile, size)

    def handle(self) -> None:
        """Serve requests until the connection is to end."""
        self.close_connection = True
        self.handle_one_request()
        while not self.close_connection and self._goes_on():
            self.handle_one_request()

    def _goes_on(self) -> bool:
        """Whether this thread is to wait for another request: not at the end, nor if the loop is to wait."""
        reader = self._reader()
        if not (reader.between_bodies or self._leave_request(reader)):
            return False
        connection = self._connection
        if connection is None or not self._rests or not reader.empty or not connection.may_rest():
            return True
        connection.serve = self._serve
        return False

    def finish(self) -> None:
        """Send what is still held back, and see the client off."""
        try:
            self.wfile.flush()
        except (OSError, ValueError):
            return  # the client has gone, or the handler closed wfile
        if self._connection is not None and (self._linger or not self._reader().complete):
            self._connection.linger()

    # One request

    def handle_one_request(self) -> None:
        """Take one request and answer it, or end the connection."""
        reader, connection = self._reader(), self._connection
        self.command, self.requestline = None, ""
        self._forget_answer()
        try:
            if not (connection is None or connection.stays()) or not reader.wait():
                self.close_connection = True
                return
            if self._take_head(reader):
                self.answer_request()
                self.wfile.flush()
                self._end_request(reader)
            else:
                self._end_unanswered()
        except RequestError as error:  # in the body, while a handler read it
            self.refuse_request(error)
        except OSError as error:
            if self._connection is None or error is not self._connection.failure:
                self._fail()
                raise
            self._client_failed(error)
        except Exception:
            self._fail()
            raise

    def _take_head(self, reader: Reader) -> bool:
        """Take the head of a request; False if there is none that can be answered.

        One that is here as a whole is parsed as a whole, which takes half as long as line by line (and once known, a
        fifth).
        """
        head = None if self._parses else reader.take_head(self.limits, self.strict)
        if head is None:
            self.raw_requestline = self._take_request_line(reader)
            return bool(self.raw_requestline) and self.parse_request()
        self.raw_requestline = head.raw_line
        self.__dict__.pop("headers", None)
        self._enter_line(head.line)
        return self._begin_answer(self._enter_fields(head.fields, reader))

    def answer_request(self) -> None:
        """Call the ``do_*`` method for the request in hand."""
        method = getattr(self, f"do_{self.command}", None)
        if method is None:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({self.command!r})")
            return
        if self._connection is None:
            method()
        else:
            self._connection.run(method)

    def parse_request(self) -> bool:
        """Parse the head that begins with ``raw_requestline`` and goes on in ``rfile``; say 100 if that is expected.

        False if the request was refused: then the answer has been given.
        """
        self.command = None
        self.close_connection = True
        # Whoever sent what is no request at all is answered with a status line: a browser, more likely than HTTP/0.9.
        self.request_version = self.protocol_version
        self.__dict__.pop("headers", None)
        try:
            expected = self._parse_head(self._reader())
        except RequestError as error:
            # A line that is too long is of no use in a log.
            too_long = error.status == HTTPStatus.REQUEST_URI_TOO_LONG
            self.requestline = "" if too_long else self.raw_requestline.decode("latin-1").rstrip("\r\n")
            self.refuse_request(error)
            return False
        return self._begin_answer(expected)

    def _begin_answer(self, expected: bool) -> bool:
        if self._connection is not None:
            self._connection.busy = True
            self._connection.doing = self.requestline
        return self.handle_expect_100() if expected else True

    def _parse_head(self, reader: Reader) -> bool:
        """Set what the head says, line by line; True if the client waits for 100."""
        line = parse_line(self.raw_requestline, limits=self.limits, strict=self.strict)
        self._enter_line(line)
        # HTTP/0.9 has no headers.
        block = reader.read_fields(lenient=not self.strict) if line.protocol else b""
        fields = parse_header_block(block, line.version, limits=self.limits, strict=self.strict)
        return self._enter_fields(fields, reader)

    def _enter_line(self, line: Line) -> None:
        self.requestline, self.command, target, self._version, protocol = line
        self.request_version = protocol or self.default_request_version
        self._target = target
        # Two slashes would make a URL of the path wherever it is sent back, in Location above all.
        self.path = "/" + target.lstrip("/") if target.startswith("//") else target

    def _enter_fields(self, fields: Fields, reader: Reader) -> bool:
        """True if the client waits for 100."""
        self._fields, self._framing, keeps_alive, expects_continue = fields
        # Over a file that is no socket, what follows a head without a length is there to be read, as the head was.
        if self._connection is not None or self._framing is not NO_BODY:
            reader.begin_body(self._framing)
        speaks_1_1 = self.protocol_version >= "HTTP/1.1"
        self.close_connection = not (keeps_alive and speaks_1_1)
        return expects_continue and speaks_1_1

    @cached_property
    def headers(self) -> Any:  # an instance of MessageClass, whatever that is
        """The request's headers, as an instance of ``MessageClass``."""
        message = self.MessageClass()
        add = getattr(message, "set_raw", message.__setitem__)
        for name, value in self._fields.fields:
            add(name, value)
        if hasattr(message, "set_payload"):  # without one, it would be shown as a multipart message of no parts
            message.set_payload("")
        return message

    def handle_expect_100(self) -> bool:
        """Answer ``Expect: 100-continue``: here, say to go on.

        An override may send a final answer instead, and return False.
        """
        self.send_response_only(HTTPStatus.CONTINUE)
        self.end_headers()
        return True

    def _reader(self) -> Reader:
        if not isinstance(self.rfile, Reader):
            self.rfile = Reader(FileSource(self.rfile), limits=self.limits)
        return self.rfile

    def _forget_answer(self) -> None:
        self._status = self._declared = None
        self._delimited = self._connection_said = False
        if isinstance(self.wfile, Writer):
            self.wfile.begin_response()

    def _take_request_line(self, reader: Reader) -> bytes:
        for _ in range(_MOST_EMPTY_LINES):
            line = reader.readline(self.limits.request_line + 3)
            if line not in (b"\r\n", b"\n"):
                break
        return line

    # How a request ends

    def _end_request(self, reader: Reader) -> None:
        if self._status is None:
            # No answer at all: the client must not wait for one.
            self.close_connection |= not (isinstance(self.wfile, Writer) and self.wfile.anything)
        elif self._status != 101:
            announced = self._declared if self._status_has_body() else 0
            if announced is not None and self._written() not in (announced, None):
                self.log_error("the handler announced %d bytes and wrote %d", announced, self._written())
                self.close_connection = True
        if not self.close_connection and not reader.end_body():
            self.close_connection = True

    def _leave_request(self, reader: Reader) -> bool:
        """Whether another can follow; does what an override of ``handle_one_request`` knows nothing of."""
        self._forget_answer()
        try:
            return (self._connection is None or self._connection.stays()) and reader.end_body()
        except (OSError, RequestError):
            return False

    def _end_unanswered(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def refuse_request(self, error: RequestError) -> None:
        """Answer a request that cannot be served as it was sent; the connection ends with it."""
        if self._status is None:
            text = str(error)
            text = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}... ({len(text)} characters)"
            with contextlib.suppress(OSError):  # the client may have gone, too
                if error.status == HTTPStatus.BAD_REQUEST:
                    self.send_error(error.status, text)  # overrides with two parameters are in use
                else:
                    self.send_error(error.status, error.reason, text)
        self.close_connection = self._linger = True

    def _client_failed(self, error: OSError) -> None:
        """The client has gone, or kept us waiting for too long."""
        self.close_connection = True
        if self._connection is not None:
            self._connection.end(*self._connection.whose_end())
        if not isinstance(error, TimeoutError):
            return
        reader = self._reader()
        if reader.in_head:
            self.command, self.requestline, self.request_version = None, "", self.protocol_version
        if self._status is None and (reader.in_head or not reader.complete):
            self.refuse_request(RequestError(HTTPStatus.REQUEST_TIMEOUT, f"the request did not come in time: {error}"))
        if not reader.at_rest:
            self.log_error("Request timed out: %r", error)

    def _fail(self) -> None:
        """The handler raised: its client hears of it, if it has heard nothing yet."""
        self.close_connection = True
        heard = self._status is not None and (not isinstance(self.wfile, Writer) or self.wfile.anything)
        if not heard and self._connection is not None and self._connection.failure is None:
            self._headers_buffer.clear()
            self._forget_answer()
            with contextlib.suppress(OSError):  # it is the handler's error that counts
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)

    # Answers

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Log and send a whole error response, and end the connection after it.

        ``message`` is the reason phrase, ``explain`` the text of the page; both default to those in ``responses``.
        """
        short, long = self.responses.get(code, ("???", "???"))
        message = short if message is None else message
        explain = long if explain is None else explain
        self.log_error("code %d, message %s", code, message)
        body = b""
        self._hold()
        self.send_response(code, message)
        self.send_header("Connection", "close")
        if code >= 200 and code not in (204, 205, 304):
            page = self.error_message_format % {
                "code": code,
                "message": html.escape(message, quote=False),
                "explain": html.escape(explain, quote=False),
            }
            body = page.encode("utf-8", "replace")
            self.send_header("Content-Type", self.error_content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin a response: status line, ``Server`` and ``Date``; logs the request."""
        self.log_request(code)
        self.send_response_only(code, message)
        self.send_header("Server", self.version_string())
        self.send_header("Date", self.date_time_string())

    def _begin_response(self, code: int, fields: tuple[Field, ...]) -> None:
        """``send_response``, and ``send_header`` for each of these: their lines are made once for all responses that
        have the same."""
        if self._adds_headers or self.request_version == "HTTP/0.9":
            self.send_response(code)
            for name, value in fields:
                self.send_header(name, value)
            return
        self.log_request(code)
        self.send_response_only(code)
        lines, framing, given = _encode_fields(fields)
        if "server" not in given:
            self._headers_buffer.append(_encode_line(f"Server: {self.version_string()}"))
        if "date" not in given:
            self._headers_buffer.append(date_line())
        self._headers_buffer += lines
        for name, value in framing:
            self._note(name, value)

    def send_response_only(self, code: int, message: str | None = None) -> None:
        """Begin a response with its status line alone. Raises ValueError for a message of more than one line."""
        code = int(code)  # an enumeration's hash takes ten times as long as an integer's
        if code >= 200 or code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._status = code
            if isinstance(self.wfile, Writer):
                self.wfile.begin_response()
            if code == HTTPStatus.SWITCHING_PROTOCOLS or (self.command == "CONNECT" and code < 300):
                self._reader().begin_tunnel()
                self._delimited = self.close_connection = self._connection_said = True
        if self.request_version != "HTTP/0.9":
            if message is None:
                message = self.responses.get(code, ("",))[0]
            self._headers_buffer.append(_encode_line(f"{self.protocol_version} {code} {message}"))

    if TYPE_CHECKING:

        def send_header(self, keyword: str, value: object) -> None:  # as it is documented, and as overrides have it
            """Add a header to the response. Raises ValueError for a value of more than one line."""

    else:

        def send_header(self, keyword: str, value: object, *, _is_extra: bool = False) -> None:
            """Add a header to the response. Raises ValueError for a value of more than one line."""
            # _is_extra is what code written for Python 3.15 may pass. It changes nothing here.
            text = str(value)
            line, name = _encode_field(keyword, text)
            if self.request_version != "HTTP/0.9":
                self._headers_buffer.append(line)
            if name:
                self._note(name, text)

    def _note(self, name: str, value: str) -> None:
        """What a header of the response says of its body and its connection."""
        if name == "connection":
            self._connection_said = True
            options = connection_options(value)
            if "close" in options or "keep-alive" in options:
                self.close_connection = "close" in options
            return
        self._delimited = True
        if name == "content-length":
            self._declared = int(value) if value.isdecimal() else None

    def end_headers(self) -> None:
        """End the response's head: it leaves with the first bytes of the body, or by itself if none follow."""
        if self.request_version == "HTTP/0.9":
            return
        if self._status is not None:
            self._say_whether_the_connection_lasts()
        self._headers_buffer.append(b"\r\n")
        self.flush_headers()

    def _say_whether_the_connection_lasts(self) -> None:
        if not self._delimited and self._status_has_body():
            self.close_connection = True  # the body ends with the connection (RFC 9112 section 6.3)
        elif not self._delimited and self._status == HTTPStatus.RESET_CONTENT and not self.close_connection:
            self.send_header("Content-Length", "0")  # it has no content, and must say so (RFC 9110 section 15.3.6)
        if self._connection_said or self.protocol_version < "HTTP/1.1":
            return
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self._version < (1, 1):
            self.send_header("Connection", "keep-alive")

    def flush_headers(self) -> None:
        """Send the lines of the head that were added so far."""
        lines, self._headers_buffer = self._headers_buffer, []
        data = b"".join(lines)
        if not isinstance(self.wfile, Writer):
            self.wfile.write(data)
            return
        # What waits for its body must be promised one: then the kernel may join the two.
        more = bool(self._declared) and self._status_has_body()
        self.wfile.write_head(data, more=more)

    def _hold(self) -> None:
        """Keep the next head back: the caller writes what belongs behind it at once."""
        if isinstance(self.wfile, Writer):
            self.wfile.hold()

    def _status_has_body(self) -> bool:
        status = self._status
        return status is not None and status >= 200 and status not in (204, 205, 304) and self.command != "HEAD"

    def _written(self) -> int | None:
        return self.wfile.written if isinstance(self.wfile, Writer) else None

    # What a response says of its server

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
        """Log what went wrong; here, as any other message."""
        self.log_message(ErrorFormat(format), *args)

    _control_char_table = CONTROL_CHARACTERS

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        """Write ``format % args`` to stderr as one line, with the client's address and the time.

        Control characters are escaped: a request cannot write lines or colours of its own into a log. On a terminal,
        the line has colours.
        """
        message = (format % args).translate(self._control_char_table)
        origin = f"{self.address_string()} - - [{self.log_date_time_string()}]"
        if takes_colours(sys.stderr):
            origin, message = paint(origin, GREY), painted(message, format)
        sys.stderr.write(f"{origin} {message}\n")

    def log_date_time_string(self) -> str:
        """The local time as it stands in a log line."""
        now = time.localtime()
        return f"{now.tm_mday:02}/{self.monthname[now.tm_mon]}/{now.tm_year:04} {time.strftime('%H:%M:%S', now)}"

    def address_string(self) -> str:
        """The client's address, which is not looked up."""
        return str(self.client_address[0])


@lru_cache(256)
def _encode_line(line: str) -> bytes:
    """A line of a head as bytes. Raises ValueError for one that would be two."""
    if "\n" in line or "\r" in line or "\0" in line:
        raise ValueError(f"CR, LF or NUL in a line of the response's head: {line!r}")
    return line.encode("latin-1") + b"\r\n"


@lru_cache(256)
def _encode_fields(fields: tuple[Field, ...]) -> tuple[tuple[bytes, ...], tuple[Field, ...], frozenset[str]]:
    """Field lines as bytes, those that say something of the message's framing, and which of the server's own they are
    in place of: ``server``, ``date``."""
    encoded = [(*_encode_field(name, value), value) for name, value in fields]
    framing = tuple((name, value) for _, name, value in encoded if name)
    given = frozenset(name.lower() for name, _ in fields) & {"server", "date"}
    return tuple(line for line, _, _ in encoded), framing, given


@lru_cache(256)
def _encode_field(name: str, value: str) -> tuple[bytes, str]:
    """A field line as bytes, and its name in small letters if it says something of the message's framing."""
    small = name.lower()
    framing = small if small in ("connection", "content-length", "transfer-encoding") else ""
    return _encode_line(f"{name}: {value}"), framing
