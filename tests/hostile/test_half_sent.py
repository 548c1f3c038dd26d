"""Bodies that come in pieces, or never: the loop waits for them, and no thread does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.record.request import BODY_IN_MEMORY_BYTES, Request
from pytest_httpserve.server.servers import service_of

TIMEOUT = 30.0
JSON = b"Content-Type: application/json\r\n"
FIXED = b"Content-Length: 9\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# A head's fields, and the body in two parts, as the wire has it.
BODIES = [
    (FIXED, b'{"i', b'd": 7}'),
    (FIXED, b"", b'{"id": 7}'),
    (CHUNKED, b'4\r\n{"id', b'\r\n5\r\n": 7}\r\n0\r\n\r\n'),
    (CHUNKED, b'9\r\n{"id": 7}\r\n0\r', b"\n\r\n"),
]


def connect(server: HTTPServe) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=TIMEOUT)


def head(path: bytes, *fields: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path, b"".join(fields))


def answer(client: socket.socket) -> tuple[int, bytes]:
    with client.makefile("rb") as file:
        status = int(file.readline().split()[1])
        length = 0
        while line := file.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, file.read(length)


def say(server: HTTPServe) -> None:
    """Routes of each kind: one that takes the body, one that is found by it, and one whose function returns it."""
    server.on("POST", "/taken").respond(text="taken")
    server.on("POST", "/found", json={"id": 7}).respond(text="found")
    server.on("POST", "/echo").handle(lambda request: request.body)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServe]:
    """A server that does not wait for long."""
    server = HTTPServe(timeout=0.05).start()
    RUNNING.discard(server)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("count", [300, 60], ids=["plain", "tls"])
def test_half_sent_bodies_cost_no_threads(count: int) -> None:
    """300 of them were 300 threads."""
    paths = (b"/taken", b"/found", b"/echo")
    with HTTPServe(tls=True if count == 60 else None) as server, contextlib.ExitStack() as stack:
        say(server)
        context = ssl.create_default_context(cafile=str(server.ca.pem_path)) if count == 60 else None

        def client() -> socket.socket:
            plain = stack.enter_context(connect(server))
            if context is None:
                return plain
            return stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))

        threads = threading.active_count()
        slow = [client() for _ in range(count)]
        for number, one in enumerate(slow):
            fields, first, _ = BODIES[number % 4]
            one.sendall(head(paths[number % 3], JSON, fields) + first)
        good = client()
        for number in range(5):
            good.sendall(head(b"/echo", FIXED) + b"numbered%d" % number)
            assert answer(good) == (200, b"numbered%d" % number)

        assert threading.active_count() <= threads + 20
        assert len(server.exchanges) == 5  # nobody knows of a request that is half here

        for number, one in enumerate(slow):
            one.sendall(BODIES[number % 4][2])
        for number, one in enumerate(slow):
            assert answer(one) == (200, [b"taken", b"found", b'{"id": 7}'][number % 3])
        bodies = [exchange.request.body for exchange in list(server.exchanges)]
        assert bodies[5:] == [b'{"id": 7}'] * count


@pytest.mark.parametrize(
    ("fields", "first", "rest"), BODIES, ids=["length", "nothing yet", "chunked", "all but the end"]
)
def test_the_next_request_may_follow_at_once(server: HTTPServe, fields: bytes, first: bytes, rest: bytes) -> None:
    say(server)
    with connect(server) as client:
        for _ in range(3):
            client.sendall(head(b"/found", JSON, fields) + first)
            assert requests.post(server.url_for("/taken"), timeout=TIMEOUT).status_code == 200
            client.sendall(rest + head(b"/taken", FIXED) + b"more")
            assert answer(client) == (200, b"found")
            client.sendall(b" more")
            assert answer(client) == (200, b"taken")
    assert [one.raw.request.count(b"POST") for one in server.exchanges] == [1] * 9


def test_a_body_that_comes_byte_by_byte_is_taken_as_it_is(server: HTTPServe) -> None:
    say(server)
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(head(b"/echo", CHUNKED))
        for byte in b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailing: yes\r\n\r\n":
            client.sendall(bytes([byte]))
        assert answer(client) == (200, b"abcde")
    assert server.exchanges[0].request.trailers["trailing"] == "yes"


@pytest.mark.parametrize("size", [BODY_IN_MEMORY_BYTES, 3 * BODY_IN_MEMORY_BYTES])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_body_is_taken_as_it_is(server: HTTPServe, size: int, chunked: bool) -> None:
    @server.on("POST", "/size")
    def count(request: Request) -> str:
        return str(len(request.body))

    def pieces() -> Iterator[bytes]:
        for _ in range(size // 65_536):
            yield bytes(65_536)

    data = pieces() if chunked else bytes(size)
    assert requests.post(server.url_for("/size"), data=data, timeout=TIMEOUT).text == str(size)


def test_a_client_that_waits_for_100_is_told_and_costs_no_thread(server: HTTPServe) -> None:
    say(server)
    with connect(server) as client:
        client.sendall(head(b"/found", JSON, FIXED, b"Expect: 100-continue\r\n"))
        assert client.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert requests.post(server.url_for("/taken"), timeout=TIMEOUT).status_code == 200
        client.sendall(b'{"id": 7}')
        assert answer(client) == (200, b"found")


@pytest.mark.parametrize("path", [b"/taken", b"/found"])
@pytest.mark.parametrize("end", ["end", "reset"])
def test_a_client_that_leaves_within_the_body_is_in_the_journal(server: HTTPServe, path: bytes, end: str) -> None:
    say(server)
    with connect(server) as client:
        client.sendall(head(path, JSON, FIXED) + b'{"id')
        assert requests.post(server.url_for("/taken"), timeout=TIMEOUT).status_code == 200
        if end == "end":
            client.shutdown(socket.SHUT_WR)
            status, text = answer(client)
            assert status == 400 and b"within the body" in text
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server._script.journal.wait(lambda: len(server.exchanges) == 2, TIMEOUT)
    broken = server.exchanges[-1]
    assert broken.request.path == path.decode()
    assert broken.request.body == b'{"id'
    assert broken.error and "4 of 9" in broken.error


@pytest.mark.parametrize("path", [b"/taken", b"/found"])
def test_a_body_that_does_not_come_in_time_is_refused(timed: HTTPServe, path: bytes) -> None:
    say(timed)
    with connect(timed) as client:
        client.sendall(head(path, JSON, FIXED) + b'{"id')
        assert answer(client)[0] == 408
    (exchange,) = timed.exchanges
    assert exchange.refused and exchange.request.body == b'{"id'


def test_bytes_now_and_then_do_not_keep_a_request_alive(timed: HTTPServe) -> None:
    say(timed)
    over = threading.Event()
    with connect(timed) as client:
        client.sendall(head(b"/taken", b"Content-Length: 100000\r\n"))

        def trickle() -> None:
            with contextlib.suppress(OSError):
                while not over.wait(0.005):
                    client.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert answer(client)[0] == 408
        finally:
            over.set()
            thread.join()


def test_broken_chunks_are_refused_when_they_come(server: HTTPServe) -> None:
    say(server)
    with connect(server) as client:
        client.sendall(head(b"/echo", CHUNKED) + b"3\r\nabc\r\n")
        assert requests.post(server.url_for("/taken"), timeout=TIMEOUT).status_code == 200
        client.sendall(b"nonsense\r\n")
        status, text = answer(client)
    assert status == 400 and b"not the first line of a chunk" in text
    assert server.exchanges[-1].request.body == b"abc"


def test_what_was_chosen_before_the_body_stays_chosen(server: HTTPServe) -> None:
    """The test's own code is asked once, and a limit counts once."""
    asked: list[str] = []
    server.limit("/a", per_minute=2)

    def where(request: Request) -> bool:
        asked.append(request.path)
        return True

    server.on("POST", "/a", where=where).respond(text="asked")
    with connect(server) as client:
        client.sendall(head(b"/a", FIXED) + b"half")
        assert requests.post(server.url_for("/a"), timeout=TIMEOUT).text == "asked"
        client.sendall(b"other")
        assert answer(client) == (200, b"asked")
    assert asked == ["/a", "/a"]


