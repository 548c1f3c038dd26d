"""Runs a handler: over an HTTP/1 connection, from one request to the next, and when something goes wrong.

Everything that a handler class needs beyond the surface of ``http.server`` is here, in functions that take the handler,
so a subclass is free to name its own methods and attributes.
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

# The attribute for a handler's HTTP1, by a name that no subclass uses by accident.
HTTP1_OF = "_BaseHTTPRequestHandler__http1"
# The attribute for a server's Service, likewise.
SERVICE_OF = "_HTTPServer__service"
# A description of what is wrong with a request may quote it: at most this many characters are sent back.
_MOST_TEXT = 300
_METHODS = (FunctionType, MethodType)
# The methods of a handler that last as long as a connection.
_FRAMING = ("__init__", "setup", "handle", "handle_one_request", "finish")
_framing_of = attrgetter(*_FRAMING)
# These methods in the class looked at last, and whether all are ours: replaced as a whole so that threads need no lock.
# Every connection needs to know, and most servers of a process have handlers of one class.
_framing: tuple[tuple[object, ...], bool] = ((), False)
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
# The attributes of an instance that are not a subclass's own state.
_KNOWN = frozenset(
    {
        "request", "client_address", "server", "connection", "rfile", "wfile", "close_connection", "raw_requestline",
        "requestline", "command", "path", "request_version", "headers", "directory", "extra_response_headers",
        "cgi_info", "_headers_buffer", HTTP1_OF,
    }
)  # fmt: skip


# What a handler runs over


def http1_of(handler: Front) -> HTTP1:
    """The HTTP1 of a handler: over its connection, or over another file that it uses as ``rfile``."""
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
    """The stream of the current request."""
    return http1_of(handler).stream


def begin(handler: Front, sock: socket.socket) -> None:
    """Connect the handler's reading and writing to the connection."""
    service: Service | None = getattr(handler.server, SERVICE_OF, None)  # the server may be of any class
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
    """The limits of a handler; the defaults if a subclass uses the attribute for something else."""
    limits = getattr(handler_class, "limits", None)
    return limits if isinstance(limits, Limits) else DEFAULT_LIMITS


def timeout_of(handler_class: Any) -> float | None:
    """How many seconds a client may be silent before there is a handler; a property has no value by then."""
    timeout = getattr(handler_class, "timeout", None)
    return timeout if isinstance(timeout, int | float) else None


def whole_head(handler_class: Any) -> Callable[[bytes, int], bool] | None:  # a handler class, or an instance of one
    """A function that tells whether the head of a request is complete; None for a class without a buffer, for which
    nobody may read more than it asks for."""
    return partial(head_is_whole, limits_of(handler_class)) if handler_class.rbufsize else None


# A handler's connection


def may_rest(handler_class: Any) -> bool:  # whatever makes handlers
    """Whether connections of this class can rest in a loop between two requests, and so be served by different threads.
    Not if a subclass's code lasts for the whole connection."""
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
    """Whether these methods come from this package, or from the module in the file ``beside``: no subclass overrides
    them, and nobody has replaced them.

    Only the code objects tell: a wrapper takes over the name and module of the function.
    """
    places = (_PACKAGE, beside)
    for name in names:
        method = getattr(owner, name)
        # Any other object with a __code__ may pass on that of the function it wraps.
        if type(method) not in _METHODS or not method.__code__.co_filename.startswith(places):
            return False
    return True


def serve(handler: Front) -> None:
    """Serve the requests at hand; then finish the handler, unless the connection is to rest."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    connection = http1.connection
    try:
        handler.handle()
    finally:
        if connection is None or not connection.turn.resting:
            handler.finish()


def goes_on(handler: Front) -> bool:
    """Whether this thread waits for another request: not if the connection ends, or if the loop waits instead."""
    http1 = http1_of(handler)
    connection, reader = http1.connection, http1.reader
    if (
        reader.state is not State.BETWEEN and not reader.between_bodies
    ):  # an override of handle_one_request does not look
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
        # One request left state for the next: the connection keeps its thread.
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
    """Run code that may take long, depending on what is on the disk, without blocking the loop."""
    connection = http1_of(handler).connection
    return code(*arguments) if connection is None else connection.turn.run(code, *arguments)


def enter(handler: Front, stream: Stream) -> None:
    """Set the attributes that come from a request line."""
    line = stream.line
    handler.requestline, handler.command = line.text, line.method
    handler.request_version = line.protocol or handler.default_request_version
    # A path that begins with two slashes would be a URL wherever it is sent back, in Location above all.
    target = line.target
    handler.path = "/" + target.lstrip("/") if target.startswith("//") else target


def enter_refused(handler: Front, error: RequestError) -> None:
    """Set what is known of the request line when the head was refused."""
    stream = stream_of(handler)
    if stream.method:  # the line was valid, the fields were not
        enter(handler, stream)
    else:
        # The answer to something that is not a request has a status line: it came from a browser, not from HTTP/0.9.
        handler.request_version = handler.protocol_version
    # A line that is too long would only fill the log.
    too_long = error.status == HTTPStatus.REQUEST_URI_TOO_LONG
    handler.requestline = "" if too_long else handler.raw_requestline.decode("latin-1").rstrip("\r\n")


def answer(handler: Front, connection: Connection | None) -> None:
    """Call the ``do_*`` method for the current request."""
    method = getattr(handler, f"do_{handler.command}", None)
    if method is None:
        handler.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({handler.command!r})")
        return
    if connection is None:
        method()
    else:
        connection.turn.run(method)


# These functions deal with the response alone, so it does not matter whether ``rfile`` was replaced meanwhile, and they
# look the HTTP1 up in the dictionary, in a third of the time.


def begin_response(handler: Front, status: int) -> None:
    """Note that the final response begins."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    http1.begin_response(status, handler.command or "")
    if http1.stream.leaves:
        handler.close_connection = True


