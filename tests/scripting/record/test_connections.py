"""Connections as evidence: who opened and ended them, and what came over each."""

import re
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import requests
import urllib3

from pytest_httpserve import HTTPServe, Request, UsageError
from pytest_httpserve.scripting.record.exchange import ConnectionRecord

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True)
def a_route(server: HTTPServe) -> None:
    server.on("*", "/a").respond(text="well")


def connect(server: HTTPServe) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def read_answer(client: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"well"):
        answer += client.recv(65536)
    return answer


def closed(server: HTTPServe, count: int = 1) -> tuple[ConnectionRecord, ...]:
    """The connections, when all have ended."""
    server.assert_all_closed(timeout=10)
    assert len(server.connections) == count
    return server.connections


def endings(server: HTTPServe) -> list[tuple[str | None, str | None]]:
    return [(one.closed_by, one.closed_how) for one in server.connections]


# What a record says


def test_a_connection_has_its_exchanges_and_its_bytes(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET)
        first = read_answer(client)
        (record,) = server.connections
        assert record.is_open
        assert (record.closed, record.closed_by, record.closed_how) == (None, None, None)
        assert not record.reused
        client.sendall(GET + GET)
        rest = b""
        while rest.count(b"well") < 2:
            rest += client.recv(65536)
        address = client.getsockname()
    closed(server)

    assert record.exchanges == server.exchanges
    assert [one.connection for one in server.exchanges] == [record] * 3
    assert record.reused
    assert record.bytes_received == 3 * len(GET)
    assert record.bytes_sent == len(first + rest)
    assert record.client_address == address
    assert record.closed is not None
    assert record.opened < record.closed
    assert repr(record) == "<ConnectionRecord 0, 3 exchanges, closed by the client, FIN>"


def test_each_connection_has_its_own_exchanges(server: HTTPServe) -> None:
    with connect(server) as one, connect(server) as other:
        for client in (one, other, one):
            client.sendall(GET)
            read_answer(client)
        addresses = [one.getsockname(), other.getsockname()]
    closed(server, 2)

    indexes = [one.connection.index for one in server.exchanges if one.connection is not None]
    assert indexes in ([0, 1, 0], [1, 0, 1]), "the first to connect need not be the first to be accepted"
    assert sorted(one.client_address for one in server.connections) == sorted(addresses)  # type: ignore[type-var]  # pairs
    assert sorted(len(one.exchanges) for one in server.connections) == [1, 2]


def test_a_request_that_did_not_wait_for_the_answer_before_it_is_pipelined(server: HTTPServe) -> None:
    request = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(server) as client:
        client.sendall(request + b"\r\n")  # an empty line belongs to nobody
        read_answer(client)
        client.sendall(request + request)
        read_answer(client)
        while len(server.exchanges) < 3:
            client.recv(65536)

    assert [exchange.pipelined for exchange in server.exchanges] == [False, False, True]


def test_a_connection_without_a_request_is_recorded(server: HTTPServe) -> None:
    connect(server).close()

    (record,) = wait_for_connections(server, 1)
    assert (record.exchanges, record.bytes_received, record.bytes_sent) == ((), 0, 0)
    assert (record.closed_by, record.closed_how) == ("client", "FIN")


def wait_for_connections(server: HTTPServe, count: int) -> tuple[ConnectionRecord, ...]:
    """``count`` connections that have ended. A request on a further one says that those before it were accepted."""
    with connect(server) as client:
        client.sendall(LAST)
        client.makefile("rb").read()
    return closed(server, count + 1)[:count]


# Who ended it, and how


def test_the_server_ends_a_connection_that_is_to_close(server: HTTPServe) -> None:
    for _ in range(20):
        with connect(server) as client:
            client.sendall(LAST)
            client.makefile("rb").read()
            # Known at once: the client has only just heard of it.
            assert endings(server)[-1] == ("server", "FIN")


