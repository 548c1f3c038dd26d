"""Servers that do not always answer: rate limits, flapping, slow starts. Counting requests makes tests repeatable."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve.arguments import check_count, check_number, check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.record.entries import GUARD
from pytest_httpserve.scripting.record.words import count

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.journal import Journal

Fields = tuple[tuple[str, str], ...]


class Clock:
    """A clock that moves only when the test says so: ``clock.advance(0.5)``. Counts seconds from ``start``."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = check_number("start=", start)

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        self._now += check_seconds("advance(seconds)", seconds)


class Met(NamedTuple):
    """What guards do to a request before anything answers it: a guard may refuse it, add header fields to its response,
    or make it wait for some seconds."""

    guard: Guard | None = None
    refusal: Response | None = None
    added: Fields = ()
    seconds: float = 0.0


NOTHING_MET = Met()


class Guard:
    """Checks the requests under a prefix before anything answers them. ``refused`` are the exchanges that it refused,
    except those that the journal has dropped; ``refused_count`` counts them all.

    The prefix is in its canonical spelling; an empty prefix means all paths.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.key: int = id(self)  # the journal's name for it
        self.refused_count: int = 0
        self.guards: Guards | None = None
        self._lock = threading.Lock()  # simultaneous requests are counted one by one

    @property
    def refused(self) -> tuple[Exchange, ...]:
        """The exchanges that it refused, except those that the journal has dropped."""
        return self.guards.journal.those(GUARD, self) if self.guards is not None else ()

    def refuse(self, exchange: Exchange) -> None:
        """Note that it refuses this exchange."""
        exchange.guard = self
        exchange.notes += (f"refused by {self}",)
        with self._lock:
            self.refused_count += 1

    def remove(self) -> None:
        """Remove it from the server."""
        if self.guards is not None:
            self.guards.discard(self)

    def meet(self) -> Met:
        """Count the request, and decide what to do to it."""
        raise NotImplementedError


class Limit(Guard):
    """A rate limit: so many requests within a window of time. Any more get 429 (RFC 6585 section 4).

    A window begins with a request, and the next one with the first request after its end. Every response says how many
    are left, in ``RateLimit-Limit``, ``RateLimit-Remaining`` and ``RateLimit-Reset`` (seconds), and in the same fields
    with ``X-`` before the name; a 429 also has ``Retry-After``. ``refused`` are the exchanges that got 429.
    """

    def __init__(self, prefix: str, most: int, window: float, clock: Callable[[], float]) -> None:
        super().__init__(prefix)
        self._most = most
        self._window = window
        self._clock = clock
        self._ends: float | None = None  # when the window ends
        self._came = 0  # requests in the window

    def meet(self) -> Met:
        """Refuse the request with 429 if it is over the limit."""
        with self._lock:
            now = self._clock()
            if self._ends is None or now >= self._ends:
                self._ends, self._came = now + self._window, 0
            self._came += 1
            left = self._most - self._came
            seconds = math.ceil(self._ends - now)  # now is before the end, so this is at least one
        said = {"Limit": self._most, "Remaining": max(left, 0), "Reset": seconds}
        fields = tuple((f"{x}RateLimit-{name}", str(value)) for x in ("", "X-") for name, value in said.items())
        if left >= 0:
            return Met(added=fields)
        text = f"{self}: ask again in {count(seconds, 'second')}\n"
        return Met(self, Response(429, text=text, headers={"Retry-After": seconds}), fields)

    def __str__(self) -> str:
        return f"the limit of {count(self._most, 'request')} in {self._window:g} s"


def make_limit(prefix: str, per_second: int | None, per_minute: int | None, clock: Callable[[], float]) -> Limit:
    """A Limit for one second or one minute. Raises UsageError unless one of the two counts is given."""
    if (per_second is None) == (per_minute is None):
        raise UsageError("limit() takes per_second= or per_minute=")
    if not callable(clock):
        raise UsageError(f"clock= must be a function that returns seconds, not {clock!r}")
    if per_second is not None:
        return Limit(prefix, check_count("per_second=", per_second, least=1), 1.0, clock)
    return Limit(prefix, check_count("per_minute=", per_minute, least=1), 60.0, clock)


class Flapping(Guard):
    """A server that is up for some requests, then down for some, and so on. ``refused`` came while it was down."""

    def __init__(self, prefix: str, up: int, down: int, response: Response) -> None:
        super().__init__(prefix)
        self._up = check_count("up=", up)
        self._down = check_count("down=", down, least=1)
        self._response = response
        self._came = 0

    def meet(self) -> Met:
        """Refuse the request if the server is down."""
        with self._lock:
            place = self._came % (self._up + self._down)
            self._came += 1
        return Met(self, self._response) if place >= self._up else Met()

    def __str__(self) -> str:
        return f"the flapping (up for {self._up}, down for {self._down})"


class SlowStart(Guard):
    """A server that is slow at first: it delays the first request by ``delay`` seconds, each later one by less, and
    none after ``requests`` of them."""

    def __init__(self, prefix: str, requests: int, delay: float) -> None:
        super().__init__(prefix)
        self.waits: list[float] = []  # in seconds, one for each request that had to wait
        self._requests = check_count("requests=", requests, least=1)
        self._delay = check_seconds("delay=", delay)

    def meet(self) -> Met:
        """Make the request wait if it is one of the first."""
        with self._lock:
            left = self._requests - len(self.waits)
            if left <= 0:
                return Met()
            seconds = self._delay * left / self._requests
            self.waits.append(seconds)
        return Met(seconds=seconds)

    def __str__(self) -> str:
        return f"the slow start ({count(self._requests, 'request')})"


class Guards:
    """All guards of a server. ``active`` has them in the order in which they were added."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal  # records what they refuse
        self.active: tuple[Guard, ...] = ()

    def add(self, guard: Guard) -> None:
        """Add a guard."""
        guard.guards = self
        self.active += (guard,)

    def discard(self, guard: Guard) -> None:
        """Remove a guard."""
        self.active = tuple(other for other in self.active if other is not guard)

    def clear(self) -> None:
        """Forget all guards."""
        self.active = ()

    def before(self, path: str) -> tuple[Guard, ...]:
        """The guards that check requests for this path."""
        return tuple(guard for guard in self.active if path == guard.prefix or path.startswith(guard.prefix + "/"))

    def meet(self, path: str) -> Met:
        """What the guards do to a request for this path, up to the first that refuses it. Fields and waits add up."""
        added: Fields = ()
        seconds = 0.0
        for guard in self.before(path):
            met = guard.meet()
            added, seconds = added + met.added, seconds + met.seconds
            if met.refusal is not None:
                return met._replace(added=added, seconds=seconds)
        return Met(added=added, seconds=seconds)
