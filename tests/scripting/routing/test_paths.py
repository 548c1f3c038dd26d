"""Paths as a test writes them."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, match
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.routing.paths import PathPattern
from pytest_httpserve.wire.target import canonical_path

Say = Callable[[HTTPServe, str | bytes], bytes]
KEY = "0123abcd-0123-ABCD-0123-0123456789ab"


def parameters(pattern: str | re.Pattern[str], path: str) -> dict[str, Any] | None:
    return PathPattern(pattern).match(canonical_path(path))


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("/users/{name}", "/users/ada", {"name": "ada"}),
        ("/users/{name}", "/users/a%20b", {"name": "a b"}),
        ("/users/{name}", "/users/a%2Fb", {"name": "a/b"}),
        ("/users/{name}", "/users/a+b", {"name": "a+b"}),
        ("/users/{name}", "/users/gr%c3%bc%c3%9fe", {"name": "grüße"}),
        ("/users/{id:int}", "/users/7", {"id": 7}),
        ("/users/{id:int}", "/users/-7", {"id": -7}),
        ("/users/{id:int}", "/users/%37", {"id": 7}),
        ("/x/{x:float}", "/x/1.5", {"x": 1.5}),
        ("/x/{x:float}", "/x/-2", {"x": -2.0}),
        ("/k/{key:uuid}", f"/k/{KEY}", {"key": uuid.UUID(KEY)}),
        ("/files/{rest:path}", "/files/a/b%20c/d", {"rest": "a/b c/d"}),
        ("/files/{rest:path}/end", "/files/a/b/end", {"rest": "a/b"}),
        ("/{a}/{b}", "/x/y", {"a": "x", "b": "y"}),
        ("/{a:int}-{b:int}/c", "/1-2/c", {"a": 1, "b": 2}),
        ("/{name}.json", "/a.b.json", {"name": "a.b"}),
        ("/grüße/{a}", "/gr%C3%BC%C3%9Fe/x", {"a": "x"}),
        ("/a+b/{a}", "/a+b/x", {"a": "x"}),
        (re.compile(r"/users/(?P<id>\d+)"), "/users/7", {"id": "7"}),
        (re.compile(r"/grüße/.*"), "/gr%c3%bc%c3%9fe/x", {}),
        ("*", "/anything/at/all", {}),
    ],
)
def test_parameters_are_found_converted_and_decoded(
    template: str | re.Pattern[str], path: str, found: dict[str, Any]
) -> None:
    assert parameters(template, path) == found


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/users/{name}", "/users/"),
        ("/users/{name}", "/users/a/b"),
        ("/users/{name}", "/Users/a"),
        ("/users/{name}", "/users/a/"),
        ("/users/{id:int}", "/users/a7"),
        ("/users/{id:int}", "/users/7.5"),
        ("/users/{id:int}", "/users/" + "9" * 5000),
        ("/x/{x:float}", "/x/1."),
        ("/k/{key:uuid}", "/k/0123"),
        ("/files/{rest:path}", "/files/"),
        ("/{name}.json", "/a_json"),
        (re.compile("/a"), "/ab"),
        (re.compile("/b"), "/a/b"),
    ],
)
def test_another_path_does_not_match(template: str | re.Pattern[str], path: str) -> None:
    assert parameters(template, path) is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/{id:number}", "{id:number} in '/{id:number}': a parameter must be one of str, int, float, uuid, path"),
        ("/{a}/{a}", "'/{a}/{a}' has two parameters called 'a'"),
        ("/{", "'/{' has a brace that belongs to no parameter such as {name} or {id:int}"),
        ("/}", "'/}' has a brace that belongs to no parameter"),
        ("/{}", "'/{}' has a brace that belongs to no parameter"),
        ("/{1a}", "has a brace that belongs to no parameter"),
        ("/{a-b}", "has a brace that belongs to no parameter"),
        ("/}{a}", "has a brace that belongs to no parameter"),
        ("/{a}/{b", "has a brace that belongs to no parameter"),
        ("/{{a}}", "has a brace that belongs to no parameter"),
        ("/{a}?b=c", "a path ends before ? and #; '/{a}?b=c' has one of them"),
        (re.compile(b"/a"), "a pattern for a path must be a pattern of str, not of bytes: re.compile(b'/a')"),
    ],
)
def test_a_template_that_is_none_is_refused(path: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        match("GET", path)


# On a server


def test_a_handler_sees_the_parameters(server: HTTPServe, say: Say) -> None:
    seen: list[object] = []

    @server.on("GET", "/users/{id:int}/{rest:path}")
    def answer(request: Any) -> None:
        seen.append(dict(request.path_params))

    say(server, "GET /users/7/a/b%20c?id=8 HTTP/1.0\n\n")

    assert seen == [{"id": 7, "rest": "a/b c"}]


def test_the_journal_has_the_parameters(server: HTTPServe, say: Say) -> None:
    route = server.on("GET", "/users/{id:int}").respond()
    for number in range(3):
        say(server, f"GET /users/{number} HTTP/1.0\n\n")

    assert [call.request.path_params for call in route.calls] == [{"id": 0}, {"id": 1}, {"id": 2}]


def test_parameters_of_one_request_are_not_those_of_another(server: HTTPServe, say: Say) -> None:
    """They are found once per path, and must not be changed by whoever sees them."""
    server.on("GET", "/users/{id}").respond()
    say(server, "GET /users/7 HTTP/1.0\n\n")

    params: Any = server.exchanges[0].request.path_params
    with pytest.raises(TypeError):
        params["id"] = "8"


def test_parameters_are_seen_with_further_matchers(server: HTTPServe, say: Say) -> None:
    route = server.on(match(headers={"X-A": "b"}) & match("GET", "/users/{id:int}")).respond(text="found")

    assert say(server, "GET /users/7 HTTP/1.0\nX-A: b\n\n").endswith(b"\r\n\r\nfound")
    assert route.calls[0].request.path_params == {"id": 7}


@pytest.mark.parametrize("target", ["*", "http://example.org/a%20b", "/a/b?c"])
def test_a_route_for_everything_takes_every_target(server: HTTPServe, say: Say, target: str) -> None:
    server.on("*", "*").respond(text="found")
    answer = say(server, f"OPTIONS {target} HTTP/1.1\nHost: example.org\nConnection: close\n\n")

    assert answer.endswith(b"\r\n\r\nfound")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/users/7", "/users/{id}"),
        ("/users/{id}", "/users/7"),
        ("/users/{id:int}", re.compile("/users/.*")),
        (re.compile("/users/.*"), "/users/{id:int}"),
        ("*", "/users/7"),
        ("/users/{rest:path}", "/{kind}/7"),
    ],
)
def test_the_later_route_answers_whatever_kind_its_path_is(
    server: HTTPServe, say: Say, first: Any, second: Any
) -> None:
    server.on("GET", first).respond(text="first")
    server.on("GET", second).respond(text="second")

    assert say(server, "GET /users/7 HTTP/1.0\n\n").endswith(b"second")


def test_the_higher_priority_answers_and_of_two_equal_ones_the_later(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a", priority=1).respond(text="one")
    server.on("GET", "/a", priority=1).respond(text="another")
    server.on("GET", "/a").respond(text="plain")
    server.on("*", "*", priority=-1).respond(text="fallback")

    assert say(server, "GET /a HTTP/1.0\n\n").endswith(b"another")
    assert say(server, "GET /b HTTP/1.0\n\n").endswith(b"fallback")


@pytest.mark.parametrize("priority", ["1", None, True, [1]])
def test_what_is_no_priority_is_refused(server: HTTPServe, priority: Any) -> None:
    with pytest.raises(UsageError, match=r"^priority= must be a number, not "):
        server.on("GET", "/a", priority=priority)


def test_of_alternatives_the_one_that_matched_gives_the_parameters(server: HTTPServe) -> None:
    by_number = match("GET", "/users/{id:int}") & match(headers={"X-Old": None})
    by_name = match("GET", "/people/{name}/{rest:path}", query={"v": "2"})
    server.on(by_number | by_name | match("POST", "/users")).handle(lambda request: dict(request.path_params))

    assert requests.get(server.url_for("/users/7"), timeout=10).json() == {"id": 7}
    assert requests.get(server.url_for("/people/ada/a/b?v=2"), timeout=10).json() == {"name": "ada", "rest": "a/b"}
    assert requests.post(server.url_for("/users"), timeout=10).json() == {}
    assert [dict(one.request.path_params) for one in server.exchanges] == [
        {"id": 7},
        {"name": "ada", "rest": "a/b"},
        {},
    ]


def test_of_two_paths_for_one_request_both_give_parameters(server: HTTPServe) -> None:
    both = match("GET", "/{kind}/{id:int}") & ~match("GET", "/{secret}/0") & match(path="/users/{rest:path}")
    server.on(both).handle(lambda request: dict(request.path_params))

    assert requests.get(server.url_for("/users/7"), timeout=10).json() == {"kind": "users", "id": 7, "rest": "7"}


def test_an_alternative_without_a_path_goes_with_the_path_beside_it(server: HTTPServe) -> None:
    vip = match(headers={"X-Vip": "1"}) | match(query={"vip": "1"})
    server.on("GET", "/users/{id:int}", where=vip).handle(lambda request: dict(request.path_params))

    assert requests.get(server.url_for("/users/7?vip=1"), timeout=10).json() == {"id": 7}
    assert requests.head(server.url_for("/users/7?vip=1"), timeout=10).status_code == 200
    assert server.exchanges[1].request.path_params == {"id": 7}


@pytest.mark.parametrize(
    "paths",
    [
        ["/users/{id}"] * 3,
        ["/users/{id:int}", "/users/{name}", "/users/7"],
        ["/users/{id}", "/users/{id}/posts", "/users/{id}/posts/{post}"],
        ["/users/7/posts", "/users/{id}/posts", "/users/{id}/{what}"],
        ["/{a}/{b}", "/{a}/b", "/a/{b}"],
    ],
)
def test_a_route_stays_whatever_others_share_of_its_path(server: HTTPServe, paths: list[str]) -> None:
    methods = ("GET", "POST", "DELETE")
    routes = [
        (server.on(method, path).respond(text=f"{method} {path}"), method, path) for path in paths for method in methods
    ]
    asked = re.sub(r"\{[^}]*\}", "8", paths[0])
    server.ignore("unanswered")

    # The latest of those that fit answers, and when it is gone, the one before it.
    for method in methods:
        fitting = [one for one in routes if one[1] == method and parameters(one[2], asked) is not None]
        for route, _, path in reversed(fitting):
            assert requests.request(method, server.url_for(asked), timeout=10).text == f"{method} {path}"
            route.remove()
        assert requests.request(method, server.url_for(asked), timeout=10).status_code == 404


def test_what_no_route_answers_has_no_parameters(server: HTTPServe, tmp_path: Path) -> None:
    """Not those of a route that fits its path and not its method, nor those of the request before."""

    def application(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"an application"]

    (tmp_path / "7").write_text("a file")
    for place in ("files", "app", "none"):
        server.on("POST", f"/{place}/{{name:int}}").respond(text="a route")
    server.serve_dir(tmp_path, at="/files")
    server.mount("/app", application)
    server.ignore("unanswered")
    with requests.Session() as session:
        for place, answer in (("files", "a file"), ("app", "an application"), ("none", "nothing answers")):
            assert session.post(server.url_for(f"/{place}/7"), timeout=10).text == "a route"
            assert session.get(server.url_for(f"/{place}/7"), timeout=10).text.startswith(answer)

    assert [dict(one.request.path_params) for one in server.exchanges] == [{"name": 7}, {}] * 3