def test_the_server_ends_a_connection_after_a_request_it_refuses(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(b"GET\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 ")
        assert endings(server) == [("server", "FIN")]


def test_the_client_ends_an_idle_connection(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET)
        read_answer(client)
    closed(server)
    assert endings(server) == [("client", "FIN")]


def test_the_client_ends_a_connection_in_the_middle_of_a_request(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET[:10])
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()
    closed(server)
    assert endings(server) == [("client", "FIN")]


def test_the_client_resets_a_connection(server: HTTPServe) -> None:
    client = connect(server)
    client.sendall(GET)
    read_answer(client)
    reset(client)
    closed(server)
    assert endings(server) == [("client", "RST")]


def test_the_client_resets_a_connection_in_the_middle_of_its_answer(server: HTTPServe) -> None:
    gone = threading.Event()

    @server.on("GET", "/stream")
    def pieces(request: Request) -> object:
        yield b"first"
        assert gone.wait(10)
        while True:
            yield bytes(100_000)

    client = connect(server)
    client.sendall(GET.replace(b"/a", b"/stream"))
    client.recv(65536)
    reset(client)
    gone.set()
    closed(server)
    assert endings(server) == [("client", "RST")]


def test_a_client_that_is_silent_for_too_long_is_a_timeout(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_httpserve.scripting.serving.Serving.timeout", 0.05)
    for sent in (b"", GET[:10]):
        with connect(server) as client:
            client.sendall(sent)
            client.makefile("rb").read()
            assert endings(server)[-1] == ("server", "timeout")


def test_a_stop_ends_what_is_open(server: HTTPServe) -> None:
    with connect(server) as idle, connect(server) as busy:
        busy.sendall(GET)
        read_answer(busy)
        idle.sendall(GET)
        read_answer(idle)
        server.stop()
        assert endings(server) == [("server", "stop")] * 2


def test_a_stop_ends_what_is_busy(server: HTTPServe) -> None:
    leave = threading.Event()
    server.on("GET", "/slow").handle(lambda request: str(leave.wait(10)))
    with connect(server) as client:
        client.sendall(GET.replace(b"/a", b"/slow"))
        # It is recorded when its request is there.
        server.wait_for("GET", "/slow")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        leave.set()
        stopping.join()
    assert endings(server) == [("server", "stop")]


def test_what_a_client_ended_before_the_stop_was_ended_by_it(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET)
        read_answer(client)
    closed(server)
    server.stop()
    assert endings(server) == [("client", "FIN")]


@pytest.mark.needs("select.poll")
def test_a_client_that_leaves_a_script_ends_the_connection(server: HTTPServe, tmp_path: Path) -> None:
    script = tmp_path / "slow"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfirst\\n'\nexec sleep 60\n")
    script.chmod(0o755)
    server.serve_cgi(tmp_path)
    with connect(server) as client:
        client.sendall(GET.replace(b"/a", b"/cgi-bin/slow"))
        answer = b""
        while b"first" not in answer:
            answer += client.recv(65536)
    closed(server)
    assert endings(server) == [("client", "FIN")]


# A client that leaves while its request waits


def at_a_gate(server: HTTPServe, end: threading.Event) -> None:
    server.on("GET", "/slow").respond().hold()


def for_a_delay(server: HTTPServe, end: threading.Event) -> None:
    server.on("GET", "/slow").respond(delay=60)


def for_a_slow_start(server: HTTPServe, end: threading.Event) -> None:
    server.on("GET", "/slow").respond()
    server.slow_start(delay=60)


def for_a_function(server: HTTPServe, end: threading.Event) -> None:
    server.on("GET", "/slow").handle(lambda request: str(end.wait(60)))


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("waits", [at_a_gate, for_a_delay, for_a_slow_start, for_a_function])
def test_a_client_that_gives_up_has_closed_its_connection(
    server: HTTPServe, waits: Callable[[HTTPServe, threading.Event], None], leave: Callable[[socket.socket], None]
) -> None:
    end = threading.Event()
    waits(server, end)
    client = connect(server)
    client.sendall(GET.replace(b"/a", b"/slow"))
    assert server.wait_for("GET", "/slow", timeout=10)
    assert server.connections[0].is_open
    leave(client)

    server.assert_all_closed(by="client", timeout=10)
    assert endings(server) == [("client", "RST" if leave is reset else "FIN")]
    end.set()


def test_a_client_that_sends_no_more_still_gets_its_answer(server: HTTPServe) -> None:
    gate = server.on("GET", "/slow").respond(text="well").hold()
    with connect(server) as client:
        client.sendall(GET.replace(b"/a", b"/slow"))
        client.shutdown(socket.SHUT_WR)
        held = gate.arrived(timeout=10)
        server.assert_all_closed(by="client", timeout=10)
        held.release()
        assert read_answer(client).endswith(b"well")


# Real clients


def test_requests_reuses_the_connection_of_a_session(server: HTTPServe) -> None:
    with requests.Session() as session:
        for _ in range(3):
            session.get(server.url_for("/a"), timeout=10)
        server.assert_reused()
    server.assert_all_closed(by="client")


def test_httpx_reuses_the_connection_of_a_client(server: HTTPServe) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(3):
            client.get(server.url_for("/a"))
        server.assert_reused()
    server.assert_all_closed(by="client")


def test_a_pool_opens_no_more_than_it_may(server: HTTPServe) -> None:
    with urllib3.HTTPConnectionPool(server.host, server.port, maxsize=2, block=True) as pool:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: pool.request("GET", "/a", timeout=10), range(40)))
        server.assert_reused(connections=2)
    server.assert_all_closed(by="client")


