"""HTTPServe: what a test has in its hands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Literal

from pytest_httpserve import elsewhere
from pytest_httpserve.arguments import check_count, check_seconds, check_switch, check_timeout
from pytest_httpserve.errors import HTTPServeError, ServerFailure, UsageError
from pytest_httpserve.net.forks import begin_anew_in_forks
from pytest_httpserve.net.loop import Loop, describe_error
from pytest_httpserve.net.service import AFTERMATH, DEFAULT_GRACE
from pytest_httpserve.net.workers import Workers
from pytest_httpserve.scripting.face import Face
from pytest_httpserve.scripting.live import unix_socket
from pytest_httpserve.scripting.live.addresses import base_url, check_host, check_port, url
from pytest_httpserve.scripting.live.presence import Presence, left
from pytest_httpserve.scripting.live.unix_socket import UnixSocket
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
from pytest_httpserve.scripting.routing.route import Expectation
from pytest_httpserve.scripting.routing.scenarios import Scenario
from pytest_httpserve.scripting.script import Script, check_http2
from pytest_httpserve.scripting.scripted_server import ScriptedServer
from pytest_httpserve.scripting.security import Security
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.record.journal import Mark, Seen
    from pytest_httpserve.scripting.recording import Recording
    from pytest_httpserve.scripting.recordings.matching import MatchArgument
    from pytest_httpserve.scripting.recordings.secrets import RedactArgument
    from pytest_httpserve.tls import TLS, Certificate, CertificateAuthority

# The servers of this process that have been started, and not stopped.
RUNNING: set[HTTPServe] = set()


class HTTPServe(Face):
    """A real HTTP server that a test tells what to answer, and asks what it was asked.

    The ``httpserve`` fixture is one, started. Without pytest it is a context manager::

        with HTTPServe() as server:
            server.on("GET", "/users/7").respond(json={"id": 7})

    which raises ServerFailure at its end if a request found no answer, a handler failed, or an expectation was not met.

    ``host`` is an IP address, ``port`` a number or 0 for any that is free. Relative directories are looked for in each
    of ``roots`` (default: the current directory). ``loop`` is one to share with other servers; without it the server
    has its own, whose threads end with it. With ``strict``, a route that nobody calls is a failure; ``ignore`` are
    kinds of failures that are none: ``unanswered``, ``refused``, ``errors``, ``expectations``; ``redact`` names header
    fields whose values no report shows, as it shows none of credentials. A client may keep it waiting for
    ``timeout`` seconds: for its next request, for a whole head, for each 64 KiB of a body, for taking what is sent. A
    stop waits ``grace`` seconds for running handlers, but not for those whose client has gone. The journal keeps
    ``max_exchanges`` exchanges and ``max_journal_bytes`` of their bytes: the oldest beyond are dropped.

    ``unix`` has it listen on a Unix socket, at the path that is given or, with True, in a directory of its own.
    ``tls`` makes it an HTTPS server: True, a TLS, or the name of what is to be wrong with it (one of TLS_GALLERY).
    ``ca`` is the CA that issues its certificates, or what returns it when it is needed (default: one of this process).
    ``record`` is whether recordings are made (``none``, ``missing``, ``all``) or compared with what real hosts answer
    (``compare``); see ``serve_recording``.
    With ``http2``, HTTP/2 is spoken beside HTTP/1.1 or, if it is ``only``, alone.
    ``setenv`` is how ``trust_env`` sets a variable (default: until ``stop``).
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
        self._host = check_host(host)
        self._port = check_port(port)
        if unix is not False and (port or host != "127.0.0.1"):
            raise UsageError(f"unix= takes the place of host= and port=, which are {host!r} and {port!r}")
        self._unix = UnixSocket(unix) if unix is not False else None
        self._presence: Presence | None = None
        self._place = ""  # where it was started
        # The functions that ran when it was; none if it shares a loop, whose owner looks after it.
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
        self._timeout = check_timeout("timeout=", timeout)
        self._grace = check_seconds("grace=", grace)
        self._server: ScriptedServer | None = None
        self._revocation: HTTPServe | None = None
        self._run = Run.of(record)
        self._bound_port: int | None = None
        self._shared_loop = loop
        self._script.http2 = check_http2(http2)
        self._security = Security(tls, ca, search_roots(self._roots), setenv, self._script.http2)
        self._proxy = self._new_proxy()

    def _new_proxy(self) -> Proxy:
        over_unix = self._unix is not None
        return Proxy(self, self._script, self._security, self._roots, self._run, self._helper, over_unix=over_unix)

    # Live

    def start(self) -> HTTPServe:
        """Listen, and serve in threads. Raises UsageError if the server runs, HTTPServeError if it cannot listen."""
        if self._server is not None:
            raise UsageError(f"the server runs already, on {self.base_url}")
        if self._script.http2:  # not by the threads that need it
            import pytest_httpserve.scripting.multiplexing as multiplexing  # noqa: F401
        try:
            host = self._unix.make() if self._unix is not None else self._host
            self._server = self._security.listen(host, self._port, self._script, self._helper)
        except OSError as error:
            if self._unix is not None:
                self._unix.give_up()
            where = f"listen on {self.socket_path or f'{self._host} port {self._port}'}"
            # One with the name of a file comes from the CA, whose files are in the temporary folder.
            failed = where if error.filename is None else f"use {error.filename}"
            raise HTTPServeError(f"cannot {failed}: {error.strerror}") from None
        self._bound_port = self._server.server_port
        self._server.set_timeout(self._timeout)
        self._server.grace = self._grace
        self._loop = self._shared_loop or self._own_loop()
        try:
            self._presence = Presence(self._server, self._loop)
        except BaseException as error:  # such as that of a process which may start no further thread
            self.stop()
            if isinstance(error, OSError):
                raise HTTPServeError(f"cannot wait for clients: {error.strerror}") from None
            raise
        if self._shared_loop is None:
            self._place, self.started_by = _place_outside(), _callers()
        RUNNING.add(self)
        begin_anew_in_forks(self)
        return self

    def begin_anew(self) -> None:
        """In a fork of the process, it does not run, has been told nothing, and has seen nothing: the parent's goes on.

        What it was reached by there (``port``, ``url_for``) stays, for the fork may be a client.
        """
        server, self._server = self._server, None
        presence, self._presence = self._presence, None
        if server is not None:
            service_of(server).close_copies(server)
        if presence is not None:
            presence.close_copies()
        RUNNING.discard(self)
        self._script.journal.begin_anew()
        self._script = Script(self._script.journal)
        self._scenarios = {}
        self._proxy = self._new_proxy()

    def _own_loop(self) -> Loop:
        loop, journal = Loop(Workers("httpserve", daemon=True)), self._script.journal
        loop.report = lambda error: journal.record_failure(describe_error(error))
        return loop

    def _helper(self) -> HTTPServe:
        """A further server beside this one, started."""
        self._revocation = HTTPServe(host=self._host, loop=self._shared_loop).start()
        return self._revocation

    def stop(self) -> None:
        """Stop listening and end all connections; running handlers have ``grace`` seconds. Does nothing if stopped."""
        server, self._server = self._server, None
        self._security.end()
        self._proxy.end()
        if server is None:
            return
        RUNNING.discard(self)
        server.server_close()
        if self._presence is not None:
            self._presence.end()
        if self._unix is not None:
            self._unix.remove()
        else:
            left(server.server_port)
        if self._loop is not self._shared_loop:
            self._loop.workers.close(AFTERMATH)
        self._proxy.end_recordings()  # of what came since the test has ended, too

    def refuse(self) -> None:
        """Be gone: connecting is refused, on the same port, and connections end. Busy ones do with their response."""
        self._there().refuse()

    def hang(self) -> None:
        """Be out of reach: connecting hangs until the client gives up, and connections end.

        Raises UnsupportedError where that cannot be had: anywhere but on Linux, and over a Unix socket.
        """
        self._there().hang()

    def resume(self) -> None:
        """Be there again, after ``refuse`` or ``hang``."""
        self._there().resume()

    def restart(self) -> None:
        """End all connections, as if the server had ended, and listen again on the same port.

        Routes and exchanges stay. Handlers have the same short grace as at ``stop``.
        """
        presence = self._there()
        presence.refuse()
        if self._server is not None:
            service_of(self._server).end_connections(self._server.grace)
        presence.resume()

    def _there(self) -> Presence:
        if self._server is None or self._presence is None:
            raise UsageError("the server does not run: start() it first")
        return self._presence

    def reset(self) -> None:
        """Forget what it was told (routes, mounts, scenarios, faults, limits, the queue), and what it has seen
        (exchanges, failures); the server runs on."""
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
        """Answer for a host of the internet, to clients that use the server as their proxy (see ``proxy_env``).

        ``url`` is ``https://api.example.com``, say; the host may begin with a star, the port may be one
        (``http://*.shop.test:*``). It is told what to answer as the server is: ``on``, ``serve_dir``, ``mount``.
        ``tls`` says with what TLS an https origin is served, as for ``HTTPServe``. With ``tunnel="raw"``, the bytes of
        a tunnel pass as they are: to the address ``to`` (``127.0.0.1:5432``) or, without it, to the real host. A host
        that a recording answers for is an origin already, and is returned.

        Raises UsageError for a wrong value, and for what is an origin already.
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
        """Answer as the HAR file ``path`` has it, for the hosts in it, which become origins.

        A request is answered by the entry with its method, URL and (if the entry has one) body; of several of these in
        their order, by the last for ever. ``match`` names what is compared, of ``method``, ``path``, ``query`` and
        ``body``, or is a function of the request and the recorded one, or several of these. Each answer has the
        ``fault``, and comes at once or at the ``pace`` that was recorded. With ``strict`` (default: as the server), an
        entry that is not used fails the test. ``redact`` names fields and parameters beside those of credentials that
        are not recorded, or is a function of a name and a value that returns the value to be kept.

        If the server was made to record, what no origin answers is asked of the real hosts, and stands in the file when
        the test has ended: with ``missing``, beside what is there; with ``all``, in its place, which is not answered.

        Raises UsageError for a wrong value, and for a file that is missing or no HAR.
        """
        return self._proxy.serve_recording(path, match, fault, pace, self._strict if strict is None else strict, redact)

    def allow(self, *hosts: str) -> None:
        """Let through what is asked of these hosts, to the real ones: ``localhost``, ``*.internal``, ``db.test:5432``.

        Any other host that no origin answers for is refused, and fails the test.
        """
        self._proxy.allow(hosts)

    def proxy_auth(self, user: str, password: str) -> None:
        """Ask clients for these credentials, by the Basic scheme, before anything is led to an origin or let through.

        Those that do not send them are answered with 407, which fails no test. ``proxy_env`` has them.
        """
        self._proxy.ask_for(Credentials(user, password))

    def take_over(self) -> None:
        """Have this process, and those that it starts, ask the server for every host but the local ones, until it is
        stopped: most clients go by the variables of ``proxy_env``, which are set."""
        self._proxy.take_over()

    def lead(self, variables: dict[str, str]) -> None:
        """Have these variables of programs lead to the server, now or as soon as it is a proxy."""
        self._proxy.lead(variables)

    # Ask

    def proxy_env(self, *, scheme: str = "http") -> dict[str, str]:
        """Variables by which programs ask the server for every host but the local ones, and trust its CA.

        ``scheme`` is how they ask it: ``http``, ``socks5h`` or ``socks5``, by which they look names up themselves.
        From here on, the server is a proxy: it refuses what no origin answers for.
        """
        return self._proxy.variables(scheme)

    @property
    def host(self) -> str:
        """The address that the server listens on; of a Unix socket, what stands in its URLs for one."""
        return unix_socket.HOST if self._unix is not None else self._host

    @property
    def port(self) -> int:
        """The port that the server listens on, or last did; 0 for a Unix socket."""
        if self._bound_port is None:
            raise UsageError("the server has no port before it is started")
        return self._bound_port

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket that the server listens on; None without one."""
        return self._unix.path if self._unix is not None else None

    @property
    def base_url(self) -> str:
        """The server's URL without a slash at its end, as in ``http://127.0.0.1:40123``.

        Over a Unix socket it is ``http://localhost``: a client is told of ``socket_path`` in a way of its own.
        """
        if self._unix is not None:
            return f"{self._security.scheme}://{self.host}"
        return base_url(self.host, self.port, self._security.scheme)

    def url_for(self, path: str, *, scheme: str = "http", unix: bool = False) -> str:
        """The URL of ``path``, which begins with a slash and may have a query.

        Characters that a URL may not contain are percent-encoded; what is encoded already stays as it is. With
        ``scheme="ws"``, the URL is one for a WebSocket client. Over TLS, the scheme is ``https`` or ``wss``.
        With ``unix``, it contains the path of the socket: ``http+unix://%2Ftmp%2Fsocket/path``.
        """
        if unix and self._unix is None:
            raise UsageError("unix=True is for a server on a Unix socket: HTTPServe(unix=True)")
        base = self._unix.base_url(self._security.scheme) if unix and self._unix is not None else self.base_url
        return url(base, path, scheme)

    @property
    def ca(self) -> CertificateAuthority:
        """The CA that issues the server's certificates; made when it is first asked for."""
        return self._security.ca

    @property
    def certificate(self) -> Certificate | None:
        """The certificate that clients are shown, unless they ask for another by name; None without TLS."""
        return getattr(self._server, "certificate", None)

    @property
    def revocation(self) -> HTTPServe | None:
        """The server that tells clients that the certificate of ``tls="revoked"`` is revoked; None without one."""
        return self._revocation

    def trust_env(self, *, public: bool = False) -> None:
        """Have programs that this process starts, and most clients in it, trust ``ca``, until the server is stopped.

        That is done by environment variables, ``ca.env()``; with ``public``, they trust the public CAs as well. If the
        environment has a proxy, ``NO_PROXY`` excepts the server from it.
        """
        self._security.trust(self._host, public=public)

    @property
    def _shakes_hands(self) -> bool:
        return self._security.tls is not None

    @property
    def dropped_exchanges(self) -> int:
        """How many of the oldest exchanges the journal no longer has: it is bounded, by ``max_exchanges`` and
        ``max_journal_bytes``."""
        return self._script.journal.dropped_exchanges

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """The connections so far, in the order in which they were opened: what came over each, and who ended it.

        Of those that are closed, the latest ``max_exchanges`` are kept.
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
        """How many of the oldest fault events the journal no longer has: it is bounded, by ``max_exchanges``."""
        return self._script.journal.dropped_fault_events

    def mark(self) -> Mark:
        """This moment, for ``seen``; taken at the beginning of a test."""
        return self._script.journal.mark()

    def seen(self, since: Mark | None = None) -> Seen:
        """Exchanges, connections and fault events: all of them, or those that came ``since`` then and, of connections,
        perhaps some before them. The latter takes no longer if the journal is full."""
        if self._server is not None:
            self._server.watching.look()
        journal = self._script.journal
        return journal.seen if since is None else journal.since(since)

    # Failures

    @property
    def redacted(self) -> frozenset[str]:
        """The header fields, in small letters, whose values no report shows: those of ``redact``, and credentials."""
        return self._script.journal.redacted

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong so far and fails the test: unanswered and refused requests, errors in handlers, handlers that
        hang, and expectations that were not met when they were checked."""
        return self._script.journal.failures

    def take_failures(self) -> tuple[str, ...]:
        """The failures that came up since this was last called."""
        return self._script.journal.take_failures()

    def settle(self) -> None:
        """The test has ended: what its clients have broken off so far is a failure, what they do from here on is none;
        done at the end of a test."""
        if self._server is not None:
            self._server.settle()
        self._script.journal.test_is_over = True

    def begin_test(self) -> None:
        """Another test begins that shares the server: what clients break off from here on is a failure again; done at
        the beginning of a test."""
        journal = self._script.journal
        if journal.test_is_over:
            if self._server is not None:
                self._server.settle()  # what clients have broken off since is none
            journal.test_is_over = False

    def check_expectations(self) -> None:
        """Make a failure of each route that was not called as often as it was to be, and write what was recorded; done
        at the end of a test."""
        self._proxy.end_recordings()
        for script in (self._script, *(origin.script for origin in self._script.origins or ())):
            self._check_script(script)

    def _check_script(self, script: Script) -> None:
        for check in script.routes.checks:
            check()
        for route in script.routes:
            expected = route.expectation
            if expected is None and self._strict and not route.is_optional:
                expected = Expectation(1, None)
            if expected is not None and not expected.met_by(route.call_count):
                self._script.journal.record_failure(route.describe_calls(expected) + "\n", "expectations", route.place)
        for fault in script.fault_rules.unmet:
            self._script.journal.record_failure(f"{fault!r} was to happen, and never did\n", "expectations")

    def close_bodies(self) -> None:
        """Let go of all bodies of requests that are in temporary files: the server is not looked at any more."""
        self._proxy.clear()
        self._script.journal.close()

    def record_forgotten(self) -> None:
        """Make a failure of it that the server still runs."""
        where = self.socket_path or self.base_url
        self._script.journal.record_failure(
            f"the server on {where}, started at {self._place}, was not stopped: use it as a context manager, or the "
            "fixture httpserve_factory\n"
        )

    def ignore(self, *kinds: str) -> None:
        """From here on, failures of these kinds are none: ``unanswered``, ``refused``, ``errors``, ``expectations``."""
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
