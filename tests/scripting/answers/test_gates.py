"""Gates: requests that wait until the test lets them go; and how many there were at once."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from pytest_httpserve import Gate, HTTPServe, Request, Route, UsageError
from pytest_httpserve.faults import Close, Reset, Truncate
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.server.servers import service_of


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def get(server: HTTPServe, path: str = "/a") -> requests.Response:
    return requests.get(server.url_for(path), timeout=20)


def ask(server: HTTPServe, sent: str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n") -> socket.socket:
    client = socket.create_connection((server.host, server.port), timeout=20)
    client.sendall(sent.encode())
    return client


def pending(client: socket.socket) -> bool:
    """Whether nothing has come. What the server has sent over the loopback device is there at once."""
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        client.settimeout(20)
    return False


# One request


def test_a_request_waits_until_it_is_released(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    route = server.on("GET", "/a").respond(text="well")
    gate = route.hold()
    answer = threads.submit(get, server)

    held = gate.arrived()
    assert held.request.path == "/a"
    assert held.exchange is server.exchanges[0]
    assert held.exchange.response is None
    assert gate.held == (held,)
    assert len(route.calls) == 1
    gate.release()

    assert answer.result(20).text == "well"
    assert not gate.held
    assert server.failures == ()


def test_an_open_gate_holds_nothing(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    gate.release()
    assert get(server).text == "well"
    with pytest.raises(
        AssertionError, match=r"^no further request arrived at the gate \(response_head\) of the route GET"
    ):
        gate.arrived(timeout=0)


def test_a_gate_opens_where_its_block_ends(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    with server.on("GET", "/a").respond(text="well").hold() as gate:
        answer = threads.submit(get, server)
        gate.arrived()
    assert answer.result(20).text == "well"


def test_the_answer_of_a_function_is_held(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    called = threading.Event()
    route = server.on("GET", "/a")

    @route
    def answer(request: Request) -> str:
        called.set()
        return "well"

    gate = route.hold()
    asked = threads.submit(get, server)
    gate.arrived()
    assert called.is_set()
    gate.release()
    assert asked.result(20).text == "well"


def test_other_routes_are_not_held(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="held").hold()
    server.on("GET", "/b").respond(text="well")
    with ask(server):
        assert get(server, "/b").text == "well"
        assert get(server, "/nowhere").status_code == 404


def test_a_connection_goes_on_behind_a_gate(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    with requests.Session() as session:
        answer = threads.submit(session.get, server.url_for("/a"), timeout=20)
        gate.arrived().release()
        assert answer.result(20).text == "well"
        gate.release()
        assert session.get(server.url_for("/a"), timeout=20).text == "well"
    server.assert_reused()


# Several requests


def test_requests_are_released_in_the_order_that_the_test_wants(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    gate = server.on("GET", "/{name}").handle(lambda request: request.path).hold()
    answers: dict[str, Future[requests.Response]] = {}
    for name in ("/a", "/b", "/c"):
        answers[name] = threads.submit(get, server, name)
        assert gate.arrived().request.path == name

    first, second, third = gate.held
    for held in (third, first, second):
        held.release()
        assert answers[held.request.path].result(20).text == held.request.path
        waiting = [one.request.path for one in gate.held]
        assert all(not answers[path].done() for path in waiting)
    assert gate.held == ()


def test_each_of_many_requests_arrives_once(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    gate = server.on("GET", "/{n:int}").respond(text="well").hold()
    answers = [threads.submit(get, server, f"/{n}") for n in range(16)]
    assert sorted(int(gate.arrived().request.path_params["n"]) for _ in range(16)) == list(range(16))
    gate.release()
    assert all(answer.result(20).status_code == 200 for answer in answers)
    with pytest.raises(AssertionError, match=r"within 0 s; these arrived before:\n  GET /"):
        gate.arrived(timeout=0)


# Phases


def sent_and_held(server: HTTPServe, gate: Gate) -> tuple[bytes, bytes]:
    """What a client gets before it is released, and after."""
    with ask(server, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
        gate.arrived()
        before = b"" if pending(client) else client.recv(65536)
        assert pending(client)
        gate.release()
        return before, client.makefile("rb").read()


def test_nothing_is_sent_before_the_head_is_released(server: HTTPServe) -> None:
    before, after = sent_and_held(server, server.on("GET", "/a").respond(text="well").hold("response_head"))
    assert before == b""
    assert after.endswith(b"Content-Length: 4\r\nServer: " + after.partition(b"Server: ")[2])
    assert after.endswith(b"\r\n\r\nwell")


def test_the_head_is_sent_and_the_body_is_held(server: HTTPServe) -> None:
    before, after = sent_and_held(server, server.on("GET", "/a").respond(text="well").hold("response_body"))
    assert before.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: 4\r\n" in before
    assert before.endswith(b"\r\n\r\n")
    assert after == b"well"


def test_the_last_byte_is_held(server: HTTPServe) -> None:
    before, after = sent_and_held(server, server.on("GET", "/a").respond(text="well").hold("response_end"))
    assert before.endswith(b"\r\n\r\nwel")
    assert after == b"l"


def test_the_last_chunk_is_held(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(stream=["one", "two"])
    before, after = sent_and_held(server, route.hold("response_end"))
    assert before.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n")
    assert after == b"0\r\n\r\n"


def test_the_trailers_are_held(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="well", trailers={"X-A": "b"})
    before, after = sent_and_held(server, route.hold("response_end"))
    assert before.endswith(b"\r\n\r\n4\r\nwell\r\n")
    assert after == b"0\r\nX-A: b\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 100, 100_000])
def test_the_last_byte_of_a_file_is_held(server: HTTPServe, tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * 400
    (tmp_path / "file").write_bytes(content[:size])
    gate = server.on("GET", "/a").respond(file=tmp_path / "file").hold("response_end")
    with ask(server, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
        gate.arrived()
        answer = b""
        while not pending(client):
            answer += client.recv(65536)
        assert len(answer.partition(b"\r\n\r\n")[2]) == max(size - 1, 0)
        gate.release()
        assert (answer + client.makefile("rb").read()).partition(b"\r\n\r\n")[2] == content[:size]


def test_the_head_of_a_file_is_sent_and_its_bytes_are_held(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("well")
    gate = server.on("GET", "/a").respond(file=tmp_path / "a.txt").hold("response_body")
    before, after = sent_and_held(server, gate)
    assert before.endswith(b"\r\n\r\n")
    assert b"\r\nContent-Length: 4\r\n" in before
    assert after == b"well"


def test_a_gate_holds_however_often_its_connection_is_asked_to_end(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    with ask(server) as client:
        gate.arrived()
        assert server._server is not None
        for connection in list(service_of(server._server).connections.values()):
            connection.close_when_idle()
            connection.close_when_idle()
        assert client.recv(1) == b"", "nobody has released it"


def test_a_response_passes_several_gates(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="well")
    gates = [route.hold(phase) for phase in ("response_head", "response_body", "response_end")]
    with ask(server, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
        for gate in gates:
            gate.arrived().release()
        assert client.makefile("rb").read().endswith(b"\r\n\r\nwell")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("phase", ["response_head", "response_body", "response_end"])
def test_a_response_without_a_body_is_held(server: HTTPServe, status: int, phase: str) -> None:
    gate = server.on("GET", "/a").respond(status).hold(phase)
    before, after = sent_and_held(server, gate)
    assert (before + after).startswith(b"HTTP/1.1 %d " % status)
    assert (before + after).endswith(b"\r\n\r\n")
    assert b"chunked" not in before + after


def test_a_held_response_to_head_has_no_body(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well").hold("response_body")
    assert requests.head(server.url_for("/a"), timeout=20).headers["Content-Length"] == "4"


# Failing


def test_a_request_that_is_made_to_fail_is_reset(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    with ask(server) as client:
        gate.arrived().fail()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    server.assert_all_closed(by="server")
    assert server.connections[0].closed_how == "RST"
    assert server.exchanges[0].faults == (Reset(),)
    assert server.failures == ()
    gate.release()
    assert get(server).text == "well"


def test_a_gate_that_fails_resets_all_and_opens(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold("response_body")
    with ask(server) as one, ask(server) as other:
        gate.arrived()
        gate.arrived()
        gate.fail()
        for client in (one, other):
            with pytest.raises(ConnectionResetError):
                while client.recv(65536):
                    pass
    assert get(server).text == "well"


@pytest.mark.parametrize("phase", ["response_head", "response_body", "response_end"])
def test_a_held_request_meets_with_the_fault_that_the_test_wants(server: HTTPServe, phase: str) -> None:
    gate = server.on("GET", "/a").respond(text="well, well").hold(phase)
    with ask(server) as client:
        gate.arrived().fail(Close())
        answer = client.makefile("rb").read()
    whole = b"HTTP/1.1 200 OK\r\n"
    assert answer[: len(whole)] == (b"" if phase == "response_head" else whole)
    assert answer.endswith({"response_head": b"", "response_body": b"\r\n\r\n", "response_end": b"well, wel"}[phase])
    assert server.exchanges[0].faults == (Close(),)


def test_what_is_let_go_may_lose_its_end(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well, well").hold("response_body")
    with ask(server) as client:
        gate.arrived().fail(Truncate(4))
        answer = client.makefile("rb").read()
    assert b"\r\nContent-Length: 10\r\n" in answer
    assert answer.endswith(b"\r\n\r\nwell, ")


# Who is not let go


def test_a_request_that_nobody_releases_fails_the_test(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well").hold(timeout=0.01)
    assert get(server).status_code == 500
    (failure,) = server.failures
    assert "GET /a was held at the gate (response_head) of the route GET /a (" in failure
    assert "for 0.01 s, and nobody released it" in failure


@pytest.mark.parametrize("phase", ["response_head", "response_body", "response_end"])
def test_a_stop_ends_every_wait(phase: str) -> None:
    server = HTTPServe().start()
    gate = server.on("GET", "/a").respond(text="well").hold(phase)
    clients = [ask(server) for _ in range(50)]
    for _ in clients:
        gate.arrived(timeout=20)
    server.stop()
    for client in clients:
        assert not client.makefile("rb").read().endswith(b"well")
        client.close()
    assert {one.error for one in server.exchanges} == {"the server stopped while the request waited"}
    assert {(one.closed_by, one.closed_how) for one in server.connections} == {("server", "stop")}
    assert server.failures == (), "some handler did not end"


def test_a_client_that_left_before_the_stop_has_ended_its_connection(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    with ask(server):
        gate.arrived()
    server.stop()
    assert (server.connections[0].closed_by, server.connections[0].closed_how) == ("client", "FIN")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda route: route.hold("later"),
            "phase= must be one of response_head, response_body, response_end, not 'later'",
        ),
        (lambda route: route.hold(timeout=-1), "timeout= must be a number of seconds, 0 or more, not -1"),
        (lambda route: route.hold(timeout=None), "timeout= must be a number of seconds, 0 or more, not None"),
        (lambda route: route.hold().arrived(timeout="1"), "timeout= must be a number of seconds, 0 or more, not '1'"),
        (
            lambda route: route.hold().fail(Reset),
            f"fault= takes a fault, as in Reset(after=10), or several, not {Reset!r}; write Reset()",
        ),
        (
            lambda route: route.hold().fail("reset"),
            "fault= takes a fault, as in Reset(after=10), or several, not 'reset'; here it is Reset()",
        ),
    ],
)
def test_a_wrong_value_is_refused(server: HTTPServe, wrong: Callable[[Route], object], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        wrong(server.on("GET", "/a"))
    assert str(refused.value) == said


# How many at once


def test_requests_in_hand_at_once_are_counted(server: HTTPServe, threads: ThreadPoolExecutor) -> None:
    route = server.on("GET", "/a").respond(text="well")
    other = server.on("GET", "/b").respond(text="well")
    gate = route.hold()
    answers = [threads.submit(get, server) for _ in range(5)]
    for _ in range(5):
        gate.arrived()
    assert route.max_concurrent == 5, "those that go on count"
    get(server, "/b")
    gate.release()
    for answer in answers:
        answer.result(20)

    assert (route.max_concurrent, other.max_concurrent, server.max_concurrent) == (5, 1, 6)
    server.assert_max_concurrent(6)
    server.assert_max_concurrent(5, "GET", "/a")
    server.assert_max_concurrent(1, path="/b")
    with pytest.raises(
        AssertionError, match=r"^6 requests were in progress at once, expected at most 5:\n  GET /a -> 200 "
    ):
        server.assert_max_concurrent(5)
    with pytest.raises(UsageError):
        server.assert_max_concurrent(0)


def respond_with(server: HTTPServe, kind: str, size: int, folder: Path) -> None:
    """GET /a gets ``size`` bytes, by one of three ways."""
    route = server.on("GET", "/a")
    if kind == "body":
        route.respond(body=bytes(size))
    elif kind == "stream":
        route.respond(stream=lambda: iter([bytes(size // 4)] * 4))
    else:
        with (folder / "file").open("wb") as file:
            file.truncate(size)
        route.respond(file=folder / "file")


@pytest.mark.parametrize("size", [4, 100_000, 200_000, 5_000_000])
@pytest.mark.parametrize("kind", ["body", "file", "stream"])
def test_one_request_after_the_other_is_never_more_than_one(
    server: HTTPServe, tmp_path: Path, kind: str, size: int
) -> None:
    respond_with(server, kind, size, tmp_path)
    with requests.Session() as one, requests.Session() as other:
        for _ in range(10):
            for session in (one, other):
                assert len(session.get(server.url_for("/a"), timeout=20).content) == size
    server.assert_max_concurrent(1)


@pytest.mark.parametrize("kind", ["body", "file", "stream"])
def test_a_response_that_is_read_slowly_is_in_hand(server: HTTPServe, tmp_path: Path, kind: str) -> None:
    respond_with(server, kind, 50_000_000, tmp_path)
    clients = []
    for _ in range(2):
        clients.append(ask(server, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        clients[-1].recv(1)  # it has begun, and waits for its client
    for client in clients:
        while client.recv(1 << 20):
            pass
        client.close()
    server.assert_all_closed(timeout=10)
    assert server.max_concurrent == 2


def test_nothing_was_in_hand_without_requests(server: HTTPServe) -> None:
    assert server.max_concurrent == 0
    assert most_at_once([]) == []
    server.assert_max_concurrent(1)


def test_a_request_whose_client_left_is_no_longer_in_hand(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    with ask(server):
        held = gate.arrived()
    held.fail()
    server.assert_all_closed(timeout=10)
    with ask(server):
        gate.arrived()
        assert server.max_concurrent == 1


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5"])
def test_a_time_that_is_none_is_named(server: HTTPServe, seconds: float) -> None:
    route = server.on("GET", "/a").respond()
    with pytest.raises(UsageError, match=r"^timeout= must be a number of seconds, "):
        route.hold(timeout=seconds)
    with pytest.raises(UsageError, match=r"^timeout= must be a number of seconds, "):
        route.hold().arrived(timeout=seconds)
