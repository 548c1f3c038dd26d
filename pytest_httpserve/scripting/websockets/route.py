"""A WebSocket route: which handshakes it takes, and what happens on the connections that it opens."""

from __future__ import annotations

import inspect
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

from pytest_httpserve import clock
from pytest_httpserve.arguments import check_count, check_seconds, check_switch
from pytest_httpserve.errors import UsageError, WebSocketClosed
from pytest_httpserve.net.service import grace_of
from pytest_httpserve.net.turn import nothing
from pytest_httpserve.protocol.websocket import (
    INTERNAL_ERROR,
    MAX_MESSAGE_BYTES,
    NORMAL,
    Frames,
    Opening,
    check_extra,
    open_handshake,
)
from pytest_httpserve.scripting.answers.responses import Continued, Response, ResponseArguments, as_response
from pytest_httpserve.scripting.live.arrivals import Arrivals
from pytest_httpserve.scripting.live.awaiting import Condition, awaited
from pytest_httpserve.scripting.record.lines import exchange_lines
from pytest_httpserve.scripting.record.messages import Message
from pytest_httpserve.scripting.record.readable import brief, readable
from pytest_httpserve.scripting.record.words import count
from pytest_httpserve.scripting.record.words import times as in_words
from pytest_httpserve.scripting.websockets import steps
from pytest_httpserve.scripting.websockets.link import Link
from pytest_httpserve.scripting.websockets.peer import Peer
from pytest_httpserve.scripting.websockets.wanted import as_message, check_code, explained, received
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire import grammar

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.routing.criteria import Criteria
    from pytest_httpserve.scripting.routing.route import Route
    from pytest_httpserve.server.servers import HTTPServer

Function = Callable[[Peer], object]
FunctionT = TypeVar("FunctionT", bound=Function)

_UPGRADE = re.compile("websocket", re.IGNORECASE)
_STEP_SECONDS = 5.0
# Above this number of connections, closed ones are forgotten.
_MOST_LINKS = 1_000


def handshake_criteria(criteria: Criteria) -> Criteria:
    """The criteria of a route, and the criterion that its requests are handshakes."""
    headers: Mapping[str, Any] = criteria.get("headers") or {}
    if not isinstance(headers, Mapping) or any(str(name).lower() == "upgrade" for name in headers):
        raise UsageError(f"headers= must be a mapping without Upgrade, which is always websocket, not {headers!r}")
    return {**criteria, "headers": {"Upgrade": _UPGRADE, **headers}}


def check_subprotocols(given: Iterable[str]) -> tuple[str, ...]:
    """Check names of subprotocols. Raises UsageError for an impossible one."""
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not grammar.TOKEN.fullmatch(name):
            raise UsageError(f"subprotocols= takes names such as 'chat.v2', not {name!r}")
    return names


