"""The journal: the exchanges of a server, in the order in which the requests came in, and what went wrong."""

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
    """A fault that has happened: on which connection of the server, and where in its exchange."""

    fault: Fault
    where: str
    connection_index: int

    def __str__(self) -> str:
        return f"fault {self.fault!r}{f': {self.where}' if self.where else ''}"


class Failure(str):
    """What must fail the test, as a text to read: of one of the kinds of KINDS. It is about the route that was written
    at ``place`` (file:line), if it is about one."""

    __slots__ = ("kind", "place")

    kind: str
    place: str

    def __new__(cls, text: str, kind: str, place: str = "") -> Failure:
        failure = super().__new__(cls, text)
        failure.kind, failure.place = kind, place
        return failure


# A request that nothing answered; one that the server did not take; an exception in, or a hang of, what answers; an
# expectation that was not met.
KINDS = ("unanswered", "refused", "errors", "expectations")


def check_kinds(kinds: str | Iterable[str]) -> frozenset[str]:
    """Kinds of failures. Raises UsageError for one that does not exist."""
    kinds = (kinds,) if isinstance(kinds, str) or not isinstance(kinds, Iterable) else tuple(kinds)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"a kind of failure is one of {', '.join(KINDS)}, not {kind!r}")
    return frozenset(kinds)


class Mark(NamedTuple):
    """A moment in a journal: how many exchanges, connections and fault events had come until then."""

    exchanges: int
    connections: int
    fault_events: int


class Seen(NamedTuple):
    """What a journal has of a server in one moment, and how much of it the journal has dropped."""

    exchanges: tuple[Exchange, ...]
    connections: tuple[ConnectionRecord, ...]
    fault_events: tuple[FaultEvent, ...]
    dropped_exchanges: int
    dropped_connections: int
    dropped_fault_events: int
    redacted: frozenset[str]


def _any(exchange: Exchange) -> bool:
    return True


# Who is told of each exchange that is over, by every journal that begins from now on.
TOLD: list[Callable[[Exchange], None]] = []


