"""HTTPServe: the server that a test starts, scripts and questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Literal

from pytest_httpserve import elsewhere
from pytest_httpserve.arguments import check_count, check_switch
from pytest_httpserve.errors import ServerFailure, UsageError
from pytest_httpserve.net.forks import begin_anew_in_forks
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.service import DEFAULT_GRACE
from pytest_httpserve.scripting.face import Face
from pytest_httpserve.scripting.lifetime import Lifetime
from pytest_httpserve.scripting.live.addresses import base_url, check_name, url
from pytest_httpserve.scripting.mounts.mount import search_roots
from pytest_httpserve.scripting.origin import Origin
from pytest_httpserve.scripting.origins.credentials import Credentials
from pytest_httpserve.scripting.proxy import Proxy
from pytest_httpserve.scripting.record import words
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.record.journal import MOST_BYTES, MOST_EXCHANGES, FaultEvent, Journal, check_kinds
from pytest_httpserve.scripting.record.readable import joined
from pytest_httpserve.scripting.record.redaction import check_redact
from pytest_httpserve.scripting.recordings.run import Run
from pytest_httpserve.scripting.routing.scenarios import Scenario
from pytest_httpserve.scripting.script import Script, check_http2
from pytest_httpserve.scripting.scripted_server import ScriptedServer
from pytest_httpserve.scripting.security import Security

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.record.journal import Mark, Seen
    from pytest_httpserve.scripting.recording import Recording
    from pytest_httpserve.scripting.recordings.matching import MatchArgument
    from pytest_httpserve.scripting.recordings.secrets import RedactArgument
    from pytest_httpserve.tls import TLS, Certificate, CertificateAuthority

# The servers of this process that have been started and not stopped.
RUNNING: set[HTTPServe] = set()


class HTTPServe(Face):
    """A real HTTP server: a test tells it what to answer, and asks it what was requested.

    The ``httpserve`` fixture is one that has been started. Without pytest, use it as a context manager::

        with HTTPServe() as server:
            server.on("GET", "/users/7").respond(json={"id": 7})

    On exit, this raises ServerFailure if nothing answered a request, a handler failed, or an expectation was not met.

    ``host`` is an IP address, ``port`` a number or 0 for any free one. Relative directories are looked for in each
    of ``roots`` (default: the current directory). ``loop`` is one to share with other servers; without it the server
    makes one, whose threads end when it stops. With ``strict``, a route that nobody calls is a failure. ``ignore``
    names the kinds of failure not to report: ``unanswered``, ``refused``, ``errors``, ``expectations``. ``redact``
    names header fields whose values no report shows; those with credentials are never shown. The server waits
    ``timeout`` seconds for a client: for its next request, for a whole head, for each 64 KiB of a body, and until it
    takes what is sent. ``stop`` waits ``grace`` seconds for running handlers, but not for those whose client has gone.
    The journal keeps ``max_exchanges`` exchanges and ``max_journal_bytes`` of their bytes, and drops the oldest.

    With ``unix``, the server listens on a Unix socket: at the given path or, with True, in a new directory. ``tls``
    makes it an HTTPS server: True, a TLS, or the name of what should be wrong with it (one of TLS_GALLERY). ``ca`` is
    the CA that issues its certificates, or a function that returns one (default: one for this process). ``record`` says
    whether to make recordings (``none``, ``missing``, ``all``) or to compare them with what the real hosts answer
    (``compare``); see ``serve_recording``. With ``http2``, the server speaks HTTP/2 as well as HTTP/1.1 or, with
    ``only``, nothing else. ``setenv`` is how ``trust_env`` sets a variable (default: until ``stop``).
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        roots: Sequence[Path] | None = None,
        loop: Loop | None = None,
        strict: bool = False,
        ignore: Iterable[str] = (),
        redact: Iterable[str] = (),
        timeout: float = 60.0,
        grace: float = DEFAULT_GRACE,
        max_exchanges: int = MOST_EXCHANGES,
        max_journal_bytes: int = MOST_BYTES,
        tls: TLS | bool | str | None = None,
        ca: CertificateAuthority | Callable[[], CertificateAuthority] | None = None,
        setenv: Callable[[str, str], object] | None = None,
        unix: bool | str | os.PathLike[str] = False,
        record: str | Run = "none",
        http2: bool | str = False,
    ) -> None:
        self._life = Lifetime(host, port, unix, loop, timeout, grace)
        self._place = ""  # where it was started
        # The functions that were running then; empty if it shares a loop, whose owner looks after it.
        self.started_by: tuple[CodeType, ...] = ()
        self._roots = tuple(roots) if roots is not None else None
        self._script = Script(
            Journal(
                check_count("max_journal_bytes=", max_journal_bytes),
                check_count("max_exchanges=", max_exchanges, least=1),
            )
        )
        self._script.journal.ignored = check_kinds(ignore)
        self._script.journal.redacted = check_redact(redact)
        self._scenarios: dict[str, Scenario] = {}
        self._strict = check_switch("strict=", strict)
        self._revocation: HTTPServe | None = None
        self._run = Run.of(record)
        self._script.http2 = check_http2(http2)
        self._security = Security(tls, ca, search_roots(self._roots), setenv, self._script.http2)
        self._proxy = self._new_proxy()

    def _new_proxy(self) -> Proxy:
        over_unix = self._life.unix is not None
        return Proxy(self, self._script, self._security, self._roots, self._run, self._helper, over_unix=over_unix)

    # Live

    def start(self) -> HTTPServe:
        """Listen, and serve in threads. Raises UsageError if it is running, HTTPServeError if it cannot listen."""
        if self._server is not None:
            raise UsageError(f"the server is already running, on {self.base_url}")
        if self._script.http2:  # not by the threads that need it
            import pytest_httpserve.scripting.multiplexing as multiplexing  # noqa: F401
        self._life.listen(self._script, self._security, self._helper)
        try:
            self._life.serve(self._script.journal)
        except BaseException:  # such as that of a process which may start no further thread
            self.stop()
            raise
        if self._life.shared_loop is None:
            self._place, self.started_by = _place_outside(), _callers()
        RUNNING.add(self)
        begin_anew_in_forks(self)
        return self

    def begin_anew(self) -> None:
        """In a fork of the process: the server does not run, and has no routes and no exchanges. The parent's goes on.

        ``port`` and ``url_for`` still give the parent's address, for the fork may be a client.
        """
        self._life.begin_anew()
        RUNNING.discard(self)
        self._script.journal.begin_anew()
        self._script = Script(self._script.journal)
        self._scenarios = {}
        self._proxy = self._new_proxy()

    def _helper(self) -> HTTPServe:
        """Start a further server beside this one."""
        self._revocation = HTTPServe(host=self._life.listens_on, loop=self._life.shared_loop).start()
        return self._revocation

    def stop(self) -> None:
        """Stop listening and end all connections; running handlers have ``grace`` seconds. Does nothing if stopped."""
        RUNNING.discard(self)
        self._security.end()
        self._proxy.end()
        if self._life.stop():
            self._proxy.end_recordings()  # with what came after the end of the test

    def refuse(self) -> None:
        """Refuse new connections, but keep the port. Idle connections end at once, busy ones after their response."""
        self._life.presence.refuse()

    def hang(self) -> None:
        """Become unreachable: end all connections, and let new ones hang until the client gives up.

        Raises UnsupportedError on systems other than Linux, and for a Unix socket.
        """
        self._life.presence.hang()

    def resume(self) -> None:
        """Accept connections again, after ``refuse`` or ``hang``."""
        self._life.presence.resume()

    def restart(self) -> None:
        """End all connections, as a server that restarts does, and listen again on the same port.

        Routes and exchanges stay. Running handlers have ``grace`` seconds, as at ``stop``.
        """
        self._life.restart()

    def reset(self) -> None:
        """Forget what the server was told (routes, mounts, scenarios, faults, limits, the queue), and what it has seen
        (exchanges, failures). The server keeps running."""
        self._script.clear()
        self._scenarios.clear()
        self._proxy.clear()

    def __enter__(self) -> HTTPServe:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self.settle()
        self.stop()
        self.check_expectations()
        failures = self.take_failures()
        if failures and error is None:
            raise ServerFailure(joined(failures))
        if failures and error is not None:
            error.add_note(joined(failures))

    # Say

    def origin(self, url: str, *, tls: TLS | bool | str = True, tunnel: str = "tls", to: str | None = None) -> Origin:
        """Answer for a real host, to clients that use the server as their proxy (see ``proxy_env``).

        ``url`` is ``https://api.example.com``, for example; the host may begin with a star, and the port may be a star
        (``http://*.shop.test:*``). Set up its responses as those of the server: ``on``, ``serve_dir``, ``mount``.
        ``tls`` is the TLS of an https origin, as for ``HTTPServe``. With ``tunnel="raw"``, the bytes of a tunnel pass
        unchanged: to the address ``to`` (``127.0.0.1:5432``) or, without it, to the real host. For a host that a
        recording answers for, this returns the origin that the recording has made.

        Raises UsageError for a wrong value, and for any other origin that exists already.
        """
        return self._proxy.origin(url, tls, tunnel, to)

    def serve_recording(
        self,
        path: str | os.PathLike[str],
        *,
        match: MatchArgument = None,
        fault: FaultArgument | None = None,
        pace: Literal["fast", "recorded"] = "fast",
        strict: bool | None = None,
        redact: RedactArgument = (),
    ) -> Recording:
        """Answer from the HAR file ``path`` for the hosts in it, which become origins.

        A request is answered by the entry with the same method, URL and (if the entry has one) body. If there are
        several, each answers once, in their order, and the last one from then on. ``match`` names what to compare, of
        ``method``, ``path``, ``query`` and ``body``, or is a function of the request and the recorded one, or several
        of these. Each answer has the ``fault``, and comes at once or at the recorded ``pace``. With ``strict``
        (default: that of the server), an entry that is not used fails the test. ``redact`` names fields and parameters
        that must not be recorded, besides those with credentials, or is a function of a name and a value that returns
        the value to keep.

        If the server records, it sends what no origin answers to the real hosts, and writes the responses to the file
        at the end of the test: with ``missing``, in addition to the entries there; with ``all``, in place of them, and
        no request is answered from the file.

        Raises UsageError for a wrong value, and for a file that is missing or is not a HAR file.
        """
        return self._proxy.serve_recording(path, match, fault, pace, self._strict if strict is None else strict, redact)

    def allow(self, *hosts: str) -> None:
        """Pass requests on to these real hosts: ``localhost``, ``*.internal``, ``db.test:5432``.

        A request to any other host that no origin answers for is refused, and fails the test.
        """
        self._proxy.allow(hosts)

    def proxy_auth(self, user: str, password: str) -> None:
        """Ask clients of the proxy for these credentials, with the Basic scheme.

        A client that does not send them gets 407, which does not fail the test. ``proxy_env`` includes them.
        """
        self._proxy.ask_for(Credentials(user, password))

    def take_over(self) -> None:
        """Set the variables of ``proxy_env`` in this process until the server is stopped: most clients in it, and in
        the processes that it starts, then ask the server for every host but the local ones."""
        self._proxy.take_over()

    def lead(self, variables: dict[str, str]) -> None:
        """Put the variables of ``proxy_env`` into ``variables``, now or as soon as the server is a proxy."""
        self._proxy.lead(variables)

    # Ask

    def proxy_env(self, *, scheme: str | None = None, host: str | None = None) -> dict[str, str]:
        """Environment variables that make programs use the server as their proxy, for every host but the local ones,
        and trust its CA.

        ``scheme`` is the proxy's protocol: that of the server by default (``http`` or, with TLS, ``https``); without
        TLS also ``socks5h`` or ``socks5``, with which the programs resolve names themselves. ``host`` is as in
        ``url_for``. From now on the server is a proxy: it refuses requests to hosts that no origin answers for.
        """
        return self._proxy.variables(scheme, host)

    @property
    def host(self) -> str:
        """The address that the server listens on; for a Unix socket, the host in its URLs."""
        return self._life.host

    @property
    def port(self) -> int:
        """The port that the server listens on, or listened on before it was stopped; 0 for a Unix socket."""
        return self._life.port

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket that the server listens on; None without one."""
        return self._life.socket_path

    @property
    def base_url(self) -> str:
        """The server's URL without a slash at its end, as in ``http://127.0.0.1:40123``.

        Over a Unix socket it is ``http://localhost``: how a client takes the ``socket_path`` depends on the client.
        """
        return self._life.base_url(self._security.scheme)

    def url_for(self, path: str, *, scheme: str = "http", unix: bool = False, host: str | None = None) -> str:
        """The URL of ``path``, which begins with a slash and may have a query.

        Characters that a URL may not contain are percent-encoded, unless they are already. With ``scheme="ws"``, the
        URL is for a WebSocket client. Over TLS, the scheme is ``https`` or ``wss``. With ``unix``, the URL contains the
        path of the socket: ``http+unix://%2Ftmp%2Fsocket/path``. ``host`` is the name or the IP address by which the
        client reaches the server, if that is a different one: from a container, for example.
        """
        if host is not None:
            if self._life.unix is not None:
                raise UsageError("host= is for a server with a port, and this one listens on a Unix socket")
            return url(base_url(check_name(host), self.port, self._security.scheme), path, scheme)
        if not unix:
            return super().url_for(path, scheme=scheme)
        if self._life.unix is None:
            raise UsageError("unix=True is for a server on a Unix socket: HTTPServe(unix=True)")
        return url(self._life.unix.base_url(self._security.scheme), path, scheme)

    @property
    def ca(self) -> CertificateAuthority:
        """The CA that issues the server's certificates; made on first use."""
        return self._security.ca

    @property
    def certificate(self) -> Certificate | None:
        """The certificate that clients get, unless they ask for another by name (SNI); None without TLS."""
        return getattr(self._server, "certificate", None)

    @property
    def revocation(self) -> HTTPServe | None:
        """The server that tells clients that the certificate of ``tls="revoked"`` is revoked; None without one."""
        return self._revocation

    def trust_env(self, *, public: bool = False) -> None:
        """Make most clients in this process, and the programs that it starts, trust ``ca`` until the server is stopped.

        This sets the environment variables ``ca.env()``; with ``public``, clients trust the public CAs as well. If the
        environment names a proxy, ``NO_PROXY`` excepts the server from it.
        """
        self._security.trust(self._life.listens_on, public=public)

    @property
    def _server(self) -> ScriptedServer | None:
        return self._life.server

    @property
    def _shakes_hands(self) -> bool:
        return self._security.tls is not None

    @property
    def dropped_exchanges(self) -> int:
        """How many of the oldest exchanges the journal has dropped: ``max_exchanges`` and ``max_journal_bytes`` bound
        it."""
        return self._script.journal.dropped_exchanges

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """The connections so far, in the order in which they were opened, with their exchanges, and who closed them.

        Of the closed ones, the latest ``max_exchanges`` are kept.
        """
        if self._server is not None:
            self._server.watching.look()
        return self._script.journal.connections

    @property
    def fault_events(self) -> tuple[FaultEvent, ...]:
        """The faults that have happened so far, each with its ``fault``, where, and the ``connection_index``."""
        return self._script.journal.fault_events

    @property
    def dropped_fault_events(self) -> int:
        """How many of the oldest fault events the journal has dropped: ``max_exchanges`` bounds them."""
        return self._script.journal.dropped_fault_events

    def mark(self) -> Mark:
        """This moment, for ``seen``. The plugin takes it at the beginning of a test."""
        return self._script.journal.mark()

    def seen(self, since: Mark | None = None) -> Seen:
        """Exchanges, connections and fault events: all of them, or those ``since`` a mark, perhaps with some earlier
        connections. With a mark, the cost does not grow with the journal."""
        if self._server is not None:
            self._server.watching.look()
        journal = self._script.journal
        return journal.seen if since is None else journal.since(since)

    # Failures

    @property
    def redacted(self) -> frozenset[str]:
        """The header fields, in lower case, whose values no report shows: those of ``redact``, and credentials."""
        return self._script.journal.redacted

    @property
    def failures(self) -> tuple[str, ...]:
        """What has gone wrong so far and fails the test: unanswered and refused requests, errors in handlers, handlers
        that hang, and expectations that were not met when they were checked."""
        return self._script.journal.failures

    def take_failures(self) -> tuple[str, ...]:
        """The failures since the last call."""
        return self._script.journal.take_failures()

    def settle(self) -> None:
        """The test has ended: requests that clients have broken off so far are failures, later ones are not. The plugin
        calls this at the end of a test."""
        if self._server is not None:
            self._server.settle()
        self._script.journal.test_is_over = True

    def begin_test(self) -> None:
        """Another test that shares the server begins: requests that clients break off are failures again. The plugin
        calls this at the beginning of a test."""
        journal = self._script.journal
        if journal.test_is_over:
            if self._server is not None:
                self._server.settle()  # what clients have broken off in between does not count
            journal.test_is_over = False

    def check_expectations(self) -> None:
        """Record a failure for each route that was not called as often as expected, and write recordings. The plugin
        calls this at the end of a test."""
        self._proxy.end_recordings()
        for script in (self._script, *(origin.script for origin in self._script.origins or ())):
            script.check_expectations(strict=self._strict)

    def close_bodies(self) -> None:
        """Close the temporary files that hold bodies of requests: nobody looks at the server any more."""
        self._proxy.clear()
        self._script.journal.close()

    def record_forgotten(self) -> None:
        """Record a failure: the server still runs."""
        where = self.socket_path or self.base_url
        self._script.journal.record_failure(
            f"the server on {where}, started at {self._place}, was not stopped: use it as a context manager, or the "
            "fixture httpserve_factory\n"
        )

    def ignore(self, *kinds: str) -> None:
        """From now on, ignore failures of these kinds: ``unanswered``, ``refused``, ``errors``, ``expectations``."""
        self._script.journal.ignored |= check_kinds(kinds)

    if not TYPE_CHECKING:  # a type checker is to know no names but those that there are

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.SERVER)

    def __repr__(self) -> str:
        state = self.base_url if self._server is not None else "stopped"
        if dropped := self.dropped_exchanges:
            state += f", {words.count(dropped, 'older exchange')} dropped"
        return f"<HTTPServe {state}>"


def _place_outside() -> str:
    """``file:line`` of the first caller that is not this module."""
    depth = 1
    while (frame := sys._getframe(depth)).f_code.co_filename == __file__ and frame.f_back is not None:
        depth += 1
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _callers() -> tuple[CodeType, ...]:
    frame = sys._getframe(1)
    codes = [frame.f_code]
    while (outer := frame.f_back) is not None:
        frame = outer
        codes.append(frame.f_code)
    return tuple(codes)
