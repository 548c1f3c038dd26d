"""Event streams that a test controls: the client waits, and the test sends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pytest_httpserve.arguments import check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.events import encode_comment, encode_event
from pytest_httpserve.scripting.answers.outlets import InThread, Outlet, Resting
from pytest_httpserve.scripting.answers.responses import Continued, Response
from pytest_httpserve.scripting.live.arrivals import Arrivals
from pytest_httpserve.scripting.live.awaiting import Condition, awaited

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


class EventStreams:
    """The event streams of a route, which ``Route.events`` returns."""

    def __init__(
        self, whose: Callable[[], str], fail: Callable[[EventStream], object], faults: tuple[Fault, ...] = ()
    ) -> None:
        self.faults = faults
        self._whose = whose
        self._fail = fail
        self._arrivals: Arrivals[EventStream] = Arrivals(Condition())

    @property
    def aio(self) -> EventStreamsWaits:
        """The waiting methods for coroutines: ``await events.aio.accept()`` does not block the event loop."""
        return EventStreamsWaits(self)

    def accept(self, timeout: float = 5.0) -> EventStream:
        """The next stream that a client opens. Waits for it up to ``timeout`` seconds.

        Raises AssertionError, which lists the requests, if none is opened in time.
        """
        __tracebackhide__ = True
        return self._accepted(self._arrivals.accept(check_seconds("timeout=", timeout)), timeout)

    def _accepted(self, stream: EventStream | None, timeout: float) -> EventStream:
        __tracebackhide__ = True
        if stream is not None:
            return stream
        raise AssertionError(f"no client opened an event stream within {timeout} s: {self._whose()}")

    def check(self) -> None:
        """Record a failure for each stream that nobody accepted."""
        for stream in self._arrivals.take_left():
            self._fail(stream)

    def answer(self, request: Request) -> Response:
        """The response that begins a stream."""
        if request.method == "HEAD":
            return Response(200, headers=_FIELDS)
        chunked = request.version >= (1, 1)

        def begin(asked: Asked, faults: tuple[Fault, ...]) -> None:
            stream = _stream_of(asked)
            outlet = Resting(asked, stream.over, chunked=chunked)
            stream.leave_by(outlet)
            self._arrivals.add(stream)
            outlet.begin()

        def in_thread(asked: Asked) -> Response:
            stream = _stream_of(asked)
            outlet = InThread(asked, stream.over)
            stream.leave_by(outlet)
            self._arrivals.add(stream)
            return Response(200, headers=_FIELDS, stream=outlet.pieces)

        return Continued(200, (*_FIELDS, _CHUNKED) if chunked else _FIELDS, begin, self.faults, in_thread)


def _stream_of(asked: Asked) -> EventStream:
    assert asked.exchange is not None  # every request that is answered has one
    asked.exchange.shown = True  # accept() hands it out
    return EventStream(asked.exchange)


class EventStream:
    """An event stream that a client reads. ``exchange`` is its request and response."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._outlet: Outlet
        self._changed = threading.Condition()
        self._closed = False  # by the test
        self._gone = False

    def leave_by(self, outlet: Outlet) -> None:
        """Set the outlet that sends the stream."""
        self._outlet = outlet

    def over(self) -> None:
        """Note that the client has gone, or that the server has ended the stream."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    @property
    def request(self) -> Request:
        """The request that the stream answers."""
        return self.exchange.request

    @property
    def last_event_id(self) -> str | None:
        """The ``Last-Event-ID`` that a returning client sent; None if it sent none."""
        return self.request.headers.get("last-event-id")

    def send(
        self, data: object = None, *, event: str | None = None, id: str | None = None, retry: int | None = None
    ) -> None:
        """Send an event. ``data`` is a str, or anything else, sent as JSON. ``retry`` is in milliseconds.

        Raises ConnectionError if the client has gone, UsageError if the test has closed the stream.
        """
        self._write(encode_event(data, event=event, id=id, retry=retry))

    def comment(self, text: str = "") -> None:
        """Send a comment, which clients ignore."""
        self._write(encode_comment(text))

    def close(self) -> None:
        """End the stream in an orderly way. Does nothing if it is over."""
        if self._ends():
            self._outlet.end()

    def reset(self) -> None:
        """Reset the connection or, over HTTP/2, only the stream. Does nothing if the stream is over.

        The client sees that the stream is incomplete.
        """
        if self._ends():
            self._outlet.reset()

    def _ends(self) -> bool:
        """Note that the test has closed it. False if it was over before."""
        with self._changed:
            was_open = not (self._closed or self._gone)
            self._closed = True
            return was_open

    @property
    def aio(self) -> EventStreamWaits:
        """The waiting methods for coroutines: ``await stream.aio.gone()`` does not block the event loop."""
        return EventStreamWaits(self)

    def gone(self, timeout: float = 5.0) -> bool:
        """Whether the client leaves within ``timeout`` seconds. Stopping the server counts as leaving."""
        seconds = check_seconds("timeout=", timeout)
        with self._changed:
            return self._changed.wait_for(lambda: self._gone, seconds)

    def _write(self, text: str) -> None:
        if self._closed:
            raise UsageError("the stream is closed: nothing more can be sent")
        if self._gone:
            raise ConnectionResetError("the client has left the event stream")
        self._outlet.send(text.encode())

    def __repr__(self) -> str:
        state = "closed" if self._closed else "gone" if self._gone else "open"
        return f"<EventStream of {self.request}, {state}>"


class EventStreamsWaits:
    """The waiting methods of event streams, to be awaited; see ``ServerWaits``."""

    def __init__(self, streams: EventStreams) -> None:
        self._streams = streams

    async def accept(self, timeout: float = 5.0) -> EventStream:
        """Like ``EventStreams.accept``. If it is cancelled, it takes no stream."""
        __tracebackhide__ = True
        streams, seconds = self._streams, check_seconds("timeout=", timeout)
        return streams._accepted(await streams._arrivals.accept_soon(seconds), timeout)


class EventStreamWaits:
    """The waiting methods of an event stream, to be awaited; see ``ServerWaits``."""

    def __init__(self, stream: EventStream) -> None:
        self.gone: Final = awaited(stream.gone)
