"""How a handler is run: over which HTTP/1, from one request to the next, and what becomes of one that goes wrong.

All that a handler class needs beyond the surface of ``http.server`` is here, in functions that take the handler: a
subclass can call its own methods and attributes what it likes.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import RequestError
from pytest_httpserve.net.connection import Connection
from pytest_httpserve.protocol.http1 import HTTP1, head_is_whole
from pytest_httpserve.protocol.reader import State
from pytest_httpserve.protocol.stream import Stream
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pytest_httpserve.net.service import Service
    from pytest_httpserve.server.fronts import Front

Result = TypeVar("Result")

# Where a handler has its HTTP1: an attribute that no subclass can have by accident.
HTTP1_OF = "_BaseHTTPRequestHandler__http1"
# Where a server has its Service, likewise.
SERVICE_OF = "_HTTPServer__service"
# What is wrong with a request may quote it; so much of that is sent back.
_MOST_TEXT = 300
_METHODS = (FunctionType, MethodType)
# The methods that frame a connection: who overrides one has code that lasts as long as that.
_FRAMING = ("__init__", "setup", "handle", "handle_one_request", "finish")
_framing_of = attrgetter(*_FRAMING)
# Those of the class that was looked at last, and whether they are ours: replaced as a whole so that threads need no
# lock. Each connection asks, and most servers of a process have handlers of one class.
_framing: tuple[tuple[object, ...], bool] = ((), False)
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
# The attributes of an instance that are no state of a subclass's own.
_KNOWN = frozenset(
    {
        "request", "client_address", "server", "connection", "rfile", "wfile", "close_connection", "raw_requestline",
        "requestline", "command", "path", "request_version", "headers", "directory", "extra_response_headers",
        "cgi_info", "_headers_buffer", HTTP1_OF,
    }
)  # fmt: skip


# What it is run over


def http1_of(handler: Front) -> HTTP1:
    """The HTTP/1 that a handler speaks: over its connection, or over the file that it has made its ``rfile``."""
    own = handler.__dict__
    http1: HTTP1 | None = own.get(HTTP1_OF)
    if http1 is not None and own.get("rfile") is http1.reader:
        return http1
    return _over_rfile(handler, http1)


def _over_rfile(handler: Front, before: HTTP1 | None) -> HTTP1:
    rfile = getattr(handler, "rfile", None)
    http1 = HTTP1.over_file(rfile if rfile is not None else io.BytesIO(), limits=limits_of(handler))
    http1.connection = before.connection if before is not None else None
    handler.rfile = http1.reader
    vars(handler)[HTTP1_OF] = http1
    return http1


def stream_of(handler: Front) -> Stream:
    """The request in hand."""
    return http1_of(handler).stream


def begin(handler: Front, sock: socket.socket) -> None:
    """Have the handler read from the connection, and write to it."""
    service: Service | None = getattr(handler.server, SERVICE_OF, None)  # the server may be anybody's
    connection = (
        service.track(sock, handler.client_address) if service is not None else Connection(sock, handler.client_address)
    )
    connection.begin(handler.timeout, nodelay=handler.disable_nagle_algorithm)
    http1 = HTTP1.over(connection, limits=limits_of(handler), read_ahead=handler.rbufsize != 0)
    assert http1.writer is not None
    handler.rfile = http1.reader
    handler.wfile = http1.writer
    if handler.wbufsize != 0:
        size = handler.wbufsize if handler.wbufsize > 0 else io.DEFAULT_BUFFER_SIZE
        handler.wfile = io.BufferedWriter(http1.writer, size)
    http1.read_by_others = not is_ours(type(handler), "handle_one_request")
    vars(handler)[HTTP1_OF] = http1


def limits_of(handler_class: Any) -> Limits:  # a handler class, or an instance of one
    """The limits of a handler; an attribute of that name that is something else is a subclass's own."""
    limits = getattr(handler_class, "limits", None)
    return limits if isinstance(limits, Limits) else DEFAULT_LIMITS


def timeout_of(handler_class: Any) -> float | None:
    """How long a client may be silent before there is a handler, in seconds; a property has no value by then."""
    timeout = getattr(handler_class, "timeout", None)
    return timeout if isinstance(timeout, int | float) else None


def whole_head(handler_class: Any) -> Callable[[bytes, int], bool] | None:  # a handler class, or an instance of one
    """What tells whether the head of a request has come in; None for a class without a buffer: nobody may take in more
    than it asks for."""
    return partial(head_is_whole, limits_of(handler_class)) if handler_class.rbufsize else None


# Its connection


def may_rest(handler_class: Any) -> bool:  # whatever makes handlers
    """Whether connections of this class can rest in a loop between two requests: a connection is then served by one
    thread now and another one then. Not if code of a subclass lasts for the whole connection."""
    if not isinstance(handler_class, type) or not hasattr(handler_class, "thread_per_connection"):
        return False
    said = handler_class.thread_per_connection
    if said is not None:
        return not said
    global _framing
    known, methods = _framing, _framing_of(handler_class)
    if methods != known[0]:
        _framing = known = methods, is_ours(handler_class, *_FRAMING)
    return known[1]


