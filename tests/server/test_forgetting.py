"""Whatever becomes of a connection, nothing of it is left for the garbage collector when its server has ended."""

from __future__ import annotations

import gc
import queue
import socket
import ssl
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import trustme

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer
from pytest_httpserve.server.running import http1_of

PATIENCE = 5.0
SHORT = 0.1


class Handler(BaseHTTPRequestHandler):
    """Notes what its connection is made of, and that it has begun to serve a request."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE

    made: ClassVar[list[tuple[str, threading.Event]]] = []  # set when it is gone
    begun: ClassVar[queue.SimpleQueue[str]] = queue.SimpleQueue()

    def setup(self) -> None:
        super().setup()
        http1 = http1_of(self)
        connection = http1.connection
        assert connection is not None
        parts = (self, http1, http1.reader, http1.writer, connection, connection.transport, connection.turn)
        for part in (*parts, self.server):
            gone = threading.Event()
            weakref.finalize(part, gone.set)
            self.made.append((type(part).__name__, gone))

    def do_GET(self) -> None:
        body = b"x" * int(self.headers.get("Size", "2"))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.begun.put(self.path)
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.begun.put(self.path)
        self.rfile.read()
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_FAIL(self) -> None:
        raise ValueError("a handler's fault")

    def log_message(self, *args: object) -> None:
        pass


class Impatient(Handler):
    timeout = SHORT


class Buffered(Handler):
    wbufsize = -1


class OwnLoop(Handler):
    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if self.raw_requestline and self.parse_request():
            getattr(self, f"do_{self.command}")()
            self.wfile.flush()
        else:
            self.close_connection = True


class Kept(Handler):
    thread_per_connection = True


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"


def read_all(client: socket.socket) -> None:
    try:
        while client.recv(65_536):
            pass
    except OSError:
        pass


def vanish(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def ask(client: socket.socket) -> None:
    for _ in range(2):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(65_536)


def say(data: bytes) -> Callable[[socket.socket], None]:
    def say_it(client: socket.socket) -> None:
        client.sendall(data)
        read_all(client)

    return say_it


def leave_in_the_body(client: socket.socket) -> None:
    client.sendall(POST)
    Handler.begun.get(timeout=PATIENCE)
    vanish(client)


def leave_in_the_answer(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nSize: 30000000\r\n\r\n")
    Handler.begun.get(timeout=PATIENCE)
    vanish(client)


def leave_between(client: socket.socket) -> None:
    ask(client)
    vanish(client)


def expect(client: socket.socket) -> None:
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    client.recv(65_536)
    client.sendall(b"ab")
    client.recv(65_536)


CASES = [
    pytest.param(Handler, ask, id="normal"),
    pytest.param(Handler, say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), id="close"),
    pytest.param(Impatient, read_all, id="silent"),
    pytest.param(Impatient, say(b"GET / HTTP/1.1\r\nHo"), id="timeout in a head"),
    pytest.param(Impatient, say(POST), id="timeout in a body"),
    pytest.param(Impatient, expect, id="expect"),
    pytest.param(Handler, leave_between, id="reset between requests"),
    pytest.param(Handler, leave_in_the_body, id="reset in a body"),
    pytest.param(Handler, leave_in_the_answer, id="reset in an answer"),
    pytest.param(Buffered, ask, id="buffered"),
    pytest.param(Buffered, leave_in_the_body, id="buffered, reset in a body"),
    pytest.param(Buffered, leave_in_the_answer, id="buffered, reset in an answer"),
    pytest.param(Handler, say(b"GET / HTTP/1.1\r\nHost a\r\n\r\n"), id="broken head"),
    pytest.param(Handler, say(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="broken body"),
    pytest.param(Handler, say(b"FAIL / HTTP/1.1\r\nHost: a\r\n\r\n"), id="handler fails"),
    pytest.param(Handler, say(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), id="tunnel"),
    pytest.param(OwnLoop, ask, id="own loop"),
    pytest.param(OwnLoop, say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), id="own loop, close"),
    pytest.param(Kept, leave_between, id="a thread of its own"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "leaf.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def run(server: HTTPServer, client: socket.socket, act: Callable[[socket.socket], None]) -> None:
    """Let a client do something, and end the server."""
    setattr(server, "handle_error", lambda *_: None)  # noqa: B010  as assigned by a user, not a method of its class
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with client:
            client.settimeout(PATIENCE)
            client.connect(server.server_address)
            act(client)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def what_is_left() -> list[str]:
    # A thread that has ended may take a moment to let go of its frame.
    return [name for name, gone in Handler.made if not gone.wait(SHORT)]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("handler", "act"), CASES)
def test_nothing_is_left(
    certificate: Path, handler: type[Handler], act: Callable[[socket.socket], None], *, tls: bool
) -> None:
    Handler.made, Handler.begun = [], queue.SimpleQueue()
    client = socket.socket()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = context.wrap_socket(client)
        run(ThreadingHTTPSServer(("127.0.0.1", 0), handler, certfile=certificate), client, act)
    else:
        run(ThreadingHTTPServer(("127.0.0.1", 0), handler), client, act)
    assert Handler.made
    assert what_is_left() == []


@pytest.mark.usefixtures("no_collector")
def test_nor_without_a_server_of_ours() -> None:
    class Server:
        """Anybody's."""

    Handler.made, Handler.begun = [], queue.SimpleQueue()
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        Handler(here, ("", 0), Server())
    assert Handler.made
    assert what_is_left() == []