class WebSocketRoute:
    """A route that opens a WebSocket connection for each handshake that meets its criteria.

    The test accepts each connection, or the route has a function or a list of steps for it. As a decorator, a route
    takes a function, which is called with the peer.
    """

    def __init__(
        self,
        route: Route,
        journal: Journal,
        *,
        subprotocols: Iterable[str] = (),
        compression: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        answer_pings: bool = True,
        fault: FaultArgument | None = None,
    ) -> None:
        check_extra("websocket()")
        self._route = route
        self._journal = journal
        self._subprotocols = check_subprotocols(subprotocols)
        self._compresses = check_switch("compression=", compression)
        self._most = check_count("max_message_bytes=", max_message_bytes, least=1)
        self._answers_pings = check_switch("answer_pings=", answer_pings)
        self._faults = Response(fault=fault).faults
        self._changed = Condition()
        self._arrivals: Arrivals[Peer] = Arrivals(self._changed)
        self._links: dict[Peer, Link] = {}  # one for each connection
        self._refusals: deque[list[Any]] = deque()  # each a response, and how often to use it; None for ever
        self._function: Function | None = None
        self._steps: list[steps.Step] = []
        self._servers: list[HTTPServer] = []  # for which its functions have run
        self._running: dict[threading.Thread, Peer] = {}
        route.handle(self._answer)

    # Say

    def handle(self, function: Function) -> WebSocketRoute:
        """Call a function with the Peer of each connection: in a thread or, if it is async, on the event loop of the
        server. When it returns, the connection is closed. If it raises, the test fails."""
        if not callable(function):
            raise UsageError(f"handle() takes a function of the peer, not {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"the function must send to the peer, not yield, but {function.__name__}() yields")
        if self._steps or self._function is not None:
            raise UsageError(f"{self} has {'steps' if self._steps else 'a function'} already")
        self._function = function
        return self

    def __call__(self, function: FunctionT) -> FunctionT:
        self.handle(function)
        return function

    def send(self, *messages: Any) -> WebSocketRoute:  # str, bytes, or what json.dumps takes
        """Add a step that sends messages, each a str or bytes, or a dict or list as JSON."""
        for message in messages:
            self._add(steps.send(as_message("send()", message)))
        return self

    def expect(self, message: Any, *, timeout: float = _STEP_SECONDS) -> WebSocketRoute:  # what has an ==
        """Add a step that receives a message within ``timeout`` seconds, and fails the test unless it is this one.

        Messages are compared with ``==`` or a pattern; a dict or list is compared with the message as JSON.
        """
        return self._add(steps.expect(message, check_seconds("timeout=", timeout)))

    def reply(self, message: Any, with_: Any, *, timeout: float = _STEP_SECONDS) -> WebSocketRoute:  # as above
        """Add a step that receives a message, as ``expect`` does, and answers it: with a str, bytes, a dict or list as
        JSON, or the result of a function that is called with the message."""
        if not callable(with_):
            as_message("with_", with_)
        return self._add(steps.reply(message, with_, check_seconds("timeout=", timeout)))

    def close(self, code: int | None = NORMAL, reason: str = "") -> WebSocketRoute:
        """Add a last step, which closes the connection."""
        check_code(code, reason)
        return self._add(steps.close(code, reason))

    def _add(self, step: steps.Step) -> WebSocketRoute:
        if self._function is not None:
            raise UsageError(f"{self} has a function already")
        self._steps.append(step)
        return self

    def respond(
        self, status: int | Response, *, times: int | None = None, **arguments: Unpack[ResponseArguments]
    ) -> WebSocketRoute:
        """Refuse handshakes with a response: the next ``times`` of them or, without a number, all of them."""
        response = as_response(status, arguments)
        self._refusals.append([response, check_count("times=", times, least=1) if times is not None else None])
        return self

    def optional(self) -> WebSocketRoute:
        """Allow that no client comes, even where all routes must be called (``httpserve_strict``)."""
        self._route.optional()
        return self

    def remove(self) -> None:
        """Remove the route. Open connections stay open."""
        self._route.remove()

    # Ask

    @property
    def aio(self) -> WebSocketRouteWaits:
        """The waiting methods for coroutines: ``await chat.aio.accept()`` does not block the event loop."""
        return WebSocketRouteWaits(self)

    def accept(self, timeout: float = 5.0) -> Peer:
        """The server's end of the next connection. Waits for it up to ``timeout`` seconds.

        Raises AssertionError, which lists all requests, if none is opened in time.
        """
        __tracebackhide__ = True
        return self._accepted(self._arrivals.accept(self._check_accept(timeout)), timeout)

    def _check_accept(self, timeout: float) -> float:
        if self._function is not None or self._steps:
            raise UsageError(f"the connections of {self} have {'steps' if self._steps else 'a function'}")
        return check_seconds("timeout=", timeout)

    def _accepted(self, peer: Peer | None, timeout: float) -> Peer:
        __tracebackhide__ = True
        if peer is not None:
            return peer
        lines = exchange_lines(self._journal.exchanges) or ["nothing"]
        title = f"no client opened a connection to {self} within {timeout} s; the server got:"
        raise AssertionError(readable([title, *(f"  {line}" for line in lines)]))

    @property
    def calls(self) -> tuple[Exchange, ...]:
        """The exchanges of its handshakes, except those that the journal has dropped."""
        return self._route.calls

    @property
    def call_count(self) -> int:
        """How many handshakes it answered."""
        return self._route.call_count

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of all its connections, in the order in which they were sent or received."""
        return tuple(sorted((one for call in self.calls for one in call.messages), key=lambda one: one.time))

    def wait_for_message(self, message: Any, *, times: int = 1, timeout: float = 5.0) -> Message:  # what has an ==
        """Wait until clients have sent this message ``times`` times. Returns the last of these.

        It does not matter who receives it. Raises AssertionError, which lists all messages, if it is not in time.
        """
        __tracebackhide__ = True
        check_count("times=", times, least=1)
        seconds = check_seconds("timeout=", timeout)
        with self._changed:
            if self._changed.wait_for(lambda: len(received(self.messages, message)) >= times, seconds):
                return received(self.messages, message)[times - 1]
        raise AssertionError(explained(f"{brief(message)} was not received within {timeout} s", self.messages))

    def assert_received(self, message: Any, *, times: int | None = None) -> None:  # what has an ==
        """Fail unless clients sent this message ``times`` times, or at least once if that is None."""
        __tracebackhide__ = True
        found = len(received(self.messages, message))
        if found != check_count("times=", times) if times is not None else not found:
            wanted = f", expected {in_words(times)}" if times is not None else ""
            often = f"received {in_words(found)}" if found else "never received"
            title = f"{brief(message)} was {often}{wanted}"
            raise AssertionError(explained(title, self.messages))

    def assert_called(self, times: int | None = None) -> None:
        """Fail unless ``times`` handshakes came, or at least one if that is None."""
        __tracebackhide__ = True
        self._route.assert_called(times)

    # Answer

    def _answer(self, request: Request) -> Response:
        refusal = self._next_refusal()
        if refusal is not None:
            return refusal
        opening = open_handshake(request.headers, request.version, self._subprotocols, compresses=self._compresses)
        return Continued(101, opening.fields, partial(self._open, opening), self._faults)

    def _next_refusal(self) -> Response | None:
        with self._changed:
            if not self._refusals:
                return None
            response: Response
            response, left = self._refusals[0]
            if left is not None:
                self._refusals[0][1] = left - 1
                if left == 1:
                    self._refusals.popleft()
            return response

    def _open(self, opening: Opening, asked: Asked, faults: tuple[Fault, ...]) -> None:
        exchange = asked.exchange
        assert exchange is not None
        code = self._play if self._steps else self._function
        link = Link(
            asked,
            Frames(opening.deflate, self._most),
            self._journal,
            told=self._tell,
            answers_pings=self._answers_pings,
            runs_code=code is not None,
            place=self._route.place,
            faults=faults,
        )
        peer = Peer(link, exchange, opening.subprotocol)
        with self._changed:
            if len(self._links) >= _MOST_LINKS:
                self._links = {one: its for one, its in self._links.items() if not one.closed or its.unexpected}
            self._links[peer] = link
            if code is None:
                self._arrivals.add(peer)
            self._changed.notify_all()
        if code is not None:
            if asked.server not in self._servers:
                self._servers.append(asked.server)
                service_of(asked.server).at_close.append(partial(self._await_functions, asked.server))
            link.run(partial(self._run, code, asked, link, peer))
        link.begin()

    def _tell(self) -> None:
        """Note that a message has come over one of its connections."""
        with self._changed:
            self._changed.notify_all()

    # Functions

    def _play(self, peer: Peer) -> None:
        for step in self._steps:
            step(peer)

    def _run(self, code: Function, asked: Asked, link: Link, peer: Peer) -> None:
        thread = threading.current_thread()
        with self._changed:
            self._running[thread] = peer
        try:
            returned = code(peer)
            if isinstance(returned, CoroutineType):
                asked.event_loop.start(self._await(returned, asked, link, peer), nothing)
            elif self._steps:
                link.ask_for_more()
            else:
                peer.close()
        except BaseException as error:
            self._failed(asked, link, peer, error)
            peer.close(INTERNAL_ERROR)
        finally:
            with self._changed:
                del self._running[thread]
                self._changed.notify_all()

    async def _await(self, function: CoroutineType[Any, Any, object], asked: Asked, link: Link, peer: Peer) -> None:
        import asyncio  # loaded by now

        code = NORMAL
        try:
            await function
        except BaseException as error:
            code = INTERNAL_ERROR
            if isinstance(error, asyncio.CancelledError) and asked.event_loop.ends:
                link.expect_nothing()
            else:
                self._failed(asked, link, peer, error)
        link.run(partial(peer.close, code))  # this may have to wait for the client

    def _failed(self, asked: Asked, link: Link, peer: Peer, error: BaseException) -> None:
        """Fail the test with an exception of a function, unless that only says that its connection is over."""
        link.expect_nothing()
        if not isinstance(error, WebSocketClosed) or not peer.closed:  # or it is about another connection
            asked.record_exception(error)

    def _await_functions(self, server: HTTPServer) -> None:
        """Fail the test because of functions that have not ended with the server."""
        expiry = clock.monotonic() + (grace_of(server) or 0.0)
        with self._changed:
            self._changed.wait_for(lambda: not self._running, max(expiry - clock.monotonic(), 0.0))
            hanging = list(self._running.items())
        for thread, peer in hanging:
            frame = sys._current_frames().get(thread.ident or 0)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else "(it has just ended)\n"
            text = f"the function of {peer.request} did not end ({thread.name}); it is here:\n{stack}"
            self._journal.record_failure(text, place=self._route.place)

    # What nobody expected

    def check(self) -> None:
        """Record a failure for each connection that nobody accepted, and for messages that nobody received."""
        with self._changed:
            waiting, links = self._arrivals.take_left(), dict(self._links)
            self._links.clear()
        for peer, link in links.items():
            if peer in waiting:
                self._fail(explained(f"nobody accepted {peer.request}, a connection to {self}", peer.messages))
            elif left := link.unexpected:
                self._fail(explained(f"nobody received {count(left, 'message')} of {peer.request}", peer.messages))

    def _fail(self, text: str) -> None:
        self._journal.record_failure(text + "\n", "unanswered", self._route.place)

    def __str__(self) -> str:
        return str(self._route)

    def __repr__(self) -> str:
        return f"<WebSocketRoute {self._route!r}>"


class WebSocketRouteWaits:
    """The waiting methods of a WebSocket route, to be awaited; see ``ServerWaits``."""

    def __init__(self, route: WebSocketRoute) -> None:
        self._route = route
        self.wait_for_message: Final = awaited(route.wait_for_message)

    async def accept(self, timeout: float = 5.0) -> Peer:
        """Like ``WebSocketRoute.accept``. If it is cancelled, it takes no connection."""
        __tracebackhide__ = True
        route, seconds = self._route, self._route._check_accept(timeout)
        return route._accepted(await route._arrivals.accept_soon(seconds), timeout)