def is_ours(owner: Any, *names: str, beside: str = _PACKAGE) -> bool:  # a handler or a server, or a class of them
    """Whether these methods are of this package, not of a subclass, and nobody has put others in their place; or they
    are of the module in the file ``beside``.

    Their code tells: what wraps a function has the function's name and module as its own.
    """
    places = (_PACKAGE, beside)
    for name in names:
        method = getattr(owner, name)
        # Something else that has a code may only pass on that of what it wraps.
        if type(method) not in _METHODS or not method.__code__.co_filename.startswith(places):
            return False
    return True


def serve(handler: Front) -> None:
    """Serve what there is; at the end, be finished, unless the connection is to rest."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    connection = http1.connection
    try:
        handler.handle()
    finally:
        if connection is None or not connection.turn.resting:
            handler.finish()


def goes_on(handler: Front) -> bool:
    """Whether this thread is to wait for another request: not at the end, nor if the loop is to wait."""
    http1 = http1_of(handler)
    connection, reader = http1.connection, http1.reader
    if (
        reader.state is not State.BETWEEN and not reader.between_bodies
    ):  # an override of handle_one_request knows nothing of it
        http1.begin_request()
        if not http1.end_request(read_on=connection is None or connection.stays()):
            return False
    if connection is None or reader.source is not connection.transport:
        return True
    if connection.transport.closed:
        return False
    if not connection.may_rest():
        return True
    unread = reader.unread
    if unread and (not handler.rbufsize or http1.head_is_whole(unread, 0)):
        return True
    if not connection.turn.led and connection.transport.timed_by_others:  # while led, the turn has looked
        connection.leave_loop()
        return True
    if handler.thread_per_connection is None and not _KNOWN.issuperset(handler.__dict__):
        # Made by one request for the next: the connection keeps the thread that it was made in.
        connection.leave_loop()
        return True
    if unread:
        connection.transport.gathered = reader.take_unread()  # the beginning of a head
    whole = http1.head_is_whole if handler.rbufsize else None
    connection.busy = False
    connection.turn.await_client(partial(serve, handler), connection.transport.timeout, whole)
    return False


# A request and its response


def run_long(handler: Front, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever it takes
    """Run code that may take its time, for it grows with what is there: the loop does not wait for it."""
    connection = http1_of(handler).connection
    return code(*arguments) if connection is None else connection.turn.run(code, *arguments)


def enter(handler: Front, stream: Stream) -> None:
    """Set what a request line says."""
    line = stream.line
    handler.requestline, handler.command = line.text, line.method
    handler.request_version = line.protocol or handler.default_request_version
    # Two slashes would make a URL of the path wherever it is sent back, in Location above all.
    target = line.target
    handler.path = "/" + target.lstrip("/") if target.startswith("//") else target


def enter_refused(handler: Front, error: RequestError) -> None:
    """Set what can be said of a request line whose head was refused."""
    stream = stream_of(handler)
    if stream.method:  # the line was understood, and the fields were not
        enter(handler, stream)
    else:
        # What is no request at all is answered with a status line: a browser sent it, more likely than HTTP/0.9.
        handler.request_version = handler.protocol_version
    # A line that is too long is of no use in a log.
    too_long = error.status == HTTPStatus.REQUEST_URI_TOO_LONG
    handler.requestline = "" if too_long else handler.raw_requestline.decode("latin-1").rstrip("\r\n")


def answer(handler: Front, connection: Connection | None) -> None:
    """Call the ``do_*`` method for the request in hand."""
    method = getattr(handler, f"do_{handler.command}", None)
    if method is None:
        handler.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({handler.command!r})")
        return
    if connection is None:
        method()
    else:
        connection.turn.run(method)


# What these have in hand is said of the response alone, so it does not matter whether ``rfile`` was changed meanwhile:
# a look into the dictionary takes a third of the time.


def begin_response(handler: Front, status: int) -> None:
    """The final response begins."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    http1.begin_response(status, handler.command or "")
    if http1.stream.leaves:
        handler.close_connection = True


def note_header(handler: Front, name: str, value: str) -> None:
    """A field that says something of the message's framing; its name in small letters."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    stream = http1.stream
    stream.lasts = not handler.close_connection
    stream.note(name, value)
    handler.close_connection = not stream.lasts


def last_fields(handler: Front) -> tuple[Field, ...]:
    """What the head has yet to say, before it ends."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    stream = http1.stream
    if stream.status is None:
        return ()
    stream.lasts = not handler.close_connection
    stream.speaks_1_1 = handler.protocol_version >= "HTTP/1.1"
    fields = stream.last_fields()
    handler.close_connection = not stream.lasts
    return fields


def hold_head(handler: Front) -> None:
    """Keep the next head back: the caller writes what belongs after it at once."""
    if isinstance(handler.wfile, Writer):
        handler.wfile.hold()