def note_header(handler: Front, name: str, value: str) -> None:
    """Note a framing field; its name is in lower case."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    stream = http1.stream
    stream.lasts = not handler.close_connection
    stream.note(name, value)
    handler.close_connection = not stream.lasts


def last_fields(handler: Front) -> tuple[Field, ...]:
    """The fields to add before the head ends."""
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
    """Hold the next head back: the caller writes the body right after it."""
    if isinstance(handler.wfile, Writer):
        handler.wfile.hold()


def write_head(handler: Front, head: bytes) -> None:
    """Write the lines of a head."""
    http1: HTTP1 = handler.__dict__.get(HTTP1_OF) or http1_of(handler)
    stream, wfile = http1.stream, handler.wfile
    if isinstance(wfile, Writer):
        # Promise more only if a body is sure to follow: then the kernel may join the two.
        wfile.write_head(head, more=bool(stream.length) and stream.has_body)
    else:
        stream.measured = False
        wfile.write(head)


# A request's end


def end_request(handler: Front) -> None:
    """End the request, whether or not the handler has answered."""
    http1 = http1_of(handler)
    stream, writer = http1.stream, http1.writer
    stream.lasts = not handler.close_connection
    if writer is not None and writer.exposed:
        stream.measured = False
    if handler.wfile is not writer and stream.status is not None:
        stream.measured = False  # the head may have bypassed us, as the body did
    written, anything = (writer.written, writer.anything) if writer is not None else (0, True)
    verdict = stream.end_response(written, anything=anything)
    if verdict.complaint is not None:
        handler.log_error("%s", verdict.complaint)
    handler.close_connection = not (verdict.lasts and http1.end_request(read_on=True))


def refuse(handler: Front, error: RequestError) -> None:
    """Answer a request that cannot be served as it was sent, and end the connection."""
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
    """Have the handler send an error with an explanation. Existing overrides with two parameters get it as the
    message."""
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
    """Deal with a client that has gone, or has kept us waiting for too long: ``refuse`` answers the latter."""
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
    """Deal with an exception in the handler: tell its client, unless a response has begun."""
    handler.close_connection = True
    http1 = http1_of(handler)
    writer, connection = http1.writer, http1.connection
    heard = http1.stream.status is not None and (handler.wfile is not writer or writer is None or writer.anything)
    if not heard and connection is not None and connection.transport.failure is None:
        handler._headers_buffer = []
        http1.stream.forget_response()
        if not hasattr(handler, "request_version"):  # it failed before reading the request line
            handler.request_version = handler.protocol_version
        with contextlib.suppress(Exception):  # the handler's error is the one that counts
            handler.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)


def is_clients(handler: Front, error: BaseException) -> bool:
    """Whether this is the error with which the client's side of the connection ended."""
    connection = http1_of(handler).connection
    return connection is not None and error is connection.transport.failure


def see_off(handler: Front) -> None:
    """Send the output still held back, and let the client read it before the connection closes."""
    http1 = http1_of(handler)
    wfile: Any = getattr(handler, "wfile", None)  # whatever the handler has made of it
    if wfile is not http1.writer:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # the client has gone, or the handler closed it
            wfile.flush()
    # Close the writer, too: a buffer around it would keep trying to flush.
    http1.take_leave()
    if http1.connection is not None and getattr(handler.server, SERVICE_OF, None) is None:
        http1.connection.forget()  # there is no service to do it


def reaches_client(handler: Front) -> bool:
    """Whether the handler's ``wfile`` is still the original one, whose bytes go to the client unchanged."""
    wfile = handler.wfile
    return isinstance(wfile, Writer) or isinstance(getattr(wfile, "raw", wfile), Writer | Sending)


class Sending(io.BufferedIOBase):
    """A ``wfile`` over something that is not a socket."""

    def __init__(self, sock: Any) -> None:  # any object with sendall
        self._sock = sock

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # any object with the buffer protocol
        self._sock.sendall(data)
        return memoryview(data).nbytes
