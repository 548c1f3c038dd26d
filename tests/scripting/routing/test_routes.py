"""Routes: which one answers, with which of its responses."""

import hashlib
import http.server
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests

from pytest_httpserve import Exchange, HTTPServe, Request, Response, Route, match
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.scripting.routing.paths import PathPattern
from pytest_httpserve.scripting.routing.routes import Routes
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
    with pytest.raises(UsageError, match=r"^a method must be a word such as GET, or '\*' for any, not "):
        match(method, "/a")


def test_a_method_in_small_letters_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match=r"^methods are case-sensitive, so 'get' is not 'GET'$"):
        match("get", "/a")


def test_a_whole_url_is_refused(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=r"^a path is what follows host and port, not a whole URL such as 'http:"):
        server.on("GET", "http://127.0.0.1/a")
    server.on("GET", "/proxy/http://127.0.0.1/a").respond(text="a proxy")
    assert requests.get(server.url_for("/proxy/http://127.0.0.1/a"), timeout=10).text == "a proxy"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/<id>", "<id>"),
        ("/a/<int:id>/b", "<int:id>"),
        ("/:id", ":id"),
        ("/a/:id/b", ":id"),
        ("/*", "*"),
        ("/a/**", "**"),
    ],
)
def test_a_parameter_as_others_write_it_is_refused(server: HTTPServe, path: str, found: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(f"{path!r} has {found!r}: a parameter is written {{name}}, ")):
        server.on("GET", path)


@pytest.mark.parametrize("path", ["/a:b", "/a*", "/1:2/3", "/%3Aid", "/a/%2A", "/%3Cid%3E", "/a/:7"])
def test_what_looks_like_one_is_a_path(server: HTTPServe, path: str) -> None:
    server.on("GET", path).respond(text="well")
    assert requests.get(server.url_for(path), timeout=10).text == "well"


@pytest.mark.parametrize(
    ("method", "hint"),
    [
        ("/a", "; the method comes first, then the path"),
        (["GET", "POST"], "for several, write match(...) | match(...)"),
    ],
)
def test_what_is_no_method_is_refused_with_what_was_meant(server: HTTPServe, method: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)):
        server.on(method)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("hello", "give a body by name: text=, html=, json=, body=, file= or stream="),
        ({"a": 1}, "give a body by name: text=, html=, json=, body=, file= or stream="),
        (len, "give a function to handle()"),
    ],
)
def test_what_is_no_status_is_refused_with_what_was_meant(server: HTTPServe, status: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)):
        server.on("GET", "/a").respond(status)


def test_an_argument_that_a_response_does_not_have_is_refused_with_those_that_it_has(server: HTTPServe) -> None:
    unknown: Any = {"statuscode": 404}
    with pytest.raises(
        UsageError, match="a response has no statuscode=, but a status and text=, html=, json=, body=, "
    ):
        server.on("GET", "/a").respond(**unknown)
    with pytest.raises(UsageError, match=r"^a response has no statuscode="):
        server.enqueue(**unknown)


def test_a_redirect_takes_its_location_first(server: HTTPServe) -> None:
    swapped: Any = (302, "/b")
    with pytest.raises(UsageError, match=r"^redirect\(\) takes the location first, not 302"):
        server.on("GET", "/a").redirect(*swapped)


@pytest.mark.parametrize("path", ["", "a", "**", None, b"/a"])
def test_a_path_that_begins_without_a_slash_is_refused(path: str) -> None:
    with pytest.raises(
        UsageError, match=r"^a path must be a text that begins with a slash, a compiled pattern, or '\*', not "
    ):
        match("GET", path)


@pytest.mark.parametrize("path", ["/a?b=c", "/a#b"])
def test_a_path_with_a_query_or_a_fragment_is_refused(path: str) -> None:
    with pytest.raises(
        UsageError, match=r"^a path ends before \? and #; .* has one of them \(give a query as query=\)$"
    ):
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


# Sequences, queues and handlers


