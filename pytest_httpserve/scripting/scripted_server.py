"""The server behind every HTTPServe."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pytest_httpserve.errors import Struck
from pytest_httpserve.scripting.live.presence import MOST_PUT_BACK, is_fresh
from pytest_httpserve.scripting.record.journal import FaultEvent, Journal
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.scripting.serving import Serving
from pytest_httpserve.scripting.watching import Watching
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer, service_of

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault


# Seconds that the end of a test waits for connections whose clients have left.
SETTLE_SECONDS = 2.0


class ScriptedServer(ThreadingHTTPServer):
    """A ThreadingHTTPServer that answers according to a script, and records every failure in the journal."""

    watching: Watching
    _serving: type[Serving]
    address_family: int
    server_name: str
    server_port: int
    RequestHandlerClass: Callable[[Any, Any, Self], socketserver.BaseRequestHandler]

    def __init__(self, host: str, port: int, script: Script) -> None:
        self.script = script
        self.watching = service_of(self).watcher = self.watch(script.journal)
        # An instance attribute: socketserver reads it when it makes the socket.
        if hasattr(socket, "AF_UNIX") and host.startswith("/"):
            self.address_family = socket.AF_UNIX
        else:
            self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Called by name: the next class of a TLS server would make a context from files.
        self._serving = Serving
        if script.http2:
            from pytest_httpserve.scripting.multiplexing import ServingEither

            self._serving = ServingEither
        serving: Any = partial(self._serving, script, self.watching)  # typeshed wants a handler class
        HTTPServer.__init__(self, (host, port), serving)

    def watch(self, journal: Journal) -> Watching:
        """An object that is told of the server's connections."""
        return Watching(journal)

    def settle(self) -> None:
        """Record, at the end of a test, every request that a client has broken off so far."""
        service_of(self).accept_pending(SETTLE_SECONDS)
        if leaving := self.watching.find_broken_off(SETTLE_SECONDS):
            service_of(self).wait_for(leaving, SETTLE_SECONDS)

    def set_timeout(self, seconds: float) -> None:
        """Set how long to wait for a client, in seconds."""
        if seconds != self._serving.timeout:
            # On a class, since the loop looks there before an instance exists.
            patient = type("Serving", (self._serving,), {"timeout": seconds})
            self.RequestHandlerClass = partial(patient, self.script, self.watching)

    def server_bind(self) -> None:
        """Take the address: a path, or a port that no other server of this process has just left."""
        wanted = self.server_address
        if self.address_family == getattr(socket, "AF_UNIX", None):
            self.server_address = str(wanted[0])  # type: ignore[assignment]  # typeshed has no Unix sockets here
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = str(wanted[0]), 0
            return
        with contextlib.ExitStack() as put_back:
            self._bind()
            for _ in range(MOST_PUT_BACK):
                if wanted[1] or is_fresh(self.server_port):
                    break
                put_back.callback(self.socket.close)
                self.socket: socket.socket = socket.socket(self.address_family, self.socket_type)
                self.server_address = wanted
                self._bind()

    def _bind(self) -> None:
        if self.address_family == socket.AF_INET6:  # "::" includes all IPv4 addresses
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.server_address[0] != "::")
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, object]:
        request, client_address = super().get_request()
        return request, client_address or ("", 0)  # empty, for a Unix socket

    # typeshed's type of a request also covers datagrams.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        rules = self.script.fault_rules
        faults = rules.next() if rules else ()
        service = service_of(self)
        if not faults or service.loop is None:
            super().process_request(request, client_address)
            return
        # It does not wait in the loop: a fault may happen before the first byte.
        service.loop.workers.run(partial(self._serve_faulty, service.track(request, client_address), faults))

    def _serve_faulty(self, connection: Connection, faults: tuple[Fault, ...]) -> None:
        """Serve a connection with faults. The first ones happen before anything is read, and before a handshake."""
        from pytest_httpserve.scripting.faults.acts import FIRST_PHASES
        from pytest_httpserve.scripting.faults.wire import FaultyWire

        def note(fault: Fault, where: str) -> None:
            self.script.record_fault_event(FaultEvent(fault, where, connection.index))

        connection.turn.thread = threading.current_thread()
        wire = FaultyWire(connection)
        wire.begin(faults, 0, note)
        try:
            wire.reach("accept")
            if self.await_handshake(connection):
                wire.leave("tls_handshake")
        except Struck as struck:
            connection.ending.reset() if struck.resets else connection.linger()
        except Exception:  # raised by the function of a Delay
            self.handle_error(connection.transport.socket, connection.peer)
        else:
            if lasting := tuple(fault for fault in faults if fault.place not in FIRST_PHASES):
                self.watching.faults[connection] = lasting
            self.process_request_thread(connection.transport.socket, connection.peer)
            return
        self.shutdown_request(connection.transport.socket)

    def await_handshake(self, connection: Connection) -> bool:
        """Wait for the client's first message of a handshake. False if the server has no handshakes."""
        return False

    def handle_error(self, request: object, client_address: object) -> None:
        """Fail the test with an exception that a handler raised."""
        self.script.journal.record_failure(f"a handler raised:\n{traceback.format_exc()}")