def test_a_criterion_that_raises_is_reported_once(server: HTTPServe) -> None:
    class Broken:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None  # type: ignore[assignment]  # as of any class with such an __eq__

    server.on("POST", "/a", json={"id": 7}).respond(text="found")
    server.on("POST", "/a", query={"b": Broken()}).respond()
    with connect(server) as client:
        client.sendall(head(b"/a?b=1", JSON, FIXED) + b'{"id')
        assert requests.get(server.url_for("/b"), timeout=TIMEOUT).status_code == 404
        client.sendall(b'": 7}')
        assert answer(client) == (200, b"found")
    assert sum("ArithmeticError" in str(failure) for failure in server.failures) == 1


def test_the_stop_waits_for_a_body_that_is_about_to_come(server: HTTPServe) -> None:
    say(server)
    with connect(server) as client:
        client.sendall(head(b"/echo", FIXED) + b"half")
        assert requests.post(server.url_for("/taken"), timeout=TIMEOUT).status_code == 200
        assert server._server is not None
        connection = next(iter(service_of(server._server).connections.values()))
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        while not connection.closing:
            threading.Event().wait(0.001)
        client.sendall(b"other")
        assert answer(client) == (200, b"halfother")
        stopping.join()


# Bodies that nobody wants


def refused(server: HTTPServe, client: socket.socket) -> None:
    """A directory answers at once, and leaves the body."""
    client.sendall(head(b"/files/a", FIXED) + b"half")
    assert answer(client)[0] == 405


