"""Rate limits, flapping and slow starts."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import Clock, HTTPServe, Response, UsageError
from pytest_httpserve.faults import Reset
from pytest_httpserve.server import BaseHTTPRequestHandler


@pytest.fixture(autouse=True)
def routes(server: HTTPServe) -> None:
    server.on("*", "*").respond(text="well")


def statuses(server: HTTPServe, *paths: str) -> list[int]:
    with requests.Session() as session:
        return [session.get(server.url_for(path), timeout=10).status_code for path in paths]


# Limits


def test_what_is_too_much_is_refused(server: HTTPServe) -> None:
    limit = server.limit("/api", per_second=2, clock=Clock())

    assert statuses(server, "/api/a", "/api/b", "/api/c", "/api") == [200, 200, 429, 429]
    assert [one.request.path for one in limit.refused] == ["/api/c", "/api"]
    assert limit.refused == server.exchanges[2:]
    assert limit.refused_count == 2
    assert server.failures == ()


def test_a_refusal_says_when_to_ask_again(server: HTTPServe) -> None:
    clock = Clock()
    server.limit("/", per_minute=1, clock=clock)
    first = requests.get(server.url_for("/"), timeout=10)
    clock.advance(17.5)
    second = requests.get(server.url_for("/"), timeout=10)

    for x in ("", "X-"):
        for response, left, reset in ((first, "0", "60"), (second, "0", "43")):
            assert response.headers[f"{x}RateLimit-Limit"] == "1"
            assert response.headers[f"{x}RateLimit-Remaining"] == left
            assert response.headers[f"{x}RateLimit-Reset"] == reset
    assert "Retry-After" not in first.headers
    assert second.headers["Retry-After"] == "43"
    assert second.text == "the limit of 1 request in 60 s: ask again in 43 seconds\n"
    assert server.exchanges[1].notes == ("refused by the limit of 1 request in 60 s",)


@pytest.mark.parametrize(("passed", "left"), [(0, "60"), (0.001, "60"), (58.999, "2"), (59, "1"), (59.999, "1")])
def test_a_refusal_never_says_to_ask_too_early_or_late(server: HTTPServe, passed: float, left: str) -> None:
    clock = Clock()
    server.limit("/", per_minute=1, clock=clock)
    assert statuses(server, "/") == [200]
    clock.advance(passed)
    answer = requests.get(server.url_for("/"), timeout=10)

    assert (answer.status_code, answer.headers["Retry-After"], answer.headers["RateLimit-Reset"]) == (429, left, left)
    clock.advance(int(left))
    assert statuses(server, "/") == [200]


def test_another_window_begins_when_the_last_has_passed(server: HTTPServe) -> None:
    clock = Clock()
    server.limit(per_second=1, clock=clock)

    assert statuses(server, "/", "/") == [200, 429]
    clock.advance(0.99)
    assert statuses(server, "/") == [429]
    clock.advance(0.01)
    assert statuses(server, "/", "/") == [200, 429]


def test_a_limit_is_for_its_prefix_alone(server: HTTPServe) -> None:
    server.limit("/api/", per_second=1, clock=Clock())
    assert statuses(server, "/api", "/apis", "/", "/%61pi/b", "/apis") == [200, 200, 200, 429, 200]


def test_several_limits_hold_together(server: HTTPServe) -> None:
    clock = Clock()
    server.limit(per_minute=3, clock=clock)
    server.limit("/api", per_second=1, clock=clock)

    assert statuses(server, "/api", "/api", "/", "/") == [200, 429, 200, 429]
    clock.advance(1)
    assert statuses(server, "/api") == [429], "the minute has not passed"


def test_what_was_refused_is_no_call(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="one").respond(text="two")
    limit = server.limit(per_second=1, clock=Clock())

    assert statuses(server, "/a", "/a") == [200, 429]
    limit.remove()
    assert requests.get(server.url_for("/a"), timeout=10).text == "two"
    assert len(route.calls) == 2


def test_a_directory_is_limited_too(server: HTTPServe, tmp_path: Path) -> None:
    server.reset()
    (tmp_path / "a.txt").write_text("a")
    server.serve_dir(tmp_path)
    server.limit(per_second=1, clock=Clock())

    first = requests.get(server.url_for("/a.txt"), timeout=10)
    assert (first.text, first.headers["X-RateLimit-Remaining"]) == ("a", "0")
    assert statuses(server, "/a.txt") == [429]


def test_a_streamed_response_and_a_file_say_what_is_left(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    server.on("GET", "/stream").respond(stream=["a"])
    server.on("GET", "/file").respond(file=tmp_path / "a.txt")
    server.limit(per_second=9, clock=Clock())

    for path, left in (("/stream", "8"), ("/file", "7"), ("/", "6")):
        response = requests.get(server.url_for(path), timeout=10)
        assert response.headers["RateLimit-Remaining"] == left
        assert server.exchanges[-1].response is not None
        assert dict(server.exchanges[-1].response.headers) == dict(response.headers)


def test_an_application_says_what_is_left_too(server: HTTPServe) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:  # PEP 3333 leaves their types open
        start_response("200 OK", [("Content-Length", "4")])
        return [b"wsgi"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"handler")

    server.reset()
    server.mount("/wsgi", wsgi)
    server.mount("/handler", Handler)
    server.limit(per_second=9, clock=Clock())

    for path, left in (("/wsgi", "8"), ("/handler", "7")):
        response = requests.get(server.url_for(path), timeout=10)
        assert response.text == path[1:]
        assert response.headers["RateLimit-Remaining"] == left
        assert server.exchanges[-1].response is not None
        assert dict(server.exchanges[-1].response.headers) == dict(response.headers)


def test_a_body_that_was_not_wanted_is_no_next_request(server: HTTPServe) -> None:
    server.limit(per_second=1, clock=Clock())
    with requests.Session() as session:
        answers = [session.post(server.url_for("/"), data=b"GET / HTTP/1.1\r\n\r\n", timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert server.exchanges[2].request.body == b"GET / HTTP/1.1\r\n\r\n"
    server.assert_reused()


def test_what_is_refused_meets_with_no_fault_of_its_route(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(fault=Reset(phase="request_body"))
    server.limit("/a", per_second=1, clock=Clock())
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url_for("/a"), data=b"abc", timeout=10)
    with requests.Session() as session:
        for _ in range(2):
            assert session.post(server.url_for("/a"), data=b"abc", timeout=10).status_code == 429


def test_an_invalid_request_says_nothing_of_limits(server: HTTPServe) -> None:
    server.limit(per_second=5, clock=Clock())
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET\r\n\r\n")
        answers = client.makefile("rb").read()
    assert answers.count(b"\r\nRateLimit-Limit: 5\r\n") == 1
    assert b"HTTP/1.1 400 " in answers


def test_of_many_at_once_as_many_pass_as_may(server: HTTPServe) -> None:
    limit = server.limit(per_minute=10, clock=Clock())
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: statuses(server, "/")[0], range(40)))
    assert sorted(found) == [200] * 10 + [429] * 30
    assert len(limit.refused) == 30


def test_by_the_real_clock_a_second_is_a_second(server: HTTPServe) -> None:
    server.limit(per_minute=1)
    assert statuses(server, "/", "/") == [200, 429]


# Flapping


def test_a_server_flaps(server: HTTPServe) -> None:
    flapping = server.flap(up=2, down=1)
    assert statuses(server, *["/"] * 7) == [200, 200, 503, 200, 200, 503, 200]
    assert flapping.refused == (server.exchanges[2], server.exchanges[5])
    assert server.exchanges[2].notes == ("refused by the flapping (up for 2, down for 1)",)


def test_a_server_that_is_down_answers_as_it_was_told(server: HTTPServe) -> None:
    server.flap("/a", up=0, down=1, status=502, text="a bad gateway", headers={"Retry-After": 1})
    server.flap("/b", up=1, down=9, status=Response(500, json={"error": "out of order"}))

    answer = requests.get(server.url_for("/a"), timeout=10)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (502, "a bad gateway", "1")
    assert statuses(server, "/b", "/b", "/c") == [200, 500, 200]


# Slow starts


def test_a_server_starts_slowly(server: HTTPServe) -> None:
    start = server.slow_start(requests=4, delay=0.02)
    assert statuses(server, *["/"] * 6) == [200] * 6
    assert start.waits == pytest.approx([0.02, 0.015, 0.01, 0.005])
    taken = [one.times.response_begun - one.times.request_begun for one in server.exchanges]  # type: ignore[operator]  # answered
    assert all(seconds >= wait for seconds, wait in zip(taken, start.waits, strict=False))


def test_a_stop_ends_a_slow_start() -> None:
    server = HTTPServe().start()
    server.on("GET", "/").respond()
    server.slow_start(requests=20, delay=3600)
    clients = [socket.create_connection((server.host, server.port), timeout=20) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    server.wait_for("GET", "/", times=20, timeout=20)
    server.stop()
    for client in clients:
        assert client.recv(65536) == b""
        client.close()
    assert server.failures == ()


# All of them


def test_a_reset_takes_them_away(server: HTTPServe) -> None:
    server.limit(per_minute=1)
    server.flap(up=0, down=1)
    server.slow_start(delay=3600)
    server.reset()
    server.on("*", "*").respond()
    assert statuses(server, "/", "/") == [200, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda server: server.limit("api", per_second=1),
        lambda server: server.limit("/api"),
        lambda server: server.limit("/api", per_second=1, per_minute=1),
        lambda server: server.limit("/api", per_second=0),
        lambda server: server.limit("/api", per_second=0.5),
        lambda server: server.limit("/api", per_second=1, clock=3),
        lambda server: server.flap(up=-1, down=1),
        lambda server: server.flap(up=1, down=0),
        lambda server: server.flap(up=1, down=1, status=99),
        lambda server: server.flap("x", up=1, down=1),
        lambda server: server.slow_start(requests=0),
        lambda server: server.slow_start(delay=-1),
        lambda server: server.slow_start("x"),
        lambda server: Clock().advance(-1),
    ],
)
def test_a_wrong_value_is_refused(server: HTTPServe, wrong: Callable[[HTTPServe], object]) -> None:
    with pytest.raises(UsageError):
        wrong(server)
