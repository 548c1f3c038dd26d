"""What HTTPServe and Origin have in common: a test tells them what to answer, and asks what was requested."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from pytest_httpserve import clock
from pytest_httpserve.arguments import check_count, check_seconds
from pytest_httpserve.errors import UsageError
from pytest_httpserve.protocol.websocket import MAX_MESSAGE_BYTES
from pytest_httpserve.scripting.answers.fields import HeadersArgument
from pytest_httpserve.scripting.answers.limits import Flapping, Limit, SlowStart, make_limit
from pytest_httpserve.scripting.answers.responses import Response, ResponseArguments, as_response
from pytest_httpserve.scripting.faults.rules import FaultRule
from pytest_httpserve.scripting.live.addresses import url
from pytest_httpserve.scripting.live.awaiting import awaited
from pytest_httpserve.scripting.live.waiting import GLANCE_SECONDS
from pytest_httpserve.scripting.mounts.mount import check_prefix, search_roots
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.scripting.record.exchange import ConnectionRecord, Exchange
from pytest_httpserve.scripting.record.journal import Seen
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.criteria import Criteria, as_matcher, match
from pytest_httpserve.scripting.routing.matchers import Matcher
from pytest_httpserve.scripting.routing.requested import requested
from pytest_httpserve.scripting.routing.route import Otherwise, Route, calling_place
from pytest_httpserve.scripting.routing.scenarios import Scenario
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.server.cgi import CGI_TIMEOUT

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.websockets.route import WebSocketRoute


class Face:
    """The methods by which a test uses a script. Relative directories are looked for in each of ``_roots``."""

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
        """The methods that wait, for coroutines: ``await httpserve.aio.wait_for("GET", "/a")``."""
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
        """Add a route for the requests that meet all criteria; a matcher may be given instead.

        ``path`` is exact, a template (``/users/{id:int}``), a compiled pattern, or ``*``. The other criteria are those
        of ``match``: ``query``, ``query_exact``, ``headers``, ``cookies``, ``json``, ``json_contains``,
        ``content_type``, ``form``, ``form_exact``, ``files``, ``body``, ``where``. If several routes match a request,
        the one with the highest ``priority`` answers, then the latest; routes come before directories, applications and
        the queue. A request that fits the method and the path of a route, but not the rest, fails the test unless
        ``otherwise`` is ``continue``: then one of these may answer it. Raises UsageError for a wrong value.
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
        """Add a route for WebSocket handshakes that meet all criteria. ``path``, ``priority``, ``otherwise`` and the
        criteria are as for ``on``.

        Of the ``subprotocols``, the server takes the first that the client offers. With ``compression``, messages are
        compressed if the client offers that (permessage-deflate). A message of more than ``max_message_bytes`` closes
        the connection with 1009. Without ``answer_pings``, only the test sends pongs. ``fault`` is the fault, or the
        faults, of each connection.

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

        A request that fits the method and the path of a route, but not the rest, is not for the queue; see ``on``.
        The arguments are those of ``Response``; a Response may be given instead of a status.
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
        """Let one fault or several happen on the next connection, in each of its exchanges, whatever answers there.

        ``times`` is the number of connections, ``skip`` how many to spare before. ``every=3`` means every third from
        now on, ``probability=0.1`` one in ten, drawn by ``seed``; both continue without end unless ``times`` is given.
        With ``expected``, the test fails if the fault does not happen. Raises UsageError for a wrong value.
        """
        from pytest_httpserve.scripting.faults.given import as_faults

        faults = as_faults(fault)
        if not self._shakes_hands and (shaking := [one for one in faults if one.place == "tls_handshake"]):
            raise UsageError(f"{shaking[0]!r} is for a server over TLS, and this one has no handshake")
        self._script.fault_rules.add(FaultRule(faults, times, every, skip, probability, seed, expected))

    def scenario(self, name: str) -> Scenario:
        """The scenario of this name: its routes answer depending on its state, and change it."""
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

        ``index`` names the page or pages to show for a directory (default: ``index.html``, ``index.htm``); without
        such a page, ``listing`` lists its files. ``hidden`` is whether names that begin with a dot are served.
        ``headers`` go out with every file, ``headers_for`` by pattern: ``{"*.js": {"Cache-Control": "no-cache"}}``.
        ``precompressed`` sends ``app.js.br``, ``.zst`` or ``.gz`` for ``app.js`` to clients that accept it.
        ``fallback`` is the page for all other paths, as single-page applications need it. ``cors`` lets pages of any
        origin, or of the named one, read the files.

        Raises UsageError if ``path`` is not a directory, and if the prefix is taken.
        """
        from pytest_httpserve.scripting.mounts.static import static_mount

        self._script.mounts.add(
            static_mount(
                path,
                roots=search_roots(self._roots),
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

        A script is any executable file. It runs as the user who runs the tests, in its own directory, with the
        environment of the tests, the variables of CGI, and those of ``env``. A script that keeps the server waiting for
        ``timeout`` seconds is killed and fails the test; so does one whose output is not a valid answer.

        Raises UsageError if ``path`` is not a directory, and if the prefix is taken.
        """
        from pytest_httpserve.scripting.mounts.cgi import cgi_mount

        roots = search_roots(self._roots)
        self._script.mounts.add(cgi_mount(path, roots=roots, at=at, env=env, timeout=timeout))

    def mount(self, prefix: str, application: object) -> None:
        """Let ``application`` answer all requests under ``prefix``: a handler class, written for ``http.server`` or
        for ours, a WSGI application, or an ASGI application.

        A handler class sees paths without the prefix; a WSGI application gets the prefix as SCRIPT_NAME, an ASGI
        application as ``root_path``. An exception in them fails the test. Raises UsageError for anything else, and
        if the prefix is taken.
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
        """Answer requests under ``path`` with 429 and Retry-After if too many come in a second, or in a minute.

        ``clock`` tells the time in seconds: a ``Clock`` moves only when the test moves it. Raises UsageError for a
        wrong value.
        """
        guard = make_limit(check_prefix(path, "limit(path)"), per_second, per_minute, clock)
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
        """Answer ``up`` requests under ``path`` as usual, refuse the next ``down`` of them, and so on.

        The other arguments say how they are refused, as for ``respond``. Raises UsageError for a wrong value.
        """
        guard = Flapping(check_prefix(path, "flap(path)"), up, down, as_response(status, arguments))
        self._script.guards.add(guard)
        return guard

    def slow_start(self, path: str = "/", *, requests: int = 5, delay: float = 1.0) -> SlowStart:
        """Delay the first request under ``path`` by ``delay`` seconds, and each of the next ones by less.

        After ``requests`` of them, there is no delay. Raises UsageError for a wrong value.
        """
        guard = SlowStart(check_prefix(path, "slow_start(path)"), requests, delay)
        self._script.guards.add(guard)
        return guard

    # Ask

    def url_for(self, path: str, *, scheme: str = "http") -> str:
        """The URL of ``path``, which begins with a slash and may have a query.

        Characters that a URL may not contain are percent-encoded, unless they are already. With ``scheme="ws"``, the
        URL is for a WebSocket client. Over TLS, the scheme is ``https`` or ``wss``.
        """
        return url(self.base_url, path, scheme)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges so far, in the order in which their requests came in, without the ``dropped_exchanges``."""
        return self._script.journal.exchanges

    def requested(
        self, method: str | Matcher = "*", path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]
    ) -> list[Exchange]:
        """The exchanges whose requests meet the criteria, which are those of ``match``."""
        matcher = as_matcher(method, path, criteria)
        return requested(self.exchanges, matcher)

    def take_request(self, timeout: float = 5.0) -> Request:
        """The first request that nobody has taken yet; waits up to ``timeout`` seconds for one.

        Raises AssertionError, with a list of all requests, if none comes in time.
        """
        __tracebackhide__ = True
        exchange = self._script.journal.take(check_seconds("timeout=", timeout), self._is_ours)
        if exchange is None:
            from pytest_httpserve.scripting.reports.assertions import none_to_take

            raise AssertionError(none_to_take(self._seen, timeout))
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
        """Wait up to ``timeout`` seconds for ``times`` requests that meet the criteria, and return their exchanges.

        Raises AssertionError, with a list of all requests, if they do not come in time.
        """
        __tracebackhide__ = True
        matcher = as_matcher(method, path, criteria)
        check_count("times=", times)
        journal, seconds = self._script.journal, check_seconds("timeout=", timeout)
        if not journal.wait(lambda: len(self.requested(matcher)) >= times, seconds):
            from pytest_httpserve.scripting.reports.assertions import not_in_time

            raise AssertionError(not_in_time(self._seen, matcher, _what(method, path), times, timeout))
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
        """Say what would answer such a request, and why the other routes would not: a dry run, nothing is sent.

        ``path`` may have a query.
        """
        from pytest_httpserve.scripting.reports.dry_run import explained

        return explained(self._script, method, path, headers, body, json)

    def har(self) -> dict[str, Any]:
        """All exchanges so far as a HAR 1.2 document, for ``json.dumps``. Browsers show it as a waterfall."""
        from pytest_httpserve.scripting.record.har import har

        seen = self._seen
        return har(seen.exchanges, self.base_url, seen.dropped_exchanges, redacted=seen.redacted)

    @property
    def _seen(self) -> Seen:
        return self._script.journal.seen

    def _is_ours(self, exchange: Exchange) -> bool:
        """Whether an exchange of the journal is one of ``exchanges``."""
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
        """Fail unless requests that meet the criteria came in: at least one or, if given, exactly ``times``."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_requested

        if times is not None:
            check_count("times=", times)
        assert_requested(self._seen, as_matcher(method, path, criteria), _what(method, path), times)

    def assert_not_requested(
        self, method: str | Matcher, path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]
    ) -> None:
        """Fail if a request that meets the criteria came in."""
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
        """Fail if more than ``most`` of the requests that meet the criteria were in progress at once."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_max_concurrent

        check_count("most=", most, least=1)
        assert_max_concurrent(self._seen, as_matcher(method, path, criteria), most)

    @property
    def max_concurrent(self) -> int:
        """The largest number of requests in progress at once, of those that the journal still has."""
        return len(most_at_once(self.exchanges))

    def assert_reused(self, connections: int = 1) -> None:
        """Fail unless all exchanges used at most that many connections, and one of these carried several."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_reused

        assert_reused(self._seen, check_count("connections=", connections, least=1))

    def assert_multiplexed(self, at_least: int = 2) -> None:
        """Fail unless a client had that many requests in progress at once on one HTTP/2 connection."""
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.multiplexing import assert_multiplexed

        assert_multiplexed(self._seen, check_count("at_least=", at_least, least=2))

    def assert_goaway_respected(self) -> None:
        """Fail if a client that was told to go away (the fault ``GoAway``) repeated requests on another connection that
        had been processed, or did not repeat those that had not.

        Requests with the same method and target count as the same: give each its own target, for example by a query.
        """
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.multiplexing import assert_goaway_respected

        assert_goaway_respected(self._seen)

    def assert_all_closed(self, *, by: str | None = None, timeout: float = 5.0) -> None:
        """Fail unless every connection ends within ``timeout`` seconds; with ``by``, unless that side (``client`` or
        ``server``) has closed it.

        Call it when the client has closed its connections, before the server stops.
        """
        __tracebackhide__ = True
        from pytest_httpserve.scripting.reports.assertions import assert_all_closed

        if by not in (None, "client", "server"):
            raise UsageError(f"by= must be 'client' or 'server', not {by!r}")
        journal = self._script.journal
        expiry = clock.monotonic() + check_seconds("timeout=", timeout)
        while any(record.is_open for record in self.connections) and (left := expiry - clock.monotonic()) > 0:
            # Nothing wakes the journal when a client leaves while its request waits.
            journal.wait(lambda: not any(record.is_open for record in journal.connections), min(left, GLANCE_SECONDS))
        assert_all_closed(self._seen, by, timeout)


class ServerWaits:
    """The methods of a server that wait, as coroutines for asyncio, trio or anyio. They take the same arguments.

    If the coroutine that awaits one is cancelled, a thread keeps waiting until the timeout is over.
    """

    def __init__(self, face: Face) -> None:
        self.wait_for: Final = awaited(face.wait_for)
        self.take_request: Final = awaited(face.take_request)
        self.assert_all_closed: Final = awaited(face.assert_all_closed)


def _what(method: str | Matcher, path: str | re.Pattern[str]) -> str:
    if isinstance(method, Matcher):
        return repr(method)
    return f"{method} {path if isinstance(path, str) else path.pattern}"
