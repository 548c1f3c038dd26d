"""The journal: the exchanges of a server in the order in which the requests came in, and what went wrong."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve import clock
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.entries import CONNECTION, PLACES, Entry, Named, close_body
from pytest_httpserve.scripting.record.exchange import Exchange, Keyed, carried, is_refused
from pytest_httpserve.scripting.record.messages import Message, MessageLog
from pytest_httpserve.scripting.record.readable import readable_text
from pytest_httpserve.scripting.record.redaction import ALWAYS_REDACTED

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord

MOST_EXCHANGES = 10_000
MOST_BYTES = 32 << 20
MOST_FAILURES = 1_000


class FaultEvent(NamedTuple):
    """A fault that happened: on which connection of the server, and where in the exchange."""

    fault: Fault
    where: str
    connection_index: int

    def __str__(self) -> str:
        return f"fault {self.fault!r}{f': {self.where}' if self.where else ''}"


class Failure(str):
    """A text that says why the test must fail; ``kind`` is one of KINDS. If it is about a route, ``place`` says where
    the test wrote that route, as file:line."""

    __slots__ = ("kind", "place")

    kind: str
    place: str

    def __new__(cls, text: str, kind: str, place: str = "") -> Failure:
        failure = super().__new__(cls, text)
        failure.kind, failure.place = kind, place
        return failure


# A request that nothing answered; a request that the server refused; a handler or an application that raised or hung;
# an expectation that was not met.
KINDS = ("unanswered", "refused", "errors", "expectations")


def check_kinds(kinds: str | Iterable[str]) -> frozenset[str]:
    """Check the names of kinds of failures. Raises UsageError for an unknown one."""
    kinds = (kinds,) if isinstance(kinds, str) or not isinstance(kinds, Iterable) else tuple(kinds)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"a kind of failure must be one of {', '.join(KINDS)}, not {kind!r}")
    return frozenset(kinds)


class Mark(NamedTuple):
    """A moment in a journal: how many exchanges, connections and fault events had come until then."""

    exchanges: int
    connections: int
    fault_events: int


class Seen(NamedTuple):
    """What a journal holds at one moment, and how much of it the journal has dropped."""

    exchanges: tuple[Exchange, ...]
    connections: tuple[ConnectionRecord, ...]
    fault_events: tuple[FaultEvent, ...]
    dropped_exchanges: int
    dropped_connections: int
    dropped_fault_events: int
    redacted: frozenset[str]


def _any(exchange: Exchange) -> bool:
    return True


# Every journal made from now on calls these with each exchange that is over.
TOLD: list[Callable[[Exchange], None]] = []


class Journal:
    """Exchanges, and what went wrong with them. The server's threads write it, the test's threads read it.

    It keeps up to ``max_exchanges`` exchanges, and up to ``max_bytes`` in memory for all of them together. Beyond that
    it drops the oldest finished exchange, but always keeps the newest one. It also keeps up to ``max_exchanges`` closed
    connections, and as many fault events. ``ignored`` are the kinds of failures that do not count, ``redacted`` the
    header fields whose values are masked. ``test_is_over`` allows clients to break off; ``expects_tls`` says that the
    test wants them to speak TLS to a server that does not.

    The journal keeps a finished exchange as a tuple of plain values. It makes the Exchange again when somebody looks,
    and keeps that one, so that everybody sees the same object.
    """

    def __init__(self, max_bytes: int = MOST_BYTES, max_exchanges: int = MOST_EXCHANGES) -> None:
        self.max_bytes = max_bytes
        self.max_exchanges = max_exchanges
        self.ignored: frozenset[str] = frozenset()
        self.redacted = ALWAYS_REDACTED
        self.expects_tls = False
        if TOLD:  # a different finish, so that exchanges pay nothing if nobody listens
            self._told = tuple(TOLD)
            self.finish = self._finish_and_tell  # type: ignore[method-assign]
        # Of exchanges. Forgetting does not reset these three, so that earlier marks stay valid.
        self._numbers = itertools.count(1)
        self._connection_count = self._fault_event_count = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Make it new and empty: in a fork of the process, where no thread writes to it."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = self._changes = 0
        self._connections: dict[int, ConnectionRecord] = {}  # by id
        self._begin()

    def _begin(self) -> None:
        # By number. The server's threads add to it without the lock, so loops go through list(self._kept).
        self._kept: dict[int, Exchange | Entry] = {}
        self._over: deque[tuple[int, int]] = deque()  # the numbers of finished exchanges, and their bytes
        self._bytes = 0
        self._named: dict[int, Named] = {}  # the objects that entries name, by id
        self._taken: set[int] = set()  # the numbers that take() has returned
        self._closed: deque[ConnectionRecord] = deque()
        self._logs: deque[tuple[MessageLog, int]] = deque()  # for each message that is kept, its log and its bytes
        self._message_bytes = 0
        self._fault_events: deque[FaultEvent] = deque(maxlen=self.max_exchanges)
        self._failures: list[Failure] = []
        self.test_is_over = False
        self._seen = 0  # how many failures take_failures() has returned
        self._unkept: Counter[str] = Counter()  # failures beyond MOST_FAILURES, by kind
        self.dropped_exchanges: int = 0
        self.dropped_connections: int = 0
        self.dropped_fault_events: int = 0

    # Record

    def record(self, exchange: Exchange) -> None:
        """Add an exchange; its response may follow."""
        exchange.number = number = next(self._numbers)
        kept = self._kept
        kept[number] = exchange
        if (connection := exchange.connection) is not None:
            connection.exchange_count += 1  # one thread at a time serves a connection
        if len(kept) > self.max_exchanges:
            with self._lock:
                while len(kept) > self.max_exchanges and self._over:
                    self._drop_oldest()
        if self._waiting:  # anyone who begins to wait now will look first, and find it
            self._tell_of_change()

    def finish(self, exchange: Exchange) -> None:
        """Note that the exchange is over. It becomes an entry, unless it has been handed out."""
        with self._lock:  # the lock itself: through the condition it takes three times as long
            number = exchange.number
            if number not in self._kept:  # the journal has been cleared
                return
            if exchange.shown:
                size = exchange.size
            else:
                self._kept[number] = entry = exchange.entry(self._named)
                size = entry[-1]
            self._over.append((number, size))
            self._bytes += size
            while self._bytes > self.max_bytes and len(self._over) > 1:
                self._drop_oldest()

    def _finish_and_tell(self, exchange: Exchange) -> None:
        Journal.finish(self, exchange)
        for tell in self._told:
            tell(exchange)

    def _drop_oldest(self) -> None:
        """Drop the oldest finished exchange."""
        number, size = self._over.popleft()
        self._bytes -= size
        self.dropped_exchanges += 1
        one = self._kept.pop(number)
        if self._taken:
            self._taken.discard(number)
        connection, received, sent = one.carried() if isinstance(one, Exchange) else carried(one, self._named)
        if connection is not None:
            connection.drop(received, sent)
        if len(self._named) > 4 * self.max_exchanges:  # an entry names at most three
            kept = map(self._kept.__getitem__, list(self._kept))
            keys = {key for one in kept if isinstance(one, tuple) for key in one[:3] if key}
            self._named = {key: self._named[key] for key in keys}

    def record_message(self, log: MessageLog, message: Message) -> None:
        """Add a message to the log of its connection. All logs together keep ``max_bytes``."""
        size = message.counts_for
        with self._lock:
            log.add(message)
            self._logs.append((log, size))
            self._message_bytes += size
            while self._message_bytes > self.max_bytes and len(self._logs) > 1:
                oldest, its_size = self._logs.popleft()
                oldest.drop()
                self._message_bytes -= its_size
            if self._waiting:
                self._changed.notify_all()

    def record_connection(self, record: ConnectionRecord) -> None:
        """Add a connection; its exchanges and its end may follow."""
        record.look = partial(self.those, CONNECTION)
        with self._lock:
            self._connections[id(record)] = record
            self._connection_count += 1
            if self._waiting:
                self._tell_of_change()

    def end_connection(self, record: ConnectionRecord, by: str, how: str) -> None:
        """Note that the connection is closed."""
        record.end(by, how)
        with self._lock:
            self._closed.append(record)
            if len(self._closed) > self.max_exchanges:
                oldest = self._closed.popleft()
                self.dropped_connections += self._connections.pop(id(oldest), None) is not None
            if self._waiting:
                self._tell_of_change()

    def _tell_of_change(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def record_fault_event(self, event: FaultEvent) -> None:
        """Add a fault that has happened."""
        with self._lock:
            self.dropped_fault_events += len(self._fault_events) == self.max_exchanges
            self._fault_events.append(event)
            self._fault_event_count += 1

    def record_failure(self, text: str, kind: str = "errors", place: str = "") -> None:
        """Add a failure. Of those that nobody has taken, the first MOST_FAILURES are kept."""
        failure = Failure(readable_text(text), kind, place)
        with self._lock:
            if kind in self.ignored:
                return
            if len(self._failures) < MOST_FAILURES:
                self._failures.append(failure)
            elif self._seen:
                self._seen -= 1
                self._failures = [*self._failures[1:], failure]
            else:
                self._unkept[kind] += 1

    # Ask

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All exchanges so far, except those that were dropped."""
        with self._lock:
            return tuple(map(self._show, list(self._kept)))

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """All connections so far, except those that were dropped."""
        with self._lock:
            return tuple(self._connections.values())

    @property
    def seen(self) -> Seen:
        """All exchanges and connections, taken at one moment."""
        with self._lock:
            return self._seen_of(self.exchanges, self.connections, self.fault_events)

    def mark(self) -> Mark:
        """Mark this moment, for ``since``."""
        with self._lock:
            # This uses up a number that no exchange gets: a count cannot be read without taking from it.
            return Mark(next(self._numbers), self._connection_count, self._fault_event_count)

    def since(self, mark: Mark) -> Seen:
        """Everything that has come since then. The cost does not depend on how much is kept from before.

        If connections have been dropped since, as many older ones take their place.
        """
        with self._lock:
            kept, now = self._kept, self.mark()
            exchanges = [self._show(number) for number in range(mark.exchanges, now.exchanges) if number in kept]
            latest = islice(reversed(self._connections.values()), now.connections - mark.connections)
            events = islice(reversed(self._fault_events), now.fault_events - mark.fault_events)
            return self._seen_of(tuple(exchanges), tuple(latest)[::-1], tuple(events)[::-1])

    def _seen_of(
        self,
        exchanges: tuple[Exchange, ...],
        connections: tuple[ConnectionRecord, ...],
        fault_events: tuple[FaultEvent, ...],
    ) -> Seen:
        return Seen(
            exchanges,
            connections,
            fault_events,
            self.dropped_exchanges,
            self.dropped_connections,
            self.dropped_fault_events,
            self.redacted,
        )

    @property
    def fault_events(self) -> tuple[FaultEvent, ...]:
        """The faults that happened, in order, except those that were dropped."""
        with self._lock:
            return tuple(self._fault_events)

    def those(self, place: int, named: Keyed) -> tuple[Exchange, ...]:
        """The exchanges that name ``named``: a route, a guard or a connection, as ``place`` says."""
        key, attribute = named.key, PLACES[place]
        with self._lock:
            return tuple(
                self._show(number)
                for number in list(self._kept)
                if (
                    one[place] == key
                    if isinstance(one := self._kept[number], tuple)
                    else getattr(one, attribute) is named
                )
            )

    def _show(self, number: int) -> Exchange:
        """The exchange with this number. From now on, everybody gets the same object."""
        one = self._kept[number]
        if isinstance(one, tuple):
            self._kept[number] = one = Exchange.of(one, self._named)  # in the same place: the order stays
            one.number = number
        one.shown = True
        return one

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds; False after ``timeout`` seconds.

        It is called again after every exchange, and after every connection that opens or closes. The lock is not held,
        since ``condition`` may be code of the test that waits for another thread.
        """
        expiry = clock.monotonic() + timeout
        with self._lock:
            self._waiting += 1
        try:
            while True:
                changes = self._changes
                if condition():
                    return True
                with self._changed:
                    left = max(expiry - clock.monotonic(), 0.0)
                    if not self._changed.wait_for(lambda: self._changes != changes, left):  # noqa: B023  called here
                        break
            return condition()  # it may depend on something that the journal is not told about
        finally:
            with self._lock:
                self._waiting -= 1

    def take(self, timeout: float, wanted: Callable[[Exchange], bool] = _any) -> Exchange | None:
        """The first exchange that is ``wanted`` and was neither taken before nor refused; None if there is none within
        ``timeout`` seconds."""
        taken: list[Exchange] = []

        def find() -> bool:
            for number in list(self._kept):
                exchange = self._untaken(number)
                if exchange is not None and wanted(exchange) and self._mark_taken(number):
                    taken.append(exchange)
                    return True
            return False

        return taken[0] if self.wait(find, timeout) else None

    def _untaken(self, number: int) -> Exchange | None:
        """The exchange with this number, if it can still be taken."""
        with self._lock:
            if number in self._taken or number not in self._kept or is_refused(self._kept[number]):
                return None
            return self._show(number)

    def _mark_taken(self, number: int) -> bool:
        """Mark an exchange as taken. False if another thread has taken it first."""
        with self._lock:
            first = number not in self._taken
            self._taken.add(number)
            return first

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures that must fail the test."""
        with self._lock:
            return self._that_count(self._failures)

    def take_failures(self) -> tuple[Failure, ...]:
        """The failures since the last time this was called."""
        with self._lock:
            failures = self._that_count(self._failures[self._seen :])
            self._seen = len(self._failures)
            self._unkept.clear()
            return failures

    def _that_count(self, failures: Iterable[Failure]) -> tuple[Failure, ...]:
        counting = [failure for failure in failures if failure.kind not in self.ignored]
        if unkept := sum(number for kind, number in self._unkept.items() if kind not in self.ignored):
            counting.append(Failure(f"{unkept} more failures came after these and were not kept\n", "errors"))
        return tuple(counting)

    def close(self) -> None:
        """Close the files that hold bodies. Those bodies cannot be read any more."""
        with self._lock:
            for one in map(self._kept.__getitem__, list(self._kept)):
                if isinstance(one, Exchange):
                    one.close()
                else:
                    close_body(one)

    def clear(self) -> None:
        """Forget everything except open connections."""
        with self._lock:
            self._begin()
            self._connections = {key: record for key, record in self._connections.items() if record.is_open}
            for record in self._connections.values():
                record.forget()
                for log in tuple(record.messages.values()):
                    log.clear()
