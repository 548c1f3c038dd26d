"""HTTPServe: its life, and what it says of itself."""

import errno
import gc
import http.client
import os
import queue
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request, ServerFailure
from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.net.entry import Entry
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.server import BaseHTTPRequestHandler


def get(server: HTTPServe, path: str = "/a") -> str:
    return requests.get(server.url_for(path), timeout=10).text


def is_refused(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


# Start and stop


@pytest.mark.parametrize("tls", [None, True])
def test_a_client_that_says_nothing_more_is_given_up(tls: bool | None) -> None:
    with HTTPServe(timeout=0.05, tls=tls) as server, requests.Session() as client:
        server.on("GET", "/a").respond(text="well")
        client.trust_env = False
        client.get(server.url_for("/a"), timeout=10, verify=tls is None or str(server.ca.pem_path))
        server.assert_all_closed(by="server", timeout=10)

        assert [record.closed_how for record in server.connections] == ["timeout"]


def test_a_head_that_does_not_end_is_given_up_in_time() -> None:
    with (
        HTTPServe(timeout=0.05, ignore="refused") as server,
        socket.create_connection((server.host, server.port), timeout=10) as client,
    ):
        client.sendall(b"GET /a HTTP/1.1\r\nHost:")

        assert client.recv(65536).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("timeout", [0, -1.0, float("inf"), True, None, "5"])
def test_a_timeout_is_a_number_of_seconds(timeout: object) -> None:
    sentence = f"timeout= must be a number of seconds above 0, not {timeout!r}"
    with pytest.raises(UsageError, match="^" + re.escape(sentence)):
        HTTPServe(timeout=timeout)  # type: ignore[arg-type]  # which is the test


def test_a_server_is_started_and_stopped(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well")
    assert get(server) == "well"
    server.stop()

    assert is_refused(server.port)


@pytest.mark.parametrize("tls", [None, "revoked"])
def test_a_start_that_failed_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tls: str | None) -> None:
    server = HTTPServe(tls=tls)
    running = set(RUNNING)
    add = Loop.add

    def refuse(loop: Loop, entry: Entry) -> None:
        if server._server is not None:  # it is not its helper that starts
            raise RuntimeError("can't start new thread")
        add(loop, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "add", refuse)
        with pytest.raises(RuntimeError, match=r"^can't start new thread"):
            server.start()
    assert is_refused(server.port)
    assert running == RUNNING

    with server:
        assert not is_refused(server.port)


def test_start_returns_the_server() -> None:
    server = HTTPServe()
    try:
        assert server.start() is server
    finally:
        server.stop()


def test_a_stopped_server_starts_again_and_knows_what_it_was_told(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well")
    get(server)
    server.stop()
    server.start()

    assert get(server) == "well"
    assert len(server.exchanges) == 2


def test_a_chosen_port_is_listened_on_again_after_a_stop(server: HTTPServe) -> None:
    port = server.port
    server.stop()
    for _ in range(5):
        with HTTPServe(port=port) as other:
            assert other.port == port
            other.on("GET", "/a").respond(text="well")
            assert get(other) == "well"


def test_stop_does_nothing_a_second_time(server: HTTPServe) -> None:
    server.stop()
    server.stop()


def test_stop_does_nothing_before_the_start() -> None:
    HTTPServe().stop()


def test_start_is_refused_while_the_server_runs(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=f"^the server is already running, on {server.base_url}$"):
        server.start()


def test_a_port_in_use_is_one_clear_error(server: HTTPServe) -> None:
    other = HTTPServe(port=server.port)
    with pytest.raises(HTTPServeError) as caught:
        other.start()

    assert str(caught.value) == f"cannot listen on 127.0.0.1 port {server.port}: {os.strerror(errno.EADDRINUSE)}"
    assert repr(other) == "<HTTPServe stopped>"


def test_a_server_that_could_not_listen_can_be_tried_again(server: HTTPServe) -> None:
    other = HTTPServe(port=server.port)
    with pytest.raises(HTTPServeError):
        other.start()
    server.stop()
    other.start()
    other.stop()


def test_an_address_of_another_machine_is_one_clear_error() -> None:
    with pytest.raises(HTTPServeError) as caught:
        HTTPServe(host="203.0.113.1").start()  # RFC 5737: belongs to nobody

    assert str(caught.value) == f"cannot listen on 203.0.113.1 port 0: {os.strerror(errno.EADDRNOTAVAIL)}"


@pytest.mark.parametrize("host", ["localhost", "example.org", ""])
def test_a_host_that_is_a_name_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is not an IP address"):
        HTTPServe(host=host)


@pytest.mark.parametrize("port", [-1, 65536, "80"])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match="must be a number from 0 to 65535"):
        HTTPServe(port=port)


def test_a_stop_ends_an_idle_connection(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well")
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/a")
    connection.getresponse().read()
    server.stop()

    assert connection.sock.recv(1) == b"", "the connection is still open"
    connection.close()
    assert server.failures == ()


def test_a_stop_ends_a_client_that_does_not_read(server: HTTPServe, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 28)
    server.serve_dir(tmp_path)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4) == b"HTTP"
        server.stop()

    assert server.failures == (), "a client that does not read is no failure of the server"


def ask(server: HTTPServe, path: str) -> socket.socket:
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def test_a_handler_that_does_not_end_is_named_with_its_stack(server: HTTPServe) -> None:
    arrived, leave = threading.Event(), threading.Event()

    @server.on("GET", "/a")
    def hang_around(request: Request) -> None:
        arrived.set()
        leave.wait(30)

    with ask(server, "/a"):
        assert arrived.wait(10)
        server.stop()
    hanging = server.failures
    leave.set()

    (failure,) = hanging
    assert failure.startswith("the handler of 'GET /a HTTP/1.1' did not end")
    assert "in hang_around" in failure
    assert server.exchanges[0].notes == (), "its client had not gone"


def test_a_stop_does_not_wait_for_a_handler_whose_client_has_gone() -> None:
    arrived, leave = threading.Event(), threading.Event()
    server = HTTPServe(grace=3600).start()

    @server.on("GET", "/a")
    def be_slow(request: Request) -> None:
        arrived.set()
        leave.wait(30)

    with ask(server, "/a"):
        assert arrived.wait(10)
    server.stop()
    assert not leave.is_set()
    leave.set()
    assert server.failures == (), "the test had its client give up"
    (note,) = server.exchanges[0].notes
    assert note.startswith("its client had gone: the handler of 'GET /a HTTP/1.1' did not end")
    assert "in be_slow" in note


def test_a_handler_whose_client_has_gone_is_not_named_where_another_one_hangs() -> None:
    arrived, leave = threading.Semaphore(0), threading.Event()
    server = HTTPServe(grace=0.05).start()

    @server.on("GET", "/{name}")
    def hang_around(request: Request) -> None:
        arrived.release()
        leave.wait(30)

    with ask(server, "/stays"):
        ask(server, "/gone").close()
        assert arrived.acquire(timeout=10)
        assert arrived.acquire(timeout=10)
        server.stop()
    leave.set()
    (failure,) = server.failures
    assert failure.startswith("the handler of 'GET /stays HTTP/1.1' did not end")
    assert [one.closed_by for one in sorted(server.connections, key=lambda one: one.index)] == ["server", "client"]


def test_a_stream_whose_client_has_gone_is_not_waited_for() -> None:
    leave = threading.Event()
    server = HTTPServe(grace=3600).start()

    def pieces() -> Iterator[str]:
        yield "first"
        leave.wait(30)

    server.on("GET", "/a").respond(stream=pieces)
    with ask(server, "/a") as client:
        data = b""
        while b"first" not in data:
            data += client.recv(1000)
    server.stop()
    assert not leave.is_set()
    leave.set()
    assert server.failures == ()


def test_what_a_handler_raises_after_its_response_fails_the_test_though_the_client_has_gone() -> None:
    gone = threading.Event()
    server = HTTPServe(grace=10).start()

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            gone.wait(30)
            raise RuntimeError("too late for the client")

    server.mount("/", Failing)
    with ask(server, "/a") as client:
        data = b""
        while not data.endswith(b"ok"):
            data += client.recv(1000)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    gone.set()
    stopping.join(20)
    assert not stopping.is_alive()
    (failure,) = server.failures
    assert "RuntimeError: too late for the client" in failure


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [("nobody is there", ValueError, "nobody is there"), ("\ud800\x1b", RuntimeError, "ValueError: \\ud800\\x1b")],
    ids=["plain", "unreadable"],
)
def test_what_a_handler_raises_when_nobody_waits_for_it_is_an_exception_of_its_thread(
    monkeypatch: pytest.MonkeyPatch, raised: str, kind: type[Exception], text: str
) -> None:
    arrived, leave, seen = threading.Event(), threading.Event(), queue.SimpleQueue[threading.ExceptHookArgs]()
    monkeypatch.setattr(threading, "excepthook", seen.put)
    server = HTTPServe(grace=3600).start()

    @server.on("GET", "/a")
    def fail(request: Request) -> None:
        arrived.set()
        leave.wait(30)
        raise ValueError(raised)

    with ask(server, "/a"):
        assert arrived.wait(10)
    server.stop()
    leave.set()
    error = seen.get(timeout=10).exc_value
    assert type(error) is kind
    assert str(error).rstrip().endswith(text)


