"""Record a server's connections in the journal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.net.watcher import Watcher, describe_hanging
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.reports.refusals import left_over

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.journal import Journal

# Seconds between two looks whether a thread has finished with a connection.
_GLANCE_SECONDS = 0.0005
# Seconds that an incomplete request may take to become complete.
_REST_SECONDS = 0.2


class Watching(Watcher):
    """Records each connection in the journal, from its beginning to its end.

    ``records`` are the records of current connections, ``faults`` the faults of connections that have just begun.
    """

    def __init__(self, journal: Journal) -> None:
        self.records: dict[Connection, ConnectionRecord] = {}
        self.faults: dict[Connection, tuple[Fault, ...]] = {}
        self._journal = journal
        self._told: dict[Connection, bytes] = {}  # left-over bytes that a failure has already reported

    def opened(self, connection: Connection) -> None:
        self.records[connection] = record = self.make_record(connection)
        connection.ending.on_end = partial(self._journal.end_connection, record)
        self._journal.record_connection(record)

    def make_record(self, connection: Connection) -> ConnectionRecord:
        """Make the record of a connection."""
        return ConnectionRecord(connection.index, connection.peer)

    def closed(self, connection: Connection) -> None:
        self.records.pop(connection, None)
        self.faults.pop(connection, None)  # if no handler has taken them
        self._told.pop(connection, None)

    def look(self) -> None:
        """Note which clients have left. While a request waits, such as at a gate, nobody reads from its connection."""
        for connection in list(self.records):
            ending = connection.ending
            if ending.said is None and (how := self.how_left(connection)) is not None:
                ending.say("client", how)

    def how_left(self, connection: Connection) -> str | None:
        """How the client has ended its side, as far as the system tells; None if it has not."""
        return connection.transport.how_left()

    def find_broken_off(self, seconds: float) -> list[Connection]:
        """The connections whose clients have left, at the end of a test. They are about to end.

        Bytes that a client sent after the announced end of a request are recorded as a failure. Waits up to ``seconds``
        for responses that are about to end.
        """
        leaving = []
        expiry = clock.monotonic() + seconds
        for connection, record in list(self.records.items()):
            turn, transport = connection.turn, connection.transport
            if turn.runs_code or turn.interrupt is not None:
                continue  # it may wait long for something other than its client
            while connection.busy and connection.is_answered() and not transport.closed and clock.monotonic() < expiry:
                clock.sleep(_GLANCE_SECONDS)  # its thread is about to finish
            while not transport.has_been_left() and transport.peek() and clock.monotonic() < expiry:
                clock.sleep(_GLANCE_SECONDS)  # the bytes are about to be read, and some systems show an end only then
            if transport.has_been_left():
                leaving.append(connection)
            elif not self._journal.test_is_over and (rest := _left_over(connection)):
                self._tell_left_over(connection, record, rest)
        return leaving

    def _tell_left_over(self, connection: Connection, record: ConnectionRecord, rest: bytes) -> None:
        """Record left-over bytes as a failure, once: if several tests share the server, the first one sent them. But
        wait a moment before: they may be the beginning of a request from a client that outlives tests."""
        if self._told.get(connection) == rest or not (exchanges := record.exchanges):
            return
        expiry = clock.monotonic() + _REST_SECONDS
        while _left_over(connection) == rest and clock.monotonic() < expiry:
            clock.sleep(_GLANCE_SECONDS)
        if _left_over(connection) == rest:
            self._told[connection] = rest
            self._journal.record_failure(left_over(rest, exchanges[-1]), "refused")

    def left_alone(self, connections: list[Connection]) -> None:
        """Note on the exchange where a handler is whose client has gone. It does not fail the test."""
        for connection in connections:
            record = self.records.get(connection)
            if record is not None and (exchanges := record.exchanges):
                exchanges[-1].notes += (f"its client had gone: {describe_hanging(connection).rstrip()}",)

    def hanging(self, connections: list[Connection]) -> None:
        """Fail the test because of handlers that do not end."""
        for connection in connections:
            text = describe_hanging(connection)
            record = self.records.get(connection)
            if record is not None and (exchanges := record.exchanges) and (route := exchanges[-1].route) is not None:
                text += f"it was answering for {route}\n"
            self._journal.record_failure(text)


def _left_over(connection: Connection) -> bytes:
    """Bytes that have come but are no complete request, while the loop waits for more."""
    rest, whole = connection.transport.gathered, connection.turn.whole
    return rest if rest and not connection.busy and whole is not None and not whole(rest, 0) else b""
