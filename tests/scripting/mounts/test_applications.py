"""Applications beneath a prefix: handler classes of http.server and ours, and WSGI applications."""

from __future__ import annotations

import functools
import hashlib
import http.client
import http.server
import io
import json
import os
import select
import socket
import socketserver
import sys
import threading
import tracemalloc
import wsgiref.simple_server
import wsgiref.validate
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

import pytest_httpserve.server
from pytest_httpserve import HTTPServe, Request, ServerFailure
from pytest_httpserve.errors import UsageError

Say = Callable[[HTTPServe, str | bytes], bytes]
Connect = Callable[[], http.client.HTTPConnection]
StartResponse = Callable[..., Callable[[bytes], object]]
Environ = dict[str, Any]

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come
BIG = bytes(range(256)) * 8_192 + b"the end"  # past 2 MiB

THEIRS = http.server.BaseHTTPRequestHandler
OURS = pytest_httpserve.server.BaseHTTPRequestHandler

BASES = pytest.mark.parametrize("base", [THEIRS, OURS], ids=["http.server", "ours"])
FILES = pytest.mark.parametrize(
    "base",
    [http.server.SimpleHTTPRequestHandler, pytest_httpserve.server.SimpleHTTPRequestHandler],
    ids=["http.server", "ours"],
)


def get(server: HTTPServe, path: str, **more: Any) -> requests.Response:
    return requests.get(server.url_for(path), timeout=PATIENCE, **more)


@pytest.fixture
def connect(server: HTTPServe) -> Iterator[Connect]:
    """Opens connections that send no request by themselves, and say in ``sock`` whether they last."""
    made: list[http.client.HTTPConnection] = []

    def connect() -> http.client.HTTPConnection:
        made.append(http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE))
        made[-1].connect()
        made[-1].auto_open = False
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def handler(base: type, version: str = "HTTP/1.1", **members: Any) -> Any:
    """A handler class that echoes, but for what ``members`` make of it."""

    def answer(self: Any, body: bytes = b"", *fields: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self: Any) -> None:
        self.answer(f"{self.command} {self.path}".encode())

    def do_POST(self: Any) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self: Any, *message: object) -> None:
        pass

    own = {"protocol_version": version, "timeout": PATIENCE, "answer": answer, "log_message": log_message}
    return type("Mounted", (base,), own | {"do_GET": do_GET, "do_POST": do_POST} | members)


# Handler classes: what they see


@BASES
@pytest.mark.parametrize(
    ("prefix", "asked", "seen"),
    [
        ("/app", "/app/a/b?c=d&e", "/a/b?c=d&e"),
        ("/app", "/app/", "/"),
        ("/app", "/app", "/"),
        ("/app", "/app?a=b", "/?a=b"),
        ("/app/", "/app/a", "/a"),
        ("/", "/a", "/a"),
        ("/", "/", "/"),
        ("/a/b", "/a/b/c", "/c"),
        ("/app", "/%61pp/%61?%61", "/%61?%61"),
        ("/with blank", "/with%20blank/a%2Fb", "/a%2Fb"),
        ("/app", "/app/app/a", "/app/a"),
        ("/app", "http://x/app/a?b", "/a?b"),
    ],
)
def test_a_handler_sees_its_path_without_the_prefix(
    server: HTTPServe, say: Say, base: type, prefix: str, asked: str, seen: str
) -> None:
    server.mount(prefix, handler(base))
    answer = say(server, f"GET {asked} HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.partition(b"\r\n\r\n")[2].decode() == f"GET {seen}"
    assert server.failures == ()


@BASES
def test_a_handler_sees_the_headers_and_the_client(server: HTTPServe, say: Say, base: type) -> None:
    seen: list[Any] = []

    def do_GET(self: Any) -> None:
        seen.extend([self.headers.get_all("X-A"), self.headers["Host"], self.request_version, self.client_address[0]])
        self.answer()

    server.mount("/app", handler(base, do_GET=do_GET))
    say(server, "GET /app HTTP/1.1\nHost: x.example\nX-A: 1\nX-A: \xe9\nConnection: close\n\n")

    assert seen == [["1", "\xe9"], "x.example", "HTTP/1.1", "127.0.0.1"]


@BASES
def test_a_handler_is_of_the_class_that_was_given(server: HTTPServe, base: type) -> None:
    def do_GET(self: Any) -> None:
        type(self).calls += 1
        self.answer()

    mounted = handler(base, do_GET=do_GET, calls=0)
    server.mount("/app", mounted)
    for _ in range(3):
        get(server, "/app")

    assert mounted.calls == 3


@BASES
def test_an_override_of_handle_is_called(server: HTTPServe, base: type) -> None:
    calls: list[str] = []

    def handle(self: Any) -> None:
        calls.append("begin")
        base.handle(self)  # type: ignore[attr-defined]  # each of them has it
        calls.append("end")

    server.mount("/app", handler(base, handle=handle))

    assert get(server, "/app/a").text == "GET /a"
    server.stop()
    assert calls == ["begin", "end"]


def test_a_handler_without_http_may_write_its_response_by_itself(server: HTTPServe) -> None:
    class Raw(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(line), line))

    server.mount("/app", Raw)

    assert get(server, "/app/a").text == "GET /a HTTP/1.1\r\n"


# Handler classes: bodies


@BASES
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("body", [b"", b"small", BIG], ids=["empty", "small", "big"])
def test_bodies_go_both_ways(server: HTTPServe, base: type, version: str, body: bytes) -> None:
    server.mount("/app", handler(base, version))

    assert requests.post(server.url_for("/app"), data=body or b"", timeout=PATIENCE).content == body


@BASES
@pytest.mark.parametrize("size", [-1, 0, 65_536])
def test_a_handler_may_choose_its_buffers(server: HTTPServe, base: type, size: int) -> None:
    server.mount("/app", handler(base, rbufsize=size, wbufsize=size))

    assert requests.post(server.url_for("/app"), data=BIG, timeout=PATIENCE).content == BIG
    assert get(server, "/app/a").text == "GET /a"


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


def test_a_handler_that_decodes_reads_a_chunked_body_decoded(server: HTTPServe, connect: Connect) -> None:
    def do_POST(self: Any) -> None:
        body = self.rfile.read()
        self.answer(body + str(self.rfile.trailers.fields).encode())

    server.mount("/app", handler(OURS, do_POST=do_POST, decodes_body=True))
    connection = connect()
    head = b"POST /app HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sock.sendall(head + chunked(b"one,", b"two", trailer=b"X-Sum: 7\r\n"))
    response = http.client.HTTPResponse(connection.sock)
    response.begin()

    assert response.read() == b"one,two(('X-Sum', '7'),)"


def test_handlers_for_http_server_decode_a_chunked_body_themselves(server: HTTPServe) -> None:
    """As they must there: it gives them the bytes of the wire."""

    def do_POST(self: Any) -> None:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.answer(body)

    server.mount("/app", handler(THEIRS, do_POST=do_POST))
    pieces = [b"one,", BIG, b",two"]

    assert requests.post(server.url_for("/app"), data=iter(pieces), timeout=PATIENCE).content == b"".join(pieces)