def test_what_is_left_of_a_body_costs_no_thread(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path, at="/files")
    say(server)
    with contextlib.ExitStack() as stack:
        threads = threading.active_count()
        clients = [stack.enter_context(connect(server)) for _ in range(100)]
        for client in clients:
            refused(server, client)

        assert threading.active_count() <= threads + 20

        for client in clients:
            client.sendall(b" more" + head(b"/echo", FIXED) + b"something")
        assert {answer(client) for client in clients} == {(200, b"something")}
    first, *_, last = server.exchanges
    assert first.raw.request.endswith(b"half more")
    assert last.raw.request.startswith(b"POST /echo")


def test_the_stop_does_not_wait_for_what_nobody_wants(tmp_path: Path) -> None:
    server = HTTPServe(grace=1000.0).start()
    server.serve_dir(tmp_path, at="/files")
    with connect(server) as client:
        refused(server, client)
        server.stop()
        assert client.recv(1) == b""
    assert [exchange.response.status for exchange in server.exchanges if exchange.response] == [405]


def test_what_nobody_wants_is_not_waited_for_longer_than_anything(timed: HTTPServe, tmp_path: Path) -> None:
    timed.serve_dir(tmp_path, at="/files")
    with connect(timed) as client:
        refused(timed, client)
        assert client.recv(1) == b""


def test_too_much_of_what_nobody_wants_ends_the_connection(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path, at="/files")
    with connect(server) as client:
        client.sendall(head(b"/files/a", CHUNKED) + b"4\r\nhalf\r\n")
        assert answer(client)[0] == 405
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                client.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")
            assert client.recv(1) == b""
    server.assert_all_closed(timeout=TIMEOUT)


def test_a_client_that_leaves_what_nobody_wants_is_fine(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path, at="/files")
    with connect(server) as client:
        refused(server, client)
    server.assert_all_closed(timeout=TIMEOUT)
    (exchange,) = server.exchanges
    assert not exchange.refused and not server.failures
