"""What a test is told of: exchanges, each a request and its response, and the connections that carried them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_httpserve import elsewhere
from pytest_httpserve.clock import monotonic
from pytest_httpserve.net.forks import ForkedLock
from pytest_httpserve.scripting.record.entries import Entry, Named, Refusal
from pytest_httpserve.scripting.record.messages import Message, MessageLog
from pytest_httpserve.scripting.record.request import AskedFor, Body, Request, asked_for, made_request
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.wire.headers import Field
from pytest_httpserve.wire.origin import origin_of, split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.goaway import GoneAway
    from pytest_httpserve.scripting.record.handshakes import Handshake, TLSError, TLSSession

_making = ForkedLock()
# A client learns of the end of a handshake before the server does, or after it.
_HANDSHAKE_SECONDS = 5.0


class ExchangeTimes(NamedTuple):
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
        """Seconds from the first byte of the request to the last of the response; None until there is a response."""
        return self.response_ended - self.request_begun if self.response_ended is not None else None


class Keyed(Protocol):
    """What an entry names: a route, a guard, a connection."""

    @property
    def key(self) -> int: ...


class AnsweringRoute(Protocol):
    """The route that an exchange names, as far as it is asked about there; see ``Route``.

    ``place`` is where it is written, file:line.
    """

    method: str
    place: str

    @property
    def key(self) -> int: ...

    @property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges that it has answered, as far as the journal has them."""

    @property
    def call_count(self) -> int:
        """How many those were."""

    def assert_called(self, times: int | None = None) -> None:
        """Fail unless it was called: ``times`` times, or at least once."""