@BASES
def test_a_response_goes_out_piece_by_piece(server: HTTPServe, connect: Connect, base: type) -> None:
    """Each piece is written when the client has read the one before."""
    came = [threading.Event() for _ in range(3)]

    def do_GET(self: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        for event in came:
            self.wfile.write(b".")
            self.wfile.flush()
            assert event.wait(PATIENCE), "the client did not get a piece that was written"

    server.mount("/app", handler(base, do_GET=do_GET))
    connection = connect()
    connection.request("GET", "/app")
    response = connection.getresponse()
    for event in came:
        assert response.read(1) == b"."
        event.set()

    assert response.read() == b""
    assert server.failures == ()


@BASES
def test_a_request_comes_in_piece_by_piece(server: HTTPServe, connect: Connect, base: type) -> None:
    """Each piece is sent when the handler has read the one before."""
    came = [threading.Event() for _ in range(3)]

    def do_POST(self: Any) -> None:
        for event in came:
            assert self.rfile.read(1) == b"."
            event.set()
        self.answer(b"all")

    server.mount("/app", handler(base, do_POST=do_POST))
    connection = connect()
    connection.putrequest("POST", "/app")
    connection.putheader("Content-Length", "3")
    connection.endheaders()
    for event in came:
        connection.send(b".")
        assert event.wait(PATIENCE), "the handler did not get a piece that was sent"

    assert connection.getresponse().read() == b"all"


# Handler classes: the connection


@BASES
def test_a_handler_of_http_1_1_that_announces_its_body_keeps_the_connection(
    server: HTTPServe, connect: Connect, base: type
) -> None:
    server.mount("/app", handler(base))
    connection = connect()
    for number in range(5):
        connection.request("POST", "/app", body=b"%d" % number)
        response = connection.getresponse()
        assert response.headers["Connection"] is None
        assert response.read() == b"%d" % number

    assert connection.sock is not None


@BASES
def test_a_handler_of_http_1_0_ends_the_connection(server: HTTPServe, say: Say, base: type) -> None:
    server.mount("/app", handler(base, "HTTP/1.0"))
    answer = say(server, "GET /app HTTP/1.1\nHost: x\n\nGET /app/next HTTP/1.1\nHost: x\n\n")

    assert answer.startswith(b"HTTP/1.0 200 ")
    assert answer.endswith(b"\r\n\r\nGET /")


@BASES
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_body_without_an_announced_end_ends_the_connection(
    server: HTTPServe, say: Say, base: type, version: str
) -> None:
    def do_GET(self: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"one,")
        self.wfile.write(b"two")

    server.mount("/app", handler(base, version, do_GET=do_GET))
    head, _, body = say(server, "GET /app HTTP/1.1\nHost: x\n\n").partition(b"\r\n\r\n")

    assert body == b"one,two"
    assert version == "HTTP/1.0" or b"\r\nConnection: close" in head


@BASES
@pytest.mark.parametrize("asked", ["Connection: close", "X: y"])
def test_either_side_may_end_the_connection(server: HTTPServe, say: Say, base: type, asked: str) -> None:
    def do_GET(self: Any) -> None:
        self.answer(b"last", *([] if asked.startswith("Connection") else [("Connection", "close")]))

    server.mount("/app", handler(base, do_GET=do_GET))
    head, _, body = say(server, f"GET /app HTTP/1.1\nHost: x\n{asked}\n\n").partition(b"\r\n\r\n")

    assert body == b"last"
    assert head.lower().count(b"\r\nconnection: close") == 1


@BASES
@pytest.mark.parametrize(
    ("fields", "body", "lasts"),
    [
        ({"Content-Length": "3"}, b"abc", True),
        ({"Content-Length": "3"}, b"ab", False),
        ({"Content-Length": "3"}, b"", False),
        ({"Content-Length": "3"}, b"abcd", False),
        ({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\n\r\n", True),
        ({"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n", False),
        ({"Transfer-Encoding": "chunked"}, b"3\r\nab", False),
        ({"Transfer-Encoding": "chunked"}, b"no chunk\r\n", False),
        ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\nmore", False),
    ],
)
def test_a_body_that_is_not_what_it_says_ends_the_connection(
    server: HTTPServe, connect: Connect, base: type, fields: dict[str, str], body: bytes, lasts: bool
) -> None:
    """Else its client would wait for the rest, or take what is too much for the next response."""

    def do_GET(self: Any) -> None:
        self.send_response(200)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])

    server.mount("/app", handler(base, do_GET=do_GET))
    server.on("GET", "/next").respond(text="the next")
    connection = connect()
    connection.sock.sendall(
        b"GET /app HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    with connection.sock.makefile("rb") as file:
        answer = file.read()

    # What is too much is not sent (PEP 3333).
    announced = {b"abcd": b"abc", b"0\r\n\r\nmore": b"0\r\n\r\n"}.get(body, body)
    assert answer.partition(b"\r\n\r\n")[2].startswith(announced)
    assert b"abcd" not in answer
    assert b"more" not in answer
    assert answer.endswith(b"the next") is lasts
    said = " ".join(server.exchanges[0].notes)
    assert ("than the body that its head announces" in said) is not lasts


@BASES
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1_000_000], ids=["small", "large"])
def test_a_body_that_is_not_read_is_never_the_next_request(
    server: HTTPServe, connect: Connect, base: type, framing: str, size: int
) -> None:
    smuggled = b"GET /app/smuggled HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(size)
    asked: list[str] = []

    def do_POST(self: Any) -> None:
        asked.append(self.path)
        self.answer(b"unread")

    server.mount("/app", handler(base, do_POST=do_POST, do_GET=do_POST))
    fields = b"Content-Length: %d" % len(smuggled) if framing == "length" else b"Transfer-Encoding: chunked"
    body = smuggled if framing == "length" else chunked(smuggled)
    connection = connect()
    connection.sock.sendall(b"POST /app/first HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % fields + body)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    assert response.read() == b"unread"
    server.stop()

    assert asked == ["/first"]
    assert [exchange.request.path for exchange in server.exchanges] == ["/app/first"]


@BASES
def test_the_next_request_on_the_connection_is_for_whom_it_says(
    server: HTTPServe, connect: Connect, base: type
) -> None:
    server.mount("/app", handler(base))
    server.on("GET", "/route").respond(text="the route")
    connection = connect()
    bodies = []
    for path in ("/app/a", "/route", "/app/b"):
        connection.request("GET", path)
        bodies.append(connection.getresponse().read())

    assert bodies == [b"GET /a", b"the route", b"GET /b"]


@BASES
def test_requests_that_are_sent_together_are_answered_in_order(server: HTTPServe, say: Say, base: type) -> None:
    server.mount("/app", handler(base))
    answer = say(
        server,
        "POST /app HTTP/1.1\nHost: x\nContent-Length: 3\n\none"
        "POST /app HTTP/1.1\nHost: x\nContent-Length: 3\nConnection: close\n\ntwo",
    )

    assert [answer.count(word) for word in (b"\r\n\r\none", b"\r\n\r\ntwo")] == [1, 1]
    assert answer.index(b"one") < answer.index(b"two")


@BASES
def test_an_http_1_0_client_keeps_a_connection_that_it_wants_to_keep(server: HTTPServe, say: Say, base: type) -> None:
    server.mount("/app", handler(base))
    answer = say(server, "GET /app/1 HTTP/1.0\nConnection: keep-alive\n\nGET /app/2 HTTP/1.0\n\n")

    assert answer.endswith(b"GET /2")
    assert b"\r\nConnection: keep-alive\r\n" in answer


@BASES
def test_head_has_no_body(server: HTTPServe, connect: Connect, base: type) -> None:
    """Even if the handler writes one, as many do."""
    server.mount("/app", handler(base, do_HEAD=handler(base).do_GET))
    connection = connect()
    for _ in range(2):
        connection.request("HEAD", "/app/a")
        response = connection.getresponse()
        assert (response.headers["Content-Length"], response.read()) == ("7", b"")


@BASES
@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(server: HTTPServe, connect: Connect, base: type, status: int) -> None:
    def do_GET(self: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"nobody must see this")

    server.mount("/app", handler(base, do_GET=do_GET))
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, b"")


@BASES
@pytest.mark.parametrize("status", [204, 304])
def test_a_connection_lasts_past_a_response_without_a_body(
    server: HTTPServe, connect: Connect, base: type, status: int
) -> None:
    def do_DELETE(self: Any) -> None:
        self.send_response(status)
        self.end_headers()

    server.mount("/app", handler(base, do_DELETE=do_DELETE))
    connection = connect()
    for method in ("GET", "DELETE", "GET", "DELETE"):
        connection.request(method, "/app/a")
        response = connection.getresponse()
        assert (response.status, response.read()) == ((200, b"GET /a") if method == "GET" else (status, b""))


@BASES
def test_informational_responses_go_before_the_final_one(server: HTTPServe, say: Say, base: type) -> None:
    def do_GET(self: Any) -> None:
        self.send_response_only(103)
        self.send_header("Link", "</a.css>; rel=preload")
        self.end_headers()
        self.answer(b"final")

    server.mount("/app", handler(base, do_GET=do_GET))
    answer = say(server, "GET /app HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"final")
    assert server.exchanges[0].response is not None
    assert server.exchanges[0].response.status == 200
    assert say(server, "GET /app HTTP/1.0\n\n").startswith(b"HTTP/1.1 200 "), "HTTP/1.0 knows no 1xx"


@BASES
def test_a_client_that_waits_for_100_is_told_to_go_on(server: HTTPServe, connect: Connect, base: type) -> None:
    server.mount("/app", handler(base))
    connection = connect()
    connection.sock.sendall(b"POST /app HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert connection.sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sock.sendall(b"body")
    response = http.client.HTTPResponse(connection.sock)
    response.begin()

    assert response.read() == b"body"


@BASES
def test_a_handler_may_have_another_answer_than_100(server: HTTPServe, connect: Connect, base: type) -> None:
    def refuse(self: Any) -> bool:
        self.send_error(417)
        return False

    server.mount("/app", handler(base, handle_expect_100=refuse))
    connection = connect()
    connection.sock.sendall(b"POST /app HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    with connection.sock.makefile("rb") as answer:
        whole = answer.read()  # the connection ends: a body may follow, or not

    assert whole.startswith(b"HTTP/1.1 417 ")
    assert [exchange.status for exchange in server.exchanges] == [417]
    assert server.failures == ()


@BASES
def test_a_client_of_a_handler_of_http_1_0_is_told_to_go_on(server: HTTPServe, connect: Connect, base: type) -> None:
    server.mount("/app", handler(base, protocol_version="HTTP/1.0"))
    connection = connect()
    connection.sock.sendall(b"POST /app HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert connection.sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sock.sendall(b"body")
    with connection.sock.makefile("rb") as answer:
        assert answer.read().endswith(b"body")


@BASES
def test_a_handler_may_change_the_protocol(server: HTTPServe, connect: Connect, base: type) -> None:
    def do_GET(self: Any) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        while line := self.rfile.readline():
            self.wfile.write(line.upper())
            self.wfile.flush()

    server.mount("/app", handler(base, do_GET=do_GET))
    connection = connect()
    connection.sock.sendall(b"GET /app HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    with connection.sock.makefile("rb") as file:
        assert file.readline().startswith(b"HTTP/1.1 101 ")
        while file.readline() != b"\r\n":
            pass
        for line in (b"one\n", b"two\n"):
            connection.sock.sendall(line)
            assert file.readline() == line.upper()
        connection.sock.shutdown(socket.SHUT_WR)
        assert file.read() == b""


SWITCH = b"GET /app HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def switch(self: Any) -> None:
    self.send_response_only(101)
    self.send_header("Connection", "Upgrade")
    self.send_header("Upgrade", "echo")
    self.end_headers()


@BASES
def test_a_handler_that_has_changed_the_protocol_has_the_socket(
    server: HTTPServe, connect: Connect, base: type
) -> None:
    def do_GET(self: Any) -> None:
        switch(self)
        sock = self.connection
        assert sock.recv(3) == b"abc"
        assert self.rfile.read(3) == b"def"
        sock.sendall(b"so far\n")
        buffer = bytearray(8)
        assert sock.recv_into(buffer) == 3
        assert sock.send(buffer[:3]) == 3
        with sock.makefile("rwb") as file:
            file.write(file.readline())
            file.flush()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(0.001)
        assert sock.gettimeout() == 0.001
        with pytest.raises(TimeoutError, match=r"^timed out"):
            sock.recv(1)
        sock.sendall(f"{sock.getpeername()[0]} {sock.getsockname()[1]}\n".encode())
        sock.settimeout(PATIENCE)
        assert select.select([sock], [], [], PATIENCE)[0] == [sock]
        assert sock.recv(100) == b"last"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
        sock.close()

    server.mount("/app", handler(base, do_GET=do_GET))
    client = connect().sock
    client.sendall(SWITCH + b"abcdef")  # without waiting for the answer
    with client.makefile("rb") as file:
        assert file.read(len(SWITCHED)) == SWITCHED
        assert file.readline() == b"so far\n"
        client.sendall(b"ghi")
        assert file.read(3) == b"ghi"
        client.sendall(b"a line\n")
        assert file.readline() == b"a line\n"
        assert file.readline() == f"127.0.0.1 {server.port}\n".encode()
        client.sendall(b"last")
        assert file.read() == b""
        client.shutdown(socket.SHUT_WR)
    server.assert_all_closed()

    [exchange] = server.exchanges
    assert exchange.status == 101
    assert exchange.notes == ("the connection has left HTTP",)
    assert server.failures == ()


@BASES
def test_a_stop_ends_a_connection_that_has_left_http(server: HTTPServe, connect: Connect, base: type) -> None:
    ends: list[object] = []

    def do_GET(self: Any) -> None:
        switch(self)
        try:
            ends.append(self.connection.recv(1))
        except OSError as error:
            ends.append(error)
            raise

    server.mount("/app", handler(base, do_GET=do_GET))
    client = connect().sock
    client.sendall(SWITCH)
    with client.makefile("rb") as file:
        assert file.read(len(SWITCHED)) == SWITCHED
        server.stop()
        assert file.read() == b""

    assert len(ends) == 1
    assert server.failures == ()


def test_a_wsgi_application_may_change_the_protocol(server: HTTPServe, connect: Connect) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        sock = environ["werkzeug.socket"]
        sock.send(SWITCHED)
        while line := sock.recv(100):
            sock.sendall(line.upper())
        start_response("200 OK", [("X-A", "of a framework that has to return something")])
        return [b"and this"]

    server.mount("/app", application)
    client = connect().sock
    client.sendall(SWITCH)
    with client.makefile("rb") as file:
        assert file.read(len(SWITCHED)) == SWITCHED
        for line in (b"one\n", b"two\n"):
            client.sendall(line)
            assert file.readline() == line.upper()
        client.shutdown(socket.SHUT_WR)
        assert file.read() == b""
    server.assert_all_closed()

    assert [(exchange.status, exchange.notes) for exchange in server.exchanges] == [
        (101, ("the connection has left HTTP",))
    ]
    assert server.failures == ()


def test_a_wsgi_application_that_is_asked_to_change_the_protocol_need_not(server: HTTPServe, say: Say) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return [b"stay" if "werkzeug.socket" in environ else b"none"]

    server.mount("/app", application)

    assert say(server, SWITCH.replace(b"Connection: ", b"Connection: close, ")).endswith(b"\r\n\r\nstay")
    assert say(server, b"GET /app HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nnone")


# Handler classes: files


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "page.txt").write_text("a page")
    (tmp_path / "sub" / "leaf.txt").write_text("a leaf")
    return tmp_path


@FILES
@pytest.mark.parametrize("prefix", ["/", "/files", "/with blank"])
def test_a_file_handler_serves_its_directory_beneath_the_prefix(
    server: HTTPServe, site: Path, base: Any, prefix: str
) -> None:
    quiet = handler(base, do_GET=base.do_GET, do_HEAD=base.do_HEAD)
    server.mount(prefix, functools.partial(quiet, directory=os.fspath(site)))
    root = prefix.rstrip("/")

    assert get(server, f"{root}/page.txt").text == "a page"
    assert get(server, f"{root}/sub").text == get(server, f"{root}/sub/").text
    assert "leaf.txt" in get(server, f"{root}/sub").text
    assert get(server, f"{root}/missing").status_code == 404
    assert get(server, f"{root}/%2e%2e/page.txt").status_code == get(server, f"{root}/page.txt").status_code
    assert server.failures == ()


def test_our_file_handler_keeps_all_that_it_can(server: HTTPServe, site: Path) -> None:
    (site / "big").write_bytes(BIG)
    base = pytest_httpserve.server.SimpleHTTPRequestHandler
    quiet = handler(base, do_GET=base.do_GET)
    server.mount("/files", functools.partial(quiet, directory=site))

    assert get(server, "/files/big").content == BIG
    assert get(server, "/files/big", headers={"Range": "bytes=100-199"}).content == BIG[100:200]
    assert get(server, "/files/big", headers={"Range": "bytes=100-1999999"}).content == BIG[100:2_000_000]


@BASES
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("/a?b", "/app/a?b"),
        ("/", "/app/"),
        ("/app/a", "/app/app/a"),
        ("a", "a"),
        ("../a", "../a"),
        ("?a=/b", "?a=/b"),
        ("http://x.example/a", "http://x.example/a"),
        ("//x.example/a", "//x.example/a"),
    ],
)
def test_paths_that_a_handler_redirects_to_get_the_prefix(server: HTTPServe, base: type, given: str, sent: str) -> None:
    def do_GET(self: Any) -> None:
        self.answer(b"", ("LOCATION", given), ("X-Location", given), status=302)

    server.mount("/app", handler(base, do_GET=do_GET))
    server.mount("/", handler(base, do_GET=do_GET))

    beneath, root = (get(server, path, allow_redirects=False) for path in ("/app", "/other"))
    assert (beneath.headers["Location"], beneath.headers["X-Location"]) == (sent, given)
    assert root.headers["Location"] == given


# Handler classes: what goes wrong


class Unhappy(Exception):
    """What applications raise here."""


@BASES
@pytest.mark.parametrize("error", [Unhappy("a reason"), AssertionError("a reason"), pytest.fail.Exception("a reason")])
def test_an_exception_fails_the_test_and_is_a_500_for_the_client(
    server: HTTPServe, base: type, error: BaseException
) -> None:
    def do_GET(self: Any) -> None:
        raise error

    server.mount("/app", handler(base, do_GET=do_GET))
    answer = get(server, "/app/a?b")
    (failure,) = server.failures

    assert answer.status_code == 500
    assert answer.text == failure
    assert "GET /app/a?b" in failure
    assert f"{type(error).__name__}: a reason" in failure
    assert f'File "{__file__}"' in failure
    assert "in do_GET" in failure
    assert server.exchanges[0].response is not None
    assert server.exchanges[0].response.status == 500


@BASES
@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding", "none"])
def test_what_an_exception_has_cut_short_does_not_look_complete(server: HTTPServe, base: type, framing: str) -> None:
    def do_GET(self: Any) -> None:
        self.send_response(200)
        if framing != "none":
            self.send_header(framing, "chunked" if framing == "Transfer-Encoding" else "9")
        self.end_headers()
        self.wfile.write(b"4\r\npart\r\n" if framing == "Transfer-Encoding" else b"part")
        raise Unhappy

    server.mount("/app", handler(base, do_GET=do_GET))
    with pytest.raises(requests.RequestException):
        get(server, "/app")

    assert len(server.failures) == 1
    assert "Unhappy" in server.failures[0]


@BASES
def test_a_handler_that_writes_no_response_fails_the_test(server: HTTPServe, base: type) -> None:
    server.mount("/app", handler(base, do_GET=lambda self: None))
    answer = get(server, "/app")

    assert answer.status_code == 500
    assert "the application ended without a response" in server.failures[0]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
@BASES
def test_a_handler_that_writes_no_http_fails_the_test(server: HTTPServe, base: type, head: bytes) -> None:
    server.mount("/app", handler(base, do_GET=lambda self: self.wfile.write(head)))
    answer = get(server, "/app")

    assert answer.status_code == 500
    assert "the application wrote an invalid head" in server.failures[0]
    assert head.decode().partition("\r\n")[0] in server.failures[0]


@BASES
def test_a_method_that_a_handler_does_not_have_is_its_own_501(server: HTTPServe, base: type) -> None:
    server.mount("/app", handler(base))

    assert requests.delete(server.url_for("/app"), timeout=PATIENCE).status_code == 501
    assert server.failures == ()


def write_until_the_client_has_gone(write: Callable[[bytes], object]) -> None:
    for _ in range(1_000):
        write(bytes(65_536))
    raise AssertionError("the client went away after a few bytes, and nothing showed it")


@BASES
def test_a_client_that_goes_away_is_no_failure(server: HTTPServe, connect: Connect, base: type) -> None:
    ended = threading.Event()

    def do_GET(self: Any) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            write_until_the_client_has_gone(self.wfile.write)
        finally:
            ended.set()

    server.mount("/app", handler(base, do_GET=do_GET))
    connection = connect()
    connection.request("GET", "/app")
    connection.getresponse().read(10)
    connection.close()
    assert ended.wait(PATIENCE)
    server.stop()

    assert server.failures == ()


@BASES
def test_a_body_that_the_client_breaks_is_its_own_fault(server: HTTPServe, connect: Connect, base: type) -> None:
    def do_POST(self: Any) -> None:
        self.answer(self.rfile.read())

    server.mount("/app", handler(base, do_POST=do_POST))
    connection = connect()
    connection.sock.sendall(b"POST /app HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
    response = http.client.HTTPResponse(connection.sock)
    response.begin()

    assert response.status == 400
    [failure] = server.failures
    assert failure.startswith("refused POST /app: not the first line of a chunk: 'no chunk")


# WSGI: what an application sees


def echo(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Answers with what can be told of the environment."""
    body = environ["wsgi.input"].read()
    said = {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}
    data = json.dumps(said | {"body": body.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [data]


def environ_of(server: HTTPServe, say: Say, request: str) -> Environ:
    head, _, body = say(server, request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    environ: Environ = json.loads(body)
    return environ


@pytest.mark.parametrize(
    ("prefix", "target", "script_name", "path_info", "query"),
    [
        ("/app", "/app/a/b?c=d&e", "/app", "/a/b", "c=d&e"),
        ("/app", "/app", "/app", "", ""),
        ("/app", "/app?a", "/app", "", "a"),
        ("/app", "/app/", "/app", "/", ""),
        ("/app/", "/app/a", "/app", "/a", ""),
        ("/", "/", "", "/", ""),
        ("/", "/a", "", "/a", ""),
        ("/a/b", "/a/b/c", "/a/b", "/c", ""),
        ("/app", "/app/a%20b%2Fc?d%20e=%C3%A9", "/app", "/a b/c", "d%20e=%C3%A9"),
        ("/grüße", "/gr%C3%BC%C3%9Fe/%C3%A9%FF", "/gr\xc3\xbc\xc3\x9fe", "/\xc3\xa9\xff", ""),
        ("/app", "/%61pp/%61", "/app", "/a", ""),
        ("/app", "/app//a/./b/../c", "/app", "//a/./b/../c", ""),
        ("/app", "http://x/app/a?b", "/app", "/a", "b"),
        ("/app", "http://x/app", "/app", "", ""),
    ],
)
def test_an_application_sees_where_it_is_mounted(
    server: HTTPServe, say: Say, prefix: str, target: str, script_name: str, path_info: str, query: str
) -> None:
    server.mount(prefix, echo)
    environ = environ_of(server, say, f"GET {target} HTTP/1.0\nHost: x\n\n")

    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (script_name, path_info, query)


def test_an_application_sees_the_request(server: HTTPServe, say: Say) -> None:
    server.mount("/app", echo)
    request = "POST /app HTTP/1.1\nHost: x.example\nContent-Type: text/x\nContent-Length: 3\nConnection: close\n\nabc"
    environ = environ_of(server, say, request)

    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(server.port))
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert int(environ["REMOTE_PORT"]) > 0
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "3")
    assert (environ["HTTP_HOST"], environ["body"]) == ("x.example", "abc")
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is environ["wsgi.run_once"] is False


def test_headers_are_variables(server: HTTPServe, say: Say) -> None:
    server.mount("/app", echo)
    environ = environ_of(
        server,
        say,
        "GET /app HTTP/1.0\nHost: x\nX-A: 1\nx-a: 2\nCookie: a=1\nCookie: b=2\nX-B: \xe9\nX_A: 3\nProxy: http://evil\n\n",
    )

    assert environ["HTTP_X_A"] == "1, 2", "a name with an underscore must not pass for another one"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_B"] == "\xe9"
    assert "HTTP_PROXY" not in environ
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "CONTENT_TYPE", "CONTENT_LENGTH"} & environ.keys()


def test_the_environment_of_the_tests_is_not_the_applications(
    server: HTTPServe, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "for the tests alone")
    server.mount("/app", echo)

    assert "SECRET_TOKEN" not in environ_of(server, say, "GET /app HTTP/1.0\n\n")


class Callable_:
    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return echo(environ, start_response)

    method = __call__


class IteratorClass:
    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._body = echo(environ, start_response)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)


@pytest.mark.parametrize(
    "application",
    [echo, Callable_(), Callable_().method, functools.partial(echo), IteratorClass, lambda *both: echo(*both)],
    ids=["function", "object", "method", "partial", "class", "lambda"],
)
def test_an_application_is_anything_that_can_be_called(server: HTTPServe, application: object) -> None:
    server.mount("/app", application)

    assert get(server, "/app/a").json()["PATH_INFO"] == "/a"


def test_the_demonstration_of_wsgiref_runs(server: HTTPServe) -> None:
    server.mount("/app", wsgiref.simple_server.demo_app)

    assert get(server, "/app").text.startswith("Hello world!\n")


# WSGI: bodies

Reading = Callable[[Any], bytes]


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file.read(),
        lambda file: file.read(1 << 30),
        lambda file: b"".join(iter(lambda: file.read(10), b"")),
        lambda file: b"".join(file),
        lambda file: b"".join(file.readlines()),
        lambda file: b"".join(iter(file.readline, b"")),
    ],
    ids=["all", "too much", "pieces", "lines", "list of lines", "line by line"],
)
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_an_application_reads_the_body_to_its_end(server: HTTPServe, read: Reading, framing: str) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = read(environ["wsgi.input"])
        start_response("200 OK", [])
        return [body]

    server.mount("/app", application)
    body = b"" if framing == "none" else b"one\ntwo\n\nthree" * 10_000
    data = iter([body[:5], body[5:]]) if framing == "chunked" else body or None

    assert requests.post(server.url_for("/app"), data=data, timeout=PATIENCE).content == body


def test_a_body_that_an_application_takes_is_not_taken_from_it_by_who_looks(server: HTTPServe) -> None:
    looked: list[bytes] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        looked.append(server.exchanges[0].request.body)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    server.mount("/app", application)

    assert requests.post(server.url_for("/app"), data=b"abc", timeout=PATIENCE).content == b"abc"
    assert looked == [b""]
    assert server.exchanges[0].request.body == b""


def test_a_body_comes_in_piece_by_piece(server: HTTPServe, connect: Connect) -> None:
    came = [threading.Event() for _ in range(3)]

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        for event in came:
            assert environ["wsgi.input"].read(1) == b"."
            event.set()
        start_response("200 OK", [])
        return [b"all"]

    server.mount("/app", application)
    connection = connect()
    connection.putrequest("POST", "/app")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    for event in came:
        connection.send(b"1\r\n.\r\n")
        assert event.wait(PATIENCE), "the application did not get a piece that was sent"
    connection.send(b"0\r\n\r\n")

    assert connection.getresponse().read() == b"all"


def test_a_body_that_the_application_leaves_is_never_the_next_request(server: HTTPServe, connect: Connect) -> None:
    asked: list[str] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"unread"]

    server.mount("/app", application)
    connection = connect()
    connection.request("POST", "/app/1", body=b"GET /app/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.getresponse().read() == b"unread"
    connection.request("GET", "/app/2")
    assert connection.getresponse().read() == b"unread"

    assert asked == ["/1", "/2"]


def pieces(*data: bytes, fields: tuple[tuple[str, str], ...] = (), status: str = "200 OK") -> Any:
    """An application that answers with these pieces."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response(status, list(fields))
        yield from data

    return application


def test_pieces_go_out_as_chunks_and_the_connection_lasts(server: HTTPServe, connect: Connect) -> None:
    server.mount("/app", pieces(b"one,", b"", b"two,", BIG))
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        response = connection.getresponse()
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.read() == b"one,two," + BIG


def test_pieces_go_out_to_a_client_of_http_1_0_until_the_end(server: HTTPServe, say: Say) -> None:
    server.mount("/app", pieces(b"one,", b"two"))
    head, _, body = say(server, "GET /app HTTP/1.0\nConnection: keep-alive\n\n").partition(b"\r\n\r\n")

    assert body == b"one,two"
    assert b"chunked" not in head
    assert b"\r\nConnection: close" in head


@pytest.mark.parametrize("body", [b"", b"one piece", BIG], ids=["empty", "small", "big"])
def test_a_body_in_one_piece_has_its_length(server: HTTPServe, connect: Connect, body: bytes) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [body]

    server.mount("/app", application)
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        response = connection.getresponse()
        assert response.headers["Content-Length"] == str(len(body))
        assert response.read() == body


def test_a_body_goes_out_with_the_length_that_the_application_gives(server: HTTPServe, connect: Connect) -> None:
    server.mount("/app", pieces(b"one,", b"two", fields=(("Content-Length", "7"),)))
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        response = connection.getresponse()
        assert (response.headers.get_all("Content-Length"), response.read()) == (["7"], b"one,two")
        assert "Transfer-Encoding" not in response.headers


@pytest.mark.parametrize("length", ["5", "9"])
def test_a_length_that_is_wrong_ends_the_connection(server: HTTPServe, say: Say, length: str) -> None:
    server.mount("/app", pieces(b"one,", b"two", fields=(("Content-Length", length),)))
    answer = say(server, "GET /app HTTP/1.1\nHost: x\n\n")

    assert f"\r\nContent-Length: {length}\r\n".encode() in answer


@pytest.mark.parametrize("way", ["iterator", "write"])
def test_each_piece_goes_out_at_once(server: HTTPServe, connect: Connect, way: str) -> None:
    came = [threading.Event() for _ in range(3)]

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", [])

        def steps() -> Iterator[bytes]:
            for event in came:
                yield b"."
                assert event.wait(PATIENCE), "the client did not get a piece that was written"

        if way == "iterator":
            return steps()
        for piece in steps():
            write(piece)
        return iter([])

    server.mount("/app", application)
    connection = connect()
    connection.request("GET", "/app")
    response = connection.getresponse()
    for event in came:
        assert response.read(1) == b"."
        event.set()

    assert response.read() == b""
    assert server.failures == ()


def test_what_is_written_goes_before_what_is_returned(server: HTTPServe) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one,")
        write(b"two,")
        return [b"three"]

    server.mount("/app", application)

    assert get(server, "/app").content == b"one,two,three"


def test_a_file_is_wrapped_and_closed(server: HTTPServe) -> None:
    file = io.BytesIO(BIG)

    def application(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 10_000)

    server.mount("/app", application)

    assert get(server, "/app").content == BIG
    server.stop()
    assert file.closed


@pytest.mark.parametrize(
    ("body", "fields", "announced"),
    [
        ([b"a body"], (), "6"),
        ([b"one,", b"two"], (), None),
        ([], (), None),
        ([b""], (), None),
        ([], (("Content-Length", "6"),), "6"),
    ],
)
def test_head_has_no_body_of_an_application(
    server: HTTPServe, connect: Connect, body: list[bytes], fields: Any, announced: str | None
) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", list(fields))
        return body

    server.mount("/app", application)
    connection = connect()
    for _ in range(2):
        connection.request("HEAD", "/app")
        response = connection.getresponse()
        assert (response.headers["Content-Length"], response.read()) == (announced, b"")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("body", [[], [b""], [b"nobody must see this"]], ids=["none", "empty", "some"])
def test_statuses_without_a_body_have_none_of_an_application(
    server: HTTPServe, connect: Connect, status: str, body: list[bytes]
) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response(status, [("ETag", '"a"')])
        return body

    server.mount("/app", application)
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        response = connection.getresponse()
        assert (f"{response.status} {response.reason}", response.headers["ETag"]) == (status, '"a"')
        assert response.read() == b""
        assert not {"Content-Length", "Transfer-Encoding"} & set(response.headers)


def test_an_application_has_its_status_and_headers(server: HTTPServe) -> None:
    fields = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/x"), ("Location", "/a"))
    server.mount("/app", pieces(b"", fields=fields, status="299 As You Like It"))
    answer = get(server, "/app")

    assert (answer.status_code, answer.reason) == (299, "As You Like It")
    assert answer.raw.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["Location"] == "/a", "an application knows its SCRIPT_NAME"
    assert "Date" in answer.headers
    assert answer.headers["Server"].startswith("pytest-httpserve/")


def test_an_answer_of_an_application_is_in_the_journal(server: HTTPServe) -> None:
    server.mount("/app", pieces(b"body", fields=(("X-A", "1"),), status="202 Accepted"))
    get(server, "/app/a?b")
    (exchange,) = server.exchanges

    assert str(exchange.request) == "GET /app/a?b"
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.headers["X-A"]) == (202, "1")


# WSGI: close(), and what goes wrong


class Closing:
    """A body that raises where it is told to, and says when it was closed."""

    def __init__(self, *data: bytes, error: BaseException | None = None) -> None:
        self._data = data
        self._error = error
        self.closed = threading.Event()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Closing:
        start_response("200 OK", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield from self._data
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        assert not self.closed.is_set(), "close() was called twice"
        self.closed.set()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("data", [(), (b"one",), (b"one", b"two")], ids=len)
def test_a_body_is_closed_when_it_is_sent(server: HTTPServe, method: str, data: tuple[bytes, ...]) -> None:
    application = Closing(*data)
    server.mount("/app", application)
    requests.request(method, server.url_for("/app"), timeout=PATIENCE)

    assert application.closed.wait(PATIENCE)
    server.stop()
    assert server.failures == ()


ERRORS = pytest.mark.parametrize(
    "error",
    [
        Unhappy("a reason"),
        AssertionError("a reason"),
        # What the application's own connections raise; wsgiref takes these for the client's.
        ConnectionResetError("a reason"),
        BrokenPipeError("a reason"),
        http.client.RemoteDisconnected("a reason"),
        TimeoutError("a reason"),
        SystemExit("a reason"),
        pytest.fail.Exception("a reason"),
    ],
    ids=lambda error: type(error).__name__,
)


@ERRORS
def test_an_application_that_raises_fails_the_test_and_is_a_500(server: HTTPServe, error: BaseException) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise error

    server.mount("/app", application)
    answer = get(server, "/app/a?b")
    (failure,) = server.failures

    assert answer.status_code == 500
    assert answer.text == failure
    assert "GET /app/a?b" in failure
    assert "a reason" in failure
    assert "in application" in failure
    assert server.exchanges[0].response is not None
    assert server.exchanges[0].response.status == 500


@ERRORS
def test_a_body_that_raises_at_once_is_a_500_and_is_closed(server: HTTPServe, error: BaseException) -> None:
    application = Closing(error=error)
    server.mount("/app", application)

    assert get(server, "/app").status_code == 500
    assert application.closed.is_set()
    assert len(server.failures) == 1


@ERRORS
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_body_that_raises_later_does_not_look_complete(
    server: HTTPServe, connect: Connect, error: BaseException, version: str
) -> None:
    application = Closing(b"one,", b"two", error=error)
    server.mount("/app", application)
    connection = connect()
    connection.sock.sendall(f"GET /app {version}\r\nHost: x\r\n\r\n".encode())
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response = http.client.HTTPResponse(connection.sock)
        response.begin()
        response.read()

    assert application.closed.is_set()
    assert len(server.failures) == 1
    assert "a reason" in server.failures[0]


def test_an_exception_in_close_fails_the_test(server: HTTPServe, connect: Connect) -> None:
    class Unclosable(Closing):
        def close(self) -> None:
            raise Unhappy("in close")

    server.mount("/app", Unclosable(b"one", b"two"))
    connection = connect()
    connection.request("GET", "/app")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()

    assert "Unhappy: in close" in server.failures[0]


def test_a_response_may_be_replaced_before_the_first_byte(server: HTTPServe) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        try:
            raise Unhappy
        except Unhappy:
            start_response("503 Not Today", [("X-B", "2")], sys.exc_info())
        return [b"sorry"]

    server.mount("/app", application)
    answer = get(server, "/app")

    assert (answer.status_code, answer.text, answer.headers["X-B"]) == (503, "sorry", "2")
    assert "X-A" not in answer.headers
    assert server.failures == (), "the application has dealt with it"


@pytest.mark.parametrize(
    ("application", "wrong"),
    [
        (lambda environ, start_response: [], "without calling start_response"),
        (lambda environ, start_response: [b"body"], "before it called start_response"),
        (lambda environ, start_response: None, "NoneType"),
        (
            lambda environ, start_response: start_response("200 OK", []) and ["text"],
            "a WSGI response must be bytes, not str",
        ),
        (lambda environ, start_response: start_response("OK", []) and [b""], "a line like '200 OK', not 'OK'"),
        (lambda environ, start_response: start_response(b"200 OK", []) and [b""], "all of them str"),
        (lambda environ, start_response: start_response("200 OK", [("A", 5)]) and [b""], "all of them str"),
        (lambda environ, start_response: start_response("200 OK", [["A", "b"]]) and [b""], "all of them str"),
        (lambda environ, start_response: start_response("200 OK", None) and [b""], "all of them str"),
        (lambda environ, start_response: start_response("200 OK", [("Connection", "close")]) and [b""], "PEP 3333"),
        (lambda environ, start_response: start_response("200 OK", [("A", "b\r\nC: d\r\n\r\n")]) and [b""], "header A "),
        (lambda environ, start_response: start_response("200 OK\r\nC: d", []) and [b""], "a line like '200 OK'"),
        (lambda environ, start_response: (start_response("200 OK", []), start_response("200 OK", [])), "called twice"),
        (lambda environ: [], "positional argument"),
    ],
)
def test_what_the_protocol_forbids_fails_the_test(server: HTTPServe, application: object, wrong: str) -> None:
    server.mount("/app", application)

    assert get(server, "/app").status_code == 500
    (failure,) = server.failures
    assert wrong in failure.rstrip().rpartition("\n")[2], "the line in which the exception says what it is"


def test_nothing_leaves_before_an_application_gives_some_of_its_body(server: HTTPServe) -> None:
    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b""
        try:
            raise Unhappy
        except Unhappy:
            start_response("503 Not Today", [], sys.exc_info())
        yield b"sorry"

    server.mount("/app", application)
    answer = get(server, "/app")

    assert (answer.status_code, answer.text) == (503, "sorry")


def test_too_late_for_another_head_an_application_has_its_exception_back(server: HTTPServe, connect: Connect) -> None:
    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        try:
            raise Unhappy("a reason")
        except Unhappy:
            start_response("503 Not Today", [], sys.exc_info())
        yield b"never"

    server.mount("/app", application)
    connection = connect()
    connection.request("GET", "/app")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()

    assert "Unhappy: a reason" in server.failures[0]


@pytest.mark.parametrize("size", [1, 5_000], ids=["small", "large"])
def test_each_head_of_an_application_is_its_own(server: HTTPServe, connect: Connect, size: int) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("X-Asked", environ["QUERY_STRING"] * size)])
        return [environ["QUERY_STRING"].encode()]

    server.mount("/app", application)
    connection = connect()
    for query in ("a", "b", "a"):
        connection.request("GET", f"/app?{query}")
        response = connection.getresponse()
        assert (response.headers["X-Asked"], response.read()) == (query * size, query.encode())


@pytest.mark.needs("socket.AF_UNIX")
def test_an_application_on_a_unix_socket_is_told_its_path() -> None:
    told: list[Environ] = []

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        told.append(environ)
        start_response("200 OK", [])
        return [b""]

    with HTTPServe(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        server.mount("/", application)
        client.connect(str(server.socket_path))
        client.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n")

        assert (told[0]["SERVER_NAME"], told[0]["SERVER_PORT"]) == (str(server.socket_path), "")


def test_a_client_that_goes_away_from_an_application_is_no_failure(server: HTTPServe, connect: Connect) -> None:
    application = Closing(*[bytes(65_536)] * 1_000, error=AssertionError("nothing showed that the client had gone"))
    server.mount("/app", application)
    connection = connect()
    connection.request("GET", "/app")
    connection.getresponse().read(10)
    connection.close()
    assert application.closed.wait(PATIENCE), "close() was not called"
    server.stop()

    assert server.failures == ()


def test_a_body_that_the_client_of_an_application_breaks_is_its_own_fault(server: HTTPServe, connect: Connect) -> None:
    server.mount("/app", echo)
    connection = connect()
    connection.sock.sendall(b"POST /app HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
    response = http.client.HTTPResponse(connection.sock)
    response.begin()

    assert response.status == 400
    [failure] = server.failures
    assert failure.startswith("refused POST /app: not the first line of a chunk: 'no chunk")


def test_what_an_application_says_of_errors_is_shown(server: HTTPServe, capfd: pytest.CaptureFixture[str]) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        print("a word of warning", file=environ["wsgi.errors"])
        start_response("200 OK", [])
        return [b""]

    server.mount("/app", application)
    get(server, "/app")

    assert capfd.readouterr().err == "a word of warning\n"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/app", "/app/", "/app/a%20b?c=d"])
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_the_validator_of_the_protocol_has_nothing_to_say(
    server: HTTPServe, method: str, path: str, framing: str
) -> None:
    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.errors"].flush()
        body = environ["wsgi.input"].read(10)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"body:", body[:1] or b"-"]

    server.mount("/app", wsgiref.validate.validator(application))
    data = {"length": b"abc", "chunked": iter([b"abc"]), "none": None}[framing]
    answer = requests.request(method, server.url_for(path), data=data, timeout=PATIENCE)

    assert answer.status_code == 200
    server.stop()
    assert server.failures == ()


# Mounts among each other


def test_routes_come_before_applications_and_longer_prefixes_before_shorter(server: HTTPServe, site: Path) -> None:
    server.mount("/", handler(OURS))
    server.mount("/app", pieces(b"application"))
    server.serve_dir(site, at="/app/files")
    server.on("GET", "/app/route").respond(text="route")

    assert get(server, "/a").text == "GET /a"
    assert get(server, "/app/a").text == "application"
    assert get(server, "/app/files/page.txt").text == "a page"
    assert get(server, "/app/route").text == "route"


def test_many_clients_at_once_are_served(server: HTTPServe) -> None:
    server.mount("/handler", handler(THEIRS))
    server.mount("/application", echo)

    def ask(number: int) -> tuple[str, str]:
        told = get(server, f"/application/{number}").json()
        return get(server, f"/handler/{number}").text, told["PATH_INFO"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [(f"GET /{number}", f"/{number}") for number in range(40)]


@pytest.mark.parametrize(
    ("application", "wrong"),
    [
        (None, "None"),
        (5, "5"),
        ("application", "'application'"),
        (http.server, "module"),
        ([echo], "["),
    ],
)
def test_what_is_no_application_is_refused(application: object, wrong: str) -> None:
    with pytest.raises(UsageError, match=r"^mount\(\) takes a ") as caught:
        HTTPServe().mount("/app", application)

    assert wrong in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "app", "/a?b", "/a#b", "//a", None, 5])
def test_a_wrong_prefix_is_refused(prefix: Any) -> None:
    with pytest.raises(UsageError, match="must be a path such as / or /static, not "):
        HTTPServe().mount(prefix, echo)


def test_a_prefix_is_taken_once(site: Path) -> None:
    server = HTTPServe()
    server.mount("/app", echo)
    with pytest.raises(UsageError, match="'/app' is taken: echo is mounted there"):
        server.mount("/app/", handler(OURS))
    with pytest.raises(UsageError, match="'/app' is taken: echo is mounted there"):
        server.serve_dir(site, at="/app")


def test_a_body_that_the_routes_have_looked_at_is_streamed_to_an_application(server: HTTPServe) -> None:
    pieces: list[bytes] = []
    looked: list[int] = []

    def take(environ: Environ, start_response: StartResponse) -> list[bytes]:
        while piece := environ["wsgi.input"].read(100_000):
            pieces.append(hashlib.sha256(piece).digest())
        start_response("200 OK", [])
        return [b"well"]

    def look(request: Request) -> bool:
        looked.append(request.content.size)
        return False

    server.on("POST", "/a", where=look, otherwise="continue").respond(text="route")
    server.mount("/", take)
    for body in (b"", BIG[:100], 16 * BIG):
        pieces.clear()
        looked.clear()
        tracemalloc.start()
        answer = requests.post(server.url_for("/a"), data=io.BytesIO(body), timeout=PATIENCE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert answer.text == "well"
        assert looked == [len(body)]
        wanted = [hashlib.sha256(body[at : at + 100_000]).digest() for at in range(0, len(body), 100_000)]
        assert pieces == wanted
        assert server.exchanges[-1].request.body == body
        assert peak < len(body) / 3 + (8 << 20)


def test_what_a_route_has_looked_at_and_nobody_reads_is_not_the_next_request(server: HTTPServe, say: Say) -> None:
    def leave(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["REQUEST_METHOD"].encode()]

    server.on("POST", "/a", body=b"other", otherwise="continue").respond(text="route")
    server.mount("/", leave)
    smuggled = "GET /b HTTP/1.1\nHost: x\n\n"
    answer = say(
        server,
        f"POST /a HTTP/1.1\nHost: x\nContent-Length: {len(smuggled) + smuggled.count(chr(10))}\n\n{smuggled}"
        "GET /c HTTP/1.1\nHost: x\nConnection: close\n\n",
    )

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [exchange.request.target for exchange in server.exchanges] == ["/a", "/c"]


def test_a_handler_over_tls_that_raises_with_a_body_unread_fails_the_test_once() -> None:
    class Raises(THEIRS):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"hello")
            raise ZeroDivisionError

    with pytest.raises(ServerFailure) as raised, HTTPServe(tls=True) as server:
        server.mount("/", Raises)
        with pytest.raises(requests.RequestException):
            requests.post(server.url_for("/a"), data=100_000 * b"a", timeout=PATIENCE, verify=str(server.ca.pem_path))

    assert "ZeroDivisionError" in str(raised.value)
    assert str(raised.value).count("raised:") == 1


def test_an_application_that_fails_before_its_head_leaves_the_connection(server: HTTPServe, connect: Connect) -> None:
    def fail(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise ZeroDivisionError

    server.mount("/app", fail)
    connection = connect()
    for _ in range(2):
        connection.request("GET", "/app")
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.will_close) == (500, False)
    assert len(server.failures) == 2


@pytest.mark.parametrize(("announced", "said"), [(1, "more"), (5, "less")])
def test_an_application_that_announces_another_length_is_noted(
    server: HTTPServe, say: Say, announced: int, said: str
) -> None:
    def lie(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(announced))])
        return [b"xyz"]

    server.mount("/app", lie)
    body = say(server, "GET /app HTTP/1.1\nHost: x\n\n").partition(b"\r\n\r\n")[2]

    assert body == b"xyz"[:announced]
    assert server.exchanges[0].notes == (f"the application wrote {said} than the body that its head announces",)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_application_that_announces_no_length_has_none_to_miss(server: HTTPServe, say: Say, version: str) -> None:
    def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        yield b"two"

    server.mount("/app", stream)
    assert b"two" in say(server, f"GET /app HTTP/{version}\nHost: x\nConnection: close\n\n")
    assert server.exchanges[0].notes == ()
