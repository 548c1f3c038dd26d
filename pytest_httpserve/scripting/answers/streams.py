"""Event streams in the hands of a test: the client waits, and the test sends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.arguments import check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.net.connection import LINGER_SECONDS
from pytest_httpserve.net.duplex import Duplex
from pytest_httpserve.scripting.answers.events import encode_comment, encode_event
from pytest_httpserve.scripting.answers.responses import Continued, Response
from pytest_httpserve.scripting.live.arrivals import Arrivals
from pytest_httpserve.scripting.live.awaiting import Condition, awaited
from pytest_httpserve.scripting.live.waiting import pause
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.wire.headers import Field

_FIELDS: tuple[Field, ...] = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)
_CHUNKED: Field = ("Transfer-Encoding", "chunked")
_SEND_SECONDS = 10.0
_LONG = 86_400.0


class EventStreams:
    """The event streams of a route, which ``Route.events`` returns."""

    def __init__(self, whose: Callable[[], str], fail: Callable[[EventStream], object]) -> None:
        self._whose = whose
        self._fail = fail
        self._arrivals: Arrivals[EventStream] = Arrivals(Condition())

    @property
    def aio(self) -> EventStreamsWaits:
        """What waits, for coroutines: ``await events.aio.accept()`` holds no event loop up."""
        return EventStreamsWaits(self)

    def accept(self, timeout: float = 5.0) -> EventStream:
        """The next stream that a client has opened; waits for it ``timeout`` seconds.

        Raises AssertionError, with what was requested, if there is none in time.
        """
        __tracebackhide__ = True
        return self._accepted(self._arrivals.accept(check_seconds("timeout=", timeout)), timeout)

    def _accepted(self, stream: EventStream | None, timeout: float) -> EventStream:
        __tracebackhide__ = True
        if stream is not None:
            return stream
        raise AssertionError(f"no client opened an event stream within {timeout} s: {self._whose()}")

    def check(self) -> None:
        """Make a failure of each stream that nobody accepted."""
        for stream in self._arrivals.take_left():
            self._fail(stream)

    def answer(self, request: Request) -> Response:
        """The response that a stream begins with."""
        chunked = request.version >= (1, 1)
        fields = (*_FIELDS, _CHUNKED) if chunked else _FIELDS
        if request.method == "HEAD":
            return Response(200, headers=_FIELDS)

        def begin(asked: Asked, faults: tuple[Fault, ...]) -> None:
            stream = EventStream(asked, chunked=chunked)
            self._arrivals.add(stream)
            stream.begin()

        return Continued(200, fields, begin)


class EventStream:
    """An event stream that a client reads. ``exchange`` is its request and response."""

    def __init__(self, asked: Asked, *, chunked: bool) -> None:
        exchange, loop = asked.exchange, service_of(asked.server).loop
        assert exchange is not None and loop is not None  # each HTTPServe has a loop
        self.exchange: Exchange = exchange
        self._asked = asked
        self._chunked = chunked
        self._connection = asked.connection
        self._loop = loop
        self._changed = threading.Condition()
        self._closed = False  # by the test
        self._gone = False
        self._expiry: float | None = None
        self._done = threading.Event()
        self._duplex = Duplex(self._connection)

    def begin(self) -> None:
        """Wait for the client to leave: in the loop or, past a fault, in this thread."""
        if self._asked.may_rest:
            self._connection.busy = False
            self._go_on()
        else:
            pause(self._connection, _LONG, self._done, heeds_client=True)
            self._leave()

    def serve(self) -> None:
        """The client has gone or sent something, the server stops, or the client has not left in time."""
        if self._connection.closing:
            self._leave()
            return
        try:
            data = self._duplex.receive()
        except OSError:
            data = b""
        if data == b"":
            self._leave()
        else:
            self._go_on()

    def _go_on(self) -> None:
        with self._changed:
            left = max(self._expiry - clock.monotonic(), 0.0) if self._expiry is not None else None
            self._connection.turn.await_client(self.serve, left)

    def _leave(self) -> None:
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    @property
    def request(self) -> Request:
        """The request that the stream answers."""
        return self.exchange.request

    @property
    def last_event_id(self) -> str | None:
        """The ``Last-Event-ID`` of a client that comes back; None if it has sent none."""
        return self.request.headers.get("last-event-id")

    def send(
        self, data: object = None, *, event: str | None = None, id: str | None = None, retry: int | None = None
    ) -> None:
        """Send an event: ``data`` is a str or, as JSON, anything else. ``retry`` is in milliseconds.

        Raises ConnectionError if the client has gone, UsageError if the test has closed the stream.
        """
        self._write(encode_event(data, event=event, id=id, retry=retry))

    def comment(self, text: str = "") -> None:
        """Send a comment, which a client passes over."""
        self._write(encode_comment(text))

    def close(self) -> None:
        """End the stream, as a whole; does nothing if it is over."""
        with self._changed:
            if self._closed or self._gone:
                return
            self._closed = True
        try:
            if self._chunked:
                self._duplex.send(lambda: encode_last_chunk(()), _SEND_SECONDS)
            self._connection.ending.say("server", "FIN")
            self._duplex.end()
        except OSError:
            return  # the client was faster
        self._done.set()
        with self._changed:
            self._expiry = expiry = clock.monotonic() + LINGER_SECONDS
            self._connection.turn.expiry = expiry
        self._loop.expect(expiry)

    @property
    def aio(self) -> EventStreamWaits:
        """What waits, for coroutines: ``await stream.aio.gone()`` holds no event loop up."""
        return EventStreamWaits(self)

    def gone(self, timeout: float = 5.0) -> bool:
        """Whether the client leaves within ``timeout`` seconds; the stop of the server counts as that."""
        seconds = check_seconds("timeout=", timeout)
        with self._changed:
            return self._changed.wait_for(lambda: self._gone, seconds)

    def _write(self, text: str) -> None:
        if self._closed:
            raise UsageError("the stream is closed: nothing can follow")
        if self._gone:
            raise ConnectionResetError("the client has left the event stream")
        data = text.encode()
        self._duplex.send(lambda: encode_chunk(data) if self._chunked else data, _SEND_SECONDS)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "gone" if self._gone else "open"
        return f"<EventStream of {self.request}, {state}>"


class EventStreamsWaits:
    """What waits for event streams, to be awaited; see ``ServerWaits``."""

    def __init__(self, streams: EventStreams) -> None:
        self._streams = streams

    async def accept(self, timeout: float = 5.0) -> EventStream:
        """As ``accept`` of the streams. Whoever is cancelled meanwhile has taken none."""
        __tracebackhide__ = True
        streams, seconds = self._streams, check_seconds("timeout=", timeout)
        return streams._accepted(await streams._arrivals.accept_soon(seconds), timeout)


class EventStreamWaits:
    """What waits for the client of an event stream, to be awaited; see ``ServerWaits``."""

    def __init__(self, stream: EventStream) -> None:
        self.gone = awaited(stream.gone)
