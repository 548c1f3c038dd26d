"""Routes: which one answers, with which of its responses."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from pytest_httpserve import Exchange, HTTPServe, Request, Response, Route, match
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.journal import Transcript
from pytest_httpserve.wire.headers import Headers

Say = Callable[[HTTPServe, str | bytes], bytes]


def get(server: HTTPServe, path: str = "/a") -> str:
    return requests.get(server.url_for(path), timeout=10).text


# Which route


def test_method_and_path_choose_the_route(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="get a")
    server.on("POST", "/a").respond(text="post a")
    server.on("GET", "/b").respond(text="get b")

    assert get(server, "/a") == "get a"
    assert requests.post(server.url_for("/a"), timeout=10).text == "post a"
    assert get(server, "/b?with=query") == "get b"


def test_a_method_of_ones_own_has_a_route_like_any_other(server: HTTPServe) -> None:
    server.on("PROPFIND", "/a").respond(207)

    assert requests.request("PROPFIND", server.url_for("/a"), timeout=10).status_code == 207


def test_the_later_of_two_routes_answers(server: HTTPServe) -> None:
    first = server.on("GET", "/a").respond(text="first")
    assert get(server) == "first"
    server.on("GET", "/a").respond(text="second")

    assert get(server) == "second"
    assert len(first.calls) == 1


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/grüße", "/gr%C3%BC%c3%9fe"),
        ("/50%", "/50%25"),
        ("/a", "/%61"),
        ("/a%2Fb", "/a%2fb"),
        ("/~me/(1)", "/%7Eme/%281%29"),
        ("/%FF", "/%ff"),
        ("//a", "//a"),
        ("/a//b/", "/a//b/"),
        ("/", "/?a=b"),
    ],
)
def test_every_spelling_of_a_path_finds_its_route(server: HTTPServe, say: Say, path: str, target: str) -> None:
    server.on("GET", path).respond(text="found")

    assert say(server, f"GET {target} HTTP/1.0\n\n").endswith(b"\r\n\r\nfound")


@pytest.mark.parametrize("target", ["/A", "/a/", "//a", "/a%2F", "/a/../a", "/a%3Fb"])
def test_a_different_path_does_not_find_the_route(server: HTTPServe, say: Say, target: str) -> None:
    server.on("GET", "/a").respond(text="found")

    assert say(server, f"GET {target} HTTP/1.0\n\n").startswith(b"HTTP/1.1 404 ")


def test_an_absolute_target_finds_the_route_of_its_path(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a b").respond(text="found")
    answer = say(server, "GET http://example.org:80/a%20b?c HTTP/1.1\nHost: example.org\nConnection: close\n\n")

    assert answer.endswith(b"\r\n\r\nfound")


def test_a_route_takes_precedence_over_a_directory(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path)
    server.on("GET", "/a").respond(text="the route")

    assert get(server) == "the route"


@pytest.mark.parametrize("method", ["", "GET ", "G ET", "GET\n", "GÉT", None, 5, b"GET"])
def test_what_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match=r"^a method is a word such as GET, or '\*' for any, not "):
        match(method, "/a")


def test_a_method_in_small_letters_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match=r"methods are case-sensitive, and 'get' is none that is in use: 'GET'\?"):
        match("get", "/a")


@pytest.mark.parametrize("path", ["", "a", "http://127.0.0.1/a", "**", None, b"/a"])
def test_a_path_that_begins_without_a_slash_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=r"^a path begins with a slash, or is a compiled pattern, or '\*'; .* is none of these$"):
        match("GET", path)


@pytest.mark.parametrize("path", ["/a?b=c", "/a#b"])
def test_a_path_with_a_query_or_a_fragment_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=r"^a path ends before \? and #; .* has one of them \(a query is given by query=\)$"):
        match("GET", path)


def test_a_route_knows_where_it_was_written(server: HTTPServe) -> None:
    line = sys._getframe().f_lineno + 1
    route = server.on("GET", "/a")

    assert route.place == f"{__file__}:{line}"
    assert repr(route) == f"<Route GET /a, written at {__file__}:{line}>"


# Which response


def test_responses_come_in_turn_and_the_last_repeats(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="one").respond(text="two").respond(text="three")

    assert [get(server) for _ in range(5)] == ["one", "two", "three", "three", "three"]


def test_responses_added_later_each_have_their_turn(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="waiting")
    assert [get(server) for _ in range(3)] == ["waiting"] * 3
    route.respond(text="nearly").respond(text="done")

    assert [get(server) for _ in range(3)] == ["nearly", "done", "done"]


def test_a_call_that_found_no_response_takes_none_away(server: HTTPServe) -> None:
    route = server.on("GET", "/a")
    get(server)
    route.respond(text="one").respond(text="two")

    assert [get(server), get(server)] == ["one", "two"]


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads interrupt each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.usefixtures("frequent_switches")
def test_each_response_goes_to_one_call_however_many_come_at_once() -> None:
    route = Route(match("GET", "/a"), "here:1")
    for status in range(200, 600):
        route.respond(status, reason="")
    taken: list[int] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait(10)
        for _ in range(50):
            response = route.take(Exchange(Request("GET", "/a", Headers(), (1, 1), ("127.0.0.1", 50000)), Transcript()))
            assert isinstance(response, Response)
            taken.append(response.status)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    twice = [status for status, count in Counter(taken).items() if count > 1]
    assert sorted(taken) == list(range(200, 600)), f"handed out more than once: {twice}"


def test_calls_are_the_exchanges_of_the_route(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="a")
    server.on("GET", "/b").respond(text="b")
    get(server, "/a?first")
    get(server, "/b")
    get(server, "/a?second")

    assert [call.request.query_string for call in route.calls] == ["first", "second"]
    assert [exchange.route is route for exchange in server.exchanges] == [True, False, True]
