"""A server for a test of the engine, and a client that sees and says every byte."""

from __future__ import annotations

import queue
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.net.watcher import Watcher
from pytest_httpserve.server import HTTPServer, ThreadingHTTPServer
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire import Headers, body_decoder, parse_fields, response_framing

PATIENCE = 5.0  # seconds after which what a test waits for is not going to come


@pytest.fixture(autouse=True)
def nobody_asks_for_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are as they are without a terminal, whatever the environment of the tests says."""
    for name in ("FORCE_COLOR", "NO_COLOR", "PYTHON_COLORS"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Answer:
    """One response, as it came over the wire."""

    status: int
    reason: str
    version: str
    headers: Headers
    body: bytes


class Client:
    """A raw connection: sends bytes as they are, reads answers one by one."""

    def __init__(self, address: Any, family: int = socket.AF_INET) -> None:
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._received = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(
        self, method: str, target: str = "/", *fields: str, body: bytes = b"", version: str = "HTTP/1.1"
    ) -> Answer:
        """Send one request (with Host, and Content-Length if there is a body) and read its answer."""
        lines = [f"{method} {target} {version}", "Host: test", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self.answer(method)

    def get(self, target: str = "/", *fields: str) -> Answer:
        return self.request("GET", target, *fields)

    def answer(self, method: str = "GET") -> Answer:
        """Read the next response, which answers a request with ``method``."""
        head = self.until(b"\r\n\r\n")[:-2]
        line, _, block = head.partition(b"\r\n")
        version, status, reason = line.decode("latin-1").split(" ", 2)
        headers = parse_fields(block)
        framing = response_framing(method, int(status), headers)
        decoder = body_decoder(framing)
        body = b""
        while not decoder.complete and framing.kind != "none":
            data, self._received = self._received or self.socket.recv(65_536), b""
            if not data:
                if framing.kind == "close":
                    break
                raise EOFError(f"the connection ended in the body of {line!r} after {len(body)} bytes")
            part, self._received = decoder.decode(data)
            body += part
        return Answer(int(status), reason, version, headers, body)

    def until(self, marker: bytes) -> bytes:
        """Everything up to and with ``marker``."""
        while marker not in self._received:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError(f"the connection ended before {marker!r} came, after {self._received!r}")
            self._received += data
        found, marker, self._received = self._received.partition(marker)
        return found + marker

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        while data := self.socket.recv(65_536):
            self._received += data
        rest, self._received = self._received, b""
        return rest

    def end_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Reset the connection, as a client does that was killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class _Hanging(Watcher):
    def __init__(self, noted: list[Connection]) -> None:
        self._noted = noted

    def hanging(self, connections: list[Connection]) -> None:
        self._noted += connections


class Serve:
    """Starts servers for one test. What a handler raises fails the test unless ``take_error`` asked for it."""

    def __init__(self) -> None:
        self._errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._hanging: list[Connection] = []
        self._running: list[tuple[HTTPServer, threading.Thread]] = []

    def __call__(
        self,
        handler: Callable[..., Any],
        server_class: type[HTTPServer] = ThreadingHTTPServer,
        *,
        start: bool = True,
    ) -> HTTPServer:
        """A server on a free port, serving in a thread of its own unless ``start`` is False."""
        # Any: the handler may be a functools.partial, as http.server's own documentation has it.
        server = server_class(("127.0.0.1", 0), cast("Any", handler))
        self.watch(server)
        if start:
            self.start(server)
        return server

    def watch(self, server: HTTPServer) -> None:
        """Keep what goes wrong in the server, unless its class does that itself."""
        if "handle_error" not in vars(type(server)):
            setattr(server, "handle_error", self._keep_error)  # noqa: B010
        service_of(server).watcher = _Hanging(self._hanging)

    def start(self, server: HTTPServer) -> threading.Thread:
        thread = threading.Thread(target=server.serve_forever, args=(3600,), name="serve_forever")
        self._running.append((server, thread))
        thread.start()
        return thread

    def take_error(self) -> BaseException:
        """The next exception that went to ``handle_error``."""
        try:
            return self._errors.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("handle_error was not called") from None

    def _keep_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        self._errors.put(error)

    def close(self) -> None:
        for server, thread in self._running:
            server.shutdown()
            server.server_close()
            thread.join(PATIENCE)
            assert not thread.is_alive(), "serve_forever did not end with the server"
        assert not self._hanging, f"these connections did not end with the server: {self._hanging}"
        if not self._errors.empty():
            raise AssertionError("a handler raised, and no one expected it") from self._errors.get()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server for a handler class; closes it with the test."""
    serve = Serve()
    yield serve
    serve.close()


@pytest.fixture
def connect() -> Iterator[Callable[[HTTPServer], Client]]:
    """Opens a raw connection to a server; closes it with the test."""
    clients: list[Client] = []

    def connect(server: HTTPServer) -> Client:
        client = Client(server.server_address, server.address_family)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.socket.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that a handler waits for; set at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()
