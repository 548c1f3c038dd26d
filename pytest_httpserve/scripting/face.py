"""What a test says to a script, and asks of it: what HTTPServe and Origin have in common."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from pytest_httpserve import clock
from pytest_httpserve.arguments import check_count, check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.protocol.websocket import MAX_MESSAGE_BYTES
from pytest_httpserve.scripting.answers.fields import HeadersArgument, check_headers
from pytest_httpserve.scripting.answers.limits import Flapping, Limit, SlowStart
from pytest_httpserve.scripting.answers.responses import Response, ResponseArguments, as_response
from pytest_httpserve.scripting.faults.rules import FaultRule
from pytest_httpserve.scripting.live.awaiting import awaited
from pytest_httpserve.scripting.live.waiting import GLANCE_SECONDS
from pytest_httpserve.scripting.mounts.mount import check_prefix
from pytest_httpserve.scripting.record import words
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.scripting.record.exchange import ConnectionRecord, Exchange
from pytest_httpserve.scripting.record.journal import Seen
from pytest_httpserve.scripting.record.lines import exchange_lines
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.record.request import Body, Request
from pytest_httpserve.scripting.reports import report
from pytest_httpserve.scripting.routing.criteria import Criteria, as_matcher, match
from pytest_httpserve.scripting.routing.matchers import Matcher
from pytest_httpserve.scripting.routing.requested import requested
from pytest_httpserve.scripting.routing.route import Otherwise, Route, calling_place
from pytest_httpserve.scripting.routing.scenarios import Scenario
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.server.cgi import CGI_TIMEOUT
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import encoded_url

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.websockets.route import WebSocketRoute


class Face:
    """A script as a test has it in its hands. Relative directories are looked for in each of ``_roots``."""

    _script: Script
    _roots: tuple[Path, ...] | None
    _scenarios: dict[str, Scenario]

    @property
    def base_url(self) -> str:
        """The URL of what is served, without a slash at its end."""
        raise NotImplementedError

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """The connections so far, in the order in which they were opened."""
        raise NotImplementedError

    @property
    def _shakes_hands(self) -> bool:
        """Whether its connections begin with a TLS handshake."""
        raise NotImplementedError

    @property
    def aio(self) -> ServerWaits:
        """What waits, for coroutines: ``await httpserve.aio.wait_for("GET", "/a")`` holds no event loop up."""
        return ServerWaits(self)

    # Say

    def on(
        self,
        method: str | Matcher,
        path: str | re.Pattern[str] = "*",
        *,
        priority: int = 0,
        otherwise: Otherwise = "fail",
        **criteria: Unpack[Criteria],
    ) -> Route:
        """A route for the requests that meet all that is given; a matcher may be given instead.

        ``path`` is exact, a template (``/users/{id:int}``), a compiled pattern, or ``*``. The further arguments are
        those of ``match``: ``query``, ``query_exact``, ``headers``, ``cookies``, ``json``, ``json_contains``,
        ``content_type``, ``form``, ``form_exact``, ``files``, ``body``, ``where``. Of several routes that take a
        request, the one of highest ``priority`` answers, then the latest; all of them go before directories,
        applications and the queue. A request that fits the method and the path of a route, and not the rest, fails the
        test unless ``otherwise`` is ``continue``: then it is left to these. Raises UsageError for a wrong value.
        """
        route = Route(as_matcher(method, path, criteria), calling_place(1), priority=priority, otherwise=otherwise)
        return route.join(self._script.routes)

    def websocket(
        self,
        path: str | re.Pattern[str] = "*",
        *,
        subprotocols: Iterable[str] = (),
        compression: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        answer_pings: bool = True,
        fault: FaultArgument | None = None,
        priority: int = 0,
        otherwise: Otherwise = "fail",
        **criteria: Unpack[Criteria],
    ) -> WebSocketRoute:
        """A route for WebSocket handshakes that meet all that is given: ``path``, ``priority``, ``otherwise`` and the
        criteria are as for ``on``.

        ``subprotocols`` are those that the server speaks: of these, it takes the first that the client offers. With
        ``compression``, messages are compressed if the client offers that (permessage-deflate). A message that has more
        than ``max_message_bytes`` closes the connection with 1009. Without ``answer_pings``, only the test sends pongs.
        ``fault`` is what goes wrong with each connection, a fault or several.

        Raises UnsupportedError without the extra ``websocket``, UsageError for a wrong value.
        """
        from pytest_httpserve.scripting.websockets.route import WebSocketRoute, handshake_criteria

        matcher = match("GET", path, **handshake_criteria(criteria))
        route = Route(matcher, calling_place(1), priority=priority, otherwise=otherwise)
        opened = WebSocketRoute(
            route,
            self._script.journal,
            subprotocols=subprotocols,
            compression=compression,
            max_message_bytes=max_message_bytes,
            answer_pings=answer_pings,
            fault=fault,
        )
        route.join(self._script.routes)
        self._script.routes.checks.append(opened.check)
        return opened

    def enqueue(self, status: int | Response = 200, **arguments: Unpack[ResponseArguments]) -> None:
        """Add a response to the queue for requests that nothing else answers: first in, first out.

        One that fits the method and the path of a route, and not the rest, is not for the queue; see ``on``. The
        arguments are those of ``Response``; a Response may be given instead of a status.
        """
        self._script.queue.append(as_response(status, arguments))

    def fault(
        self,
        fault: FaultArgument,
        *,
        times: int | None = None,
        every: int | None = None,
        skip: int = 0,
        probability: float | None = None,
        seed: int = 0,
        expected: bool = False,
    ) -> None:
        """Let ``fault``, or several, happen on the next connection: whatever answers there, and in each exchange.

        ``times`` is on how many connections, ``skip`` how many go free before. ``every=3`` means every third from now
        on, ``probability=0.1`` one in ten, drawn by ``seed``; either without end unless ``times`` says so. With
        ``expected``, the test fails if it does not happen. Raises UsageError for a wrong value.
        """
        from pytest_httpserve.scripting.faults.given import as_faults

        faults = as_faults(fault)
        if not self._shakes_hands and (shaking := [one for one in faults if one.place == "tls_handshake"]):
            raise UsageError(f"{shaking[0]!r} is for a server over TLS, and this one has no handshake")
        self._script.fault_rules.add(FaultRule(faults, times, every, skip, probability, seed, expected))

    def scenario(self, name: str) -> Scenario:
        """Routes that answer by a state, and change it. The same name gives the same scenario."""
        scenario = Scenario(name, self._script.routes)
        return self._scenarios.setdefault(name, scenario)

    def serve_dir(
        self,
        path: str | os.PathLike[str],
        at: str = "/",
        *,
        index: str | Sequence[str] | None = None,
        listing: bool = True,
        hidden: bool = True,
        headers: HeadersArgument | None = None,
        headers_for: Mapping[str, HeadersArgument] | None = None,
        precompressed: bool = False,
        fallback: str | None = None,
        cors: bool | str = False,
    ) -> None:
        """Serve the files of the directory ``path`` under the prefix ``at``.

        ``index`` names the page or pages to show for a directory (default: ``index.html``, ``index.htm``); without one,
        ``listing`` shows what is in it. ``hidden`` is whether names that begin with a dot are there. ``headers`` go out
        with every file, ``headers_for`` by pattern: ``{"*.js": {"Cache-Control": "no-cache"}}``. ``precompressed``
        sends ``app.js.br``, ``.zst`` or ``.gz`` for ``app.js`` to clients that take it. ``fallback`` is the page for
        paths of a single-page application. ``cors`` lets pages of any origin, or of the one named, read the files.

        Raises UsageError for a path that is no directory, and for a prefix that is taken.
        """
        from pytest_httpserve.scripting.mounts.static import static_mount

        self._script.mounts.add(
            static_mount(
                path,
                roots=self._roots if self._roots is not None else current(),
                at=at,
                index=index,
                headers=headers,
                headers_for=headers_for,
                fallback=fallback,
                cors=cors,
                listing=listing,
                hidden=hidden,
                precompressed=precompressed,
            )
        )

    def serve_cgi(
        self,
        path: str | os.PathLike[str],
        at: str = "/cgi-bin",
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = CGI_TIMEOUT,
    ) -> None:
        """Run the CGI scripts (RFC 3875) of the directory ``path`` for requests under the prefix ``at``.

        A script is any file that may be executed. It runs as the user who runs the tests, in its own directory, with
        the environment of the tests, the variables of CGI, and those of ``env``. It is killed, and fails the test, when
        it keeps the server waiting for ``timeout`` seconds; a script without a proper answer fails the test, too.

        Raises UsageError for a path that is no directory, and for a prefix that is taken.
        """
        from pytest_httpserve.scripting.mounts.cgi import cgi_mount

        roots = self._roots if self._roots is not None else current()
        self._script.mounts.add(cgi_mount(path, roots=roots, at=at, env=env, timeout=timeout))

    def mount(self, prefix: str, application: object) -> None:
        """Let ``application`` answer all requests under ``prefix``: a handler class, written for ``http.server`` or
        for ours, a WSGI application, or an ASGI application.

        A handler class sees paths without the prefix; to a WSGI application it is the SCRIPT_NAME, to an ASGI
        application the ``root_path``. What they raise fails the test. Raises UsageError for anything else, and
        for a prefix that is taken.
        """
        from pytest_httpserve.scripting.mounts.applications import application_mount

        self._script.mounts.add(application_mount(check_prefix(prefix, "mount(prefix)"), application))

    def limit(
        self,
        path: str = "/",
        *,
        per_second: int | None = None,
        per_minute: int | None = None,
        clock: Callable[[], float] = clock.monotonic,
    ) -> Limit:
        """Answer with 429 and Retry-After the requests under ``path`` that are too many in a second, or a minute.

        ``clock`` tells the time in seconds: a ``Clock`` stands still until the test moves it. Raises UsageError for a
        wrong value.
        """
        if (per_second is None) == (per_minute is None):
            raise UsageError("limit() takes per_second= or per_minute=")
        if not callable(clock):
            raise UsageError(f"clock= is a function that returns seconds, not {clock!r}")
        prefix = check_prefix(path, "limit(path)")
        if per_second is not None:
            guard = Limit(prefix, check_count("per_second=", per_second, least=1), 1.0, clock)
        else:
            guard = Limit(prefix, check_count("per_minute=", per_minute, least=1), 60.0, clock)
        self._script.guards.add(guard)
        return guard

    def flap(
        self,
        path: str = "/",
        *,
        up: int,
        down: int,
        status: int | Response = 503,
        **arguments: Unpack[ResponseArguments],
    ) -> Flapping:
        """Answer ``up`` requests under ``path`` as always, refuse the next ``down`` of them, and so on.

        What the refused get is said as for ``respond``. Raises UsageError for a wrong value.
        """
        guard = Flapping(
            check_prefix(path, "flap(path)"),
            check_count("up=", up),
            check_count("down=", down, least=1),
            as_response(status, arguments),
        )
        self._script.guards.add(guard)
        return guard

    def slow_start(self, path: str = "/", *, requests: int = 5, delay: float = 1.0) -> SlowStart:
        """Let the first request under ``path`` wait for ``delay`` seconds, each of the next for less.

        None waits from the one after ``requests`` on. Raises UsageError for a wrong value.
        """
        prefix = check_prefix(path, "slow_start(path)")
        guard = SlowStart(prefix, check_count("requests=", requests, least=1), check_seconds("delay=", delay))
        self._script.guards.add(guard)
        return guard

    # Ask

    def url_for(self, path: str, *, scheme: str = "http") -> str:
        """The URL of ``path``, which begins with a slash and may have a query.

        Characters that a URL may not contain are percent-encoded; what is encoded already stays as it is. With
        ``scheme="ws"``, the URL is one for a WebSocket client. Over TLS, the scheme is ``https`` or ``wss``.
        """
        return with_scheme(self.base_url, scheme) + encoded_path(path)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges so far, in the order in which the requests came in; ``dropped_exchanges`` are gone."""
        return self._script.journal.exchanges

    def requested(
        self, method: str | Matcher = "*", path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]
    ) -> list[Exchange]:
        """The exchanges whose requests meet what is given; the arguments are those of ``match``."""
        matcher = as_matcher(method, path, criteria)
        return requested(self.exchanges, matcher)

    def take_request(self, timeout: float = 5.0) -> Request:
        """The first request that was not taken before; waits for it ``timeout`` seconds.

        Raises AssertionError, with all that was requested, if there is none in time.
        """
        __tracebackhide__ = True
        exchange = self._script.journal.take(check_seconds("timeout=", timeout), self._is_ours)
        if exchange is None:
            raise AssertionError(self._shown(f"no further request came within {timeout} s; requested were:"))
        return exchange.request

    def wait_for(
        self,
        method: str | Matcher,
        path: str | re.Pattern[str] = "*",
        *,
        times: int = 1,
        timeout: float = 5.0,
        **criteria: Unpack[Criteria],
    ) -> list[Exchange]:
        """Wait until ``times`` requests that meet what is given have come, for ``timeout`` seconds; their exchanges.

        Raises AssertionError, with all that was requested, if they do not come in time.
        """
        __tracebackhide__ = True
        matcher = as_matcher(method, path, criteria)
        check_count("times=", times)
        if not self._script.journal.wait(
            lambda: len(self.requested(matcher)) >= times, check_seconds("timeout=", timeout)
        ):
            from pytest_httpserve.scripting.reports.assertions import explained

            found = self.requested(matcher)
            came = f"was requested {words.times(len(found))}" if found else "was not requested"
            wanted = f", expected {words.times(times)}" if times > 1 else ""
            title = f"{_what(method, path)} {came} within {timeout} s{wanted}"
            raise AssertionError(explained(title, self._seen, found, matcher))
        return self.requested(matcher)

    def explain(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        json: Any = ...,
    ) -> str:
        """What would answer such a request, and why the other routes would not: a dry run, nothing is sent.

        ``path`` may have a query.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise UsageError(f"a path begins with a slash; {path!r} does not")
        if json is not ... and body:
            raise UsageError("a request has one body, not json and body")
        fields = dict(check_headers(headers))
        if json is not ...:
            import json as json_module

            body = json_module.dumps(json)
            fields.setdefault("Content-Type", "application/json")
        content = Body(io.BytesIO(body.encode() if isinstance(body, str) else body).read)
        request = Request(method, path, Headers(fields), (1, 1), ("127.0.0.1", 0), content)
        return report.explained(self._script, request)

    def har(self) -> dict[str, Any]:
        """All exchanges so far as a HAR 1.2 document, for ``json.dumps``: browsers show it as a waterfall."""
        from pytest_httpserve.scripting.record.har import har

        seen = self._seen
        return har(seen.exchanges, self.base_url, seen.dropped_exchanges, redacted=seen.redacted)

    @property
    def _seen(self) -> Seen:
        return self._script.journal.seen

    def _shown(self, title: str) -> str:
        seen = self._seen
        lines = words.dropped(seen.dropped_exchanges, "exchange")
        lines += (f"  {line}" for line in exchange_lines(seen.exchanges))
        return readable([title, *(lines or ["  nothing"])])

    def _is_ours(self, exchange: Exchange) -> bool:
        """Whether an exchange of the journal is one of these."""
        return True

    # Assert

    def assert_requested(
        self,
        method: str | Matcher,
        path: str | re.Pattern[str] = "*",
        *,
        times: int | None = None,
        **criteria: Unpack[Criteria],
    ) -> None:
        """Fail unless requests that meet what is given came in: ``times`` of them, or one at least."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_requested

        if times is not None:
            check_count("times=", times)
        assert_requested(self._seen, as_matcher(method, path, criteria), _what(method, path), times)

    def assert_not_requested(
        self, method: str | Matcher, path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]
    ) -> None:
        """Fail if a request that meets what is given came in."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_not_requested

        assert_not_requested(self._seen, as_matcher(method, path, criteria), _what(method, path))

    def assert_requested_in_order(self, steps: Iterable[Matcher | tuple[str, str | re.Pattern[str]] | str]) -> None:
        """Fail unless the steps, each ``("GET", "/path")``, ``"GET /path"`` or a matcher, came in this order.

        Other requests may come between them.
        """
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_in_order

        assert_in_order(self._seen, steps)

    def assert_no_requests(self) -> None:
        """Fail if any request came in."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_none

        assert_none(self._seen)

    def assert_max_concurrent(
        self,
        most: int,
        method: str | Matcher = "*",
        path: str | re.Pattern[str] = "*",
        **criteria: Unpack[Criteria],
    ) -> None:
        """Fail if more than ``most`` requests, of those that meet what is given, were in hand at once."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_max_concurrent

        check_count("most=", most, least=1)
        assert_max_concurrent(self._seen, as_matcher(method, path, criteria), most)

    @property
    def max_concurrent(self) -> int:
        """How many requests were in hand at once, at most; of those that the journal still has."""
        return len(most_at_once(self.exchanges))

    def assert_reused(self, connections: int = 1) -> None:
        """Fail unless all exchanges came over that many connections at most, and one of these carried several."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_reused

        assert_reused(self._seen, check_count("connections=", connections, least=1))

    def assert_multiplexed(self, at_least: int = 2) -> None:
        """Fail unless a client had that many requests in hand at once on one connection, which is of HTTP/2."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.multiplexing import assert_multiplexed

        assert_multiplexed(self._seen, check_count("at_least=", at_least, least=2))

    def assert_goaway_respected(self) -> None:
        """Fail if a client that was told to go away (the fault ``GoAway``) has repeated on another connection what was
        processed, or has not repeated what was not.

        Requests are the same if their methods and targets are: let them differ, in a number of the query, say.
        """
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.multiplexing import assert_goaway_respected

        assert_goaway_respected(self._seen)

    def assert_all_closed(self, *, by: str | None = None, timeout: float = 5.0) -> None:
        """Fail unless every connection ends within ``timeout`` seconds: by ``client`` or ``server``, if that is said.

        Call it when the client has closed what it had, before the server stops.
        """
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_all_closed

        if by not in (None, "client", "server"):
            raise UsageError(f"by= is 'client' or 'server', not {by!r}")
        journal = self._script.journal
        expiry = clock.monotonic() + check_seconds("timeout=", timeout)
        while any(record.is_open for record in self.connections) and (left := expiry - clock.monotonic()) > 0:
            # Nobody tells of a client that leaves while its request waits.
            journal.wait(lambda: not any(record.is_open for record in journal.connections), min(left, GLANCE_SECONDS))
        assert_all_closed(self._seen, by, timeout)


class ServerWaits:
    """What waits on a server, to be awaited under asyncio, trio or anyio: called as on the server itself.

    Where the coroutine that awaits is cancelled, a thread goes on waiting until the timeout is over.
    """

    def __init__(self, face: Face) -> None:
        self.wait_for: Final = awaited(face.wait_for)
        self.take_request: Final = awaited(face.take_request)
        self.assert_all_closed: Final = awaited(face.assert_all_closed)


def with_scheme(url: str, scheme: str) -> str:
    """The URL for clients of HTTP, or of WebSocket."""
    if scheme not in ("http", "ws"):
        raise UsageError(f"scheme= is 'http' or 'ws', with an s added over TLS, not {scheme!r}")
    return scheme + url.removeprefix("http")


def encoded_path(path: str) -> str:
    """A path as it can stand in a URL."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"a path begins with a slash; {path!r} does not")
    return encoded_url(path)


def current() -> tuple[Path]:
    """The current directory; as it is called by all, if it has been removed."""
    try:
        return (Path.cwd(),)
    except FileNotFoundError:
        return (Path(),)


def _what(method: str | Matcher, path: str | re.Pattern[str]) -> str:
    if isinstance(method, Matcher):
        return repr(method)
    return f"{method} {path if isinstance(path, str) else path.pattern}"
