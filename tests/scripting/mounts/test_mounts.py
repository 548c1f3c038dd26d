"""Directories at their prefixes."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.mounts.static import static_mount

Say = Callable[[HTTPServe, str | bytes], bytes]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """``site`` to be served, beside a ``secret`` that must not be."""
    (tmp_path / "secret").write_text("not to be served")
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "page.txt").write_text("a page")
    (site / "sub" / "leaf.txt").write_text("a leaf")
    (site / "start.html").write_text("the start")
    return site


def get(server: HTTPServe, path: str, **more: Any) -> requests.Response:
    return requests.get(server.url_for(path), timeout=10, **more)


# Prefixes


@pytest.mark.parametrize("at", ["/", "/files", "/files/", "/a/b/c", "/with blank", "/gr%C3%BC%C3%9Fe"])
def test_a_directory_is_served_beneath_its_prefix(server: HTTPServe, site: Path, at: str) -> None:
    server.serve_dir(site, at=at)
    prefix = at.rstrip("/")

    assert get(server, f"{prefix}/page.txt").text == "a page"
    assert get(server, f"{prefix}/sub/leaf.txt").text == "a leaf"


@pytest.mark.parametrize("target", ["/%66iles/page.txt", "/files/p%61ge.txt"])
def test_every_spelling_of_the_prefix_is_the_prefix(server: HTTPServe, site: Path, say: Say, target: str) -> None:
    server.serve_dir(site, at="/files")

    assert say(server, f"GET {target} HTTP/1.0\n\n").endswith(b"\r\n\r\na page")


@pytest.mark.parametrize("path", ["/", "/page.txt", "/filesystem/page.txt", "/file", "/Files/page.txt", "/a/files/"])
def test_what_is_not_beneath_the_prefix_is_not_served(server: HTTPServe, site: Path, path: str) -> None:
    server.serve_dir(site, at="/files")

    assert get(server, path).status_code == 404
    assert len(server.failures) == 1, f"nothing answers {path}, and nobody was told"


def test_the_longest_prefix_has_the_path(server: HTTPServe, tmp_path: Path) -> None:
    for name in ("root", "outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name.txt").write_text(name)
    server.serve_dir(tmp_path / "outer", at="/a")
    server.serve_dir(tmp_path / "inner", at="/a/b")
    server.serve_dir(tmp_path / "root")

    assert get(server, "/name.txt").text == "root"
    assert get(server, "/a/name.txt").text == "outer"
    assert get(server, "/a/b/name.txt").text == "inner"
    assert get(server, "/ab/name.txt").status_code == 404


def test_two_directories_at_one_prefix_are_refused(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, at="/a")
    with pytest.raises(UsageError, match="^" + re.escape(f"at='/a' is taken: {site} is served there")):
        server.serve_dir(site / "sub", at="/a/")


def test_an_absolute_target_is_served(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site, at="/files")
    answer = say(server, "GET http://example.org/files/page.txt HTTP/1.0\nHost: example.org\n\n")

    assert answer.endswith(b"\r\n\r\na page")


# Directories within


@pytest.mark.parametrize(
    ("at", "path", "location"),
    [
        ("/", "/sub", "/sub/"),
        ("/files", "/files/sub", "/files/sub/"),
        ("/files", "/files", "/files/"),
        ("/files", "/files/sub?a=b", "/files/sub/?a=b"),
    ],
)
def test_a_directory_without_its_slash_is_redirected_beneath_the_prefix(
    server: HTTPServe, site: Path, at: str, path: str, location: str
) -> None:
    server.serve_dir(site, at=at)
    answer = get(server, path, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (301, location)


@pytest.mark.parametrize("target", ["//sub", "//example.org/..%2fsub", "///sub"])
def test_no_redirect_leads_to_another_host(server: HTTPServe, site: Path, say: Say, target: str) -> None:
    (site / "example.org").mkdir()
    server.serve_dir(site)
    answer = say(server, f"GET {target} HTTP/1.0\n\n")

    assert not re.search(rb"\r\nLocation: (//|[a-z]+:)", answer), answer


def test_an_index_page_stands_for_its_directory(server: HTTPServe, site: Path) -> None:
    (site / "index.html").write_text("the index")
    server.serve_dir(site)

    assert get(server, "/").text == "the index"


@pytest.mark.parametrize("index", ["start.html", ["none.html", "start.html"], ("start.html", "page.txt")])
def test_the_index_page_can_be_named(server: HTTPServe, site: Path, index: str | list[str]) -> None:
    (site / "index.html").write_text("the usual index")
    server.serve_dir(site, index=index)

    assert get(server, "/").text == "the start"


def test_without_index_pages_a_directory_is_always_listed(server: HTTPServe, site: Path) -> None:
    (site / "index.html").write_text("the usual index")
    server.serve_dir(site, index=())

    assert 'href="index.html"' in get(server, "/").text


def test_a_directory_without_index_page_is_listed(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, at="/files")
    page = get(server, "/files/").text

    assert 'href="page.txt"' in page
    assert 'href="sub/"' in page


def test_a_listing_can_be_forbidden(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, listing=False)

    assert get(server, "/").status_code == 403
    assert get(server, "/page.txt").text == "a page"
    assert server.failures == (), "a 403 of a directory is an answer, not a request that nobody answers"


def test_given_headers_go_out_with_every_file(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, headers={"Cache-Control": "no-store", "Content-Type": "x/y", "X-Number": 7})
    answer = get(server, "/page.txt")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Number"] == "7"
    assert answer.headers["Content-Type"] == "x/y"


def test_two_directories_do_not_share_their_settings(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site, at="/a", listing=False, index="start.html", headers={"X-A": "1"})
    server.serve_dir(site, at="/b")
    with requests.Session() as session:  # one connection: the same handler serves both
        session.get(server.url_for("/a/"), timeout=10)
        answer = session.get(server.url_for("/b/"), timeout=10)

    assert 'href="page.txt"' in answer.text
    assert "X-A" not in answer.headers


# Methods


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_a_method_other_than_get_and_head_is_not_allowed(server: HTTPServe, site: Path, method: str) -> None:
    server.serve_dir(site)
    answer = requests.request(method, server.url_for("/page.txt"), data=b"a body", timeout=10)

    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["Allow"].split(", "))
    assert method not in answer.headers["Allow"]
    assert server.failures == ()


def test_a_body_sent_to_a_directory_is_not_taken_for_the_next_request(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site)
    hidden = "GET /secret HTTP/1.1\nHost: x\n\n".replace("\n", "\r\n")
    answer = say(
        server,
        f"POST /page.txt HTTP/1.1\nHost: x\nContent-Length: {len(hidden)}\n\n".replace("\n", "\r\n").encode()
        + hidden.encode()
        + b"GET /page.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )

    assert [str(exchange.request) for exchange in server.exchanges] == ["POST /page.txt", "GET /page.txt"]
    assert answer.endswith(b"\r\n\r\na page")


def test_a_file_that_is_missing_costs_no_connection(server: HTTPServe, site: Path) -> None:
    server.serve_dir(site)
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(server.url_for("/missing.txt"), timeout=10).status_code == 404
        assert session.get(server.url_for("/page.txt"), timeout=10).text == "a page"

    server.assert_reused()


def test_a_client_that_asks_for_the_end_gets_it_with_a_404(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site)
    answer = say(server, "GET /missing.txt HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.count(b"\r\nConnection: close\r\n") == 1


def test_head_gets_no_body(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site)
    answer = say(server, "HEAD /page.txt HTTP/1.0\n\n")

    assert b"\r\nContent-Length: 6\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


# Never a path out


@pytest.mark.parametrize("at", ["", "/files"])
@pytest.mark.parametrize(
    "way",
    [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/sub/..%2f..%2fsecret",
        "/..%5csecret",
        "/%2e%2e%5csecret",
        "/.%2e/secret",
        "//../secret",
        "/./../secret",
        "/..;/secret",
        "/secret%00.txt",
        "/%00/../../secret",
        "/../site/../secret",
    ],
)
def test_no_spelling_of_a_path_leads_out(server: HTTPServe, site: Path, say: Say, at: str, way: str) -> None:
    server.serve_dir(site, at=at or "/")
    answer = say(server, f"GET {at}{way} HTTP/1.0\n\n")

    assert answer.startswith(b"HTTP/1.1 404 "), f"{at}{way}: {answer[:200]!r}"
    assert b"not to be served" not in answer


def test_an_absolute_path_within_the_path_leads_nowhere(server: HTTPServe, site: Path, say: Say) -> None:
    server.serve_dir(site)
    secret = str(site.parent / "secret")

    for target in (f"/{secret}", "/" + secret.replace("/", "%2f"), f"/sub/{secret}"):
        assert say(server, f"GET {target} HTTP/1.0\n\n").startswith(b"HTTP/1.1 404 ")


def test_a_symbolic_link_that_leads_out_is_refused(server: HTTPServe, site: Path) -> None:
    (site / "link").symlink_to(site.parent / "secret")
    server.serve_dir(site, at="/files")

    assert get(server, "/files/link").status_code == 403


def test_a_symbolic_link_within_is_followed(server: HTTPServe, site: Path) -> None:
    (site / "link").symlink_to(site / "sub" / "leaf.txt")
    server.serve_dir(site, at="/files")

    assert get(server, "/files/link").text == "a leaf"


def test_a_served_directory_may_itself_be_a_link(server: HTTPServe, site: Path) -> None:
    (site.parent / "current").symlink_to(site)
    server.serve_dir(site.parent / "current")

    assert get(server, "/sub/leaf.txt").text == "a leaf"


# What serve_dir is given


def test_a_relative_directory_is_looked_for_in_the_current_one(
    server: HTTPServe, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.parent)
    server.serve_dir("site")
    monkeypatch.chdir("/")

    assert get(server, "/page.txt").text == "a page"


def test_the_first_root_that_has_the_directory_counts(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "both").mkdir(parents=True)
    (tmp_path / "second" / "only").mkdir()
    (tmp_path / "first" / "only").write_text("a file, not a directory")
    roots = [tmp_path / "first", tmp_path / "second"]

    assert static_mount("both", roots=roots).directory == str(tmp_path / "first" / "both")
    assert static_mount("only", roots=roots).directory == str(tmp_path / "second" / "only")


def test_a_missing_directory_is_refused_with_every_place_that_was_tried(tmp_path: Path) -> None:
    roots = [tmp_path / "first", tmp_path / "second"]
    with pytest.raises(UsageError) as caught:
        static_mount("site", roots=roots)

    tried = f"{tmp_path / 'first' / 'site'}, {tmp_path / 'second' / 'site'}"
    assert str(caught.value) == f"serve_dir('site'): there is no such directory; tried {tried}"


def test_a_file_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("")
    with pytest.raises(UsageError) as caught:
        static_mount("page.txt", roots=[tmp_path])

    assert str(caught.value) == f"serve_dir('page.txt'): {tmp_path / 'page.txt'} is a file, not a directory"


REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"path": path}, "serve_dir takes the path of a directory first, not ") for path in (None, 5, b".", ["."])),
    *(({"path": path}, "there is no such directory") for path in ("n" * 300, "a\0b")),
    *(
        ({"at": at}, f"serve_dir(at=) must be a path such as / or /static, not {at!r}")
        for at in ("", "static", "/a?b", "/a#b", "//a", "/a//b", None, 5)
    ),
    *(({"listing": listing}, "serve_dir(listing=) must be True or False, not ") for listing in (None, 1, "no")),
    *(
        ({"index": index}, "serve_dir(index=) must be a file name or several, not ")
        for index in ("", "a/b.html", "/index.html", 5, b"a", [5], ["a.html", ""], True)
    ),
    ({"headers": 5}, "serve_dir(headers=) takes a mapping or pairs"),
    ({"headers": {"X A": "b"}}, "a header's name must be a token"),
    ({"headers": {"X-A": "b\r\n"}}, "the value of the header X-A cannot be sent"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "the server sets Transfer-Encoding itself"),
    ({"headers": [("X-A", "1"), ("x-a", "2")]}, "serve_dir(headers=) takes each header once, not ['X-A', 'x-a']"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[str(given) for given, _ in REFUSED])
def test_a_wrong_argument_is_refused_where_it_is_given(given: dict[str, Any], message: str) -> None:
    server = HTTPServe()
    with pytest.raises(UsageError, match=re.escape(message)):
        server.serve_dir(**{"path": os.curdir, **given})