def test_a_response_for_several_calls_comes_that_often(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(503, times=2).respond(text="well", times=2).respond(404)
    statuses = [requests.get(server.url_for("/a"), timeout=10).status_code for _ in range(6)]

    assert statuses == [503, 503, 200, 200, 404, 404]


def test_the_last_response_repeats_whatever_its_times(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="one").respond(text="two", times=2)

    assert [get(server) for _ in range(5)] == ["one", "two", "two", "two", "two"]


def test_handlers_and_responses_take_turns(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="one").handle(lambda request: "two", times=2).respond(text="three")

    assert [get(server) for _ in range(5)] == ["one", "two", "two", "three", "three"]


def test_the_queue_answers_what_no_route_takes(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="route")
    server.enqueue(text="first")
    server.enqueue(Response(201, text="second"))

    assert [get(server, path) for path in ("/x", "/a", "/y")] == ["first", "route", "second"]
    assert server.failures == ()
    assert requests.get(server.url_for("/z"), timeout=10).status_code == 404
    assert len(server.failures) == 1


def test_a_redirect_sends_the_client_on(server: HTTPServe) -> None:
    server.on("GET", "/a").redirect("/b?c", 307)
    server.on("GET", "/b").respond(text="there")

    assert get(server) == "there"
    assert [str(one) for one in server.exchanges] == ["<Exchange GET /a -> 307>", "<Exchange GET /b?c -> 200>"]


@pytest.mark.parametrize("status", [200, 300, 304, 400, "302"])
def test_a_redirect_has_a_status_of_one(server: HTTPServe, status: int) -> None:
    with pytest.raises(UsageError, match=r"^a redirect must have the status 301, 302, 303, 307 or 308, not "):
        server.on("GET", "/a").redirect("/b", status)


def test_head_is_answered_by_a_route_for_get_without_its_body(server: HTTPServe, say: Say) -> None:
    route = server.on("GET", "/a").respond(text="hello")
    answer = say(server, "HEAD /a HTTP/1.1\nHost: x\n\nHEAD /a HTTP/1.0\n\n")

    assert answer.count(b"\r\nContent-Length: 5\r\n") == 2
    assert b"hello" not in answer
    assert [call.request.method for call in route.calls] == ["HEAD", "HEAD"]


def test_code_of_the_test_sees_head_where_a_route_for_get_answers_it(server: HTTPServe) -> None:
    seen = []

    def where(request: Request) -> bool:
        seen.append(request.method)
        return True

    route = server.on("GET", "/a", where=where).respond(text="hello")
    either = server.on(match("GET", "/b") | match("PUT", "/c")).respond(text="hello")

    assert requests.head(server.url_for("/a"), timeout=10).status_code == 200
    assert requests.head(server.url_for("/b"), timeout=10).status_code == 200
    assert set(seen) == {"HEAD"}
    assert [call.request.method for call in (*route.calls, *either.calls)] == ["HEAD", "HEAD"]


class Uncomparable:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        return 0


def test_an_exception_while_a_route_is_sought_leaves_an_exchange(server: HTTPServe) -> None:
    server.on("POST", "/a", json=Uncomparable()).respond(text="hello")

    assert requests.post(server.url_for("/a"), json={"a": 1}, timeout=10).status_code == 500
    (exchange,) = server.exchanges
    assert (str(exchange.request), exchange.status, exchange.route) == ("POST /a", 500, None)
    (failure,) = server.take_failures()
    assert "RuntimeError: no comparison" in failure


def test_head_is_answered_by_its_own_route_if_there_is_one(server: HTTPServe) -> None:
    server.on("HEAD", "/a").respond(headers={"X-Mine": "1"})
    server.on("GET", "/a").respond(text="hello")

    assert requests.head(server.url_for("/a"), timeout=10).headers["X-Mine"] == "1"


@pytest.mark.parametrize(
    ("returned", "status", "content_type", "body"),
    [
        (Response(201, text="a"), 201, "text/plain; charset=utf-8", b"a"),
        ("grüße", 200, "text/plain; charset=utf-8", "grüße".encode()),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (bytearray(b"ab"), 200, "application/octet-stream", b"ab"),
        ({"a": 1}, 200, "application/json", b'{"a": 1}'),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        ({}, 200, "application/json", b"{}"),
        (MappingProxyType({"a": 1}), 200, "application/json", b'{"a": 1}'),
        ((201, MappingProxyType({"a": 1})), 201, "application/json", b'{"a": 1}'),
        (None, 204, None, b""),
        ((201, {"a": 1}), 201, "application/json", b'{"a": 1}'),
        ((202, "text"), 202, "text/plain; charset=utf-8", b"text"),
        ((202, b"bytes"), 202, "application/octet-stream", b"bytes"),
        ((404, None), 404, None, b""),
        ((200, 5), 200, "application/json", b"5"),
        ((200, True), 200, "application/json", b"true"),
    ],
)
def test_what_a_handler_returns_is_the_answer(
    server: HTTPServe, returned: object, status: int, content_type: str | None, body: bytes
) -> None:
    server.on("GET", "/a").handle(lambda request: returned)
    answer = requests.get(server.url_for("/a"), timeout=10)

    assert (answer.status_code, answer.headers.get("Content-Type"), answer.content) == (status, content_type, body)
    assert server.failures == ()


@pytest.mark.parametrize(
    "returned",
    [
        5,
        1.5,
        True,
        object,
        {1, 2},
        (200, "a", {}, 1),
        (200, "a", 5),
        (200, "a", {"X": True}),
        ("a", 200),
        (99, "a"),
        (204, "a"),
        (True, "a"),
        {"a": {1}},
    ],
)
def test_what_is_no_answer_fails_with_what_it_was(server: HTTPServe, returned: object) -> None:
    server.on("GET", "/a").handle(lambda request: returned)

    assert requests.get(server.url_for("/a"), timeout=10).status_code == 500
    (failure,) = server.failures
    assert "pytest_httpserve.errors.UsageError: " in failure


def test_a_handler_sees_the_whole_request(server: HTTPServe, say: Say) -> None:
    seen: list[Request] = []
    server.on("POST", "/a/{id}").handle(seen.append)
    say(server, "POST /a/7?b=%20 HTTP/1.1\nHost: x\nCookie: c=d\nConnection: close\nContent-Length: 2\n\n[]")

    (request,) = seen
    assert (request.method, request.target, request.path, request.path_params) == (
        "POST",
        "/a/7?b=%20",
        "/a/7",
        {"id": "7"},
    )
    assert (request.query["b"], request.cookies["c"], request.headers["host"]) == (" ", "d", "x")
    assert (request.body, request.text, request.json()) == (b"[]", "[]", [])
    assert (request.connection_index, request.exchange_index) == (0, 0)


def test_a_decorated_function_stays_one(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    def answer(request: Request | None = None) -> str:
        return "well"

    assert answer() == "well"
    assert get(server) == "well"


def test_a_failed_assert_in_a_handler_is_told_with_its_line_and_route(server: HTTPServe) -> None:
    route = server.on("GET", "/a")

    @route
    def answer(request: Request) -> None:
        assert request.query.get("page") == "1"

    assert requests.get(server.url_for("/a?page=2"), timeout=10).status_code == 500
    (failure,) = server.failures
    assert "AssertionError: assert '2' == '1'" in failure
    assert f'File "{__file__}", line' in failure
    assert str(route) in failure


@pytest.mark.parametrize("function", [None, "text", Response(text="a")])
def test_what_is_no_function_is_no_handler(server: HTTPServe, function: object) -> None:
    with pytest.raises(UsageError, match=r"^handle\(\) takes a function of the request, not "):
        server.on("GET", "/a").handle(function)  # type: ignore[arg-type]


def test_a_response_is_given_whole_or_in_parts(server: HTTPServe) -> None:
    for say_it in (server.on("GET", "/a").respond, server.enqueue):
        with pytest.raises(UsageError, match=r"^text= was given with a Response: give it to the Response instead$"):
            say_it(Response(), text="a")


# While requests come


def test_a_route_that_is_added_while_a_request_is_looked_at_answers_the_next(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found for a path is remembered: not what was found before the route was there."""
    server.on("GET", "/a").respond(text="old")
    looking, go_on = threading.Event(), threading.Event()
    real = PathPattern.match

    def slowly(self: PathPattern, path: str) -> object:
        looking.set()
        assert go_on.wait(10)
        return real(self, path)

    monkeypatch.setattr(PathPattern, "match", slowly)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(get, server)
        assert looking.wait(10)
        server.on("GET", "/a").respond(text="new")
        go_on.set()
        first.result(10)
        assert get(server) == "new"


def test_a_removed_route_answers_no_more_and_its_calls_stay(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="old")
    route = server.on("GET", "/{x}").respond(text="new")
    get(server)
    route.remove()
    route.remove()

    assert get(server) == "old"
    assert len(route.calls) == 1


def test_two_hundred_clients_find_their_routes(server: HTTPServe) -> None:
    for number in range(200):
        server.on("POST", f"/{number}/{{id:int}}", json={"n": number}).handle(lambda request: dict(request.path_params))
    together = threading.Barrier(200)

    def post(number: int) -> object:
        together.wait(30)
        return requests.post(server.url_for(f"/{number}/{number}"), json={"n": number}, timeout=30).json()

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(post, range(200)))

    assert answers == [{"id": number} for number in range(200)]
    assert server.failures == ()


# A body for a matcher, then for an application


@pytest.mark.parametrize("size", [0, 5, 100_000, 3_000_000])
@pytest.mark.parametrize("kind", ["wsgi", "handler", pytest.param("cgi", marks=pytest.mark.needs("select.poll"))])
def test_a_body_that_a_matcher_has_read_is_there_for_the_application(
    server: HTTPServe, tmp_path: Path, say: Say, size: int, kind: str
) -> None:
    server.on("POST", re.compile("/app.*"), body=b"not this", otherwise="continue").respond(409)
    if kind == "wsgi":
        server.mount("/app", sum_application)
    elif kind == "handler":
        server.mount("/app", SumHandler)
    else:
        (tmp_path / "x").write_text(
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; md5sum | cut -c1-32 | tr -d '\\n'\n"
        )
        (tmp_path / "x").chmod(0o755)
        server.serve_cgi(tmp_path, at="/app")
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    head = b"POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % size
    first = head + b"\r\n" + data
    answer = say(server, first + head + b"Connection: close\r\n\r\n" + data)  # pipelined: the second is not the first's

    assert answer.count(hashlib.md5(data).hexdigest().encode()) == 2
    assert [one.request.body == data for one in server.exchanges] == [True, True]
    assert server.failures == ()


def sum_application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "32")])
    return [hashlib.md5(environ["wsgi.input"].read()).hexdigest().encode()]


class SumHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = hashlib.md5(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.needs("select.poll")
def test_a_local_redirect_of_a_cgi_script_gives_the_handler_the_request_it_asked_for(
    server: HTTPServe, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("#!/bin/sh\nprintf 'Location: /users/7?a=b\\n\\n'\n")
    (tmp_path / "x").chmod(0o755)
    server.serve_cgi(tmp_path)
    server.on("GET", "/users/{id:int}").handle(lambda request: f"{request} {request.path_params['id']}")

    answer = requests.post(server.url_for("/cgi-bin/x"), data=b"body", timeout=10).text

    assert answer == "GET /users/7?a=b 7"
    assert [str(one.request) for one in server.exchanges] == ["POST /cgi-bin/x"]


def test_a_wrong_number_of_times_changes_nothing(server: HTTPServe) -> None:
    route = server.on("GET", "/a")
    with pytest.raises(UsageError, match=r"^times= must be a whole number, 1 or more, not 0"):
        route.respond(text="well", times=0)

    assert requests.get(server.url_for("/a"), timeout=10).status_code == 404
    assert len(route.calls) == 1


def test_code_of_the_test_is_run_as_long_as_there_is_some() -> None:
    routes = Routes()
    matcher = match("GET", "/a", where=lambda request: True)
    first, second = (Route(matcher, "here").join(routes) for _ in range(2))
    assert not routes.candidates("/b").runs_code
    first.remove()
    assert routes.candidates("/a").runs_code
    second.remove()
    assert not routes.candidates("/a").runs_code


def test_routes_are_added_in_one_thread_and_removed_in_another() -> None:
    routes = Routes()
    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            Route(match("GET", "/removed"), "here").join(routes).remove()

    thread = threading.Thread(target=remove)
    thread.start()
    added = [Route(match("GET", f"/{number}"), "here").join(routes) for number in range(1_000)]
    over.set()
    thread.join()

    for number, route in enumerate(added):
        request = Request("GET", f"/{number}", Headers(), (1, 1), ("127.0.0.1", 50000))
        assert routes.find(request).route is route