# Assertions that fail


def test_a_client_that_reuses_nothing_fails(server: HTTPServe) -> None:
    for _ in range(2):
        requests.get(server.url_for("/a"), timeout=10)

    with pytest.raises(AssertionError) as caught:
        server.assert_reused()
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 exchanges came over 2 connections, expected at most 1:"
    assert re.match(r"  connection 0 from 127\.0\.0\.1 port \d+: 1 exchange, \d+ bytes in, \d+ out, ", lines[1])
    assert lines[2].startswith("    GET /a -> 200 ")

    with pytest.raises(AssertionError, match=r"^2 exchanges came over 2 connections, and none was reused:"):
        server.assert_reused(connections=2)


def test_a_single_exchange_reuses_nothing(server: HTTPServe) -> None:
    with pytest.raises(AssertionError, match=r"^no exchanges came over no connections, and none was reused:\n  there"):
        server.assert_reused()
    requests.get(server.url_for("/a"), timeout=10)
    with pytest.raises(AssertionError, match=r"^1 exchange came over 1 connection, and none was reused:"):
        server.assert_reused()


def test_a_connection_that_is_left_open_fails(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET)
        read_answer(client)
        with pytest.raises(
            AssertionError, match=r"^1 of 1 connection still open after 0 s:\n  connection 0 .*, open\n"
        ):
            server.assert_all_closed(timeout=0)


def test_a_connection_that_the_other_side_closed_fails(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(LAST)
        client.makefile("rb").read()
    server.assert_all_closed(by="server")
    with pytest.raises(
        AssertionError, match=r"^1 of 1 connection not closed by the client:\n.*by the server \(FIN\)\n"
    ):
        server.assert_all_closed(by="client")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda server: server.assert_reused(0),
        lambda server: server.assert_reused(connections=True),
        lambda server: server.assert_all_closed(by="me"),
        lambda server: server.assert_all_closed(timeout=-1),
    ],
)
def test_a_wrong_value_is_refused(server: HTTPServe, wrong: Callable[[HTTPServe], None]) -> None:
    with pytest.raises(UsageError):
        wrong(server)


def test_a_reset_forgets_connections_but_for_open_ones(server: HTTPServe) -> None:
    with connect(server) as client:
        client.sendall(GET)
        read_answer(client)
        with connect(server) as other:
            other.sendall(LAST)
            other.makefile("rb").read()
        assert endings(server) == [(None, None), ("server", "FIN")]
        server.reset()

        (record,) = server.connections
        assert not record.exchanges
        server.on("GET", "/a").respond(text="well")
        client.sendall(GET)
        read_answer(client)
        assert record.exchanges == server.exchanges
        assert server.exchanges[0].connection is record
