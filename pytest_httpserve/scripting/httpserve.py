"""HTTPServe: what a test has in its hands."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pytest_httpserve.errors import HTTPServeError, ServerFailure, UsageError
from pytest_httpserve.scripting.addresses import base_url, check_host, check_port
from pytest_httpserve.scripting.cgi_mount import cgi_mount
from pytest_httpserve.scripting.handler import Script, ScriptedServer
from pytest_httpserve.scripting.journal import Exchange
from pytest_httpserve.scripting.mounts import check_prefix, static_mount
from pytest_httpserve.scripting.responses import HeadersArgument
from pytest_httpserve.scripting.routes import Route, calling_place
from pytest_httpserve.server.cgi import CGI_TIMEOUT
from pytest_httpserve.server.listening import AFTERMATH, Workers


class HTTPServe:
    """A real HTTP server that a test tells what to answer, and asks what it was asked.

    The ``httpserve`` fixture is one, started. Without pytest it is a context manager::

        with HTTPServe() as server:
            server.on("GET", "/users/7").respond(json={"id": 7})

    which raises ServerFailure at its end if a request found no answer or a handler failed.

    ``host`` is an IP address, ``port`` a number or 0 for any that is free. Relative directories are looked for in each
    of ``roots`` (default: the current directory). ``workers`` are threads to share with other servers; without them the
    server has its own, which end with it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        roots: Sequence[Path] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._host = check_host(host)
        self._port = check_port(port)
        self._roots = tuple(roots) if roots is not None else None
        self._script = Script()
        self._server: ScriptedServer | None = None
        self._bound_port: int | None = None
        self._shared_workers = workers

    # Live

    def start(self) -> HTTPServe:
        """Listen, and serve in threads. Raises UsageError if the server runs, HTTPServeError if it cannot listen."""
        if self._server is not None:
            raise UsageError(f"the server runs already, on {self.base_url}")
        try:
            self._server = ScriptedServer(self._host, self._port, self._script)
        except OSError as error:
            raise HTTPServeError(f"cannot listen on {self._host} port {self._port}: {error.strerror}") from None
        self._bound_port = self._server.server_port
        self._workers = self._shared_workers or Workers("httpserve", daemon=True)
        self._server.shared_workers = self._workers
        self._workers.run(self._server.serve_forever)
        return self

    def stop(self) -> None:
        """Stop listening and end all connections; a running handler has a short grace. Does nothing if stopped."""
        server, self._server = self._server, None
        if server is None:
            return
        server.server_close()
        if self._workers is not self._shared_workers:
            self._workers.close(AFTERMATH)

    def reset(self) -> None:
        """Forget all routes, directories, exchanges and failures; the server runs on."""
        self._script.routes.clear()
        self._script.mounts.clear()
        self._script.journal.clear()

    def __enter__(self) -> HTTPServe:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        failures = self.take_failures()
        if failures and error is None:
            raise ServerFailure("\n".join(failures))
        if error is not None:
            for failure in failures:
                error.add_note(failure)

    # Say

    def on(self, method: str, path: str) -> Route:
        """A route for ``method`` and ``path``, which takes precedence over earlier ones and over directories."""
        return self._script.routes.add(Route(method, path, calling_place(1)))

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
        """Serve the files of the directory ``path`` beneath the prefix ``at``.

        ``index`` names the page or pages to show for a directory (default: ``index.html``, ``index.htm``); without one,
        ``listing`` shows what is in it. ``hidden`` is whether names that begin with a dot are there. ``headers`` go out
        with every file, ``headers_for`` by pattern: ``{"*.js": {"Cache-Control": "no-cache"}}``. ``precompressed``
        sends ``app.js.br``, ``.zst`` or ``.gz`` for ``app.js`` to clients that take it. ``fallback`` is the page for
        paths of a single-page application. ``cors`` lets pages of any origin, or of the one named, read the files.

        Raises UsageError for a path that is no directory, and for a prefix that is taken.
        """
        self._script.mounts.add(
            static_mount(
                path,
                roots=self._roots if self._roots is not None else (Path.cwd(),),
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
        """Run the CGI scripts (RFC 3875) of the directory ``path`` for requests beneath the prefix ``at``.

        A script is any file that may be executed. It runs as the user who runs the tests, in its own directory, with
        the environment of the tests, the variables of CGI, and those of ``env``. It is killed, and fails the test, when
        it keeps the server waiting for ``timeout`` seconds; a script without a proper answer fails the test, too.

        Raises UsageError for a path that is no directory, and for a prefix that is taken.
        """
        roots = self._roots if self._roots is not None else (Path.cwd(),)
        self._script.mounts.add(cgi_mount(path, roots=roots, at=at, env=env, timeout=timeout))

    def mount(self, prefix: str, application: object) -> None:
        """Let ``application`` answer all requests beneath ``prefix``: a handler class, written for ``http.server`` or
        for ours, or a WSGI application.

        A handler class sees paths without the prefix; to a WSGI application it is the SCRIPT_NAME. What either raises
        fails the test. Raises UsageError for what is neither, and for a prefix that is taken.
        """
        from pytest_httpserve.scripting.applications import application_mount

        self._script.mounts.add(application_mount(check_prefix(prefix, "mount(prefix)"), application))

    # Ask

    @property
    def host(self) -> str:
        """The address that the server listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port that the server listens on, or last did."""
        if self._bound_port is None:
            raise UsageError("the server has no port before it is started")
        return self._bound_port

    @property
    def base_url(self) -> str:
        """The server's URL without a slash at its end, as in ``http://127.0.0.1:40123``."""
        return base_url(self.host, self.port)

    def url_for(self, path: str) -> str:
        """The URL of ``path``, which begins with a slash and may have a query.

        What cannot stand in a URL is percent-encoded; what is encoded already stays as it is.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise UsageError(f"a path begins with a slash; {path!r} does not")
        return self.base_url + urllib.parse.quote(path, safe="/%?&=!$'()*+,;:@-._~[]|")

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All exchanges so far, in order."""
        return self._script.journal.exchanges

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong so far and fails the test: unanswered requests, errors in handlers, handlers that hang."""
        return self._script.journal.failures

    def take_failures(self) -> tuple[str, ...]:
        """The failures that came up since this was last called."""
        return self._script.journal.take_failures()

    def __repr__(self) -> str:
        state = self.base_url if self._server is not None else "stopped"
        return f"<HTTPServe {state}>"
