"""The options of serve_dir: each does what it says, for its own directory and no other."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError

Say = Callable[[HTTPServe, str | bytes], bytes]
Fetch = Callable[..., requests.Response]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """``site`` to be served, beside a ``secret`` that must not be."""
    (tmp_path / "secret").write_text("not to be served")
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "app.js").write_text("plain")
    (site / "app.js.gz").write_text("as gzip")
    (site / "app.js.br").write_text("as brotli")
    (site / "app.html").write_text("the application")
    (site / ".env").write_text("hidden")
    (site / "sub" / "leaf.txt").write_text("a leaf")
    return site


@pytest.fixture
def fetch(server: HTTPServe) -> Iterator[Fetch]:
    """``fetch(path, method="GET", **headers)``, all over one connection; bodies are not decoded."""
    with requests.Session() as session:
        session.headers.clear()

        def fetch(path: str, method: str = "GET", **headers: str) -> requests.Response:
            fields = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): text for name, text in headers.items()}
            answer = session.request(
                method, server.url_for(path), headers=fields, allow_redirects=False, timeout=10, stream=True
            )
            answer._content = answer.raw.read(decode_content=False)
            return answer

        yield fetch


# Each option


def test_a_precompressed_file_is_sent_to_who_takes_it(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, precompressed=True)

    for accepted, coding, text in (("gzip", "gzip", "as gzip"), ("gzip, br", "br", "as brotli"), ("x", None, "plain")):
        answer = fetch("/app.js", Accept_Encoding=accepted)
        assert (answer.text, answer.headers.get("Content-Encoding")) == (text, coding)
        assert answer.headers["Vary"] == "Accept-Encoding"


def test_a_single_page_application_answers_its_paths(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, at="/ui", fallback="app.html")

    assert fetch("/ui/users/7").text == "the application"
    assert fetch("/ui").status_code == 301
    assert fetch("/ui/missing.js").status_code == 404
    assert fetch("/ui/sub/leaf.txt").text == "a leaf"
    assert server.failures == ()


def test_a_fallback_may_lie_deeper(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, fallback="sub/leaf.txt")

    assert fetch("/users").text == "a leaf"


def test_a_fallback_takes_no_path_of_another_directory_or_route(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, fallback="app.html")
    server.serve_dir(site / "sub", at="/files")
    server.on("GET", "/api").respond(text="the route")

    assert fetch("/api").text == "the route"
    assert fetch("/files/missing").status_code == 404
    assert fetch("/api/missing").text == "the application"


def test_hidden_files_are_neither_found_nor_listed(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, hidden=False)

    assert fetch("/.env").status_code == 404
    assert ".env" not in fetch("/").text


def test_by_default_hidden_files_are_there(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site)

    assert fetch("/.env").text == "hidden"
    assert ".env" in fetch("/").text


def test_headers_go_out_by_pattern(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(
        site,
        at="/a",
        headers={"Cache-Control": "public"},
        headers_for={"*.js": {"cache-control": "no-cache", "X-Number": 7}, "sub/*": [("X-Sub", "yes")]},
    )
    script, page, leaf = fetch("/a/app.js").headers, fetch("/a/app.html").headers, fetch("/a/sub/leaf.txt").headers

    assert (script["Cache-Control"], script["X-Number"]) == ("no-cache", "7")
    assert (page["Cache-Control"], "X-Number" in page) == ("public", False)
    assert (leaf["Cache-Control"], leaf["X-Sub"]) == ("public", "yes")


@pytest.mark.parametrize(("cors", "origin"), [(True, "*"), ("*", "*"), ("http://127.0.0.1:3000",) * 2])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/app.js", 200),
        ("HEAD", "/app.js", 200),
        ("GET", "/missing", 404),
        ("GET", "/sub", 301),
        ("POST", "/app.js", 405),
        ("OPTIONS", "/app.js", 204),
    ],
)
def test_pages_of_other_origins_may_read_every_answer(
    server: HTTPServe, site: Path, fetch: Fetch, cors: bool | str, origin: str, method: str, path: str, status: int
) -> None:
    server.serve_dir(site, cors=cors)
    answer = fetch(path, method, Origin="http://127.0.0.1:3000")

    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("name", ["Access-Control-Allow-Origin", "access-control-allow-origin"])
def test_an_origin_that_is_given_as_a_header_is_the_one_that_is_allowed(
    server: HTTPServe, site: Path, fetch: Fetch, name: str
) -> None:
    server.serve_dir(site, cors=True, headers_for={"*.js": {name: "http://shop.test"}})

    assert fetch("/app.js").raw.headers.getlist("Access-Control-Allow-Origin") == ["http://shop.test"]
    assert fetch("/missing").raw.headers.getlist("Access-Control-Allow-Origin") == ["*"]


def test_a_preflight_request_is_answered(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, at="/a", cors=True)
    answer = fetch(
        "/a/app.js",
        "OPTIONS",
        Origin="http://127.0.0.1:3000",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range",
    )

    assert (answer.status_code, answer.content) == (204, b"")
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "range"
    assert server.failures == ()


@pytest.mark.parametrize("path", ["/a/", "/a/app.js", "/a/missing", "/a"])
def test_options_tells_the_methods_of_a_directory(server: HTTPServe, site: Path, fetch: Fetch, path: str) -> None:
    server.serve_dir(site, at="/a")
    answer = fetch(path, "OPTIONS")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    assert server.failures == ()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_with_those_that_are_there(
    server: HTTPServe, site: Path, fetch: Fetch, method: str
) -> None:
    server.serve_dir(site)
    answer = fetch("/app.js", method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert fetch("/app.js").text == "plain"
    assert server.failures == ()


def test_an_answer_of_a_directory_is_in_the_journal(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    server.serve_dir(site, precompressed=True, headers={"X-A": "1"})
    fetch("/app.js", Accept_Encoding="gzip")
    (exchange,) = server.exchanges

    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.response.headers["Content-Encoding"] == "gzip"
    assert exchange.response.headers["X-A"] == "1"


# An option is for its own directory

ALL: dict[str, Any] = {
    "index": "app.html",
    "listing": False,
    "hidden": False,
    "headers": {"X-All": "1"},
    "headers_for": {"*": {"X-Each": "1"}},
    "precompressed": True,
    "fallback": "app.html",
    "cors": "http://127.0.0.1:3000",
}


def said(answer: requests.Response) -> str:
    """All that an answer says, as a text to compare; dates are left out."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "Last-Modified", "ETag")}
    return json.dumps([answer.status_code, headers, answer.text])