class Exchange:
    """A request and its response. ``response`` is None until there is one; ``route`` None where no route gave it.

    ``connection`` is what it came over, ``raw`` has the bytes on the wire. ``error`` says what was wrong with the
    request, or in what the exchange broke off; ``faults`` are those that have happened on it; ``notes`` are lines on
    what went on beside it: where a fault happened, what a CGI script wrote to its stderr, how it ended.
    """

    __slots__ = (
        "_error",
        "_recorded",
        "_request",
        "_response",
        "answered",
        "connection",
        "faults",
        "guard",
        "notes",
        "number",
        "raw",
        "route",
        "shown",
    )

    def __init__(
        self,
        request: Request | AskedFor,
        raw: Transcript,
        connection: ConnectionRecord | None = None,
        error: str | Refusal | None = None,
    ) -> None:
        self._request = request  # or what it is made of, when somebody asks for it
        self.raw: Transcript = raw
        self.connection: ConnectionRecord | None = connection
        self.answered: SentResponse | None = None  # as many exchanges may share it
        self._response: SentResponse | None = None  # with the body of this one, when somebody has asked for it
        self.route: AnsweringRoute | None = None
        self.guard: Keyed | None = None  # the limit, or another, that refused it
        self._error = error
        self.notes: tuple[str, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        self.number: int = 0  # in the journal, from 1 on
        self.shown: bool = False  # to somebody who may look at it again, and must find the same
        # What came over no socket has no times of its own.
        self._recorded = monotonic() if raw.first_received is None else raw.first_received

    @property
    def request(self) -> Request:
        """What was asked for."""
        request = self._request
        if not isinstance(request, Request):
            with _making:  # it is the same to everybody
                request = self._request
                if not isinstance(request, Request):
                    request = self._request = made_request(request)
        return request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    @property
    def response(self) -> SentResponse | None:
        """What was given out to be sent; None until it is."""
        answer = self.answered
        if answer is None:
            return None
        method = self.request.method
        with _making:
            if self._response is None or self._response.given is not answer.given:
                self._response = SentResponse(answer.status, answer.given, self.raw, method)
            return self._response

    def close(self) -> None:
        """Let go of the request's body, if that is in a file: it cannot be read any more."""
        if isinstance(self._request, Request):  # what is yet to be made has none
            self._request.content.close()

    @property
    def times(self) -> ExchangeTimes:
        """When it reached each of its phases, as far as it has."""
        raw, begun = self.raw, self._recorded
        body = begun if raw.last_received is None else raw.last_received
        head = body if raw.head_received is None else raw.head_received
        if self.answered is None:  # an informational response may have been sent
            return ExchangeTimes(begun, head, body, None, None)
        return ExchangeTimes(begun, head, body, raw.first_sent, raw.last_sent)

    def answer(self, response: SentResponse) -> None:
        """The final response is about to leave."""
        if self.answered is None and self.raw.last_sent is not None:
            self.raw.response_begins()
        self.answered = response

    @property
    def origin(self) -> str | None:
        """The origin that was asked, such as ``https://api.example.com``: by a whole URL, or in a tunnel; None if the
        request names none."""
        request, connection = self.request, self.connection
        target = target_of(request.target)
        if target.scheme is not None and target.authority is not None:
            return origin_of(target.scheme, *split_authority(target.authority, target.scheme))
        if connection is None or connection.tunnelled is None:
            return None
        origin, first = connection.tunnelled
        return origin if request.exchange_index >= first else None

    @property
    def pipelined(self) -> bool:
        """Whether the client did not wait for the response before it (RFC 9112 section 9.3.2): the first bytes of the
        request came in with the one before.

        Those of a request that is sent a little later, while the response before it is still being made, are not told
        from those of one that follows the response: to look for them would cost each request a system call.
        """
        return self.raw.pipelined

    @property
    def status(self) -> int | None:
        """The status of the response; None until there is one."""
        return self.answered.status if self.answered is not None else None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said over WebSocket from here on, in both directions, as far as the journal still has it; nothing if
        the response was no 101."""
        log = self.log
        return log.messages if log is not None else ()

    @property
    def log(self) -> MessageLog | None:
        """The log of these messages."""
        if self.status != 101 or self.connection is None:
            return None
        return self.connection.messages.get(self.stream_id)

    @property
    def error(self) -> str | None:
        """What was wrong with the request, or in what the exchange broke off; None if it did not."""
        return self._error[0] if isinstance(self._error, tuple) else self._error

    def break_off(self, error: str | Refusal) -> None:
        """It has broken off, or was refused."""
        self._error = error

    @property
    def refused(self) -> bool:
        """Whether the server did not take the request: it was malformed, or not all of it came. Then ``error`` says
        why, and nothing counts it as requested."""
        return isinstance(self._error, tuple)

    @property
    def version(self) -> tuple[int, int]:
        """The version of HTTP that the request came in: ``(1, 1)``, or ``(2, 0)``."""
        return self.request.version

    @property
    def stream_id(self) -> int | None:
        """The number of its stream over HTTP/2; None over HTTP/1."""
        return self.raw.stream_id

    @property
    def size(self) -> int:
        """How many bytes it counts for in the journal: a request is there twice, as it came and as what it says."""
        request, raw = self._request, self.raw
        body = request.content.kept if isinstance(request, Request) else 0
        return len(raw.request) + len(raw.response) + (body or len(raw.request))

    def entry(self, named: dict[int, Named]) -> Entry:
        """What is to be kept of it when it is over; what it names is added to ``named``."""
        raw, route, guard, connection, response = self.raw, self.route, self.guard, self.connection, self.answered
        request = self._request
        body: bytes | Body = b""
        size = 0
        trailers: tuple[Field, ...] = ()
        if not isinstance(request, tuple):
            made = self.request
            body, size, trailers = made.content.as_kept(), made.content.kept, made.trailers.fields
            request = asked_for(made)
        facts, client_address, connection_index, exchange_index = request
        received, sent = raw.request, raw.response
        route_key = guard_key = connection_key = 0
        if route is not None:
            route_key = route.key
            named[route_key] = route
        if guard is not None:
            guard_key = guard.key
            named[guard_key] = guard
        if connection is not None:
            connection_key = connection.key
            named[connection_key] = connection
        return (
            route_key,
            guard_key,
            connection_key,
            facts,
            client_address,
            connection_index,
            exchange_index,
            body,
            trailers,
            received,
            sent,
            raw.dropped_received,
            raw.dropped_sent,
            self._recorded,
            raw.first_received,
            raw.head_received,
            raw.last_received,
            raw.first_sent,
            raw.last_sent,
            response.status if response is not None else None,
            response.given if response is not None else b"",
            self._error,
            self.notes,
            self.faults,
            raw.pipelined,
            raw.stream_id,
            len(received) + len(sent) + (size or len(received)),
        )

    def carried(self) -> tuple[ConnectionRecord | None, int, int]:
        """Its connection, and how many bytes came in and went out over that."""
        return self.connection, self.raw.bytes_received, self.raw.bytes_sent

    @classmethod
    def of(cls, entry: Entry, named: Mapping[int, Named]) -> Exchange:
        """The exchange that ``entry`` was made of."""
        raw = Transcript()
        asked, body, trailers = entry[3:7], entry[7], entry[8]
        raw.request, raw.response, raw.dropped_received, raw.dropped_sent = entry[9:13]
        recorded, raw.first_received, raw.head_received, raw.last_received, raw.first_sent, raw.last_sent = entry[13:19]
        status, head, error, notes, faults, raw.pipelined, raw.stream_id = entry[19:26]
        exchange = cls(made_request(asked, body, trailers) if body or trailers else asked, raw)
        exchange.route, exchange.guard, exchange.connection = map(named.get, entry[:3])
        exchange._recorded = recorded
        exchange.answered = SentResponse(status, head) if status is not None else None
        exchange._error, exchange.notes, exchange.faults = error, notes, faults
        return exchange

    if not TYPE_CHECKING:  # a type checker is to know no names but those that there are

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.EXCHANGE)

    def __repr__(self) -> str:
        answer = str(self.answered.status) if self.answered else "no answer yet"
        refused = "refused: " if self.refused else ""
        return f"<Exchange {self.request} -> {answer}{f' ({refused}{self.error})' if self.error else ''}>"


class ConnectionRecord:
    """A connection: who opened it, what came over it, and who ended it.

    ``index`` counts the connections of a server from 0; ``client_address`` is the other end. ``exchanges`` are those it
    has carried, as far as the journal still has them, ``exchange_count`` is how many there were. ``opened`` and
    ``closed`` (None while it is open) are seconds of time.monotonic.

    ``closed_by`` is ``client`` or ``server``, whoever was the first to end it, and ``closed_how`` says by what: ``FIN``
    (an orderly end), ``RST`` (a reset), ``timeout`` (the client kept the server waiting for too long), ``stop`` (the
    server stopped). Both are None while it is open. ``goaway`` is what a client of HTTP/2 was told by that frame, None
    if it was told nothing.
    """

    __slots__ = (
        "_dropped_received",
        "_dropped_sent",
        "client_address",
        "closed",
        "closed_by",
        "closed_how",
        "exchange_count",
        "goaway",
        "handshake",
        "index",
        "key",
        "look",
        "messages",
        "opened",
        "tunnelled",
    )

    def __init__(self, index: int, client_address: object, handshake: Handshake | None = None) -> None:
        self.index: int = index
        self.client_address: object = client_address
        self.handshake: Handshake | None = handshake  # None without TLS
        self.look: Callable[[ConnectionRecord], tuple[Exchange, ...]] = _nothing  # the journal's way to its exchanges
        self.key: int = id(self)  # by which the journal names it
        self.exchange_count: int = 0
        self.goaway: GoneAway | None = None
        self._dropped_received = self._dropped_sent = 0  # bytes of exchanges that the journal has dropped
        self.messages: dict[int | None, MessageLog] = {}  # of WebSocket, by the stream of HTTP/2 that carries it
        self.tunnelled: tuple[str, int] | None = None  # where to, and the index of the first exchange in the tunnel
        self.opened: float = monotonic()
        self.closed: float | None = None
        self.closed_by: str | None = None
        self.closed_how: str | None = None

    @property
    def tls(self) -> TLSSession | None:
        """What was agreed upon over TLS; None without TLS, and if the handshake failed.

        A handshake that is under way is waited for, 5 seconds at most.
        """
        return self.handshake.wait(_HANDSHAKE_SECONDS).session if self.handshake is not None else None

    @property
    def tls_error(self) -> TLSError | None:
        """Why the handshake failed; None if it did not. It is waited for as by ``tls``."""
        return self.handshake.wait(_HANDSHAKE_SECONDS).error if self.handshake is not None else None

    @property
    def tunnel(self) -> str | None:
        """The origin that a tunnel leads to over it; None without one."""
        return self.tunnelled[0] if self.tunnelled is not None else None

    def end(self, by: str, how: str) -> None:
        """The connection is over."""
        self.closed_by, self.closed_how = by, how
        self.closed = monotonic()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it."""
        return self.closed is None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Its exchanges, except those that the journal has dropped."""
        return self.look(self)

    @property
    def reused(self) -> bool:
        """Whether it has carried more than one exchange."""
        return self.exchange_count > 1

    @property
    def bytes_received(self) -> int:
        """How many bytes of requests have come in, TLS taken off."""
        return self.carried(self.exchanges)[0]

    @property
    def bytes_sent(self) -> int:
        """How many bytes of responses have gone out, before TLS."""
        return self.carried(self.exchanges)[1]

    def carried(self, exchanges: Iterable[Exchange]) -> tuple[int, int]:
        """How many bytes came in and went out, with these exchanges and those that were dropped."""
        raws = [exchange.raw for exchange in exchanges]
        received = self._dropped_received + sum(raw.bytes_received for raw in raws)
        return received, self._dropped_sent + sum(raw.bytes_sent for raw in raws)

    def drop(self, received: int, sent: int) -> None:
        """The journal has dropped an exchange with so many bytes."""
        self._dropped_received += received
        self._dropped_sent += sent

    def forget(self) -> None:
        """All that it has carried so far."""
        self.exchange_count = self._dropped_received = self._dropped_sent = 0

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed by the {self.closed_by}, {self.closed_how}"
        return f"<ConnectionRecord {self.index}, {self.exchange_count} exchanges, {state}>"


def _nothing(record: ConnectionRecord) -> tuple[Exchange, ...]:
    return ()


def carried(entry: Entry, named: Mapping[int, Named]) -> tuple[ConnectionRecord | None, int, int]:
    """The connection of an exchange, and how many bytes came in and went out over it."""
    return named.get(entry[2]), len(entry[9]) + entry[11], len(entry[10]) + entry[12]


def is_refused(one: Exchange | Entry) -> bool:
    """Whether the server did not take the request."""
    return isinstance(one[21], tuple) if isinstance(one, tuple) else one.refused
