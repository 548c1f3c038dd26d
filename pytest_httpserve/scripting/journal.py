"""The journal: every exchange of a server, in the order in which the requests came in, and what went wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve.scripting.request import Request
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pytest_httpserve.scripting.connections import ConnectionRecord
    from pytest_httpserve.scripting.faults import Fault
    from pytest_httpserve.scripting.routes import Route

# Of each direction of an exchange, so many raw bytes are kept.
KEPT_BYTES = 65_536

_making = threading.Lock()


class Answer:
    """The response of an exchange as it went out; ``head`` are its bytes up to the body."""

    __slots__ = ("head", "status")

    def __init__(self, status: int, head: bytes) -> None:
        self.status = status
        self.head = head

    @property
    def headers(self) -> Headers:
        """All headers that were sent, with those that the server added."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return Headers((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class Transcript:
    """The raw bytes of an exchange, in both directions, up to KEPT_BYTES of each; ``dropped`` tells of the rest.

    The times are those of the first and the last bytes that came in, of the last that came with the head, and of the
    first and the last that went out, of the response once it has been given: None before.
    """

    __slots__ = (
        "_received",
        "_sent",
        "dropped_received",
        "dropped_sent",
        "first_received",
        "first_sent",
        "head_received",
        "last_received",
        "last_sent",
    )

    def __init__(self, received: bytes = b"") -> None:
        self._received, self._sent = received[:KEPT_BYTES], b""
        self.dropped_received = len(received) - len(self._received)
        self.dropped_sent = 0
        self.first_received: float | None = monotonic() if received else None
        self.last_received = self.first_received
        self.head_received: float | None = None
        self.first_sent: float | None = None
        self.last_sent: float | None = None

    # Called by the connection's own thread alone.

    def received(self, data: bytes, /) -> None:
        """These came in."""
        if not data:  # the end
            return
        self.last_received = monotonic()
        if self.first_received is None:
            self.first_received = self.last_received
        if not self._received and len(data) <= KEPT_BYTES:
            self._received = data
            return
        room = KEPT_BYTES - len(self._received)
        self._received += data[:room]
        self.dropped_received += max(len(data) - room, 0)

    def sent(self, data: ReadableBuffer, /) -> None:
        """These are about to go out."""
        self.last_sent = now = monotonic()
        if self.first_sent is None:
            self.first_sent = now
        if not self._sent and type(data) is bytes and len(data) <= KEPT_BYTES:
            self._sent = data
            return
        view = memoryview(data).cast("B")
        room = KEPT_BYTES - len(self._sent)
        self._sent += view[:room]
        self.dropped_sent += max(len(view) - room, 0)

    def sent_unseen(self, count: int, /) -> None:
        """So many are about to go out of a file; less than 0, if they were fewer."""
        self.last_sent = now = monotonic()
        if self.first_sent is None:
            self.first_sent = now
        self.dropped_sent += count

    def response_begins(self) -> None:
        """What goes out from here on is the final response."""
        self.first_sent = self.last_sent = None

    def head_ends(self) -> None:
        """The head is here, its body may follow."""
        self.head_received = self.last_received

    def give_back(self, count: int) -> None:
        """The last ``count`` bytes that came in belong to the next exchange."""
        dropped = min(count, self.dropped_received)
        self.dropped_received -= dropped
        self._received = self._received[: len(self._received) - (count - dropped)]

    def forget(self) -> None:
        """Drop the bytes."""
        self.dropped_received += len(self._received)
        self.dropped_sent += len(self._sent)
        self._received = self._sent = b""

    @property
    def request(self) -> bytes:
        """What the client sent."""
        return self._received

    @property
    def response(self) -> bytes:
        """What the server sent."""
        return self._sent

    @property
    def bytes_received(self) -> int:
        """How many bytes came in, kept or not."""
        return len(self._received) + self.dropped_received

    @property
    def bytes_sent(self) -> int:
        """How many bytes went out, kept or not."""
        return len(self._sent) + self.dropped_sent

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return len(self._received) + len(self._sent)


class Times(NamedTuple):
    """When an exchange reached each of its phases, in seconds of ``time.monotonic()``.

    ``request_begun`` is when its first bytes came, ``head_received`` and ``body_received`` when the last of head and
    body did (the same without a body; the body's is the latest so far while it comes); ``response_begun`` when the
    final response was about to leave, ``response_ended`` when the last of it was, so far: both None before.
    """

    request_begun: float
    head_received: float
    body_received: float
    response_begun: float | None
    response_ended: float | None

    @property
    def duration(self) -> float | None:
        """Seconds from the first byte of the request to the last of the response; None while there is none."""
        return self.response_ended - self.request_begun if self.response_ended is not None else None


