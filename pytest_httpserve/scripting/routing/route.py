"""A route: which requests it takes, and how it answers them."""

from __future__ import annotations

import inspect
import itertools
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, Unpack

from pytest_httpserve import elsewhere
from pytest_httpserve.arguments import check_count, check_number, check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.gates import HOLD_SECONDS, Gate
from pytest_httpserve.scripting.answers.responses import Response, ResponseArguments, as_response
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.scripting.record.entries import ROUTE
from pytest_httpserve.scripting.record.lines import exchange_lines, refusal
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.record.words import dropped, times
from pytest_httpserve.scripting.routing.comparing import Shown
from pytest_httpserve.scripting.routing.matchers import AllOf, Check, Matcher
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.streams import EventStream, EventStreams
    from pytest_httpserve.scripting.faults.given import DelayArgument, FaultArgument, ThrottleArgument
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.scripting.routing.paths import PathPattern

Handler = Callable[[Request], Any]  # make_response() says what it may return
Otherwise = Literal["fail", "continue"]  # for a near miss where a directory or an application would answer
HandlerT = TypeVar("HandlerT", bound=Handler)

_sequence = itertools.count()


class _Step:
    """One answer in a route's sequence."""

    __slots__ = ("answer", "left", "then")

    def __init__(self, answer: Response | Handler, left: int) -> None:
        self.answer = answer
        self.left = left
        self.then: str | None = None  # the scenario's next state


class Expectation(NamedTuple):
    """How often a route should be called."""

    min: int
    max: int | None

    def __str__(self) -> str:
        if self.min == self.max:
            return times(self.min) if self.min else "not at all"
        if self.max is None:
            return f"at least {times(self.min)}"
        return f"{self.min} to {times(self.max)}" if self.min else f"at most {times(self.max)}"

    def met_by(self, calls: int) -> bool:
        """Whether that many calls are as expected."""
        return self.min <= calls and (self.max is None or calls <= self.max)


class Stateful(Protocol):
    """Something with a state: a scenario."""

    name: str
    state: str
    lock: threading.Lock


class Sought(Protocol):
    """A request that needs a route."""

    @property
    def method(self) -> str:
        """Its method."""

    @property
    def target(self) -> str:
        """Its target."""

    @property
    def request(self) -> Request:
        """The whole request, made when it is first read."""

    def note_raised(self, route: Route, error: BaseException) -> None:
        """Note that a criterion of a route raised this error instead of giving a result."""


class Siblings(Protocol):
    """All routes of the server that a route belongs to; see ``Routes``."""

    journal: Journal | None
    checks: list[Callable[[], object]]

    def add(self, route: Route, /) -> None:
        """Add a route."""

    def discard(self, route: Route, /) -> None:
        """Remove a route."""


class StateChanged(Exception):
    """Another request has changed the scenario's state since this route was found: look again."""


