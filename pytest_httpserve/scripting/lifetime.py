"""A server between its start and its stop: where it listens, and the loop that serves it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_httpserve.arguments import check_seconds, check_timeout
from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.net.loop import Loop, describe_error
from pytest_httpserve.net.service import AFTERMATH
from pytest_httpserve.net.workers import Workers
from pytest_httpserve.scripting.live import unix_socket
from pytest_httpserve.scripting.live.addresses import base_url, check_host, check_port
from pytest_httpserve.scripting.live.presence import Presence, left
from pytest_httpserve.scripting.live.unix_socket import UnixSocket
from pytest_httpserve.scripting.record.journal import Journal
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.scripting.scripted_server import ScriptedServer
from pytest_httpserve.scripting.security import Security
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handshaking import Telling


class Lifetime:
    """Starts and stops the server of an HTTPServe, whose arguments these are. ``server`` is None while it is stopped.

    ``loop`` is one to share with other servers; without it, each start makes a loop, which ends at the stop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        unix: bool | str | os.PathLike[str],
        loop: Loop | None,
        timeout: float,
        grace: float,
    ) -> None:
        self.server: ScriptedServer | None = None
        self.listens_on: str = check_host(host)
        self.shared_loop: Loop | None = loop
        self._wanted_port = check_port(port)
        if unix is not False and (port or host != "127.0.0.1"):
            raise UsageError(f"unix= takes the place of host= and port=, which are {host!r} and {port!r}")
        self.unix: UnixSocket | None = UnixSocket(unix) if unix is not False else None
        self._timeout = check_timeout("timeout=", timeout)
        self._grace = check_seconds("grace=", grace)
        self._port: int | None = None
        self._loop: Loop | None = None
        self._presence: Presence | None = None

    def listen(self, script: Script, security: Security, helper: Callable[[], Telling]) -> None:
        """Make the server, which listens but does not accept yet. Raises HTTPServeError if it cannot listen."""
        try:
            host = self.unix.make() if self.unix is not None else self.listens_on
            server = security.listen(host, self._wanted_port, script, helper)
        except OSError as error:
            if self.unix is not None:
                self.unix.give_up()
            where = f"listen on {self.socket_path or f'{self.listens_on} port {self._wanted_port}'}"
            # An error with the name of a file comes from the CA, whose files are in the temporary folder.
            failed = where if error.filename is None else f"use {error.filename}"
            raise HTTPServeError(f"cannot {failed}: {error.strerror}") from None
        self._port = server.server_port
        server.set_timeout(self._timeout)
        server.grace = self._grace
        self.server = server

    def serve(self, journal: Journal) -> None:
        """Accept and serve connections in the threads of the loop. Raises HTTPServeError if it cannot wait for them."""
        assert self.server is not None
        self._loop = self.shared_loop or _new_loop(journal)
        try:
            self._presence = Presence(self.server, self._loop)
        except OSError as error:
            raise HTTPServeError(f"cannot wait for clients: {error.strerror}") from None

    def stop(self) -> bool:
        """Stop listening and end all connections. Returns False if the server did not run."""
        server, self.server = self.server, None
        if server is None:
            return False
        server.server_close()
        if self._presence is not None:
            self._presence.end()
        if self.unix is not None:
            self.unix.remove()
        else:
            left(server.server_port)
        if self._loop is not None and self._loop is not self.shared_loop:
            self._loop.workers.close(AFTERMATH)
        return True

    def begin_anew(self) -> None:
        """In a fork of the process, the server does not run: close the copies of its sockets."""
        server, self.server = self.server, None
        presence, self._presence = self._presence, None
        if server is not None:
            service_of(server).close_copies(server)
        if presence is not None:
            presence.close_copies()

    @property
    def presence(self) -> Presence:
        """The presence of the server, if it runs."""
        if self.server is None or self._presence is None:
            raise UsageError("the server is not running: call start() first")
        return self._presence

    def restart(self) -> None:
        """End all connections, and listen again on the same port."""
        presence = self.presence
        presence.refuse()
        if self.server is not None:
            service_of(self.server).end_connections(self.server.grace)
        presence.resume()

    # Where

    @property
    def host(self) -> str:
        """The host in the server's URLs."""
        return unix_socket.HOST if self.unix is not None else self.listens_on

    @property
    def port(self) -> int:
        """The port of the server while it runs, and afterwards."""
        if self._port is None:
            raise UsageError("the server has no port before it is started")
        return self._port

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket; None without one."""
        return self.unix.path if self.unix is not None else None

    def base_url(self, scheme: str) -> str:
        """The server's URL without a slash at its end."""
        return f"{scheme}://{self.host}" if self.unix is not None else base_url(self.host, self.port, scheme)


def _new_loop(journal: Journal) -> Loop:
    loop = Loop(Workers("httpserve", daemon=True))
    loop.report = lambda error: journal.record_failure(describe_error(error))
    return loop