class Exchange:
    """A request and its response. ``response`` is None until there is one; ``route`` None where no route gave it.

    ``connection`` is what it came over, ``raw`` has the bytes on the wire. ``error`` says what was wrong with the
    request, or in what the exchange broke off; ``faults`` are those that have happened on it; ``notes`` are lines on
    what went on beside it: where a fault happened, what a CGI script wrote to its stderr, how it ended.
    """

    __slots__ = ("_recorded", "_request", "connection", "error", "faults", "notes", "raw", "response", "route")

    def __init__(
        self, request: Request | Callable[[], Request], raw: Transcript, connection: ConnectionRecord | None = None
    ) -> None:
        self._request = request  # or what makes it, when somebody asks for it
        self.raw = raw
        self.connection = connection
        self.response: Answer | None = None
        self.route: Route | None = None
        self.error: str | None = None
        self.notes: tuple[str, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        # What came over no socket has no times of its own.
        self._recorded = monotonic() if raw.first_received is None else raw.first_received

    @property
    def request(self) -> Request:
        """What was asked for."""
        request = self._request
        if not isinstance(request, Request):
            with _making:  # it is the same to everybody
                request = self._request if isinstance(self._request, Request) else request()
                self._request = request
        return request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    def close(self) -> None:
        """Let go of the request's body, if that is in a file: it cannot be read any more."""
        if isinstance(self._request, Request):  # what is yet to be made has none
            self._request.content.close()

    @property
    def times(self) -> Times:
        """When it reached each of its phases, as far as it has."""
        raw, begun = self.raw, self._recorded
        body = begun if raw.last_received is None else raw.last_received
        head = body if raw.head_received is None else raw.head_received
        if self.response is None:  # what may have been sent, such as 100, is none
            return Times(begun, head, body, None, None)
        return Times(begun, head, body, raw.first_sent, raw.last_sent)

    def answer(self, response: Answer) -> None:
        """The final response is about to leave."""
        if self.response is None and self.raw.last_sent is not None:
            self.raw.response_begins()
        self.response = response

    @property
    def status(self) -> int | None:
        """The status of the response; None until there is one."""
        return self.response.status if self.response is not None else None

    def __repr__(self) -> str:
        answer = str(self.response.status) if self.response else "no answer yet"
        return f"<Exchange {self.request} -> {answer}{f' ({self.error})' if self.error else ''}>"


class Strike(NamedTuple):
    """A fault that has happened: on which connection of the server, and where in its exchange."""

    fault: Fault
    where: str
    connection_index: int

    def __str__(self) -> str:
        return f"fault {self.fault!r}{f': {self.where}' if self.where else ''}"


class Failure(NamedTuple):
    """What must fail the test: one of the kinds of KINDS, and a text to read."""

    kind: str
    text: str


# A request that nothing answered; an exception in, or a hang of, what answers; an expectation that was not met.
KINDS = ("unanswered", "errors", "expectations")


class Journal:
    """Exchanges, and what went wrong with them. Written by the server's threads, read by the test's.

    ``max_bytes`` is how many raw bytes are kept of all exchanges together: past that, the oldest lose theirs.
    ``ignored`` are the kinds of failures that are none here.
    """

    def __init__(self, max_bytes: int = 32 << 20) -> None:
        self.max_bytes = max_bytes
        self.ignored: frozenset[str] = frozenset()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._exchanges: list[Exchange] = []
        self._connections: list[ConnectionRecord] = []
        self._failures: list[Failure] = []
        self.strikes: list[Strike] = []  # faults that have happened, in their order
        self._seen = 0  # failures that take_failures has given
        self._read = 0  # exchanges that take has given
        self._kept: deque[Transcript] = deque()  # the raw bytes of exchanges that are over
        self._kept_bytes = 0

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All exchanges so far."""
        return tuple(self._exchanges)

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """All connections so far."""
        return tuple(self._connections)

    @property
    def failures(self) -> tuple[str, ...]:
        """What must fail the test, each as a text to read."""
        return tuple(failure.text for failure in self._failures if failure.kind not in self.ignored)

    def record(self, exchange: Exchange) -> None:
        """Add an exchange; its response may follow."""
        self._exchanges.append(exchange)
        if self._waiting:  # else whoever begins to wait now looks first, and finds it
            with self._lock:
                self._changed.notify_all()

    def record_connection(self, record: ConnectionRecord) -> None:
        """Add a connection; exchanges and its end may follow."""
        self._connections.append(record)

    def end_connection(self, record: ConnectionRecord, by: str, how: str) -> None:
        """The connection is over."""
        record.end(by, how)
        with self._lock:
            if self._waiting:
                self._changed.notify_all()

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over: count its raw bytes, and drop the oldest where they are too many."""
        raw = exchange.raw
        with self._lock:  # itself: by way of the condition it takes three times as long
            self._kept.append(raw)
            self._kept_bytes += raw.size
            while self._kept_bytes > self.max_bytes:
                oldest = self._kept.popleft()
                self._kept_bytes -= oldest.size
                oldest.forget()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds; False after ``timeout`` seconds.

        It is asked again with every exchange, and with every connection that ends.
        """
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(condition, timeout)
            finally:
                self._waiting -= 1

    def take(self, timeout: float) -> Exchange | None:
        """The first exchange that was not taken before; None if there is none within ``timeout`` seconds."""
        with self._changed:  # each exchange goes to one taker
            if not self.wait(lambda: len(self._exchanges) > self._read, timeout):
                return None
            self._read += 1
            return self._exchanges[self._read - 1]

    def record_failure(self, text: str, kind: str = "errors") -> None:
        """Add what must fail the test."""
        self._failures.append(Failure(kind, text))

    def take_failures(self) -> tuple[str, ...]:
        """The failures since the last time this was called."""
        failures = list(self._failures)
        seen, self._seen = self._seen, len(failures)
        return tuple(failure.text for failure in failures[seen:] if failure.kind not in self.ignored)

    def clear(self) -> None:
        """Forget everything, but for the connections that are open."""
        with self._lock:
            self._exchanges, self.strikes = [], []
            self._connections = [record for record in self._connections if record.is_open]
            for record in self._connections:
                record.exchanges.clear()
            self._failures, self._seen, self._read = [], 0, 0
            self._kept.clear()
            self._kept_bytes = 0
