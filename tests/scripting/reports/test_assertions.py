"""What a test asserts, waits for and asks; and how its failures read."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request, match
from pytest_httpserve.errors import UsageError

Say = Callable[[HTTPServe, str | bytes], bytes]


def get(server: HTTPServe, path: str = "/a", **more: Any) -> requests.Response:
    return requests.get(server.url_for(path), timeout=10, **more)


@pytest.fixture
def asked(server: HTTPServe) -> HTTPServe:
    """A server that was asked for /a twice, and for /b with a body."""
    server.on("*", "*").respond(text="well")
    get(server, "/a?n=1")
    get(server, "/a?n=2")
    requests.post(server.url_for("/b"), json={"a": 1}, timeout=10)
    return server


# That something was requested


def test_what_was_requested_may_be_asserted(asked: HTTPServe) -> None:
    asked.assert_requested("GET", "/a")
    asked.assert_requested("GET", "/a", times=2)
    asked.assert_requested("GET", "/a", query={"n": 1}, times=1)
    asked.assert_requested("POST", "/b", json={"a": 1})
    asked.assert_requested("*", re.compile("/[ab]"), times=3)
    asked.assert_requested(match("GET", "/a") | match("POST", "/b"), times=3)
    asked.assert_requested("GET", "/c", times=0)
    asked.assert_not_requested("GET", "/b")
    asked.assert_not_requested("GET", "/a", query={"n": 3})


def test_a_request_that_was_not_made_fails_with_the_nearest(asked: HTTPServe) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.assert_requested("POST", "/b", json={"a": 2})

    text = str(caught.value)
    why = "POST /b differs in json at a: expected 2, got 1"
    assert text.startswith(f"POST /b was not requested: {why}; the server got:\n  GET /a?n=1 -> 200 ")
    assert "the nearest is POST /b:\n  ✓ method: 'POST'\n  ✓ path: /b\n  ✗ json\n" in text
    assert "expected: {'a': 2}\n" in text
    assert "got:      {'a': 1}\n" in text


@pytest.mark.parametrize(("times", "said"), [(1, "twice|2 times"), (3, "twice|2 times"), (0, "twice|2 times")])
def test_another_number_of_requests_fails(asked: HTTPServe, times: int, said: str) -> None:
    with pytest.raises(AssertionError, match=rf"^GET /a was requested ({said})"):
        asked.assert_requested("GET", "/a", times=times)


def test_nothing_at_all_is_said_in_a_line(server: HTTPServe) -> None:
    with pytest.raises(AssertionError, match=r"^GET /a was not requested: there were no requests$"):
        server.assert_requested("GET", "/a")


def test_a_request_that_was_not_to_be_made_is_shown(asked: HTTPServe) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.assert_not_requested("POST", "/b")

    assert str(caught.value).startswith("POST /b was requested:\n  POST /b -> 200 ")


def test_no_requests(asked: HTTPServe) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.assert_no_requests()
    assert str(caught.value).count("\n") == 3

    asked.reset()
    asked.assert_no_requests()


@pytest.mark.parametrize(
    "steps",
    [
        [],
        ["/a", "/b"],
        ["GET /a", "POST /b"],
        [("GET", "/a"), ("GET", "/a"), ("POST", "/b")],
        [match("GET", "/a", query={"n": "2"}), "POST /b"],
        [("GET", re.compile("/.")), ("POST", "*")],
    ],
)
def test_requests_in_order(asked: HTTPServe, steps: Any) -> None:
    asked.assert_requested_in_order(steps)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["POST /b", "GET /a"], "step 2, GET /a, was not requested after POST /b"),
        (["GET /a", "GET /a", "GET /a"], "step 3, GET /a, was not requested after GET /a"),
        ([("GET", "/c")], "step 1, GET /c, was not requested"),
        ([match("GET", "/c")], "step 1, GET /c, was not requested"),
        ([("GET", re.compile("/c+"))], "step 1, GET /c+, was not requested"),
    ],
)
def test_requests_in_another_order_fail(asked: HTTPServe, steps: Any, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.assert_requested_in_order(steps)

    assert str(caught.value).startswith(f"{said}; the server got:\n  GET /a?n=1 -> 200 ")


@pytest.mark.parametrize("step", [5, None, ("GET",), ("GET", "/a", "/b")])
def test_what_is_no_step_is_refused(asked: HTTPServe, step: Any) -> None:
    with pytest.raises(UsageError, match=r"^a step must be \('GET', '/path'\), 'GET /path' or a matcher, not "):
        asked.assert_requested_in_order([step])


# Waiting


def test_requests_are_taken_in_the_order_of_their_arrival(asked: HTTPServe) -> None:
    assert [asked.take_request(timeout=0).target for _ in range(3)] == ["/a?n=1", "/a?n=2", "/b"]


def test_a_request_that_does_not_come_fails_with_those_that_came(asked: HTTPServe) -> None:
    for _ in range(3):
        asked.take_request()
    with pytest.raises(AssertionError, match=r"(?s)^no further request came within 0\.01 s; the server got:\n  GET /a"):
        asked.take_request(timeout=0.01)


def test_a_request_is_waited_for(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(server.take_request, timeout=10)
        get(server)
        assert taken.result(10).target == "/a"


def test_each_request_goes_to_one_taker(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    with ThreadPoolExecutor(32) as pool:
        taken = [pool.submit(server.take_request, timeout=10) for _ in range(24)]
        list(pool.map(lambda number: get(server, f"/a?{number}"), range(24)))
        targets = [one.result(10).query_string for one in taken]

    assert sorted(targets, key=int) == [str(number) for number in range(24)]


def test_a_number_of_requests_is_waited_for(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.wait_for, "GET", "/a", times=3, timeout=10, query={"n": "1"})
        for path in ("/a?n=1", "/a?n=2", "/a?n=1", "/a?n=1"):
            assert not waiting.done() or path == "/a?n=1"
            get(server, path)
        found = waiting.result(10)

    assert [exchange.request.target for exchange in found] == ["/a?n=1"] * 3


def test_what_has_come_already_is_not_waited_for(asked: HTTPServe) -> None:
    assert len(asked.wait_for("GET", "/a", times=2, timeout=0)) == 2


def test_a_wait_that_is_over_fails_with_what_was_requested(asked: HTTPServe) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.wait_for("GET", "/a", times=3, timeout=0.01)

    assert re.match(
        r"GET /a was requested .* within 0\.01 s, expected 3 times; the server got:\n  GET /a\?n=1", str(caught.value)
    )


def test_a_wait_on_a_server_that_nobody_asked_says_nothing_came(server: HTTPServe) -> None:
    with pytest.raises(AssertionError, match=r"^GET /a was not requested within 0 s: there were no requests$"):
        server.wait_for("GET", "/a", timeout=0)


@pytest.mark.parametrize("timeout", [-1, float("inf"), float("nan"), None, "1", True])
def test_what_is_no_timeout_is_refused(server: HTTPServe, timeout: Any) -> None:
    with pytest.raises(UsageError, match=r"^timeout= must be a number of seconds, 0 or more, not "):
        server.take_request(timeout)
    with pytest.raises(UsageError, match=r"^timeout= must be a number of seconds, 0 or more, not "):
        server.wait_for("GET", "/a", timeout=timeout)


@pytest.mark.parametrize("times", [-1, "1", 1.5, True])
def test_what_is_no_number_of_times_is_refused(server: HTTPServe, times: Any) -> None:
    route = server.on("GET", "/a").respond()
    calls: list[Any] = [
        lambda: server.wait_for("GET", "/a", times=times),
        lambda: server.assert_requested("GET", "/a", times=times),
        lambda: route.assert_called(times=times),
        lambda: route.expect(times=times),
        lambda: route.expect(min=times),
        lambda: route.expect(max=times),
        lambda: route.respond(times=times),
        lambda: route.redirect("/b", times=times),
        lambda: route.handle(str, times=times),
        lambda: HTTPServe(max_journal_bytes=times),
    ]
    for call in calls:
        with pytest.raises(
            UsageError, match=r"^(times|min|max|max_journal_bytes)= must be a whole number, [01] or more, not "
        ):
            call()


# Routes


def test_the_calls_of_a_route_are_asserted(asked: HTTPServe) -> None:
    (route,) = {exchange.route for exchange in asked.exchanges}
    assert route is not None
    route.assert_called()
    route.assert_called(times=3)
    with pytest.raises(AssertionError) as caught:
        route.assert_called(times=1)

    lines = str(caught.value).splitlines()
    assert lines[0] == f"{route} was called 3 times, expected once"
    assert [line.split(" -> ")[0] for line in lines[1:]] == ["  GET /a?n=1", "  GET /a?n=2", "  POST /b"]


def test_a_route_that_was_never_called_says_so(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond()

    with pytest.raises(AssertionError, match=r"was never called, expected at least once$"):
        route.assert_called()


@pytest.mark.parametrize(
    ("expected", "calls", "said"),
    [
        ({}, 0, "never called, expected once"),
        ({}, 2, "called 2 times, expected once"),
        ({"times": 0}, 1, "called once, expected not at all"),
        ({"times": 2}, 1, "called once, expected 2 times"),
        ({"min": 2}, 1, "called once, expected at least 2 times"),
        ({"max": 1}, 2, "called 2 times, expected at most once"),
        ({"min": 2, "max": 3}, 4, "called 4 times, expected 2 to 3 times"),
    ],
)
def test_an_expectation_that_is_not_met_is_a_failure(
    server: HTTPServe, expected: dict[str, int], calls: int, said: str
) -> None:
    route = server.on("GET", "/a").respond().expect(**expected)
    for _ in range(calls):
        get(server)
    server.check_expectations()

    (failure,) = server.failures
    assert failure.splitlines()[0] == f"{route} was {said}"


@pytest.mark.parametrize(
    ("expected", "calls"),
    [({}, 1), ({"times": 0}, 0), ({"min": 1}, 3), ({"max": 1}, 0), ({"max": 1}, 1), ({"min": 1, "max": 2}, 2)],
)
def test_an_expectation_that_is_met_is_none(server: HTTPServe, expected: dict[str, int], calls: int) -> None:
    server.on("GET", "/a").respond().expect(**expected)
    for _ in range(calls):
        get(server)
    server.check_expectations()

    assert server.failures == ()


def test_an_expectation_that_contradicts_itself_is_refused(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond()
    with pytest.raises(UsageError, match=r"^expect\(\) takes times=, or min= and max=$"):
        route.expect(times=1, max=2)
    with pytest.raises(UsageError, match=r"^expect\(min=2, max=1\) can never be met$"):
        route.expect(min=2, max=1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"times": -1}, r"times= must be a whole number, 0 or more, not -1"),
        ({"times": "1"}, r"times= must be a whole number, 0 or more, not '1'"),
        ({"min": -1}, r"min= must be a whole number, 0 or more, not -1"),
        ({"min": True, "max": 2}, r"min= must be a whole number, 0 or more, not True"),
        ({"max": -1}, r"max= must be a whole number, 0 or more, not -1"),
    ],
)
def test_a_number_of_calls_that_is_none_is_named(server: HTTPServe, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named}$"):
        server.on("GET", "/a").respond().expect(**wrong)


def test_a_block_fails_where_it_ends(server: HTTPServe) -> None:
    with server.on("GET", "/a").respond():
        get(server)
    with pytest.raises(AssertionError, match="was never called, expected at least once"), server.on("GET", "/b"):
        pass
    with (
        pytest.raises(AssertionError, match="was called once, expected 2 times"),
        server.on("GET", "/c").respond().expect(times=2),
    ):
        get(server, "/c")


def test_the_error_of_a_block_is_the_one_that_counts(server: HTTPServe) -> None:
    with pytest.raises(KeyError), server.on("GET", "/a").respond():
        raise KeyError("mine")


def test_a_strict_server_wants_every_route_called() -> None:
    server = HTTPServe(strict=True)
    forgotten = server.on("GET", "/a").respond()
    server.on("GET", "/b").respond().optional()
    server.on("GET", "/c").respond().expect(times=0)
    server.check_expectations()

    (failure,) = server.failures
    assert failure.startswith(f"{forgotten} was never called, expected at least once")


def test_failures_of_a_kind_can_be_ignored(server: HTTPServe) -> None:
    server.ignore("unanswered")
    get(server, "/nowhere")
    server.on("GET", "/a").handle(lambda request: 5)
    get(server)

    (failure,) = server.failures
    assert failure.startswith("the handler of 'GET /a HTTP/1.1' raised:")


@pytest.mark.parametrize("kind", ["unanswred", "", 5])
def test_a_kind_that_is_none_is_refused(server: HTTPServe, kind: Any) -> None:
    with pytest.raises(
        UsageError, match=r"^a kind of failure must be one of unanswered, refused, errors, expectations, not "
    ):
        server.ignore(kind)
    with pytest.raises(UsageError, match=r"^a kind of failure must be one of"):
        HTTPServe(ignore=[kind])


def test_one_kind_may_be_given_as_it_is() -> None:
    server = HTTPServe(strict=True, ignore="expectations")
    server.on("GET", "/a").respond()
    server.check_expectations()

    assert server.failures == ()


# A dry run


def test_explain_names_the_route_and_sends_nothing(server: HTTPServe) -> None:
    route = server.on("POST", "/a", query={"n": 1}, json={"a": 1}, headers={"X-A": "b"}).respond()
    said = server.explain("POST", "/a?n=1", json={"a": 1}, headers={"X-A": "b"})

    assert said == f"{route} answers POST /a?n=1"
    assert (server.exchanges, server.failures, route.calls) == ((), (), ())


def test_explain_names_what_comes_before_the_answer(server: HTTPServe) -> None:
    server.on("GET", "/a/b").respond(text="well")
    server.flap("/a", up=0, down=1)
    server.flap("/c", up=0, down=1)
    server.limit("/", per_second=2)
    server.slow_start(requests=5)

    said = server.explain("GET", "/a/b")

    guards = (
        "the flapping (up for 0, down for 1), then the limit of 2 requests in 1 s, then the slow start (5 requests)"
    )
    assert said.startswith("the route GET /a/b (")
    assert said.endswith(f" answers GET /a/b; before that comes {guards}")
    assert server.exchanges == ()


def test_explain_says_why_nothing_answers(server: HTTPServe) -> None:
    server.on("POST", "/a", body="text").respond()
    said = server.explain("POST", "/a", body="other")

    assert "✗ body\n        expected: 'text'\n        got:      'other'" in said
    assert server.failures == ()


def test_explain_names_the_directory(server: HTTPServe, tmp_path: Any) -> None:
    server.serve_dir(tmp_path, at="/files")

    assert server.explain("GET", "/files/a") == f"{tmp_path} is served under /files, and answers GET /files/a"


def test_explain_names_the_response_in_the_queue_and_leaves_it_there(server: HTTPServe) -> None:
    server.enqueue(201, text="next")

    said = "<Response 201 Created, 4 bytes> answers GET /a, as the next in the queue"
    assert server.explain("GET", "/a") == said
    assert get(server).status_code == 201


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": "a"}, "a path must begin with a slash; 'a' does not"),
        ({"path": None}, "a path must begin with a slash; None does not"),
        ({"path": "/a", "body": "b", "json": 1}, "a request can have only one body, not json and body"),
        ({"path": "/a", "headers": {"X A": "b"}}, "a header's name must be a token"),
    ],
)
def test_what_cannot_be_explained_is_refused(server: HTTPServe, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(said)):
        server.explain("GET", **given)


# While requests come


def test_asserting_and_waiting_go_on_while_two_hundred_clients_ask(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(text="well")
    together = threading.Barrier(200)

    def post(number: int) -> int:
        with socket.create_connection((server.host, server.port), timeout=30) as client:
            together.wait(30)
            body = str(number).encode()
            client.sendall(b"POST /a HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            client.makefile("rb").read()
        return int(server.take_request(timeout=10).text)

    with ThreadPoolExecutor(200) as pool:
        taken = list(pool.map(post, range(200)))

    assert sorted(taken) == list(range(200))
    server.assert_requested("POST", "/a", times=200)
    assert {exchange.request.connection_index for exchange in server.exchanges} == set(range(200))


def test_steps_are_a_list(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=r"^the steps must be a list, such as \['GET /a', 'GET /b'\], not 'GET /a'"):
        server.assert_requested_in_order("GET /a")


# What was dropped


@pytest.fixture
def forgetful() -> Iterator[HTTPServe]:
    """A server that has answered three requests over two connections, and has dropped the first two exchanges."""
    with HTTPServe(max_exchanges=1) as server:
        server.on("GET", "/{page}").respond()
        with requests.Session() as session:
            for page in ("one", "two"):
                session.get(server.url_for(f"/{page}"), timeout=10)
        requests.get(server.url_for("/three"), timeout=10)
        yield server


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda server: server.assert_requested("GET", "/three", times=1), "how often GET /three was requested"),
        (lambda server: server.assert_requested("GET", "/four", times=0), "how often GET /four was requested"),
        (lambda server: server.assert_not_requested("GET", "/four"), "whether GET /four was requested"),
        (lambda server: server.assert_max_concurrent(1), "how many requests were in progress at once"),
    ],
)
def test_what_depends_on_what_was_dropped_does_not_pass(
    forgetful: HTTPServe, ask: Callable[[HTTPServe], None], what: str
) -> None:
    with pytest.raises(AssertionError, match=f"^{what} is not known: 2 older exchanges dropped from the journal; give"):
        ask(forgetful)


@pytest.mark.parametrize(
    "ask",
    [
        lambda server: server.assert_requested("GET", "/one"),
        lambda server: server.assert_requested("GET", "/three", times=2),
        lambda server: server.assert_not_requested("GET", "/three"),
        lambda server: server.assert_requested_in_order(["/one", "/three"]),
        lambda server: server.assert_no_requests(),
        lambda server: server.assert_reused(),
        lambda server: server.wait_for("GET", "/one", timeout=0.01),
    ],
)
def test_a_failure_says_how_many_were_dropped(forgetful: HTTPServe, ask: Callable[[HTTPServe], None]) -> None:
    with pytest.raises(AssertionError, match="2 older exchanges dropped"):
        ask(forgetful)


def test_what_does_not_depend_on_what_was_dropped_passes(forgetful: HTTPServe) -> None:
    (route,) = forgetful._script.routes

    forgetful.assert_requested("GET", "/three")
    forgetful.assert_requested_in_order(["/three"])
    route.assert_called(times=3)
    with pytest.raises(AssertionError, match=r"called 3 times, expected once\n.*2 older calls dropped"):
        route.assert_called(times=1)


def test_connections_that_were_dropped_are_not_taken_for_none() -> None:
    with HTTPServe(max_exchanges=1) as server:
        server.on("GET", "/a").respond()
        for _ in range(3):
            requests.get(server.url_for("/a"), timeout=10)
        with requests.Session() as session:
            for _ in range(2):
                session.get(server.url_for("/a"), timeout=10)
        server._script.journal.wait(lambda: server._script.journal.dropped_connections == 3, 10)

        server.assert_all_closed()
        with pytest.raises(AssertionError, match=r"^how many connections were used is not known: 3 older connections"):
            server.assert_reused()
        with pytest.raises(AssertionError, match=r"^who closed all connections is not known: 3 older connections"):
            server.assert_all_closed(by="client")


def test_of_equally_near_requests_the_latest_is_shown(server: HTTPServe) -> None:
    server.on("*").respond()
    for number in (1, 2, 3):
        requests.post(server.url_for("/a"), json={"n": number}, timeout=10)

    with pytest.raises(AssertionError) as caught:
        server.assert_requested("POST", "/a", json={"n": 4})

    assert "the nearest, the latest of 3 equally near, is POST /a:\n" in str(caught.value)
    assert "got:      {'n': 3}" in str(caught.value)


def test_wait_for_shows_the_nearest_request(server: HTTPServe) -> None:
    server.on("*").respond()
    requests.post(server.url_for("/a"), json={"n": 1}, timeout=10)

    with pytest.raises(AssertionError) as caught:
        server.wait_for("POST", "/a", json={"n": 4}, timeout=0.01)

    why = "POST /a differs in json at n: expected 4, got 1"
    said = f"POST /a was not requested within 0.01 s: {why}; the server got:\n  POST /a -> 200"
    assert str(caught.value).startswith(said)
    assert "the nearest is POST /a:\n" in str(caught.value)
    assert "got:      {'n': 1}" in str(caught.value)


def test_a_slash_within_a_segment_is_shown_as_it_was_sent(server: HTTPServe) -> None:
    server.on("GET", "/a/b").respond()
    requests.get(server.base_url + "/a%2fb", timeout=10)

    assert "expected: /a/b\n        got:      /a%2Fb\n" in server.take_failures()[0]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"POST /a HTTP/1.1\r\n\r\n", "Host"),
        (
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
            "within the body: 2 of 5 bytes of its body came",
        ),
    ],
    ids=["refused", "broken off"],
)
def test_a_route_whose_only_request_got_no_further_was_not_called_for_that(
    server: HTTPServe, sent: bytes, why: str
) -> None:
    route = server.on("POST", "/a").respond().expect()
    server.on("POST", "/b").respond().expect()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()
    server.check_expectations()

    refused, first, second = server.take_failures()
    assert refused.startswith("refused POST /a: ")
    title, line, end = first.split("\n")
    assert title.startswith(f"{route} was not called, expected once: POST /a was refused (")
    assert why in title
    assert line.startswith("  POST /a -> ")
    assert end == ""
    assert "was never called, expected once\n" in second


def test_the_500_of_a_handler_says_what_the_report_says(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    def fail(request: Request) -> None:
        raise ValueError("no\x1b")

    answer = requests.get(server.url_for("/a"), timeout=10)

    assert answer.status_code == 500
    assert (answer.text,) == server.take_failures()
    assert "ValueError: no\\x1b\n" in answer.text
    assert answer.headers["Connection"] == "close"


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_that_may_have_got_the_requests_is_named(
    server: HTTPServe, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    said = f"there were no requests ({name} is set in the environment)"

    with pytest.raises(AssertionError, match=re.escape(f"GET /a was not requested: {said}")):
        server.assert_requested("GET", "/a")
    for ask, unmet in (
        (lambda: server.assert_requested_in_order(["GET /a"]), "step 1, GET /a, was not requested"),
        (lambda: server.wait_for("GET", "/a", timeout=0.01), "GET /a was not requested within 0.01 s"),
    ):
        with pytest.raises(AssertionError) as caught:
            ask()
        assert str(caught.value) == f"{unmet}: {said}"

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(AssertionError, match=r"there were no requests$"):
        server.assert_requested("GET", "/a")


@pytest.mark.usefixtures("no_proxy")
def test_a_request_to_a_proxy_is_named_as_one(server: HTTPServe, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", "/b").respond()
    asked = b"GET http://a.test/a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
    differs = ": the nearest route differs in path: expected /b, got /a\n"

    say(server, asked)
    assert server.take_failures()[0].startswith(f"nothing answers GET http://a.test/a, sent as if to a proxy{differs}")
    monkeypatch.setenv("http_proxy", server.base_url)
    said = f"GET http://a.test/a, sent as if to a proxy (http_proxy is set in the environment){differs}"
    say(server, asked)
    assert server.take_failures()[0].startswith(f"nothing answers {said}")
    monkeypatch.setenv("no_proxy", "a.test")
    say(server, b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\nConnection: close\r\n\r\n")
    (failure,) = server.take_failures()
    assert failure.startswith("nothing answers CONNECT b.test:443, sent as if to a proxy (http_proxy is set")
    say(server, asked)
    assert "(http_proxy" not in server.take_failures()[0].partition("\n")[0]


@pytest.mark.usefixtures("no_proxy")
def test_a_server_that_is_a_proxy_is_asked_as_one(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test")
    say(server, b"GET http://a.test/a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")

    assert server.take_failures()[0].startswith("nothing answers GET http://a.test/a at http://a.test\n")
