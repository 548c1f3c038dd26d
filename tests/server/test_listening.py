"""Accepting, stopping, and what is left behind: servers of all kinds, with real sockets."""

from __future__ import annotations

import logging
import os
import select
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
BOTH = pytest.mark.parametrize("server_class", [HTTPServer, ThreadingHTTPServer])


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")


class Oneself(Hello):
    """Answers, and closes the connection."""

    protocol_version = "HTTP/1.0"


def in_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, name=getattr(call, "__name__", "call"), daemon=True)
    thread.start()
    return thread


def ends(thread: threading.Thread) -> bool:
    thread.join(PATIENCE)
    return not thread.is_alive()


# Shutdown


@BOTH
def test_shutdown_wakes_the_accept_loop_however_long_the_poll_interval(
    serve: Serve, server_class: type[HTTPServer]
) -> None:
    server = serve(Hello, server_class, start=False)
    thread = serve.start(server)  # with a poll interval of an hour
    assert ends(in_thread(server.shutdown)), "shutdown waits for the poll interval"
    assert ends(thread)


@BOTH
def test_shutdown_before_serve_forever_ends_it_as_soon_as_it_starts(
    serve: Serve, server_class: type[HTTPServer]
) -> None:
    server = serve(Hello, server_class, start=False)
    server.shutdown()
    assert ends(serve.start(server)), "serve_forever has forgotten the shutdown that came first"


def test_shutdown_twice_returns_twice(serve: Serve) -> None:
    server = serve(Hello)
    server.shutdown()
    assert ends(in_thread(server.shutdown)), "the second shutdown waits for a loop that has ended"


def test_shutdown_from_several_threads_at_once_returns_in_all(serve: Serve) -> None:
    server = serve(Hello)
    threads = [in_thread(server.shutdown) for _ in range(10)]
    assert all(map(ends, threads))


def test_a_server_that_was_shut_down_can_serve_again(serve: Serve, connect: Connect) -> None:
    server = serve(Hello, start=False)
    first = serve.start(server)
    assert connect(server).get().body == b"hello"
    server.shutdown()
    assert ends(first)
    serve.start(server)
    assert connect(server).get().body == b"hello"


@BOTH
def test_a_handler_may_call_shutdown(serve: Serve, connect: Connect, server_class: type[HTTPServer]) -> None:
    class Last(Hello):
        def do_GET(self) -> None:
            self.server.shutdown()
            super().do_GET()

    server = serve(Last, server_class, start=False)
    thread = serve.start(server)
    client = connect(server)
    assert client.get("/", "Connection: close").body == b"hello"
    assert ends(thread), "the loop goes on after a shutdown that came from a handler"


def test_shutdown_from_a_handler_ends_the_loop_though_its_client_keeps_the_connection_open(
    serve: Serve, connect: Connect
) -> None:
    class Last(Hello):
        def do_GET(self) -> None:
            self.server.shutdown()
            super().do_GET()

    server = serve(Last, HTTPServer, start=False)
    thread = serve.start(server)
    client = connect(server)
    assert client.get().body == b"hello"
    assert ends(thread), "the loop waits for the next request of a connection, after its shutdown"


def test_shutdown_of_a_serial_server_does_not_wait_for_an_idle_connection(serve: Serve, connect: Connect) -> None:
    server = serve(Hello, HTTPServer)
    client = connect(server)
    client.get()
    assert ends(in_thread(server.shutdown)), "shutdown waits for the next request of a connection"
    assert client.rest() == b""