class Route:
    """A route answers the requests that it matches.

    ``calls`` are the exchanges that it answered, except those that the journal has dropped; ``call_count`` counts them
    all. ``place`` is where the test wrote it, as file:line. As a decorator, a route makes a function its answer; as a
    context manager, it checks its calls when the block ends.
    """

    def __init__(self, matcher: Matcher, place: str, *, priority: int = 0, otherwise: Otherwise = "fail") -> None:
        self.matcher = matcher
        self.place = place
        self.key: int = id(self)  # the journal's name for it
        self._calls = itertools.count()  # next() is atomic for threads
        self._looks = 0  # how often call_count was read; each time took a number from _calls
        self.gates: tuple[Gate, ...] = ()
        self.expectation: Expectation | None = None
        self.is_optional: bool = False
        self.has_early_faults: bool = False  # whether any of its responses has a fault that comes before the response
        check_number("priority=", priority)
        if otherwise not in ("fail", "continue"):
            raise UsageError(f"otherwise= must be 'fail' or 'continue', not {otherwise!r}")
        self._otherwise = otherwise
        self.rank: tuple[int, int] = (priority, next(_sequence))
        whole = matcher if isinstance(matcher, AllOf) else AllOf((matcher,))
        lookup = whole.lookup
        self.method: str = lookup.method
        self.pattern: PathPattern | None = lookup.pattern
        self.further: tuple[Matcher, ...] = lookup.further
        self.has_further_paths: bool = lookup.has_further_paths
        self._scenario: Stateful | None = None
        self._when: str | None = None
        self._steps: deque[_Step] = deque()
        self._last: _Step | None = None
        self._siblings: Siblings | None = None
        self._lock = threading.Lock()  # simultaneous calls never share a step

    # Say

    def respond(self, status: int | Response = 200, *, times: int = 1, **arguments: Unpack[ResponseArguments]) -> Route:
        """Add a response for the next ``times`` calls. The last response that was added also answers all later calls.

        Takes the arguments of ``Response``, or a Response as ``status``. Raises UsageError as ``Response`` does.
        """
        return self._add(as_response(status, arguments), times)

    def redirect(self, location: str, status: int = 302, *, times: int = 1) -> Route:
        """Add a response that sends the client to ``location``."""
        return self._add(Response.redirect(location, status), times)

    def handle(self, function: Handler, *, times: int = 1) -> Route:
        """Add a function that answers the next ``times`` calls. It is called with the request.

        It may return a Response, a str, bytes, a dict or list (JSON), None (204), an iterator (streamed), or a tuple of
        a status, any of these and, optionally, headers. If it raises, the test fails.

        An ``async`` function runs on the server's event loop, in a separate thread. It may return an asynchronous
        generator, or be one.
        """
        if not callable(function):
            raise UsageError(f"handle() takes a function of the request, not {function!r}")
        # The function may need these modules, and it runs in a thread. pytest rewrites asserts on import, and Python
        # 3.11 fails if two threads make it do so at the same time.
        import pytest_httpserve.server.files.serving as serving  # noqa: F401
        from pytest_httpserve.scripting.faults import given as given
        from pytest_httpserve.scripting.record import multipart as multipart
        from pytest_httpserve.server.files import types as types

        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            import pytest_httpserve.scripting.live.event_loop as event_loop  # noqa: F401

        return self._add(function, times)

    def events(
        self,
        *,
        fault: FaultArgument | None = None,
        delay: DelayArgument | None = None,
        throttle: ThrottleArgument | None = None,
    ) -> EventStreams:
        """Answer with event streams that stay open. ``accept()`` gives the test the server's end of each, in turn.

        ``fault``, ``delay`` and ``throttle`` apply to each stream as to a response.
        """
        # Imported here, not in a thread of the server; see handle().
        from pytest_httpserve.scripting.answers.streams import EventStreams

        def whose() -> str:
            return readable([str(self), *(f"  {line}" for line in exchange_lines(self.calls))])

        faults = Response(fault=fault, delay=delay, throttle=throttle).faults
        self.has_early_faults |= any(one.is_early for one in faults)
        streams = EventStreams(whose, self._fail_unaccepted, faults)
        self._add(streams.answer, 1)
        if self._siblings is not None:
            self._siblings.checks.append(streams.check)
        return streams

    def _fail_unaccepted(self, stream: EventStream) -> None:
        if self._siblings is not None and (journal := self._siblings.journal) is not None:
            text = f"nobody accepted {stream.request}, an event stream of {self}\n"
            journal.record_failure(text, "unanswered", self.place)

    def __call__(self, function: HandlerT) -> HandlerT:
        self.handle(function)
        return function

    def _add(self, answer: Response | Handler, times: int) -> Route:
        step = _Step(answer, check_count("times=", times, least=1))
        if isinstance(answer, Response) and answer.faults:
            self.has_early_faults |= any(fault.is_early for fault in answer.faults)
        with self._lock:
            self._steps.append(step)
        return self

    def hold(self, phase: str = "response_head", *, timeout: float = HOLD_SECONDS) -> Gate:
        """Make calls wait at a gate until the test releases them. A call that waits ``timeout`` seconds fails the test.

        Calls wait before the response (``response_head``), after its head (``response_body``), or before the last byte
        or chunk of its body (``response_end``).
        """
        # A request at a gate may be given a fault; see handle().
        from pytest_httpserve.scripting.faults import given as given

        gate = Gate(str(self), phase, check_seconds("timeout=", timeout))
        self.gates += (gate,)
        return gate

    def when(self, state: str) -> Route:
        """Answer only while the scenario is in this state."""
        self._in_scenario("when", state)
        self._when = state
        return self

    def then(self, state: str) -> Route:
        """When the response added last is used, the scenario enters this state."""
        self._in_scenario("then", state)
        if not self._steps:
            raise UsageError("then() follows a response, but the route has none yet")
        self._steps[-1].then = state
        return self

    def _in_scenario(self, name: str, state: str) -> None:
        if not isinstance(state, str):
            raise UsageError(f"a state must be a str, not {state!r}")
        if self._scenario is None:
            raise UsageError(
                f"{name}() is for the routes of a scenario: flow = httpserve.scenario('...'); flow.on(...)"
            )

    def expect(self, times: int | None = None, *, min: int | None = None, max: int | None = None) -> Route:
        """Fail the test unless the route is called ``times`` times, or ``min`` to ``max`` times; by default, once."""
        if times is not None and (min is not None or max is not None):
            raise UsageError("expect() takes times=, or min= and max=")
        if times is None and min is None and max is None:
            times = 1
        least = check_count("times=" if times is not None else "min=", times if times is not None else min or 0)
        most = least if times is not None else None if max is None else check_count("max=", max)
        if most is not None and least > most:
            raise UsageError(f"expect(min={least}, max={most}) can never be met")
        self.expectation = Expectation(least, most)
        return self

    def optional(self) -> Route:
        """Allow that nobody calls it, even where all routes must be called (``httpserve_strict``)."""
        self.is_optional = True
        return self

    def remove(self) -> None:
        """Remove the route. Its calls stay readable."""
        if self._siblings is not None:
            self._siblings.discard(self)

    # Ask

    @property
    def call_count(self) -> int:
        """How many exchanges it answered."""
        with self._lock:
            self._looks += 1
            return next(self._calls) - self._looks + 1

    @property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges that it answered, except those that the journal has dropped."""
        journal = self._siblings.journal if self._siblings is not None else None
        return journal.those(ROUTE, self) if journal is not None else ()

    @property
    def max_concurrent(self) -> int:
        """How many of its calls were in progress at once, at most. Only calls that the journal still has count."""
        return len(most_at_once(self.calls))

    def assert_called(self, times: int | None = None) -> None:
        """Fail unless the route was called ``times`` times, or at least once if that is None."""
        __tracebackhide__ = True
        expected = Expectation(1, None) if times is None else Expectation(check_count("times=", times), times)
        if not expected.met_by(self.call_count):
            raise AssertionError(self.describe_calls(expected))

    def describe_calls(self, expected: Expectation) -> str:
        """Say that the calls are not as expected, and list them."""
        calls = self.calls
        if self.call_count:
            said = f"was called {times(self.call_count)}, expected {expected}"
        elif refused := self._refused_requests():
            said = f"was not called, expected {expected}: {refusal(refused[-1])}"
            calls = tuple(refused)
        else:
            said = f"was never called, expected {expected}"
        lines = [f"{self} {said}", *dropped(max(self.call_count - len(calls), 0), "call")]
        return readable([*lines, *(f"  {line}" for line in exchange_lines(calls))])

    def _refused_requests(self) -> list[Exchange]:
        """The requests for its method and path that the server refused."""
        journal = self._siblings.journal if self._siblings is not None else None
        return [
            exchange
            for exchange in (journal.exchanges if journal is not None else ())
            if exchange.refused
            and self.method in ("*", exchange.request.sought)
            and self.pattern is not None
            and self.pattern.match(target_of(exchange.request.target).canonical) is not None
        ]

    def __enter__(self) -> Route:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        expected = self.expectation or Expectation(1, None)
        if error is None and not expected.met_by(self.call_count):
            raise AssertionError(self.describe_calls(expected))

    if not TYPE_CHECKING:  # type checkers should know only the real names

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.ROUTE)

    def __str__(self) -> str:
        return f"the route {'for all requests' if self._what == '* *' else self._what} ({self.place})"

    def __repr__(self) -> str:
        return f"<Route {self._what}, written at {self.place}>"

    @property
    def _what(self) -> str:
        return f"{self.method} {self.pattern.text}" if self.pattern else repr(self.matcher)

    # Choose

    def takes(self, asked: Sought, method: str) -> bool:
        """Whether the route answers this request, whose path matches, if its method counts as ``method``."""
        if self.method not in ("*", method):
            return False
        if self._when is not None and self._scenario is not None and self._scenario.state != self._when:
            return False
        if not self.further:
            return True
        request = asked.request
        if method != request.method:
            request = replace(request, sought_as=method)
        try:
            return all(part.matches(request) for part in self.further)
        except BaseException as error:  # another route may answer all the same
            asked.note_raised(self, error)
            error.__traceback__ = None  # its frames would make a reference cycle
            return False

    def is_missed(self, method: str) -> bool:
        """Whether a request that the route does not take, although method and path fit, is a near miss: one that no
        directory, application or queue may answer. A route without its own path has no near misses."""
        if self._otherwise == "continue" or not self.further or self.pattern is None or self.pattern.text == "*":
            return False
        if self.method not in ("*", method) and (self.method, method) != ("GET", "HEAD"):
            return False
        return self._when is None or self._scenario is None or self._scenario.state == self._when

    def checks(self, request: Request) -> list[Check]:
        """The result of each criterion of the route for ``request``."""
        checks = self.matcher.checks(request)
        if self._when is not None and self._scenario is not None:
            state = self._scenario.state
            checks.append(Check(f"scenario {self._scenario.name}", state == self._when, self._when, Shown(repr(state))))
        return checks

    def take(self, exchange: Exchange) -> Response | Handler | None:
        """The answer to this exchange, which now counts as a call; None if the route has no answer.

        Raises StateChanged if the scenario has left the state in which the route answers.
        """
        scenario = self._scenario
        if scenario is None:
            step = self._next_step() if self._steps else self._last  # the last step never runs out: no lock needed
        else:
            with scenario.lock:
                if self._when is not None and scenario.state != self._when:
                    raise StateChanged
                step = self._next_step()
                if step is not None and step.then is not None:
                    scenario.state = step.then
        exchange.route = self
        next(self._calls)
        return None if step is None else step.answer

    def _next_step(self) -> _Step | None:
        with self._lock:
            if self._steps:
                self._last = self._steps[0]
                self._last.left -= 1
                if not self._last.left:
                    self._steps.popleft()
            return self._last

    def join(self, siblings: Siblings, scenario: Stateful | None = None) -> Route:
        """Become one of ``siblings`` and, if given, part of a scenario."""
        self._siblings, self._scenario = siblings, scenario
        siblings.add(self)
        return self


def calling_place(depth: int) -> str:
    """``file:line`` of the code ``depth`` frames above the caller of this function."""
    frame = sys._getframe(depth + 1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
