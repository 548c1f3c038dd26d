"""HTTPServe: what a test has in its hands."""

from __future__ import annotations

import os
import threading
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pytest_httpserve.errors import HTTPServeError, ServerFailure, UsageError
from pytest_httpserve.scripting.addresses import base_url, check_host, check_port
from pytest_httpserve.scripting.handler import Script, ScriptedServer
from pytest_httpserve.scripting.journal import Exchange
from pytest_httpserve.scripting.mounts import static_mount
from pytest_httpserve.scripting.responses import HeadersArgument
from pytest_httpserve.scripting.routes import Route, calling_place


class HTTPServe:
    """A real HTTP server that a test tells what to answer, and asks what it was asked.

    The ``httpserve`` fixture is one, started. Without pytest it is a context manager::

        with HTTPServe() as server:
            server.on("GET", "/users/7").respond(json={"id": 7})

    which raises ServerFailure at its end if a request found no answer or a handler failed.

    ``host`` is an IP address, ``port`` a number or 0 for any that is free. Relative directories are looked for in each
    of ``roots`` (default: the current directory).
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, roots: Sequence[Path] | None = None) -> None:
        self._host = check_host(host)
        self._port = check_port(port)
        self._roots = tuple(roots) if roots is not None else None
        self._script = Script()
        self._server: ScriptedServer | None = None
        self._thread: threading.Thread | None = None

    # Live

    def start(self) -> HTTPServe:
        """Listen, and serve in threads. Raises UsageError if the server runs, HTTPServeError if it cannot listen."""
        if self._server is not None:
            raise UsageError(f"the server runs already, on {self.base_url}")
        try:
            self._server = ScriptedServer(self._host, self._port, self._script)
        except OSError as error:
            raise HTTPServeError(f"cannot listen on {self._host} port {self._port}: {error.strerror}") from error
        self._bound_port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name=f"httpserve-accept-{self._bound_port}", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end all connections; a running handler has a short grace. Does nothing if stopped."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        server.server_close()
        self._thread.join()

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
        headers: HeadersArgument | None = None,
    ) -> None:
        """Serve the files of the directory ``path`` beneath the prefix ``at``.

        ``index`` names the page or pages to show for a directory (default: ``index.html``, ``index.htm``); without one,
        ``listing`` shows what is in it. ``headers`` go out with every file. Raises UsageError for a path that is no
        directory, and for a prefix that is taken.
        """
        roots = self._roots if self._roots is not None else (Path.cwd(),)
        self._script.mounts.add(static_mount(path, roots=roots, at=at, index=index, listing=listing, headers=headers))

    # Ask

    @property
    def host(self) -> str:
        """The address that the server listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port that the server listens on, or last did."""
        if self._thread is None:
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
        if not path.startswith("/"):
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
