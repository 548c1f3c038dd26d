"""Who has the journal know of a server's connections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.net.service import Watcher, describe_hanging
from pytest_httpserve.scripting.record.connections import ConnectionRecord

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.journal import Journal


class Watching(Watcher):
    """Has the journal know of each connection, from its beginning to its end.

    ``records`` are those of the connections that are there now, ``faults`` those of the ones that have just come.
    """

    def __init__(self, journal: Journal) -> None:
        self.records: dict[Connection, ConnectionRecord] = {}
        self.faults: dict[Connection, tuple[Fault, ...]] = {}
        self._journal = journal

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

    def look(self) -> None:
        """Note whose client has left: where a request waits (at a gate, say), nobody reads from its connection."""
        for connection in list(self.records):
            ending = connection.ending
            if ending.said is None and (how := connection.transport.how_left()) is not None:
                ending.say("client", how)

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