QUESTIONS: list[tuple[str, str]] = [
    ("GET", "/"),
    ("GET", "/sub/"),
    ("GET", "/.env"),
    ("GET", "/app.js"),
    ("OPTIONS", "/app.js"),
    ("POST", "/app.js"),
    ("GET", "/missing"),
    ("GET", "/sub"),
]


@pytest.mark.parametrize("before", QUESTIONS, ids=" ".join)
def test_no_option_outlives_its_request_on_a_connection(
    server: HTTPServe, site: Path, fetch: Fetch, before: tuple[str, str]
) -> None:
    server.serve_dir(site, at="/all", **ALL)
    server.serve_dir(site, at="/none")
    server.on("GET", "/route").respond(file=site / "app.js")
    method, path = before

    def ask(method: str, path: str) -> requests.Response:
        return fetch(path, method, Accept_Encoding="gzip")

    for wanted, asked in [
        *(("GET", "/none" + target) for verb, target in QUESTIONS if verb == "GET"),
        ("GET", "/route"),
    ]:
        alone = said(ask(wanted, asked))
        ask(method, "/all" + path)
        after = said(ask(wanted, asked))
        assert after == alone, f"{asked} is answered otherwise after {method} /all{path}"


def test_no_option_outlives_its_request_when_the_next_is_refused(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site, at="/all", **ALL)
    answer = say(server, "GET /all/app.js HTTP/1.1\nHost: x\n\nGET /all/ HTTP/1.1\nHost: x\nContent-Length: x\n\n")
    refusal = answer[answer.index(b"HTTP/1.1 400") :]

    assert b"Access-Control" not in refusal
    assert b"X-All" not in refusal


