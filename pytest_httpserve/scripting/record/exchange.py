"""An exchange: a request and its response, and what of them went over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_httpserve import elsewhere
from pytest_httpserve.clock import monotonic
from pytest_httpserve.net.forks import ForkedLock
from pytest_httpserve.scripting.record.request import AskedFor, Body, Facts, Request, asked_for, made_request
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.wire.headers import Field
from pytest_httpserve.wire.origin import origin_of, split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.connections import ConnectionRecord
    from pytest_httpserve.scripting.routing.routes import Route

_making = ForkedLock()


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


# What was wrong with a request that was not taken, or how much of it came. As what is kept of an exchange that is over,
# it is nothing that the garbage collector looks at again and again.
Refusal = tuple[str]

# An exchange that is over, as the journal keeps it: nothing that the garbage collector looks at again and again, unless
# there were faults, or the body is in a file. In order: the keys of route, guard and connection; what the request said,
# its client, the index of its connection and its own, its body and trailers; the bytes of both directions, and the
# number of those that were not kept; the times; status and head of the response; error, notes, faults; and for how
# many bytes it counts.
Entry = tuple[
    int,
    int,
    int,
    Facts,
    tuple[str, int],
    int,
    int,
    bytes | Body,
    tuple[Field, ...],
    bytes,
    bytes,
    int,
    int,
    float,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    int | None,
    bytes,
    str | Refusal | None,
    tuple[str, ...],
    "tuple[Fault, ...]",
    int,
]

# What an entry names by the id of the object: where, and what an Exchange calls it.
PLACES = ("route", "guard", "connection")
ROUTE, GUARD, CONNECTION = range(3)
Named = Any  # a Route, a Guard, or a ConnectionRecord: nothing is asked of it here


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
        self.raw = raw
        self.connection = connection
        self.answered: SentResponse | None = None  # as many exchanges may share it
        self._response: SentResponse | None = None  # with the body of this one, when somebody has asked for it
        self.route: Route | None = None
        self.guard: Keyed | None = None  # the limit, or another, that refused it
        self._error = error
        self.notes: tuple[str, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        self.number = 0  # in the journal, from 1 on
        self.shown = False  # to somebody who may look at it again, and must find the same
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
    def status(self) -> int | None:
        """The status of the response; None until there is one."""
        return self.answered.status if self.answered is not None else None

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
    def size(self) -> int:
        """How many bytes it counts for in the journal."""
        request, raw = self._request, self.raw
        return len(raw.request) + len(raw.response) + (request.content.kept if isinstance(request, Request) else 0)

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
            len(received) + len(sent) + size,
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
        status, head, error, notes, faults = entry[19:24]
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


def carried(entry: Entry, named: Mapping[int, Named]) -> tuple[ConnectionRecord | None, int, int]:
    """The connection of an exchange, and how many bytes came in and went out over it."""
    return named.get(entry[2]), len(entry[9]) + entry[11], len(entry[10]) + entry[12]


def is_refused(one: Exchange | Entry) -> bool:
    """Whether the server did not take the request."""
    return isinstance(one[21], tuple) if isinstance(one, tuple) else one.refused


def close_body(entry: Entry) -> None:
    """Let go of the request's body, if that is in a file."""
    body = entry[7]
    if isinstance(body, Body):
        body.close()