class Journal:
    """Exchanges, and what went wrong with them. Written by the server's threads, read by the test's.

    It keeps ``max_exchanges`` exchanges, and ``max_bytes`` of what is in memory of all of them together. Past that it
    drops the oldest of those that are over; the newest of these always stays. Of connections that are closed, and of
    faults that have happened, it keeps as many. ``ignored`` are the kinds of failures that are none here,
    ``redacted`` the header fields whose values nobody is shown. ``test_is_over`` says that clients may break off,
    ``expects_tls`` that they speak TLS to a server that does not, as the test wants it.

    What an exchange that is over says is kept as a tuple of plain values. The Exchange is made again when somebody
    looks, and then it stays, so that everybody sees the same one.
    """

    def __init__(self, max_bytes: int = MOST_BYTES, max_exchanges: int = MOST_EXCHANGES) -> None:
        self.max_bytes = max_bytes
        self.max_exchanges = max_exchanges
        self.ignored: frozenset[str] = frozenset()
        self.redacted = ALWAYS_REDACTED
        self.expects_tls = False
        if TOLD:  # where nobody is, no exchange is to pay for it: so the journal has another finish then
            self._told = tuple(TOLD)
            self.finish = self._finish_and_tell  # type: ignore[method-assign]
        # Of exchanges. These three count on, whatever is forgotten: marks from before stay true.
        self._numbers = itertools.count(1)
        self._connection_count = self._fault_event_count = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """As if nothing had ever happened: in a fork of the process, where no thread writes it."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = self._changes = 0
        self._connections: dict[int, ConnectionRecord] = {}  # by id
        self._begin()

    def _begin(self) -> None:
        # By number. A server's thread adds one without the lock, so whoever goes through them takes list(self._kept).
        self._kept: dict[int, Exchange | Entry] = {}
        self._over: deque[tuple[int, int]] = deque()  # the numbers of those that are over, and their bytes
        self._bytes = 0
        self._named: dict[int, Named] = {}  # what entries name, by id
        self._taken: set[int] = set()  # the numbers of those that take has given
        self._closed: deque[ConnectionRecord] = deque()
        self._logs: deque[tuple[MessageLog, int]] = deque()  # of each message that is kept, its log and its bytes
        self._message_bytes = 0
        self._fault_events: deque[FaultEvent] = deque(maxlen=self.max_exchanges)
        self._failures: list[Failure] = []
        self.test_is_over = False
        self._seen = 0  # failures that take_failures has given
        self._unkept: Counter[str] = Counter()  # failures that were too many, by kind
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
        if self._waiting:  # else whoever begins to wait now looks first, and finds it
            self._tell_of_change()

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over. It becomes an entry, unless somebody has it already."""
        with self._lock:  # itself: by way of the condition it takes three times as long
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
        """Drop the first exchange that is over."""
        number, size = self._over.popleft()
        self._bytes -= size
        self.dropped_exchanges += 1
        one = self._kept.pop(number)
        if self._taken:
            self._taken.discard(number)
        connection, received, sent = one.carried() if isinstance(one, Exchange) else carried(one, self._named)
        if connection is not None:
            connection.drop(received, sent)
        if len(self._named) > 4 * self.max_exchanges:  # an entry names three at most
            kept = map(self._kept.__getitem__, list(self._kept))
            keys = {key for one in kept if isinstance(one, tuple) for key in one[:3] if key}
            self._named = {key: self._named[key] for key in keys}

    def record_message(self, log: MessageLog, message: Message) -> None:
        """Add a message to the log of its connection. Of all together, ``max_bytes`` are kept."""
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
        """Add a connection; exchanges and its end may follow."""
        record.look = partial(self.those, CONNECTION)
        with self._lock:
            self._connections[id(record)] = record
            self._connection_count += 1
            if self._waiting:
                self._tell_of_change()

    def end_connection(self, record: ConnectionRecord, by: str, how: str) -> None:
        """The connection is over."""
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
        """Add what must fail the test. Of those that nobody has taken, the first MOST_FAILURES are kept."""
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
        """All exchanges so far that are kept."""
        with self._lock:
            return tuple(map(self._show, list(self._kept)))

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """All connections so far that are kept."""
        with self._lock:
            return tuple(self._connections.values())

    @property
    def seen(self) -> Seen:
        """All of it."""
        with self._lock:
            return self._seen_of(self.exchanges, self.connections, self.fault_events)

    def mark(self) -> Mark:
        """This moment, for ``since``."""
        with self._lock:
            # The number is taken, and no exchange gets it: how many there were cannot be asked of a count.
            return Mark(next(self._numbers), self._connection_count, self._fault_event_count)

    def since(self, mark: Mark) -> Seen:
        """All that has come since then. It takes as long as there is of that, however much is kept from before.

        If connections have been dropped, there are as many older ones in their place.
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
        """The faults that have happened, in their order, as far as they are kept."""
        with self._lock:
            return tuple(self._fault_events)

    def those(self, place: int, named: Keyed) -> tuple[Exchange, ...]:
        """The exchanges that are kept and name a route, a guard or a connection, of which ``place`` says which."""
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
        """The exchange of this number: from here on, it is the same to everybody."""
        one = self._kept[number]
        if isinstance(one, tuple):
            self._kept[number] = one = Exchange.of(one, self._named)  # in its place: the order stays
            one.number = number
        one.shown = True
        return one

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds; False after ``timeout`` seconds.

        It is asked again with every exchange, and with every connection that is opened or ends: without the lock, since
        it may be code of the test, and want what another thread has.
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
            return condition()  # it may also depend on what nobody tells of
        finally:
            with self._lock:
                self._waiting -= 1

    def take(self, timeout: float, wanted: Callable[[Exchange], bool] = _any) -> Exchange | None:
        """The first exchange that is ``wanted``, was not taken before, and not refused; None if there is none within
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
        """The exchange of this number, if it can still be taken."""
        with self._lock:
            if number in self._taken or number not in self._kept or is_refused(self._kept[number]):
                return None
            return self._show(number)

    def _mark_taken(self, number: int) -> bool:
        """Each exchange goes to one taker: whether this is the first."""
        with self._lock:
            first = number not in self._taken
            self._taken.add(number)
            return first

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What must fail the test, each as a text to read."""
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
        """Let go of all bodies that are in files: they cannot be read any more."""
        with self._lock:
            for one in map(self._kept.__getitem__, list(self._kept)):
                if isinstance(one, Exchange):
                    one.close()
                else:
                    close_body(one)

    def clear(self) -> None:
        """Forget everything, but for the connections that are open."""
        with self._lock:
            self._begin()
            self._connections = {key: record for key, record in self._connections.items() if record.is_open}
            for record in self._connections.values():
                record.forget()
                for log in tuple(record.messages.values()):
                    log.clear()