def test_no_option_outlives_its_request_when_nothing_answers_the_next(
    server: HTTPServe, site: Path, fetch: Fetch
) -> None:
    server.serve_dir(site, at="/all", **ALL)
    fetch("/all/app.js")
    answer = fetch("/nothing")

    assert answer.status_code == 404
    assert not {"X-All", "X-Each", "Vary", "Access-Control-Allow-Origin"} & set(answer.headers)


def test_directories_with_other_options_serve_at_the_same_time(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, at="/all", **ALL)
    server.serve_dir(site, at="/none")
    with socket.create_connection((server.host, server.port), timeout=10) as first:
        first.sendall(b"GET /all/.env HTTP/1.1\r\n")
        shown = requests.get(server.url_for("/none/.env"), timeout=10)
        first.sendall(b"Host: x\r\nConnection: close\r\n\r\n")
        refused = first.makefile("rb").read()

    assert (shown.status_code, shown.text) == (200, "hidden")
    assert refused.startswith(b"HTTP/1.1 404 ")


# What is refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(
            ({"precompressed": value}, "serve_dir(precompressed=) must be True or False, not ")
            for value in (None, 1, "br")
        ),
        *(({"hidden": value}, "serve_dir(hidden=) must be True or False, not ") for value in (None, 0, ".env")),
        *(
            ({"cors": value}, "serve_dir(cors=) must be True, False or an origin such as http://127.0.0.1:3000, not ")
            for value in (
                None,
                1,
                "",
                "yes",
                "127.0.0.1:3000",
                "http://",
                "http://a.example/",
                "http://a.example http://b.example",
                "http://a.example\r\nX-A: b",
                "http://☃.example",
                ["http://a.example"],
            )
        ),
        *(
            ({"fallback": value}, "serve_dir(fallback=) must be the name of a file in ")
            for value in ("", ".", "sub", "missing.html", "../secret", "sub/../../secret", "\0", 5, b"app.html", True)
        ),
        *(
            ({"headers_for": value}, "serve_dir(headers_for=) must be a mapping of patterns such as '*.js' to headers")
            for value in ("*.js", ["*.js"], {b"*.js": {"X-A": "1"}}, 5)
        ),
        *(
            ({"headers_for": {"*.js": value}}, "serve_dir(headers_for=) takes a mapping or pairs of name and value")
            for value in ("X-A: 1", 5, ["X-A"])
        ),
        ({"headers_for": {"*": [("X-A", "1"), ("x-a", "2")]}}, "serve_dir(headers_for=) takes each header once"),
        ({"headers_for": {"*": {"X-A": "1\r\nX-B: 2"}}}, "the value of the header X-A cannot be sent"),
        ({"headers_for": {"*": {"X-A": True}}}, "a header must be a name with a str or a number"),
        ({"headers": "X-A: 1"}, "serve_dir(headers=) takes a mapping or pairs of name and value, not 'X-A: 1'"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_in_one_sentence(site: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(message)) as caught:
        HTTPServe().serve_dir(site, **given)

    assert len(str(caught.value).splitlines()) == 1


def test_a_fallback_by_an_absolute_path_is_refused(site: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(f"the name of a file in {site}, not ")):
        HTTPServe().serve_dir(site, fallback=str(site.parent / "secret"))


def test_a_directory_that_was_refused_serves_nothing(server: HTTPServe, site: Path, fetch: Fetch) -> None:
    with pytest.raises(UsageError):
        server.serve_dir(site, cors="yes")
    server.serve_dir(site)

    assert fetch("/app.js").text == "plain"


def test_server_and_date_may_be_given(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("well")
    given = {"server": "mine", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    server.serve_dir(tmp_path, headers=given)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = client.makefile("rb").read().decode()
    assert [line for line in head.split("\r\n") if line.lower().startswith(("server:", "date:"))] == [
        "server: mine",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
    ]
