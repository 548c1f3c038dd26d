"""Applications behind a prefix: handler classes written for ``http.server`` or for ours, and WSGI applications.

Both get the one request in hand and write their response as they are used to; what passes here is read along, so that
the journal knows the response, and the connection is kept where it can be. A handler class lives in a world of its own:
it sees paths without the prefix, and gets it put before those that it names in ``Location``.
"""

from __future__ import annotations

import functools
import inspect
import io
import re
import socketserver
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_httpserve.errors import RequestError, UsageError
from pytest_httpserve.scripting.answers.responses import SERVER
from pytest_httpserve.scripting.mounts.gateway import Gateway
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.wire.framing import (
    NO_BODY,
    UNTIL_CLOSE,
    BodyDecoder,
    Framing,
    body_decoder,
    encode_chunk,
    encode_last_chunk,
    keeps_alive,
    response_framing,
)
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

Application = Callable[..., Any]  # PEP 3333 leaves most types open

_LOCATION = re.compile(rb"^location:[ \t]*(?=/(?!/))", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ApplicationMount:
    """What answers requests by code of its own, beneath ``prefix``."""

    runs_code: ClassVar[bool] = True
    prefix: str
    application: Application

    def describe(self) -> str:
        """What is mounted there, for a message."""
        return f"{_name(self.application)} is mounted"


class HandlerMount(ApplicationMount):
    """A handler class; it sees paths without the prefix."""

    __slots__ = ()

    def serve(self, asked: Asked, below: str) -> None:
        """Let a handler of the class answer what is asked; its path beneath the prefix is ``below``."""
        if not _says_100(self.application):
            asked.invite_body()
        with Outgoing(asked, prefix=self.prefix) as response:
            request = _OneRequest(_framed(asked, below), response)
            _take_one(self.application, request, asked.client, asked.server)


class WSGIMount(ApplicationMount):
    """A WSGI application (PEP 3333); the prefix is its SCRIPT_NAME."""

    __slots__ = ()

    def serve(self, asked: Asked, below: str) -> None:
        """Let the application answer what is asked; its path beneath the prefix is ``below``."""
        asked.invite_body()
        # Whoever asks for the prefix itself, without a slash behind it, asks for no path in the application.
        path = "" if below == "/" and not asked.parts.path.endswith("/") else below
        with Outgoing(asked, chunk=asked.stream.version >= (1, 1)) as response:
            environ = _environ(asked, self.prefix, path)
            Gateway(asked, environ, response.write, response.break_off).run(self.application)


def application_mount(prefix: str, application: object) -> HandlerMount | WSGIMount:
    """The mount for a handler class (or a functools.partial of one), or else for a WSGI application.

    Raises UsageError for what is neither.
    """
    if not callable(application):
        raise UsageError(f"mount() takes a handler class or a WSGI application, not {application!r}")
    inner = application.func if isinstance(application, functools.partial) else application
    if isinstance(inner, type) and issubclass(inner, socketserver.BaseRequestHandler):
        return HandlerMount(prefix, application)
    if any(map(inspect.iscoroutinefunction, (application, type(application).__call__))):
        raise UsageError(f"mount() takes a WSGI application, and {application!r} is one for ASGI")
    return WSGIMount(prefix, application)


def _name(thing: object) -> str:
    inner = thing.func if isinstance(thing, functools.partial) else thing
    return getattr(inner, "__qualname__", type(inner).__qualname__)


def _says_100(handler_class: Application) -> bool:
    """Whether handlers of this class answer ``Expect`` themselves: those that speak HTTP/1.1 do."""
    inner = handler_class.func if isinstance(handler_class, functools.partial) else handler_class
    return hasattr(inner, "handle_expect_100") and getattr(inner, "protocol_version", "") >= "HTTP/1.1"


def _take_one(handler_class: Application, *arguments: object) -> None:
    """Let a handler of the class serve one request and leave.

    It would go on with what follows on its connection, and that may be a body which it did not read.
    """
    keywords: dict[str, Any] = {}
    wanted: Any = handler_class
    if isinstance(wanted, functools.partial):
        keywords, arguments, wanted = wanted.keywords, (*wanted.args, *arguments), wanted.func
    # Not a subclass, which would not be the class whose attributes a test looks at. __init__ does all the work.
    handler = wanted.__new__(wanted, *arguments, **keywords)
    if take_one := getattr(handler, "handle_one_request", None):

        def take_the_last() -> None:
            take_one()
            handler.close_connection = True

        handler.handle_one_request = take_the_last
    try:
        handler.__init__(*arguments, **keywords)
    finally:
        vars(handler).pop("handle_one_request", None)  # a reference cycle


class Outgoing:
    """The response of an application, on its way through: ``write`` takes its bytes, head and all.

    A context manager, at whose end the response must be there. With ``chunk``, a body without an announced end is sent
    in chunks; else such a body ends the connection. ``prefix`` is put before the paths in ``Location``.
    """

    def __init__(self, asked: Asked, *, prefix: str = "", chunk: bool = False) -> None:
        self._asked = asked
        self._prefix = prefix.encode("ascii")
        self._chunk = chunk
        self._stream = ResponseStream()
        self._framing: Framing | None = None  # None until the head is whole
        self._chunking = False
        self._body: BodyDecoder = body_decoder(NO_BODY)  # reads along
        self._sound = True  # whether the body is what its head says

    def __enter__(self) -> Outgoing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self._finish()
        else:
            self.break_off()

    def write(self, data: bytes) -> None:
        """Send what the application has written: each piece at once."""
        for part in self._stream.feed(data):
            if isinstance(part, bytes):
                self._write_body(part)
            elif part.is_informational:
                self._write_informational(part)
            else:
                self._write_head(part)

    def _write_informational(self, head: ResponseHead) -> None:
        asked = self._asked
        if asked.stream.version >= (1, 1):  # else they are unknown (RFC 9110 section 15.2)
            asked.writer.write_head(head.raw, more=False)
            asked.awaits_100 &= head.status != 100

    def _write_head(self, given: ResponseHead) -> None:
        asked, head, version = self._asked, given.raw[:-2], given.protocol
        try:
            code, fields = given.status, given.checked_headers()
            framing = response_framing(asked.method, code, fields)
        except (RequestError, ValueError) as error:
            raise ValueError(f"the application wrote an invalid head: {error}\n{head.decode('latin-1')}") from None
        if code == 101:
            framing = UNTIL_CLOSE
            asked.http1.reader.begin_tunnel()
        elif framing == UNTIL_CLOSE and self._chunk:
            self._chunking = True
            head += b"Transfer-Encoding: chunked\r\n"
        self._framing, self._body = framing, body_decoder(framing)
        lasts = keeps_alive(fields, (1, 1) if version == "HTTP/1.1" else (1, 0))
        # A client that was not told to go on may send its body, or leave it: nothing behind it could be told apart.
        if not lasts or asked.awaits_100 or (framing == UNTIL_CLOSE and not self._chunking):
            asked.stream.lasts = False
        if self._prefix:
            head = _LOCATION.sub(lambda found: found[0] + self._prefix, head)
        asked.stream.said = "connection" in fields or version != "HTTP/1.1"
        further = asked.added + asked.stream.connection_fields()
        head += "".join(f"{name}: {value}\r\n" for name, value in further).encode("latin-1") + b"\r\n"
        asked.stream.length = framing.length if framing.kind == "length" else None
        asked.begin(SentResponse(code, head))
        asked.writer.write_head(head, more=framing.kind == "length" and framing.length > 0)

    def _write_body(self, data: bytes) -> None:
        if self._framing == NO_BODY:
            return  # HEAD and 304 have none, whatever the application writes
        if self._chunking:
            data = encode_chunk(data)
        elif self._sound:
            try:
                _, surplus = self._body.decode(data)
                self._sound = not surplus
            except RequestError:
                self._sound = False
            else:
                data = data[: len(data) - len(surplus)]
        elif self._body.complete:
            return  # all that was announced is out
        self._asked.writer.write(data)

    def break_off(self) -> None:
        """The application has failed: what went out so far must not pass for a whole response."""
        if self._framing is None:
            return  # nothing has: the answer that says so is a whole one
        if self._framing == UNTIL_CLOSE and not self._chunking:
            self._asked.reset_connection()
        self._asked.stream.lasts = False
        self._sound = False

    def _finish(self) -> None:
        """The application is done. A body that is shorter or longer than it said ends the connection."""
        if self._framing is None:
            raise RuntimeError("the application ended without a response")
        if self._chunking and self._sound:
            self._asked.writer.write(encode_last_chunk())
        elif not self._sound or not self._body.complete:
            self._asked.stream.lasts = False
            if self._framing != UNTIL_CLOSE:  # which announces nothing
                what = "more" if self._body.complete else "less"
                self._asked.note(f"the application wrote {what} than the body that its head announces")


class _OneRequest:
    """What a handler class takes for its socket: the request in hand to be read, and a response to be written.

    ``socketserver.StreamRequestHandler`` asks for ``makefile`` and ``sendall``. Options of a socket mean nothing here.
    """

    def __init__(self, pieces: Iterator[bytes], response: Outgoing) -> None:
        self._pieces = pieces
        self._response = response

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedIOBase:
        """The request, head first, as a file; it ends with the request's body."""
        if "r" not in mode:
            return io.BufferedWriter(_Output(self._response))
        return io.BufferedReader(_Input(self._pieces))

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


class _Input(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # any object with the buffer protocol
        piece = self._piece or next(self._pieces, b"")
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        self._piece = piece[size:]
        return size


class _Output(io.RawIOBase):
    def __init__(self, response: Outgoing) -> None:
        self._response = response

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # any object with the buffer protocol
        piece = bytes(data)
        self._response.write(piece)
        return len(piece)


def _framed(asked: Asked, below: str) -> Iterator[bytes]:
    """The request in hand as a handler class reads it: with this path, and its body in the framing that it came in."""
    headers = asked.stream.headers
    lines = [f"{asked.method} {below}{asked.parts.query_with_mark} {asked.stream.line.protocol}\r\n"]
    # Where 100 has been said, nobody waits for it.
    passed = [field for field in headers.fields if asked.awaits_100 or field[0].lower() != "expect"]
    lines += [f"{name}: {value}\r\n" for name, value in passed]
    yield "".join([*lines, "\r\n"]).encode("latin-1")
    reader, chunked = asked.http1.reader, "transfer-encoding" in headers
    while piece := reader.read1():
        yield encode_chunk(piece) if chunked else piece
    if chunked and not reader.truncated:
        yield encode_last_chunk(reader.trailers.fields)


def _environ(asked: Asked, prefix: str, below: str) -> dict[str, Any]:
    """The variables of a request (PEP 3333, RFC 3875 section 4.1). Text in them is latin-1 decoded bytes."""
    headers = asked.stream.headers
    host, port = asked.server.server_address[:2]
    environ: dict[str, Any] = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": urllib.parse.unquote_to_bytes(below).decode("latin-1"),
        "QUERY_STRING": asked.parts.query or "",
        "REMOTE_ADDR": str(asked.client[0]),
        "REMOTE_PORT": str(asked.client[1]),
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": urllib.parse.unquote_to_bytes(prefix).decode("latin-1"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": asked.stream.line.protocol,
        "SERVER_SOFTWARE": SERVER,
        "wsgi.input_terminated": True,  # the input ends where the body does, announced or chunked
    }
    if not asked.connection.transport.plain:
        environ["HTTPS"] = "on"
    for name in headers:
        if "_" in name:
            continue  # X_A would be taken for X-A
        variable = name.upper().replace("-", "_")
        environ[variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"] = headers[name]
    environ.pop("HTTP_PROXY", None)  # CVE-2016-5387: programs take it for their own setting
    return environ