def test_shutdown_of_a_serial_server_does_not_wait_for_a_client_that_it_just_accepted(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, stopping = threading.Event(), threading.Event()

    class Slow(HTTPServer):
        def verify_request(self, request: object, client_address: object) -> bool:
            accepted.set()
            stopping.wait(PATIENCE)  # shutdown comes after accept and before the handler
            return True

    def ask_to_stop() -> None:
        ask()
        stopping.set()

    server = serve(Hello, Slow)
    service = service_of(server)
    ask = service.ask_to_stop
    monkeypatch.setattr(service, "ask_to_stop", ask_to_stop)
    connect(server)
    assert accepted.wait(PATIENCE)
    assert ends(in_thread(server.shutdown)), "shutdown waits for the first request of a silent client"


def test_shutdown_leaves_the_connections_of_other_threads_alone(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    client = connect(server)
    client.get()
    server.shutdown()
    assert client.get().body == b"hello", "socketserver's shutdown ends the loop, not the connections"


def test_shutdown_returns_when_a_closed_server_was_told_to_serve(serve: Serve) -> None:
    server = serve(Hello, start=False)
    server.server_close()
    server.serve_forever()
    with pytest.raises((OSError, ValueError)):
        server.serve_forever()
    assert ends(in_thread(server.shutdown)), "shutdown waits for a loop that never began"


# server_close


@BOTH
def test_close_ends_serve_forever_without_a_shutdown(serve: Serve, server_class: type[HTTPServer]) -> None:
    server = serve(Hello, server_class, start=False)
    thread = serve.start(server)
    server.server_close()
    assert ends(thread)


def test_close_twice_is_close(serve: Serve) -> None:
    server = serve(Hello)
    server.server_close()
    server.server_close()
    assert server.fileno() == -1


def test_a_closed_server_refuses_connections(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_close_ends_idle_keep_alive_connections(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    server.grace = 3600
    clients = [connect(server) for _ in range(5)]
    for client in clients:
        client.get()
    server.shutdown()
    assert ends(in_thread(server.server_close)), "close waits for connections on which nothing goes on"
    assert [client.rest() for client in clients] == [b""] * 5


def test_close_ends_connections_that_never_said_a_word(serve: Serve, connect: Connect) -> None:
    server = serve(Hello)
    server.grace = 3600
    silent = connect(server)
    connect(server).get()  # once this one is served, the other has been accepted
    server.shutdown()
    assert ends(in_thread(server.server_close))
    assert silent.rest() == b""


def test_close_lets_a_running_handler_finish_its_answer(serve: Serve, connect: Connect, gate: threading.Event) -> None:
    running = threading.Event()

    class Slow(Hello):
        def do_GET(self) -> None:
            running.set()
            gate.wait(PATIENCE)
            super().do_GET()

    server = serve(Slow)
    server.grace = PATIENCE
    client = connect(server)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert running.wait(PATIENCE)
    server.shutdown()
    closing = in_thread(server.server_close)
    gate.set()
    assert client.answer().body == b"hello"
    assert ends(closing)
    assert client.rest() == b"", "the connection outlives its server"


@pytest.mark.parametrize("waits_in", ["read", "write"])
def test_close_wakes_a_handler_that_waits_for_its_client(serve: Serve, connect: Connect, waits_in: str) -> None:
    running, ended = threading.Event(), threading.Event()

    class Waiting(Hello):
        timeout = 3600

        def do_POST(self) -> None:
            running.set()
            try:
                if waits_in == "read":
                    self.rfile.read()
                while waits_in == "write":
                    self.wfile.write(bytes(1 << 20))
            finally:
                ended.set()

    server = serve(Waiting)
    server.grace = 0.01
    client = connect(server)
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n")
    assert running.wait(PATIENCE)
    server.shutdown()
    assert ends(in_thread(server.server_close))
    assert ended.wait(PATIENCE), "the handler still waits for its client"


def test_close_does_not_wait_for_a_client_that_leaves_its_answer_unread(serve: Serve, connect: Connect) -> None:
    """The answer is given; what the connection lingers for is the client's end, and close is one, too."""
    server = serve(Hello)
    server.grace = 3600
    client = connect(server)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + bytes(300_000))
    client.answer()
    server.shutdown()
    assert ends(in_thread(server.server_close))


@pytest.mark.parametrize("leaves_unread", [b"", b"GET /next HTTP/1.1\r\nHost: test\r\n\r\n"])
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_close_does_not_wait_for_a_handler_whose_client_has_gone(
    connect: Connect, gate: threading.Event, caplog: pytest.LogCaptureFixture, version: str, leaves_unread: bytes
) -> None:
    running = threading.Event()

    class Endless(Hello):
        protocol_version = version

        def do_GET(self) -> None:
            running.set()
            gate.wait(PATIENCE)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.grace = 3600
    thread = in_thread(server.serve_forever)
    client = connect(server)
    client.send(b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n" + leaves_unread)
    assert running.wait(PATIENCE)
    client.socket.close()
    server.shutdown()
    with caplog.at_level(logging.ERROR, logger="pytest_httpserve.server"):
        assert ends(in_thread(server.server_close))
    assert ends(thread)
    assert not gate.is_set(), "it was waited for all the same"
    assert caplog.records == [], "nobody waits for its answer"


def test_a_handler_that_does_not_end_is_reported_by_name_with_its_stack(
    connect: Connect, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    running = threading.Event()

    class Endless(Hello):
        def do_GET(self) -> None:
            self.wait_for_something_that_never_comes()

        def wait_for_something_that_never_comes(self) -> None:
            running.set()
            gate.wait(PATIENCE)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.grace = 0.01
    thread = in_thread(server.serve_forever)
    client = connect(server)
    client.send(b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n")
    assert running.wait(PATIENCE)
    server.shutdown()
    with caplog.at_level(logging.ERROR, logger="pytest_httpserve.server"):
        server.server_close()
    assert ends(thread)
    (record,) = caplog.records
    assert "GET /endless" in record.getMessage()
    assert "wait_for_something_that_never_comes" in record.getMessage()
    assert f"httpserve-{server.server_port}" in record.getMessage()


def test_close_waits_for_threads_that_are_no_daemons(serve: Serve, connect: Connect, gate: threading.Event) -> None:
    order: list[str] = []
    running = threading.Event()

    class Slow(Hello):
        def do_GET(self) -> None:
            running.set()
            gate.wait(PATIENCE)
            order.append("handler ended")

    class Patient(ThreadingHTTPServer):
        daemon_threads = False
        grace = 0.0

    server = serve(Slow, Patient)
    connect(server).send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert running.wait(PATIENCE)
    server.shutdown()

    def close() -> None:
        server.server_close()
        order.append("closed")

    closing = in_thread(close)
    closing.join(0.05)  # no proof, but a chance to be wrong
    gate.set()
    assert ends(closing)
    assert order == ["handler ended", "closed"]


def test_a_handler_may_close_its_server(serve: Serve, connect: Connect) -> None:
    class Last(Hello):
        def do_GET(self) -> None:
            self.server.server_close()
            super().do_GET()

    server = serve(Last, start=False)
    thread = serve.start(server)
    idle = connect(server)
    client = connect(server)
    assert client.get().body == b"hello"
    assert idle.rest() == b"", "the other connections outlive the server"
    assert client.rest() == b""
    assert ends(thread)


def wait_for_threads_of_servers() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("httpserve-"):  # the session's own has no port in its name
            assert ends(thread), f"{thread.name} does not end"


@pytest.mark.needs("/proc/self/fd")
@BOTH
def test_nothing_is_left_after_a_server_has_served_and_closed(connect: Connect, server_class: type[HTTPServer]) -> None:
    def descriptors() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"), key=int)

    wait_for_threads_of_servers()  # on a machine under load, those of earlier tests may have more to close
    descriptors_before = descriptors()
    server = server_class(("127.0.0.1", 0), Hello)
    loop = in_thread(server.serve_forever)
    for _ in range(3):
        client = connect(server)
        client.get("/", "Connection: close")
        client.rest()
        client.socket.close()
    client = connect(server)
    client.get()
    server.shutdown()
    server.server_close()
    assert ends(loop)
    client.socket.close()
    wait_for_threads_of_servers()
    assert descriptors() == descriptors_before
    assert not service_of(server).connections


# Accepting


def test_a_burst_of_clients_is_held_until_the_server_comes_to_accept(serve: Serve, connect: Connect) -> None:
    server = serve(Oneself, start=False)
    clients = [connect(server) for _ in range(300)]
    for client in clients:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
    serve.start(server)
    assert [client.answer().body for client in clients] == [b"hello"] * 300


def test_workers_serve_one_connection_after_another(serve: Serve, connect: Connect) -> None:
    threads: list[threading.Thread] = []

    class Noting(Oneself):
        def do_GET(self) -> None:
            threads.append(threading.current_thread())
            super().do_GET()

    server = serve(Noting)
    for _ in range(60):
        client = connect(server)
        client.get()
        client.rest()
    # A worker is free a moment after its client sees the end, so that now and then a second one is made.
    assert len(set(threads)) < 20, "a thread was made for almost every connection"


def test_connections_are_served_at_the_same_time(serve: Serve, connect: Connect) -> None:
    all_here = threading.Barrier(20, timeout=PATIENCE)

    class Meeting(Hello):
        def do_GET(self) -> None:
            all_here.wait()
            super().do_GET()

    server = serve(Meeting)
    clients = [connect(server) for _ in range(20)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert [client.answer().body for client in clients] == [b"hello"] * 20


@pytest.mark.needs("the kernel's timeouts")
def test_a_thread_that_cannot_be_made_costs_one_connection_and_not_the_server(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reading(Hello):
        def do_POST(self) -> None:
            self.rfile.read()
            self.do_GET()

    server = serve(Reading)
    assert connect(server).get().body == b"hello"
    start, failed = threading.Thread.start, threading.Event()

    def fail_once(thread: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        failed.set()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail_once)
    clients: list[Client] = []
    # A thread that is free already serves one of them: each of these keeps one, until another has to be made.
    while not failed.is_set() and len(clients) < 20:
        clients.append(connect(server))
        clients[-1].send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n")  # and not its body
        failed.wait(0.5)
    answered, _, _ = select.select([client.socket for client in clients], [], [], PATIENCE)
    (unserved,) = (client for client in clients if client.socket in answered)
    assert unserved.rest().startswith(b"HTTP/1.1 500 ")
    clients.remove(unserved)
    for client in clients:
        client.send(b"hello")
        assert client.answer().body == b"hello"
    assert isinstance(serve.take_error(), RuntimeError)
    assert connect(server).get().body == b"hello"
    server.shutdown()
    server.server_close()


# The rest of socketserver's interface


def test_handle_request_serves_one_connection(serve: Serve, connect: Connect) -> None:
    server = serve(Oneself, HTTPServer, start=False)
    for _ in range(2):
        client = connect(server)
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        server.handle_request()
        assert client.answer().body == b"hello"
    server.server_close()


def test_handle_request_is_woken_by_a_close_of_the_server() -> None:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    waiting = in_thread(server.handle_request)
    server.server_close()
    assert ends(waiting), "handle_request waits on, with nobody left to come"


def test_a_serial_server_with_a_hanging_handler_is_given_its_grace_once(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    entered = threading.Event()
    waits: list[float | None] = []

    class Hanging(Hello):
        def do_GET(self) -> None:
            entered.set()
            let_go.wait(PATIENCE)

    class Impatient(HTTPServer):
        grace = 0.05

    def noting(condition: Callable[[], bool], seconds: float | None) -> bool:
        waits.append(seconds)
        return wait(condition, seconds)

    server = Impatient(("127.0.0.1", 0), Hanging)
    service = service_of(server)
    wait = service._wait
    monkeypatch.setattr(service, "_wait", noting)
    serving = in_thread(server.serve_forever)
    with socket.create_connection(("127.0.0.1", server.server_port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert entered.wait(PATIENCE)
        server.server_close()
        let_go.set()
    assert ends(serving)
    assert waits[1] is not None and waits[1] <= 0.0, "the second wait begins with a grace of its own"


def test_handle_request_calls_handle_timeout_when_no_one_comes(serve: Serve) -> None:
    calls: list[str] = []

    class Impatient(HTTPServer):
        timeout = 0.01

        def handle_timeout(self) -> None:
            calls.append("handle_timeout")

    server = serve(Hello, Impatient, start=False)
    server.handle_request()
    server.server_close()
    assert calls == ["handle_timeout"]


def test_service_actions_of_a_subclass_are_called_at_every_poll_interval(serve: Serve) -> None:
    thrice = threading.Semaphore(0)

    class Acting(HTTPServer):
        def service_actions(self) -> None:
            thrice.release()

    server = serve(Hello, Acting, start=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    called = [thrice.acquire(timeout=PATIENCE) for _ in range(3)]
    server.shutdown()
    server.server_close()
    assert ends(thread)
    assert all(called), "nobody came, and service_actions was not called"


def test_service_actions_given_to_one_server_are_called_at_every_poll_interval(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = threading.Event()
    server = serve(Hello, HTTPServer, start=False)
    monkeypatch.setattr(server, "service_actions", called.set)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    was_called = called.wait(PATIENCE)
    server.shutdown()
    server.server_close()
    assert ends(thread)
    assert was_called, "nobody came, and service_actions was not called"


def test_a_server_without_service_actions_sleeps_until_someone_comes(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_httpserve.net import listening, poller

    intervals: list[float | None] = []
    readiness = poller.readiness

    def noting(*files: int) -> Callable[[float | None], list[int]]:
        wait = readiness(*files)

        def noting_wait(seconds: float | None) -> list[int]:
            intervals.append(seconds)
            return wait(seconds)

        return noting_wait

    monkeypatch.setattr(listening, "readiness", noting)
    server = serve(Hello, start=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    server.shutdown()
    server.server_close()
    assert ends(thread)
    assert set(intervals) <= {None}, "the loop wakes up when nothing has happened"


def test_the_name_of_a_server_is_its_address_and_is_not_looked_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*args: object) -> str:
        raise AssertionError(f"a name was looked up: {args}")

    for name in ("getfqdn", "gethostbyaddr", "gethostbyname"):
        monkeypatch.setattr(socket, name, look_up)
    server = serve(Hello)
    assert server.server_name == "127.0.0.1"
    assert server.server_port == server.server_address[1]


def test_an_address_in_use_is_an_error_that_leaves_no_socket_behind(serve: Serve) -> None:
    server = serve(Hello)
    with pytest.raises(OSError, match="in use"):
        ThreadingHTTPServer(server.server_address[:2], Hello)


def test_a_server_that_subclasses_only_the_base_of_socketserver_serves(serve: Serve, connect: Connect) -> None:
    """Socket activation and old TLS recipes: BaseServer's __init__, and a socket of one's own."""

    class Given(ThreadingHTTPServer):
        def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
            socketserver.BaseServer.__init__(self, address, handler)
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()

    server = Given(("127.0.0.1", 0), Hello)
    serve.watch(server)
    serve.start(server)
    assert connect(server).get().body == b"hello"
