"""Clients as bad as they come, also in crowds: a good client notices nothing, and all of them end."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
BIG = bytes(1 << 23)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = 0.2

    def do_GET(self) -> None:
        body = BIG if self.path == "/big" else b"hello"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read()
        self.do_GET()


class Strict(Handler):
    strict: ClassVar[bool] = True


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"

GARBAGE = {
    "nothing": b"",
    "line ends": b"\r\n" * 1000,
    "bare line feeds": b"\n" * 1000,
    "zeroes": bytes(1000),
    "high bytes": b"\xff" * 1000,
    "a TLS hello": bytes.fromhex("16030100c2010000be0303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SOCKS": b"\x05\x01\x00",
    "a response": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a line without end": b"GET /" + b"a" * 100_000,
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 500_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
    "a head of blanks": b"GET / HTTP/1.1\r\n" + b" \r\n" * 1000 + b"\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "a length and chunks": CHUNKED + b"Content-Length: 1\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a length of many digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a chunk of many digits": CHUNKED + b"\r\n" + b"f" * 4000 + b"\r\n",
    "empty chunk lines": CHUNKED + b"\r\n" + b"\r\n" * 1000,
    "trailers without end": CHUNKED + b"\r\n0\r\n" + b"X: y\r\n" * 50_000,
}


def send_bravely(client: Client, data: bytes) -> None:
    """Send what the server may refuse in the middle."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.send(data)


def rest_of(client: Client) -> bytes:
    try:
        return client.rest()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("handler", [Handler, Strict])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_its_connection_and_nothing_else(
    serve: Serve, connect: Connect, handler: type[Handler], garbage: bytes
) -> None:
    server = serve(handler)
    bad, good = connect(server), connect(server)
    send_bravely(bad, garbage)
    assert good.get().body == b"hello"
    answer = rest_of(bad)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) or not answer
    assert connect(server).get().body == b"hello"


@pytest.mark.parametrize("seed", range(8))
def test_noise_ends_its_connection_and_nothing_else(serve: Serve, connect: Connect, seed: int) -> None:
    source = random.Random(seed)
    request = bytearray(
        b"POST /a?b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    server = serve(Strict if seed % 2 else Handler)
    clients = [connect(server) for _ in range(20)]
    for client in clients:
        noise = bytearray(request)
        for _ in range(source.randint(1, 10)):
            noise[source.randrange(len(noise))] = source.randrange(256)
        send_bravely(client, bytes(noise))
        if source.random() < 0.5:
            client.end_sending()
    for client in clients:
        answer = rest_of(client)
        assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert connect(server).get().body == b"hello"


PLACES = {
    "before a word": b"",
    "in the request line": b"GET / HT",
    "in a header": b"GET / HTTP/1.1\r\nHost: te",
    "before the blank line": b"GET / HTTP/1.1\r\nHost: test\r\n",
    "in the body": b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhello",
    "in a chunk": b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhello",
    "before the answer": b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
    "in the answer": b"GET /big HTTP/1.1\r\nHost: test\r\n\r\n",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("how", ["reset", "close", "half close"])
def test_a_client_that_vanishes_disturbs_nobody(serve: Serve, connect: Connect, place: bytes, how: str) -> None:
    """What is more: the server's handle_error hears nothing of it, as ``serve`` checks."""
    server = serve(Handler)
    good = connect(server)
    good.get()
    for _ in range(5):
        client = connect(server)
        client.send(place)
        if how == "reset":
            client.vanish()
        elif how == "close":
            client.socket.close()
        else:
            client.end_sending()
            rest_of(client)
    assert connect(server).get().body == b"hello"


def test_two_hundred_bad_clients_at_once_disturb_no_good_one(serve: Serve, connect: Connect) -> None:
    server = serve(Handler)
    kinds = [*PLACES.values(), *GARBAGE.values()]
    # Large pieces would fill the buffers while nobody reads them on our side.
    bad = [(connect(server), kinds[n % len(kinds)][:50_000]) for n in range(200)]
    for client, data in bad:
        send_bravely(client, data)
    good = connect(server)
    assert [good.get().body for _ in range(20)] == [b"hello"] * 20
    for number, (client, _) in enumerate(bad):
        if number % 3 == 0:
            client.vanish()
        else:
            rest_of(client)
    assert connect(server).get().body == b"hello"


def test_every_connection_ends_under_the_deadline(serve: Serve, connect: Connect) -> None:
    all_over = threading.Semaphore(0)

    class Noting(ThreadingHTTPServer):
        def close_request(self, request: Any) -> None:
            super().close_request(request)
            all_over.release()

    server = serve(Handler, Noting)
    clients = [connect(server) for _ in range(100)]  # kept open, and silent from here on
    for number, client in enumerate(clients):
        client.send(list(PLACES.values())[number % len(PLACES)])
    ended = sum(all_over.acquire(timeout=PATIENCE) for _ in clients)
    assert ended == 100, f"{100 - ended} of 100 connections are still served"


def test_a_serial_server_serves_on_after_each_bad_client(serve: Serve, connect: Connect) -> None:
    server = serve(Handler, HTTPServer)
    for place in PLACES.values():
        client = connect(server)
        client.send(place)
        client.vanish()
    silent = connect(server)
    good = connect(server)
    assert good.get().body == b"hello"
    assert silent.rest() == b""