def write_head(handler: Front, head: bytes) -> None:
    """Write the lines of a head."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    stream, wfile = http1.stream, handler.wfile
    if isinstance(wfile, Writer):
        # What waits for its body must be promised one: then the kernel may join the two.
        wfile.write_head(head, more=bool(stream.length) and stream.has_body)
    else:
        stream.measured = False
        wfile.write(head)


# A request's end


def end_request(handler: Front) -> None:
    """The handler has answered, or not."""
    http1 = http1_of(handler)
    stream, writer = http1.stream, http1.writer
    stream.lasts = not handler.close_connection
    if writer is not None and writer.exposed:
        stream.measured = False
    if handler.wfile is not writer and stream.status is not None:
        stream.measured = False  # its head may have gone the same way as its body
    written, anything = (writer.written, writer.anything) if writer is not None else (0, True)
    verdict = stream.end_response(written, anything=anything)
    if verdict.complaint is not None:
        handler.log_error("%s", verdict.complaint)
    handler.close_connection = not (verdict.lasts and http1.end_request(read_on=True))


def refuse(handler: Front, error: RequestError) -> None:
    """Answer a request that cannot be served as it was sent; the connection ends with it."""
    http1 = http1_of(handler)
    handler.close_connection = http1.lingers = True
    if http1.stream.status is None:
        text = str(error)
        text = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}... ({len(text)} characters)"
        with contextlib.suppress(OSError):  # the client may have gone, too
            if error.status == HTTPStatus.BAD_REQUEST:
                handler.send_error(error.status, text)
            else:
                send_error(handler, error.status, text, error.reason)


def send_error(handler: Front, status: int, explanation: str, message: str | None = None) -> None:
    """Have the handler send an error that is explained: overrides with two parameters, which are in use, have no room
    for more than a message."""
    if is_ours(handler, "send_error") or _takes(handler.send_error, status, message, explanation):
        handler.send_error(status, message, explanation)
    else:
        handler.send_error(status, explanation)


def _takes(function: Callable[..., object], *arguments: object) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def client_failed(handler: Front, error: OSError, refuse: Callable[[Front, RequestError], object]) -> None:
    """The client has gone, or kept us waiting for too long: then its request is answered by ``refuse``."""
    http1 = http1_of(handler)
    handler.close_connection = True
    if http1.connection is not None:
        http1.connection.ending.say_whose()
    if not isinstance(error, TimeoutError):
        return
    reader = http1.reader
    if reader.in_head:
        handler.command, handler.requestline, handler.request_version = None, "", handler.protocol_version
    at_rest = reader.at_rest
    if http1.stream.status is None and (reader.in_head or not reader.complete):
        refuse(handler, RequestError(HTTPStatus.REQUEST_TIMEOUT, f"the request did not come in time: {error}"))
    if not at_rest:
        handler.log_error("Request timed out: %r", error)


def handler_failed(handler: Front) -> None:
    """The handler raised: its client hears of it, if it has heard nothing yet."""
    handler.close_connection = True
    http1 = http1_of(handler)
    writer, connection = http1.writer, http1.connection
    heard = http1.stream.status is not None and (handler.wfile is not writer or writer is None or writer.anything)
    if not heard and connection is not None and connection.transport.failure is None:
        handler._headers_buffer = []
        http1.stream.forget_response()
        if not hasattr(handler, "request_version"):  # it has failed before it came to the request line
            handler.request_version = handler.protocol_version
        with contextlib.suppress(Exception):  # it is the handler's error that counts
            handler.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)


def is_clients(handler: Front, error: BaseException) -> bool:
    """Whether this is the error in which the client's side of the connection ended."""
    connection = http1_of(handler).connection
    return connection is not None and error is connection.transport.failure


def see_off(handler: Front) -> None:
    """Send what is still held back, and let the client read it before the connection goes."""
    http1 = http1_of(handler)
    wfile: Any = getattr(handler, "wfile", None)  # whatever the handler has made of it
    if wfile is not http1.writer:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # the client has gone, or the handler closed it
            wfile.flush()
    # A buffer around the writer would go on trying to be rid of what it holds if that was not closed, too.
    http1.take_leave()
    if http1.connection is not None and getattr(handler.server, SERVICE_OF, None) is None:
        http1.connection.forget()  # no service does it


def reaches_client(handler: Front) -> bool:
    """Whether what is written to the handler's ``wfile`` goes to the client as it is: the file is the one it began
    with."""
    wfile = handler.wfile
    return isinstance(wfile, Writer) or isinstance(getattr(wfile, "raw", wfile), Writer | Sending)


class Sending(io.BufferedIOBase):
    """A ``wfile`` over something that is no socket."""

    def __init__(self, sock: Any) -> None:  # whatever has a sendall
        self._sock = sock

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # any object with the buffer protocol
        self._sock.sendall(data)
        return memoryview(data).nbytes
