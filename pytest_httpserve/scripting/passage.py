"""The passage of an exchange between its connection and the code that answers it, with or without faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.scripting.record.request import NO_BODY, Body

if TYPE_CHECKING:
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.scripting.faults.acts import Fault


class Passing(Protocol):
    """An exchange on its passage. ``index`` is its number on the connection. ``awaits_100`` says that the client waits
    for 100 before it sends the body. ``http1`` reads the request and writes the response. ``method`` is the request's,
    once it is known."""

    passage: Passage
    method: str
    http1: HTTP1
    index: int
    awaits_100: bool

    def note_fault(self, fault: Fault, where: str, /) -> None:
        """Record that a fault happens, before the client can notice."""


class Passage:
    """A passage without faults, which changes nothing.

    Its methods are called in this order, at the points of an exchange where faults can happen. ``in_connect`` are the
    faults that happen while a tunnel is opened.
    """

    in_connect: tuple[Fault, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that can happen on it."""
        return ()

    def begin(self, passing: Passing) -> None:
        """Begin an exchange."""

    def with_faults(self, faults: tuple[Fault, ...], passing: Passing) -> Passage:
        """The passage from here on, with further faults. Those whose place is past happen now."""
        passage = FaultyPassage(passing.http1)
        passage.begin(passing)
        passage.tell_what_is_answered()
        return passage.with_faults(faults, passing)

    def head_ends(self) -> None:
        """Note that the head of the request has come."""

    def read(self, read: Callable[[int], bytes], size: int) -> bytes:
        """``read(size)`` for the body of the request."""
        return read(size)

    def take_body(self, body: Body, *, streamed: bool) -> None:
        """Load the body of the request, unless it is ``streamed``: then the code that answers reads it."""
        if not streamed and body is not NO_BODY:
            body.load()

    def abandon(self) -> None:
        """Note that the code that answers has failed: the response must not look complete."""

    def response_ends(self) -> None:
        """Note that the response has been written. Raises Struck for a fault that ends the connection."""

    def end(self) -> None:
        """End the exchange. Raises Struck for a fault that ends the connection."""


AS_IT_IS = Passage()


def in_connect(faults: tuple[Fault, ...], *, rest: bool = False) -> tuple[Fault, ...]:
    """The faults that happen while a tunnel is opened; with ``rest``, all others."""
    return tuple(fault for fault in faults if (fault.place == "connect") is not rest)


class FaultyPassage(Passage):
    """A passage with faults: ``lasting`` ones for every exchange of a connection, or those of one exchange."""

    def __init__(self, http1: HTTP1, lasting: tuple[Fault, ...] = ()) -> None:
        # Imported only here: without faults, nobody needs it.
        from pytest_httpserve.scripting.faults.wire import FaultyWire, nobody

        self.in_connect: tuple[Fault, ...] = in_connect(lasting)
        lasting = in_connect(lasting, rest=True)

        connection = http1.connection
        assert connection is not None
        connection.leave_loop()  # faults may wait from here on
        self._http1 = http1
        self._connection = connection
        self._lasting = lasting
        self._wire = FaultyWire(connection)
        self._nobody = nobody
        http1.writer = Writer(self._wire)
        if lasting:
            http1.reader = Reader(self._wire, limits=http1.limits)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._wire.faults

    def begin(self, passing: Passing) -> None:
        self._passing = passing
        self._wire.begin(self._lasting, passing.index, passing.note_fault)

    def with_faults(self, faults: tuple[Fault, ...], passing: Passing) -> Passage:
        self._wire.add(faults)
        self._wire.catch_up()
        self._withhold_continue(faults)
        return self

    def tell_what_is_answered(self) -> None:
        """Note that what is sent from here on answers the current request."""
        stream = self._http1.stream
        self._wire.begin_response(stream.method or "GET", stream.version)

    def head_ends(self) -> None:
        self.tell_what_is_answered()
        self._wire.leave("request_head")
        self._withhold_continue(self._wire.faults)

    def read(self, read: Callable[[int], bytes], size: int) -> bytes:
        return self._wire.read_body(read, size)

    def take_body(self, body: Body, *, streamed: bool) -> None:
        """Load the body as far as the faults allow. A streamed body is loaded only if a fault concerns it."""
        faults = [fault for fault in self._wire.faults if fault.place == "request_body"]
        self._starve(faults)
        early = next((fault for fault in faults if fault.answers_early), None)
        self._wire.reach("request_body")
        if early is not None:
            self._passing.note_fault(early, "")
            # The rest of the body may never come.
            self._http1.stream.lasts &= self._http1.reader.complete
        elif faults or not streamed:
            body.load()
        self._wire.leave("request_body")

    def _starve(self, faults: list[Fault]) -> None:
        """Over HTTP/2, keep a window closed."""
        from pytest_httpserve.protocol.h2_stream import StreamTransport
        from pytest_httpserve.scripting.faults.http2 import StarveWindow

        transport = self._connection.transport
        for fault in faults:
            if isinstance(fault, StarveWindow) and isinstance(transport, StreamTransport):
                self._passing.note_fault(fault, f"of the {fault.of}")
                transport.starve(fault.of)

    def abandon(self) -> None:
        self._wire.abandon()

    def response_ends(self) -> None:
        if self._http1.writer is not None:
            self._http1.writer.flush()
        self._wire.end()

    def end(self) -> None:
        try:
            if self._connection.transport.failure is None:
                self.response_ends()
        finally:
            del self._passing  # it refers back to this passage, as does the note of the wire
            self._wire.begin((), 0, self._nobody)
            if not self._lasting:
                self._http1.writer = Writer(self._connection.transport)

    def _withhold_continue(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            if fault.withholds_continue and self._passing.awaits_100:
                self._passing.note_fault(fault, "")
                self._passing.awaits_100 = False
