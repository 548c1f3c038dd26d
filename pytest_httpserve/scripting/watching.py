"""Who has the journal know of a server's connections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.net.service import Watcher, describe_hanging
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.reports.refusals import left_over

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.journal import Journal

# How often it is looked whether what serves a connection has let it go.
_GLANCE_SECONDS = 0.0005
# How long a request may take that has come in part.
_REST_SECONDS = 0.2


class Watching(Watcher):
    """Has the journal know of each connection, from its beginning to its end.

    ``records`` are those of the connections that are there now, ``faults`` those of the ones that have just come.
    """

    def __init__(self, journal: Journal) -> None:
        self.records: dict[Connection, ConnectionRecord] = {}
        self.faults: dict[Connection, tuple[Fault, ...]] = {}
        self._journal = journal
        self._told: dict[Connection, bytes] = {}  # what was left over, as a failure says already

    def opened(self, connection: Connection) -> None:
        self.records[connection] = record = self.make_record(connection)
        connection.ending.on_end = partial(self._journal.end_connection, record)
        self._journal.record_connection(record)

    def make_record(self, connection: Connection) -> ConnectionRecord:
        """What the journal knows of a connection."""
        return ConnectionRecord(connection.index, connection.peer)

    def closed(self, connection: Connection) -> None:
        self.records.pop(connection, None)
        self.faults.pop(connection, None)  # of one that no handler has had
        self._told.pop(connection, None)

    def look(self) -> None:
        """Note whose client has left: where a request waits (at a gate, say), nobody reads from its connection."""
        for connection in list(self.records):
            ending = connection.ending
            if ending.said is None and (how := self.how_left(connection)) is not None:
                ending.say("client", how)

    def how_left(self, connection: Connection) -> str | None:
        """How a client has ended its side, if it has, as far as the system tells."""
        return connection.transport.how_left()

    def find_broken_off(self, seconds: float) -> list[Connection]:
        """The test has ended: the connections whose clients have left, and which are about to end. What a client has
        sent after a request that announced less is a failure; an answer that is about to end is waited for so long."""
        leaving = []
        expiry = clock.monotonic() + seconds
        for connection, record in list(self.records.items()):
            turn, transport = connection.turn, connection.transport
            if turn.runs_code or turn.interrupt is not None:
                continue  # it may wait for long for something other than its client
            while connection.busy and connection.is_answered() and not transport.closed and clock.monotonic() < expiry:
                clock.sleep(_GLANCE_SECONDS)  # what serves it has only to let it go
            while not transport.has_been_left() and transport.peek() and clock.monotonic() < expiry:
                clock.sleep(_GLANCE_SECONDS)  # it is about to be taken in: not every system shows an end after it
            if transport.has_been_left():
                leaving.append(connection)
            elif not self._journal.test_is_over and (rest := _left_over(connection)):
                self._tell_left_over(connection, record, rest)
        return leaving

    def _tell_left_over(self, connection: Connection, record: ConnectionRecord, rest: bytes) -> None:
        """Once: of several tests that share the server, the first has sent it. The rest of a whole request of somebody
        who asks while tests come and go may be on its way."""
        if self._told.get(connection) == rest or not (exchanges := record.exchanges):
            return
        expiry = clock.monotonic() + _REST_SECONDS
        while _left_over(connection) == rest and clock.monotonic() < expiry:
            clock.sleep(_GLANCE_SECONDS)
        if _left_over(connection) == rest:
            self._told[connection] = rest
            self._journal.record_failure(left_over(rest, exchanges[-1]), "refused")

    def left_alone(self, connections: list[Connection]) -> None:
        """A handler whose client has gone fails no test: its exchange says where it was."""
        for connection in connections:
            record = self.records.get(connection)
            if record is not None and (exchanges := record.exchanges):
                exchanges[-1].notes += (f"its client had gone: {describe_hanging(connection).rstrip()}",)

    def hanging(self, connections: list[Connection]) -> None:
        """A handler that will not end fails the test."""
        for connection in connections:
            text = describe_hanging(connection)
            record = self.records.get(connection)
            if record is not None and (exchanges := record.exchanges) and (route := exchanges[-1].route) is not None:
                text += f"this was to be the answer of {route}\n"
            self._journal.record_failure(text)


def _left_over(connection: Connection) -> bytes:
    """What has come that is no whole request, and for which the loop waits for more."""
    rest, whole = connection.transport.gathered, connection.turn.whole
    return rest if rest and not connection.busy and whole is not None and not whole(rest, 0) else b""
