"""How an exchange passes between its connection and what answers it: as it is, or past faults."""

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
    """What passes: an exchange. ``passage`` is how it does, ``index`` its number on the connection, ``awaits_100``
    whether the client waits to be told to send its body, ``http1`` what it is read from and written to, ``method``
    what is asked for, once that is known."""

    passage: Passage
    method: str
    http1: HTTP1
    index: int
    awaits_100: bool

    def note_fault(self, fault: Fault, where: str, /) -> None:
        """A fault happens: the journal knows of it before the client does."""


class Passage:
    """Without faults: what is read and written passes as it is.

    Its methods are called in their order, at the places in an exchange where a fault may have its own. ``in_connect``
    are the faults of a tunnel that is to be opened.
    """

    in_connect: tuple[Fault, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Those that it passes."""
        return ()

    def begin(self, passing: Passing) -> None:
        """An exchange begins."""

    def with_faults(self, faults: tuple[Fault, ...], passing: Passing) -> Passage:
        """How the exchange passes from here on: past these faults, too. Those whose place is past happen now."""
        passage = FaultyPassage(passing.http1)
        passage.begin(passing)
        passage.tell_what_is_answered()
        return passage.with_faults(faults, passing)

    def head_ends(self) -> None:
        """The request's head is there."""

    def read(self, read: Callable[[int], bytes], size: int) -> bytes:
        """``read(size)``, of the request's body."""
        return read(size)

    def take_body(self, body: Body, *, streamed: bool) -> None:
        """Take the request's body; what is ``streamed`` is left to who answers."""
        if not streamed and body is not NO_BODY:
            body.load()

    def abandon(self) -> None:
        """What answers has failed: what has gone out must not look whole."""

    def response_ends(self) -> None:
        """The response has been written. Raises Struck for a fault that ends the connection."""

    def end(self) -> None:
        """The exchange is over. Raises Struck likewise."""


AS_IT_IS = Passage()


def in_connect(faults: tuple[Fault, ...], *, rest: bool = False) -> tuple[Fault, ...]:
    """Those that happen when a tunnel is to be opened; with ``rest``, all others."""
    return tuple(fault for fault in faults if (fault.place == "connect") is not rest)


class FaultyPassage(Passage):
    """Past the faults of a connection (``lasting``, with each of its exchanges) or of one exchange."""

    def __init__(self, http1: HTTP1, lasting: tuple[Fault, ...] = ()) -> None:
        # Loaded with the first fault that somebody has made.
        from pytest_httpserve.scripting.faults.wire import FaultyWire, nobody

        self.in_connect: tuple[Fault, ...] = in_connect(lasting)
        lasting = in_connect(lasting, rest=True)

        connection = http1.connection
        assert connection is not None
        connection.leave_loop()  # whatever waits for a fault waits after this line
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
        """What comes out from here on answers the request in hand."""
        stream = self._http1.stream
        self._wire.begin_response(stream.method or "GET", stream.version)

    def head_ends(self) -> None:
        self.tell_what_is_answered()
        self._wire.leave("request_head")
        self._withhold_continue(self._wire.faults)

    def read(self, read: Callable[[int], bytes], size: int) -> bytes:
        return self._wire.read_body(read, size)

    def take_body(self, body: Body, *, streamed: bool) -> None:
        """As far as the faults let it come; what is streamed only if they are about it."""
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
        """Over HTTP/2, have a window never open."""
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
            del self._passing  # which leads back to here, as what the wire tells does
            self._wire.begin((), 0, self._nobody)
            if not self._lasting:
                self._http1.writer = Writer(self._connection.transport)

    def _withhold_continue(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            if fault.withholds_continue and self._passing.awaits_100:
                self._passing.note_fault(fault, "")
                self._passing.awaits_100 = False
