"""A server as a proxy: its origins, its recordings, and the variables that lead programs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve.arguments import check_switch
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.mounts.mount import search_roots
from pytest_httpserve.scripting.origin import Origin
from pytest_httpserve.scripting.origins.credentials import Credentials
from pytest_httpserve.scripting.origins.names import Pattern, host_pattern, origin_pattern, raw_address
from pytest_httpserve.scripting.origins.origins import Origins
from pytest_httpserve.scripting.origins.variables import local_names, proxy_variables
from pytest_httpserve.scripting.security import Security

if TYPE_CHECKING:
    import os

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.answers.responses import Response
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.handshaking import Telling
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.recording import Recorder, Recording
    from pytest_httpserve.scripting.recordings.matching import MatchArgument
    from pytest_httpserve.scripting.recordings.run import Run
    from pytest_httpserve.scripting.recordings.secrets import RedactArgument
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.tls import TLS

Beyond = Callable[["Connection", "Request", str], "Response"]


class Serving(Protocol):
    """The server that is the proxy."""

    @property
    def host(self) -> str:
        """The address on which it listens."""

    def url_for(self, path: str, *, host: str | None = None) -> str:
        """The URL of a path, with the host by which the client knows the server."""

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """Its connections so far."""


class Proxy:
    """The proxy side of a server. The server becomes a proxy when the test first uses an origin, a recording or the
    proxy variables.

    Relative paths are looked for in ``roots`` (None: in the current directory). ``beside`` makes and starts another
    server. ``over_unix`` says that the server listens on a Unix socket.
    """

    def __init__(
        self,
        server: Serving,
        script: Script,
        security: Security,
        roots: tuple[Path, ...] | None,
        run: Run,
        beside: Callable[[], Telling],
        *,
        over_unix: bool,
    ) -> None:
        self._server = server
        self._script = script
        self._security = security
        self._given_roots = roots
        self._run = run
        self._beside = beside
        self._over_unix = over_unix
        self._revocations: list[Telling] = []  # servers that tell clients about revoked certificates
        self._led: list[Callable[[dict[str, str]], object]] = []  # functions that take the proxy variables
        self.clear()

    def clear(self) -> None:
        """Forget the recordings. The script forgets the origins."""
        self._recordings: list[Recording] = []
        self._beyond: Beyond | None = None  # answers what no origin answers

    @property
    def _roots(self) -> tuple[Path, ...]:
        return search_roots(self._given_roots)

    # Origins

    def origin(self, url: str, tls: TLS | bool | str, tunnel: str, to: str | None) -> Origin:
        """See ``HTTPServe.origin``."""
        pattern = origin_pattern(url)
        origins = self._become()
        recorded = origins.named(pattern)
        if recorded is not None and recorded.is_recorded and (tls, tunnel, to) == (True, "tls", None):
            return recorded
        if tunnel not in ("tls", "raw"):
            raise UsageError(f"tunnel= must be 'tls' or 'raw', not {tunnel!r}")
        if tunnel == "raw":
            origin = self._make(pattern, None, raw_address(to, pattern))
        elif to is not None:
            raise UsageError("to= is only for tunnel='raw', whose bytes go there")
        else:
            origin = self._make(pattern, self._tls_of(pattern, tls), None)
        origins.add(origin)
        self._lead_anew()
        return origin

    def _tls_of(self, pattern: Pattern, tls: TLS | bool | str) -> TLS | None:
        if pattern.scheme == "http":
            if tls is not True:
                raise UsageError(f"{pattern} has no TLS, so tls={tls!r} is wrong")
            return None
        settings = Security(tls, None, self._roots, None, self._script.http2).tls
        if settings is None:
            raise UsageError(f"{pattern} has TLS, so tls={tls!r} is wrong")
        return settings

    def _make(self, pattern: Pattern, tls: TLS | None, to: tuple[str, int] | None) -> Origin:
        revocation = None
        if tls is not None and tls.fault == "revoked":
            if not pattern.is_exact:
                raise UsageError(f"a certificate is revoked for one origin, and {pattern} is more than one")
            revocation = self._beside()
            self._revocations.append(revocation)
        origin = Origin(
            pattern,
            self._script.journal,
            self._become(),
            self._given_roots,
            tls,
            self._security.ca if tls is not None else None,  # made now, in the test's own thread
            to,
            lambda: self._server.connections,
            revocation,
        )
        origin.script.beyond = self._beyond
        return origin

    def _become(self) -> Origins[Origin]:
        if self._script.http2 == "only":
            raise UsageError("a proxy speaks HTTP/1.1: make it without http2='only'")
        if self._script.origins is None:
            self._script.origins = Origins()
        return self._script.origins

    def allow(self, hosts: Sequence[str]) -> None:
        """See ``HTTPServe.allow``."""
        origins = self._become()
        for host in hosts:
            origins.allow(host_pattern(host))
        self._lead_anew()

    # Recordings

    def serve_recording(
        self,
        path: str | os.PathLike[str],
        match: MatchArgument,
        fault: FaultArgument | None,
        pace: str,
        strict: bool,
        redact: RedactArgument,
    ) -> Recording:
        """See ``HTTPServe.serve_recording``."""
        from pytest_httpserve.scripting.recording import open_recording

        self._become()
        recording = open_recording(
            path,
            self._roots,
            self._recorded_origin,
            self._script.journal,
            self._run,
            match=match,
            fault=fault,
            pace=pace,
            strict=check_switch("strict=", strict),
            redact=redact,
        )
        self._recordings.append(recording)
        self._script.advice = f"--httpserve-record=missing would record it in {recording.path}"
        for origin in recording.origins:
            origin.script.advice = self._script.advice
        if recording.recorder is not None:
            self._record_with(recording.recorder)
        self._lead_anew()
        return recording

    def _record_with(self, recorder: Recorder) -> None:
        """Let the recorder answer what no origin answers, from here on."""
        origins = self._become()
        self._beyond = recorder.ask
        for origin in origins:
            origin.script.beyond = recorder.ask
        _ = self._security.ca  # made now, in the test's own thread
        origins.make = self._recorded_origin

    def _recorded_origin(self, url: str) -> Origin:
        """The origin of a recorded request, made if there is none."""
        pattern = origin_pattern(url)
        origins = self._become()
        if (origin := origins.named(pattern)) is None:
            origin = self._make(pattern, self._tls_of(pattern, True), None)
            origin.is_recorded = True
            origins.add(origin)
        return origin

    def end_recordings(self) -> None:
        """Write what was recorded, and compare what was used, so far."""
        for recording in self._recordings:
            recording.end()

    # Programs that use the proxy

    def ask_for(self, credentials: Credentials) -> None:
        """Require these credentials from every client."""
        self._become().credentials = credentials
        self._lead_anew()

    def take_over(self) -> None:
        """See ``HTTPServe.take_over``."""
        self._led.append(self._security.take_over)
        self._security.take_over(self.variables())

    def lead(self, variables: dict[str, str]) -> None:
        """Keep the proxy variables in ``variables`` up to date, as soon as the server is a proxy."""
        self._led.append(variables.update)
        if self._script.origins is not None:
            self._lead_anew()

    def _lead_anew(self) -> None:
        for put in self._led if not self._over_unix else ():
            put(self.variables())

    def variables(self, scheme: str | None = None, host: str | None = None) -> dict[str, str]:
        """See ``HTTPServe.proxy_env``."""
        secure = self._security.tls is not None
        schemes = ("https",) if secure else ("http", "socks5h", "socks5")
        if scheme is None:
            scheme = schemes[0]
        elif scheme not in schemes:
            known = (
                "'https' for a server with TLS" if secure else "'http', 'socks5h' or 'socks5' for a server without TLS"
            )
            raise UsageError(f"scheme= must be {known}, not {scheme!r}")
        origins = self._become()
        if self._over_unix:
            raise UsageError("a server on a Unix socket has no address for the proxy variables")
        names = local_names(self._server.host, *(() if host is None else (host,)))
        local = [name for name in names if not any(origin.pattern.takes_host(name) for origin in origins)]
        url = scheme + "://" + self._server.url_for("/", host=host).partition("://")[2].removesuffix("/")
        if origins.credentials is not None:
            url = origins.credentials.in_url(url)
        return proxy_variables(url, local, self._security.ca.env())

    # The end

    def end(self) -> None:
        """Stop the servers that were made for origins: the server stops."""
        while self._revocations:
            self._revocations.pop().stop()
