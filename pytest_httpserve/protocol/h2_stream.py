"""A stream of HTTP/2, presented as a connection that carries one request and its response."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Protocol

from pytest_httpserve import clock
from pytest_httpserve.errors import RequestError
from pytest_httpserve.net.transport import Transport
from pytest_httpserve.wire.framing import (
    NO_BODY,
    BodyDecoder,
    Framing,
    body_decoder,
    encode_chunk,
    encode_last_chunk,
    response_framing,
)
from pytest_httpserve.wire.headers import Field
from pytest_httpserve.wire.http2 import RawField, raw_fields, response_fields, switching_fields, wrong_length
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

    from pytest_httpserve.net.connection import Connection


_PIECE_BYTES = 98_304  # the most that is sent at once
_KEPT_BYTES = 4_096
_SWITCHING = 101
_NO_ERROR, _PROTOCOL_ERROR, _INTERNAL_ERROR = 0x0, 0x1, 0x2


def _never() -> bool:
    return False


class Frames(Protocol):
    """The connection that a stream belongs to; see ``HTTP2``."""

    connection: Connection
    starves: str
    lock: threading.RLock
    timeout: float | None  # of each wait for the client, in seconds

    @property
    def seconds(self) -> float:
        """For how many seconds a client may read nothing."""

    def send(self, stream: StreamTransport, fields: Sequence[RawField] | None, data: bytes, /, *, end: bool) -> None:
        """Send the fields of a head or of trailers, if there are any, and then data; ``end`` ends the stream."""

    def reset(self, stream: StreamTransport, code: int, /) -> None:
        """End a stream with this code."""

    def acknowledge(self, stream: StreamTransport, size: int, /) -> None:
        """Note that ``size`` bytes have been read."""

    def serves(self, stream_id: int, /) -> bool:
        """Whether the stream is processed: False if the client was told otherwise."""

    def go_away(self, code: int, last_stream: int, /) -> None:
        """Tell the client that streams after ``last_stream`` are not processed."""

    def inject(self, data: bytes, /) -> None:
        """Send bytes that need not be frames."""


class StreamTransport(Transport):
    """Moves the bytes of one stream: a request's body as it comes, and an HTTP/1 response as HTTP/2 frames.

    ``id`` is the number of the stream, ``index`` counts the streams of its connection from 0; ``fields`` are its head,
    which is the whole request if it ``has_no_body``; ``trailers`` are the request's trailers, and ``ended`` is whether
    its end has come. ``chunks`` is whether the body is read in chunks, ``announced`` its length if known. ``method`` is
    the request's method; ``leaves_http`` is whether the stream can go on as another protocol (RFC 8441).
    """

    polls = False
    chunks: bool = False
    announced: int | None = None

    method = "GET"
    leaves_http = False
    misleads: bool = False  # whether to reset the stream: the client would take the response for an open connection
    trailers: Iterable[Field] = ()
    ended: bool = False
    starves: bool = False  # whether its window never opens
    is_processed = True  # False if it came after the client was told to go away
    finished: bool = False  # whether our side has ended
    malformed: RequestError | None = None  # an error in its trailers, raised when the body is read
    code = _NO_ERROR  # the code that refuses the rest of a request which has been answered
    _over = False  # whether both sides have ended
    _cut: OSError | None = None  # the error that broke it off
    _changed: threading.Condition | None = None  # notified on every change, while somebody waits

    def __init__(self, http2: Frames, id: int, index: int, fields: Sequence[RawField], *, has_no_body: bool) -> None:
        super().__init__(http2.connection.transport.socket, _nobody, _nobody)
        self.id: int = id
        self.index: int = index
        self.fields: Sequence[RawField] = fields
        self.has_no_body = self.ended = has_no_body
        self.timeout = http2.timeout
        self.http2 = http2
        self._incoming: deque[bytes] = deque()
        self._received = 0
        self.arrived: float = clock.monotonic()
        self._response = ResponseStream()
        self._framing: Framing | None = None  # None until the final head has come
        self._body: BodyDecoder = body_decoder(NO_BODY)
        self._head: Sequence[RawField] | None = None  # a head held back for what follows it

    # Called by the connection, with its lock held

    def feed(self, data: bytes) -> None:
        """Add bytes of the body."""
        if data:
            self._received += len(data)
            self._incoming.append(data)
            self.tell()

    def end(self) -> None:
        """Note that the client sends no more."""
        self.ended = True
        self.tell()

    def break_off(self, text: str) -> None:
        """Note that the client has reset the stream, or that the connection has ended."""
        if self._cut is None:
            self._cut = ConnectionResetError(text)
        self.tell()

    def tell(self) -> None:
        """Wake the waiting threads: something has changed."""
        if self._changed is not None:
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the error that broke the stream off, if there is one."""
        if self._cut is not None:
            raise self._cut

    def starve(self, of: str) -> None:
        """From here on, never tell the client to send more: on this ``stream``, or on the whole ``connection``."""
        if of == "connection":
            self.http2.starves = of
        self.starves = True

    @property
    def goes_on(self) -> bool:
        """Whether the stream is still processed: False if the client was told otherwise."""
        return self.http2.serves(self.id)

    @property
    def is_cut(self) -> bool:
        """Whether the stream has been broken off."""
        return self._cut is not None

    def await_input(self, seconds: float | None, woken: Callable[[], bool] = _never) -> bool:
        """Wait for data, the end, or ``woken``, up to ``seconds``. Returns whether there is data or the end."""
        with contextlib.suppress(TimeoutError):
            self._await(lambda: self._has_what_to_read() or woken(), seconds)
        return self._has_what_to_read()

    def drop(self) -> int:
        """Drop the unread bytes; returns how many there were."""
        unread = sum(map(len, self._incoming))
        self._incoming.clear()
        return unread

    def await_room(self, has_room: Callable[[], bool]) -> None:
        """Wait until the client accepts more. Raises OSError if it does not in time, or leaves."""
        self._await(lambda: self._cut is not None or has_room(), self.http2.seconds)

    def await_end(self, seconds: float) -> str | None:
        try:
            self._await(lambda: self._cut is not None, seconds)
        except TimeoutError:
            return None
        return "RST"

    def _await(self, condition: Callable[[], bool], seconds: float | None) -> None:
        with self.http2.lock:
            if condition():
                return
        self.leave_loop()
        with self.http2.lock:
            if self._changed is None:
                self._changed = threading.Condition(self.http2.lock)
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"the client kept the stream waiting for {seconds} s")

    # In

    def receive(self, size: int) -> bytes:
        return self.receive_within(size, self.timeout)

    def receive_within(self, size: int, seconds: float | None) -> bytes:
        try:
            self._await(self._has_what_to_read, seconds)
        except TimeoutError as error:
            raise self.failed(error) from None
        with self.http2.lock:
            if self.malformed is not None:
                raise self.malformed
            if self._is_of_wrong_length():
                raise wrong_length(self.announced or 0, self._received)
            if not self._incoming:
                if self._cut is not None:
                    raise self.failed(self._cut)
                data, count = self._last_chunk(), 0
            else:
                data = self._incoming.popleft()
                if len(data) > size:
                    self._incoming.appendleft(data[size:])
                    data = data[:size]
                count = len(data)
                if self.chunks:
                    data = encode_chunk(data)
        if count and not self.starves:
            self.http2.acknowledge(self, count)
        if self.tap is not None:
            self.tap.received(data)
        return data

    def _is_of_wrong_length(self) -> bool:
        announced, received = self.announced, self._received
        return announced is not None and (received > announced or (self.ended and received < announced))

    def _has_what_to_read(self) -> bool:
        """Whether there is something to read. After the announced length, wait for the end: trailers may follow."""
        return (bool(self._incoming) and self._received != self.announced) or self.ended or self._cut is not None

    def _last_chunk(self) -> bytes:
        """The bytes that end the body for the reader, once."""
        last = encode_last_chunk(tuple(self.trailers)) if self.chunks else b""
        self.chunks = False
        return last

    def has_ended(self) -> bool:
        return False

    def has_unread(self) -> bool:
        return bool(self._incoming)

    def peek(self) -> bytes | None:
        return b"" if self._cut is not None else None

    def how_left(self) -> str | None:
        return "RST" if self._cut is not None else None

    # Out

    def send(self, data: Buffer, *, more: bool = False) -> None:
        if self.tap is not None:
            self.tap.sent(data)
        try:
            parts = list(self._response.feed(bytes(data)))
            for part in parts:
                if isinstance(part, bytes):
                    self._send_body(part)
                else:
                    self._send_head(part, more=more or part is not parts[-1])
        except OSError as error:
            raise self.failed(error) from None

    def _send_head(self, head: ResponseHead, *, more: bool) -> None:
        understand = _kept if len(head.raw) <= _KEPT_BYTES else _understand
        if self.leaves_http and self._begins(head):
            return
        try:
            fields, framing = understand(head.raw, self.method)
        except ValueError:  # no status: a fault has changed it
            self.break_stream(_PROTOCOL_ERROR)
            return
        if head.is_informational:
            self.http2.send(self, fields, b"", end=False)
            return
        self._framing, self._body = framing, body_decoder(framing)
        if self._body.complete and not self.altered:
            self.finished = True
            self.http2.send(self, fields, b"", end=True)
        elif more:
            self._head = fields
        else:
            self.http2.send(self, fields, b"", end=False)

    def _begins(self, head: ResponseHead) -> bool:
        """Start the tunnel or protocol that the client asked for, if this head says so: 101 or, to CONNECT, any 2xx.
        Returns whether this head has been dealt with.

        Any other 2xx breaks the stream: to the client of an extended CONNECT, it would mean that the protocol started.
        """
        try:
            status = head.status
        except ValueError:  # a fault has changed it
            return False
        if status == _SWITCHING or (self.method == "CONNECT" and 200 <= status < 300):
            self._framing = Framing("close")
            self._body = body_decoder(self._framing)
            switching = status == _SWITCHING
            fields = switching_fields(head.headers) if switching else response_fields(status, head.headers)
            self.http2.send(self, fields, b"", end=False)
            return True
        if 200 <= status < 300:
            self.misleads = self.finished = True
            return True
        return False

    def _send_body(self, data: bytes) -> None:
        if self.finished:
            return  # HEAD and 304 have no body, whatever is written
        try:
            body, surplus = self._body.decode(data)
        except RequestError:  # chunks that a fault has made invalid
            self.break_stream()
            return
        if self.altered:
            body += surplus
        ended = self._body.complete and not self.altered
        trailers = raw_fields((name.lower(), value) for name, value in self._body.trailers.fields) if ended else ()
        head, self._head = self._head, None
        self.finished = ended
        if body or head is not None or not trailers:
            self.http2.send(self, head, body, end=ended and not trailers)
        if trailers:
            self.http2.send(self, trailers, b"", end=True)

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        self.leave_loop()
        file.seek(offset)
        while piece := file.read(min(count, _PIECE_BYTES)):
            self.send(piece)
            note(len(piece))
            count -= len(piece)

    def push(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self.http2.send(self, head, b"", end=False)

    def finish(self, *, short: bool = False) -> None:
        """End the response. If it is shorter than its head says, the stream ends with an error or, with ``short``, as
        if it were complete."""
        if self._cut is not None or self._over:
            return
        self._over = True
        try:
            if not self.goes_on:
                return  # the client knows that nothing will come
            if not self.finished and ((short and self._framing is not None) or self._is_whole()):
                self.finished = True
                head, self._head = self._head, None
                self.http2.send(self, head, b"", end=True)
            if not self.finished or self.misleads:
                self.break_stream()
            elif not self.ended and self._received != self.announced:
                self.http2.reset(self, self.code)  # RFC 9113 section 8.1: the server does not want the rest of the body
        except OSError as error:
            self.failed(error)

    def abandon(self) -> None:
        """Give the stream up without a word, since its connection ends."""
        self._over = True

    def _is_whole(self) -> bool:
        return self._framing is not None and (self._framing.kind == "close" or self._body.complete)

    def break_stream(self, code: int = _INTERNAL_ERROR) -> None:
        """End the stream with an error, so that the client knows the response is incomplete."""
        self.finished = self._over = True
        self.http2.reset(self, code)

    # Methods of a Transport that need no socket here

    def set_timeout(self, seconds: float | None) -> None:
        self.timeout = seconds

    def keep_time(self) -> None:
        pass

    def wait_for_nothing(self) -> None:
        pass

    def shut_down(self, how: int) -> None:
        if how != socket.SHUT_WR:
            with self.http2.lock:
                self.break_off("the server has ended the stream")
        elif self.leaves_http and self._cut is None and not self.finished:  # RFC 9113 section 8.5
            self.finished = True
            with contextlib.suppress(OSError):  # the client has gone
                self.http2.send(self, None, b"", end=True)

    def reset(self) -> None:
        self.break_stream()

    def say_goodbye(self) -> None:
        pass

    def drop_input(self, seconds: float | None) -> bool:
        return False

    def _forget_errors(self) -> None:
        pass


def _understand(raw: bytes, method: str) -> tuple[Sequence[RawField], Framing]:
    """The fields of a response's head, and how its body ends."""
    head = ResponseHead(raw)
    headers = head.headers
    try:
        framing = response_framing(method, head.status, headers)
    except RequestError:  # the test has set a wrong length
        framing = Framing("close")
    return response_fields(head.status, headers), framing


_kept = lru_cache(256)(_understand)


def _nobody() -> None:
    """Do nothing: nobody needs to know."""
