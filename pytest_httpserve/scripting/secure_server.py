"""TLS servers: those that complete handshakes, and those that never do."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from pytest_httpserve.net.poller import readiness
from pytest_httpserve.scripting.handshaking import Telling, never_shake_hands, note_end, ready_for
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.record.handshakes import Handshake, error_of
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.scripting.scripted_server import ScriptedServer
from pytest_httpserve.scripting.watching import Watching
from pytest_httpserve.server.servers import HTTPSServer, service_of
from pytest_httpserve.tls.contexts import Names, Ready

if TYPE_CHECKING:
    import ssl

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.tls import TLS, CertificateAuthority
    from pytest_httpserve.tls.certificate import Certificate


class WatchingHandshakes(Watching):
    """Records handshakes in the journal, too. A failed handshake is recorded, but does not fail the test.

    A handshake may take up to ``seconds``; None for any time.
    """

    def __init__(self, journal: Journal, seconds: float | None) -> None:
        super().__init__(journal)
        self._seconds = seconds

    def make_record(self, connection: Connection) -> ConnectionRecord:
        return ConnectionRecord(connection.index, connection.peer, Handshake())

    def handshake(self, connection: Connection) -> Handshake:
        """The handshake of a connection."""
        handshake = self.records[connection].handshake
        assert handshake is not None
        return handshake

    def shaken(self, connection: Connection, *, done: bool) -> None:
        """Record how a handshake ended, before the client can know."""
        note_end(self.handshake(connection), connection, self._seconds, done=done)

    def how_left(self, connection: Connection) -> str | None:
        """How the client has left; None during a handshake, which finds out itself: TLS sends an alert to a client that
        has closed, and the client's system answers it with a reset."""
        record = self.records.get(connection)  # None if the connection has ended meanwhile
        if record is None or record.handshake is None or record.handshake.session is None:
            return None
        return super().how_left(connection)

    def closed(self, connection: Connection) -> None:
        """Note the end of a connection. A handshake that is not over by now has failed."""
        if (record := self.records.get(connection)) is not None and record.handshake is not None:
            silent = TimeoutError() if record.closed_how == "timeout" else connection.transport.failure
            record.handshake.fail(error_of(silent, self._seconds))
        super().closed(connection)


class HandshakingServer(ScriptedServer):
    """A ScriptedServer whose connections begin with a handshake."""

    watching: WatchingHandshakes
    handshake_timeout: float | None

    def watch(self, journal: Journal) -> Watching:
        return WatchingHandshakes(journal, self.handshake_timeout)

    def handshake(self, request: socket.socket, client_address: object) -> Handshake:
        """The handshake of a connection."""
        return self.watching.handshake(service_of(self).track(request, client_address))


class SecureServer(HandshakingServer, HTTPSServer):
    """A ScriptedServer over TLS."""

    handshake_timeout: float

    def __init__(self, host: str, port: int, script: Script, ready: Ready, handshake_timeout: float) -> None:
        self.certificate: Certificate
        self.context: ssl.SSLContext
        self.certificate, self.context = ready
        self.handshake_timeout = handshake_timeout
        super().__init__(host, port, script)

    def await_handshake(self, connection: Connection) -> bool:
        """Wait for the first bytes of the handshake, or until the server stops."""
        readiness(connection.transport.fileno())(self.handshake_timeout)
        return True

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # typeshed's type also covers datagrams
        self.handshake(request, client_address).begun = True
        super().finish_request(request, client_address)


class UnshakenServer(HandshakingServer):
    """A server whose handshakes never end: it resets the connection in the middle, or says nothing."""

    handshake_timeout: None = None

    def __init__(self, host: str, port: int, script: Script, *, resets: bool) -> None:
        self.resets = resets
        super().__init__(host, port, script)

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # as above
        connection = service_of(self).track(request, client_address)
        handshake = self.handshake(request, client_address)
        handshake.begun = True
        connection.leave_loop()
        connection.begin(None, nodelay=True)
        with contextlib.suppress(OSError):  # the client has left
            never_shake_hands(connection, handshake, resets=self.resets)
            if self.resets:
                connection.ending.reset()


def make_server(
    tls: TLS, host: str, port: int, script: Script, authority: CertificateAuthority, revocation: Telling | None
) -> ScriptedServer:
    """The server that ``tls`` asks for. ``revocation`` is a server that tells clients about a revoked certificate."""
    if tls.fault == "plain_http":
        script.journal.expects_tls = True
        return ScriptedServer(host, port, script)
    if tls.fault in ("handshake_reset", "handshake_stall"):
        return UnshakenServer(host, port, script, resets=tls.fault == "handshake_reset")
    ready = ready_for(tls, authority, names_of(host), revocation)
    return SecureServer(host, port, script, ready, tls.handshake_timeout)


def names_of(host: str) -> Names:
    """The names of a server on this address."""
    local = ("localhost", "127.0.0.1", "::1")
    return local if host in (*local, "0.0.0.0", "::") or host.startswith("/") else (*local, host)
