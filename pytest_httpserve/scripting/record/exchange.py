"""What a test can look at: exchanges, each a request with its response, and the connections that carried them."""

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
# A client may learn that a handshake is over before the server does.
_HANDSHAKE_SECONDS = 5.0


class ExchangeTimes(NamedTuple):
    """When an exchange reached each of its phases, in seconds of ``time.monotonic()``.

    ``request_begun``: its first bytes came in. ``head_received``: its head was complete. ``body_received``: the latest
    bytes of its body came in (without a body, the same as ``head_received``). ``response_begun``: the server was about
    to send the final response. ``response_ended``: it was about to send the latest bytes of it. The last two are None
    until then.
    """

    request_begun: float
    head_received: float
    body_received: float
    response_begun: float | None
    response_ended: float | None

    @property
    def duration(self) -> float | None:
        """Seconds from the first byte of the request to the last of the response; None until the response begins."""
        return self.response_ended - self.request_begun if self.response_ended is not None else None


class Keyed(Protocol):
    """Something that an entry names: a route, a guard or a connection."""

    @property
    def key(self) -> int: ...


class AnsweringRoute(Protocol):
    """The route that answered an exchange; see ``Route``.

    ``place`` is where the test wrote it, as file:line.
    """

    method: str
    place: str

    @property
    def key(self) -> int: ...

    @property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges that it answered, except those that the journal has dropped."""

    @property
    def call_count(self) -> int:
        """How many exchanges it answered, including those that the journal has dropped."""

    def assert_called(self, times: int | None = None) -> None:
        """Fail unless the route was called ``times`` times, or at least once if that is None."""


class Exchange:
    """A request and its response. ``response`` is None until there is one, ``route`` is None if no route answered.

    ``connection`` carried the exchange, ``raw`` has its bytes on the wire. ``error`` says what was wrong with the
    request, or why the exchange broke off. ``faults`` are the faults that happened on it. ``notes`` are lines on what
    else happened: where a fault struck, what a CGI script wrote to stderr, how the script ended.
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
        self._request = request  # or what it is made from, when it is first read
        self.raw: Transcript = raw
        self.connection: ConnectionRecord | None = connection
        self.answered: SentResponse | None = None  # many exchanges may share one
        self._response: SentResponse | None = None  # with this exchange's body, once it is first read
        self.route: AnsweringRoute | None = None
        self.guard: Keyed | None = None  # the limit or other guard that refused it
        self._error = error
        self.notes: tuple[str, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        self.number: int = 0  # in the journal, from 1
        self.shown: bool = False  # the journal has handed it out, and must hand out the same again
        # A request that came over no socket has no times.
        self._recorded = monotonic() if raw.first_received is None else raw.first_received

    @property
    def request(self) -> Request:
        """The request."""
        request = self._request
        if not isinstance(request, Request):
            with _making:  # every thread gets the same one
                request = self._request
                if not isinstance(request, Request):
                    request = self._request = made_request(request)
        return request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    @property
    def response(self) -> SentResponse | None:
        """The response that the server sends; None until there is one."""
        answer = self.answered
        if answer is None:
            return None
        method = self.request.method
        with _making:
            if self._response is None or self._response.given is not answer.given:
                self._response = SentResponse(answer.status, answer.given, self.raw, method)
            return self._response

    def close(self) -> None:
        """Close the file that holds the request's body, if there is one. The body cannot be read any more."""
        if isinstance(self._request, Request):  # a request that is not made yet has no file
            self._request.content.close()

    @property
    def times(self) -> ExchangeTimes:
        """When it reached each of its phases so far."""
        raw, begun = self.raw, self._recorded
        body = begun if raw.last_received is None else raw.last_received
        head = body if raw.head_received is None else raw.head_received
        if self.answered is None:  # an informational response may have been sent
            return ExchangeTimes(begun, head, body, None, None)
        return ExchangeTimes(begun, head, body, raw.first_sent, raw.last_sent)

    def answer(self, response: SentResponse) -> None:
        """Note that the final response is about to be sent."""
        if self.answered is None and self.raw.last_sent is not None:
            self.raw.response_begins()
        self.answered = response

    @property
    def origin(self) -> str | None:
        """The origin that the client asked, such as ``https://api.example.com``.

        None unless the request has a whole URL as its target, or came through a tunnel.
        """
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
        """Whether the client sent the request without waiting for the previous response (RFC 9112 section 9.3.2).

        True if the first bytes of this request came in together with the previous one. A request that comes a little
        later, while the server still makes the previous response, is not noticed: looking for it would cost every
        request a system call.
        """
        return self.raw.pipelined

    @property
    def status(self) -> int | None:
        """The status of the response; None until there is one."""
        return self.answered.status if self.answered is not None else None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The WebSocket messages that followed this exchange, in both directions, except those that the journal has
        dropped; empty unless the response was 101."""
        log = self.log
        return log.messages if log is not None else ()

    @property
    def log(self) -> MessageLog | None:
        """The log of those messages; None unless the response was 101."""
        if self.status != 101 or self.connection is None:
            return None
        return self.connection.messages.get(self.stream_id)

    @property
    def error(self) -> str | None:
        """What was wrong with the request, or why the exchange broke off; None if nothing went wrong."""
        return self._error[0] if isinstance(self._error, tuple) else self._error

    def break_off(self, error: str | Refusal) -> None:
        """Note why it broke off or was refused."""
        self._error = error

    @property
    def refused(self) -> bool:
        """Whether the server refused the request, because it was malformed or incomplete. ``error`` says why, and no
        assertion counts the exchange as requested."""
        return isinstance(self._error, tuple)

    @property
    def version(self) -> tuple[int, int]:
        """The HTTP version of the request, such as ``(1, 1)`` or ``(2, 0)``."""
        return self.request.version

    @property
    def stream_id(self) -> int | None:
        """The number of its stream over HTTP/2; None over HTTP/1."""
        return self.raw.stream_id

    @property
    def size(self) -> int:
        """How many bytes it counts for in the journal, which keeps a request twice: its bytes, and what they mean."""
        request, raw = self._request, self.raw
        body = request.content.kept if isinstance(request, Request) else 0
        return len(raw.request) + len(raw.response) + (body or len(raw.request))

    def entry(self, named: dict[int, Named]) -> Entry:
        """What the journal keeps of it once it is over. The objects that it names are added to ``named``."""
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
        """Its connection, and how many bytes it received and sent there."""
        return self.connection, self.raw.bytes_received, self.raw.bytes_sent

    @classmethod
    def of(cls, entry: Entry, named: Mapping[int, Named]) -> Exchange:
        """The exchange that ``entry`` was made from."""
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

    if not TYPE_CHECKING:  # type checkers should know only the real names

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.EXCHANGE)

    def __repr__(self) -> str:
        answer = str(self.answered.status) if self.answered else "no answer yet"
        refused = "refused: " if self.refused else ""
        return f"<Exchange {self.request} -> {answer}{f' ({refused}{self.error})' if self.error else ''}>"


class ConnectionRecord:
    """A connection: who opened it, what came over it, and who closed it.

    ``index`` counts the connections of a server from 0; ``client_address`` is the client's end. ``exchanges`` are those
    that it carried, except those that the journal has dropped; ``exchange_count`` counts them all. ``opened`` and
    ``closed`` (None while it is open) are seconds of time.monotonic().

    ``closed_by`` is ``client`` or ``server``, whichever closed it first, and ``closed_how`` says how: ``FIN`` (an
    orderly end), ``RST`` (a reset), ``timeout`` (the client kept the server waiting too long) or ``stop`` (the server
    stopped). Both are None while it is open. ``goaway`` is the GOAWAY frame that the server sent to an HTTP/2 client;
    None if it sent none.
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
        self.look: Callable[[ConnectionRecord], tuple[Exchange, ...]] = _nothing  # finds its exchanges in the journal
        self.key: int = id(self)  # the journal's name for it
        self.exchange_count: int = 0
        self.goaway: GoneAway | None = None
        self._dropped_received = self._dropped_sent = 0  # bytes of exchanges that the journal has dropped
        self.messages: dict[int | None, MessageLog] = {}  # WebSocket messages, by HTTP/2 stream (None over HTTP/1)
        self.tunnelled: tuple[str, int] | None = None  # its origin, and the index of the first exchange in it
        self.opened: float = monotonic()
        self.closed: float | None = None
        self.closed_by: str | None = None
        self.closed_how: str | None = None

    @property
    def tls(self) -> TLSSession | None:
        """The TLS session; None without TLS, or if the handshake failed.

        Waits up to 5 seconds for a handshake that is still going on.
        """
        return self.handshake.wait(_HANDSHAKE_SECONDS).session if self.handshake is not None else None

    @property
    def tls_error(self) -> TLSError | None:
        """Why the handshake failed; None if it did not. Waits for the handshake as ``tls`` does."""
        return self.handshake.wait(_HANDSHAKE_SECONDS).error if self.handshake is not None else None

    @property
    def tunnel(self) -> str | None:
        """The origin that it leads to, if it is a tunnel; else None."""
        return self.tunnelled[0] if self.tunnelled is not None else None

    def end(self, by: str, how: str) -> None:
        """Note that the connection is closed."""
        self.closed_by, self.closed_how = by, how
        self.closed = monotonic()

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it."""
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
        """How many bytes of requests it carried, without TLS."""
        return self.carried(self.exchanges)[0]

    @property
    def bytes_sent(self) -> int:
        """How many bytes of responses it carried, without TLS."""
        return self.carried(self.exchanges)[1]

    def carried(self, exchanges: Iterable[Exchange]) -> tuple[int, int]:
        """How many bytes came in and went out with ``exchanges`` and with those that the journal has dropped."""
        raws = [exchange.raw for exchange in exchanges]
        received = self._dropped_received + sum(raw.bytes_received for raw in raws)
        return received, self._dropped_sent + sum(raw.bytes_sent for raw in raws)

    def drop(self, received: int, sent: int) -> None:
        """Note that the journal has dropped an exchange with so many bytes."""
        self._dropped_received += received
        self._dropped_sent += sent

    def forget(self) -> None:
        """Forget all that it has carried so far."""
        self.exchange_count = self._dropped_received = self._dropped_sent = 0

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed by the {self.closed_by}, {self.closed_how}"
        return f"<ConnectionRecord {self.index}, {self.exchange_count} exchanges, {state}>"


def _nothing(record: ConnectionRecord) -> tuple[Exchange, ...]:
    return ()


def carried(entry: Entry, named: Mapping[int, Named]) -> tuple[ConnectionRecord | None, int, int]:
    """The connection of an exchange, and how many bytes the exchange received and sent there."""
    return named.get(entry[2]), len(entry[9]) + entry[11], len(entry[10]) + entry[12]


def is_refused(one: Exchange | Entry) -> bool:
    """Whether the server refused the request."""
    return isinstance(one[21], tuple) if isinstance(one, tuple) else one.refused
