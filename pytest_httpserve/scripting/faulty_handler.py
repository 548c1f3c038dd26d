"""A handler on whose connection faults happen: where in an exchange they are asked for, and how they end one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytest_httpserve.errors import Struck
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.scripting.bridge import Bridged
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.journal import FaultEvent

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.wire import FaultyWire
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.scripted_server import ScriptedServer


class FaultyHandler(Bridged):
    """What a handler must do for faults. Without any, ``_wire`` is None, and that is all that is asked."""

    server: ScriptedServer
    _wire: FaultyWire | None = None
    connection_faults: tuple[Fault, ...] = ()  # of every exchange on this connection
    _fault_events: tuple[FaultEvent, ...] = ()  # before there was an exchange to have them
    _exchange: Exchange | None = None
    _resets = False
    _count = 0  # requests on this connection
    awaits_100 = False  # whether the client waits for 100 before it sends its body

    def take_faults(self, faults: tuple[Fault, ...]) -> None:
        """The connection begins, with faults for each of its exchanges."""
        self.connection_faults = faults
        self.suffer(*faults)
        if self._wire is not None:
            self.rfile = self.http1.reader = Reader(self._wire, limits=self.limits)

    def suffer(self, *faults: Fault) -> None:
        """From here on in this exchange, these faults: those whose place is past happen with the next bytes."""
        if (connection := self._connection) is None:
            return
        connection.leave_loop()  # whatever waits for a fault waits behind this line
        if self._wire is None:
            from pytest_httpserve.scripting.faults.wire import FaultyWire

            self._wire = FaultyWire(connection, self._note_fault)
            self._wire.begin((), self._count)
            if self._exchange is not None:
                self._wire.begin((), self._exchange.request.exchange_index)
                self._wire.begin_response(self.command or "GET", self._version)
            self.wfile = self.http1.writer = Writer(self._wire)
        self._wire.add(faults)
        self._withhold_continue(faults)

    def begin_faulty_response(self, wire: FaultyWire) -> None:
        """The request's head is there."""
        wire.begin_response(self.command or "GET", self._version)
        wire.leave("request_head")
        self._withhold_continue(wire.faults)

    def take_faulty_body(self, wire: FaultyWire, request: Request, *, streamed: bool = False) -> None:
        """Read the request's body, as far as the faults let it come; what is ``streamed`` only if they are about it."""
        faults = [fault for fault in wire.faults if fault.place == "request_body"]
        early = next((fault for fault in faults if fault.answers_early), None)
        wire.reach("request_body")
        if early is not None:
            self._note_fault(early, "")
            # The rest of the body may never come.
            self.close_connection |= not cast(Reader, self.rfile).complete
        elif faults or not streamed:
            request.content.load()
        wire.leave("request_body")

    def end_faulty_response(self, wire: FaultyWire) -> None:
        """The response has been written. Raises Struck for a fault that ends the connection."""
        self.wfile.flush()
        wire.end()

    def end_faulty_exchange(self, wire: FaultyWire) -> None:
        """The exchange is over."""
        try:
            if self._connection is not None and self._connection.transport.failure is None:
                self.end_faulty_response(wire)
        except Struck as struck:
            self.end_struck(struck)
        if not self.connection_faults and self._connection is not None:
            self._wire = None
            self.wfile = self.http1.writer = Writer(self._connection.transport)

    def end_struck(self, struck: Struck) -> None:
        """A fault has ended the connection: see it off accordingly."""
        self.close_connection = True
        if struck.resets:
            self._resets = True
        else:
            self.http1.lingers = True

    def _withhold_continue(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            if fault.withholds_continue and self.awaits_100:
                self._note_fault(fault, "")
                self.awaits_100 = False

    def _note_fault(self, fault: Fault, where: str) -> None:
        """The journal knows of a fault before the client does."""
        event = FaultEvent(fault, where, self._connection.index if self._connection is not None else 0)
        self.server.script.record_fault_event(event)
        self._fault_events += (event,)
        if self._exchange is not None:
            self.attach_fault_events(self._exchange)

    def attach_fault_events(self, exchange: Exchange) -> None:
        """The exchange that faults have happened on is known."""
        exchange.faults += tuple(event.fault for event in self._fault_events)
        exchange.notes += tuple(map(str, self._fault_events))
        self._fault_events = ()