def test_a_client_that_has_ended_its_own_side_still_gets_its_response() -> None:
    arrived, leave = threading.Event(), threading.Event()
    server = HTTPServe(grace=3600).start()

    @server.on("GET", "/a")
    def answer(request: Request) -> str:
        arrived.set()
        leave.wait(30)
        return "well"

    with ask(server, "/a") as client:
        client.shutdown(socket.SHUT_WR)
        assert arrived.wait(10)
        server.stop()
        leave.set()
        assert client.makefile("rb").read().endswith(b"well")


def test_a_client_that_leaves_during_the_grace_ends_the_wait() -> None:
    arrived, leave = threading.Event(), threading.Event()
    server = HTTPServe(grace=3600).start()

    @server.on("GET", "/a")
    def be_slow(request: Request) -> None:
        arrived.set()
        leave.wait(30)

    with ask(server, "/a"):
        assert arrived.wait(10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()
    leave.set()
    assert server.failures == ()


def test_the_grace_is_how_long_a_stop_waits_for_a_handler() -> None:
    arrived, leave = threading.Event(), threading.Event()
    server = HTTPServe(grace=3600).start()

    @server.on("GET", "/a")
    def be_slow(request: Request) -> str:
        arrived.set()
        leave.wait(30)
        return "late"

    with ask(server, "/a") as client:
        assert arrived.wait(10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        leave.set()
        stopping.join(10)
        assert b"late" in client.makefile("rb").read()
    assert server.failures == ()


# Nothing is left


def threads_and_descriptors() -> tuple[set[threading.Thread], int]:
    gc.collect()  # what earlier tests have left goes now, not while this one counts
    return set(threading.enumerate()), len(os.listdir("/proc/self/fd"))


@pytest.mark.needs("/proc/self/fd")
def test_three_hundred_servers_leave_neither_thread_nor_descriptor() -> None:
    def cycle() -> None:
        with HTTPServe() as server:
            server.on("GET", "/a").respond(text="well")
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            connection.request("GET", "/a")
            assert connection.getresponse().read() == b"well"
        connection.close()

    cycle()
    threads, descriptors = threads_and_descriptors()
    for _ in range(300):
        cycle()

    threads_left, descriptors_left = threads_and_descriptors()
    assert threads_left - threads == set()
    assert descriptors_left <= descriptors


def test_a_server_that_is_stopped_at_once_stops_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    threads = set(threading.enumerate())
    for _ in range(300):
        HTTPServe().start().stop()

    assert [error.exc_value for error in errors] == []
    assert set(threading.enumerate()) - threads == set()


@pytest.mark.needs("/proc/self/fd")
def test_a_start_that_fails_leaves_nothing(server: HTTPServe) -> None:
    threads, descriptors = threads_and_descriptors()
    for _ in range(20):
        with pytest.raises(HTTPServeError):
            HTTPServe(port=server.port).start()

    threads_left, descriptors_left = threads_and_descriptors()
    assert threads_left - threads == set()
    assert descriptors_left <= descriptors


# Many clients


def test_two_hundred_clients_at_once_are_all_served(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(text="well")
    together = threading.Barrier(200)

    def post(number: int) -> bytes:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        connection.connect()
        together.wait(30)  # all 200 connections are open now
        connection.request("POST", "/a", body=str(number))
        answer = connection.getresponse().read()
        connection.close()
        return answer

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(post, range(200)))

    assert answers == [b"well"] * 200
    assert sorted(int(exchange.request.text) for exchange in server.exchanges) == list(range(200))


# Nothing is resolved


def test_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    for function in ("getfqdn", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo", "getaddrinfo"):
        monkeypatch.setattr(socket, function, lambda *given, function=function: asked.append(f"{function}{given}"))
    with HTTPServe() as server:
        server.serve_dir(tmp_path, at="/files")
        server.on("GET", "/a").respond(text="well")
        for path in ("/a", "/files/"):
            with socket.socket() as client:
                client.settimeout(10)
                client.connect((server.host, server.port))
                client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                assert client.recv(15) == b"HTTP/1.1 200 OK"

    assert asked == []


# Where it listens


@pytest.mark.needs("IPv6")
def test_a_server_listens_on_ipv6() -> None:
    with HTTPServe(host="::1") as server:
        server.on("GET", "/a").respond(text="well")

        assert server.base_url == f"http://[::1]:{server.port}"
        assert get(server) == "well"
        (exchange,) = server.exchanges
        host, port = exchange.request.client_address
        assert host == "::1"
        assert 0 < port < 65536


def test_a_server_on_all_addresses_is_reached_by_its_url() -> None:
    with HTTPServe(host="0.0.0.0") as server:
        server.on("GET", "/a").respond(text="well")

        assert server.host == "0.0.0.0"
        assert get(server) == "well"


def test_the_url_for_a_client_that_reaches_the_server_by_another_name() -> None:
    with HTTPServe(host="0.0.0.0") as server, HTTPServe(tls=True) as secure:
        assert server.url_for("/a b", host="host.docker.internal") == f"http://host.docker.internal:{server.port}/a%20b"
        assert server.url_for("/", host="fd00::1", scheme="ws") == f"ws://[fd00::1]:{server.port}/"
        assert secure.url_for("/", host="10.0.2.2") == f"https://10.0.2.2:{secure.port}/"
        for wrong in ("", "a/b", "http://a", "a:80", "[::1]", 7):
            with pytest.raises(UsageError, match=r"^host=.+ IP address"):
                server.url_for("/", host=wrong)  # type: ignore[arg-type]  # of the last


@pytest.mark.needs("socket.AF_UNIX")
def test_no_name_reaches_a_unix_socket() -> None:
    with HTTPServe(unix=True) as server, pytest.raises(UsageError, match="listens on a Unix socket"):
        server.url_for("/", host="localhost")


def test_a_server_has_no_port_before_it_is_started() -> None:
    with pytest.raises(UsageError, match=r"^the server has no port before it is started$"):
        HTTPServe().url_for("/")


def test_the_port_is_still_known_after_a_stop(server: HTTPServe) -> None:
    url = server.url_for("/a")
    server.stop()

    assert server.url_for("/a") == url


def test_a_server_reads_as_its_url_or_as_stopped(server: HTTPServe) -> None:
    assert repr(server) == f"<HTTPServe {server.base_url}>"
    server.stop()
    assert repr(server) == "<HTTPServe stopped>"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/", "/"),
        ("/a?b=c&d=e%20f", "/a?b=c&d=e%20f"),
        ("/a b", "/a%20b"),
        ("/grüße", "/gr%C3%BC%C3%9Fe"),
        ("/a%20b", "/a%20b"),
        ("/a#b", "/a%23b"),
        ('/"<>\\^`{}', "/%22%3C%3E%5C%5E%60%7B%7D"),
        ("//a", "//a"),
        ("/a\r\nb", "/a%0D%0Ab"),
    ],
)
def test_a_url_is_made_of_a_path(server: HTTPServe, path: str, written: str) -> None:
    assert server.url_for(path) == server.base_url + written


@pytest.mark.parametrize("path", ["", "a", "http://127.0.0.1/", None, b"/a"])
def test_a_url_is_made_only_of_a_path_with_a_slash(server: HTTPServe, path: str) -> None:
    with pytest.raises(UsageError, match=r"^a path must begin with a slash; .* does not$"):
        server.url_for(path)


@pytest.mark.parametrize("path", ["/a b", "/grüße", "/50%", "/a%2Fb", "/a;b", "/\\", "/a'b", "/{id}", "/a|b"])
def test_the_url_of_a_route_reaches_it(server: HTTPServe, path: str) -> None:
    server.on("GET", path).respond(text="well")
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", server.url_for(path).removeprefix(server.base_url))
    answer = connection.getresponse().read()
    connection.close()

    assert answer == b"well"


# Reset


def test_reset_forgets_everything_and_the_server_runs_on(server: HTTPServe, tmp_path: Path) -> None:
    server.on("GET", "/a").respond(text="well")
    server.serve_dir(tmp_path, at="/files")
    get(server, "/nowhere")
    get(server)
    port = server.port
    server.reset()

    assert (server.exchanges, server.failures, server.take_failures()) == ((), (), ())
    assert server.port == port
    get(server)
    get(server, "/files/")
    assert [failure.splitlines() for failure in server.failures] == [
        ["nothing answers GET /a", "  the server has no route, and serves no directory"],
        ["nothing answers GET /files/", "  the server has no route, and serves no directory"],
    ]


def test_a_prefix_is_free_after_a_reset(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path)
    server.reset()
    server.serve_dir(tmp_path)


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_a_request_that_a_test_has_kept_survives_a_reset(server: HTTPServe, size: int) -> None:
    server.on("POST", "/a").respond()
    requests.post(server.url_for("/a"), data=bytes(size), timeout=10)
    (kept,) = server.exchanges
    server.reset()

    assert len(kept.request.body) == size


# As a context manager


@contextmanager
def refusing(path: str) -> Iterator[HTTPServe]:
    """A server that had a request which nothing answers."""
    with HTTPServe() as server:
        get(server, path)
        yield server


def test_the_block_raises_what_went_wrong() -> None:
    with pytest.raises(ServerFailure, match=r"^nothing answers GET /nowhere\n"), refusing("/nowhere"):
        pass


def test_the_block_raises_everything_that_went_wrong() -> None:
    with pytest.raises(ServerFailure) as caught, refusing("/nowhere") as server:
        get(server, "/elsewhere")

    assert "nothing answers GET /nowhere" in str(caught.value)
    assert "nothing answers GET /elsewhere" in str(caught.value)


def test_the_error_of_the_block_comes_first_and_has_ours_as_a_note() -> None:
    with pytest.raises(KeyError) as caught, refusing("/nowhere"):
        raise KeyError("mine")

    (note,) = caught.value.__notes__
    assert note.startswith("nothing answers GET /nowhere\n")


def test_the_block_stops_the_server_even_if_it_fails() -> None:
    with pytest.raises(KeyError), HTTPServe() as server:
        raise KeyError

    assert is_refused(server.port)


def test_a_failure_that_was_taken_is_not_raised() -> None:
    with refusing("/nowhere") as server:
        (failure,) = server.take_failures()

    assert failure.startswith("nothing answers GET /nowhere\n")


def test_a_failure_is_an_assertion_error() -> None:
    assert issubclass(ServerFailure, AssertionError)


def test_exchanges_can_be_read_after_the_block() -> None:
    with HTTPServe() as server:
        server.on("POST", "/a").respond(text="well")
        requests.post(server.url_for("/a"), data=bytes(2_000_000), timeout=10)

    (exchange,) = server.exchanges
    assert len(exchange.request.body) == 2_000_000


@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_strict_is_true_or_false(wrong: Any) -> None:
    with pytest.raises(UsageError, match=f"^strict= must be True or False, not {wrong!r}"):
        HTTPServe(strict=wrong)


def test_a_timeout_may_be_months_but_not_eternity() -> None:
    with HTTPServe(timeout=100 * 86_400.0) as server:
        server.on("*", "/a").respond(text="well")
        for method in ("GET", "POST"):
            assert requests.request(method, server.url_for("/a"), data=b"hi", timeout=10).text == "well"
    with pytest.raises(UsageError, match=r"^timeout= must be at most \d+ seconds, not 1e\+300"):
        HTTPServe(timeout=1e300)
