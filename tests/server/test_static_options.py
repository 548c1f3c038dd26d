"""The options of SimpleHTTPRequestHandler: headers, encodings, fallback, hidden files, CORS, no listing."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import HTTPServer, SimpleHTTPRequestHandler
from pytest_httpserve.server.files.roots import FileOptions

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]
    Site = Callable[..., Client]

PATIENCE = 5.0
SECRET = b"this is not for you"


class Static(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory to serve, with a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "app.js").write_bytes(b"0123456789")
    (root / "page.html").write_bytes(b"<p>page")
    (root / "data").write_bytes(b"data")
    (root / "sub" / "b.txt").write_bytes(b"b")
    return root


OPTIONS = {field.name for field in dataclasses.fields(FileOptions)}


@pytest.fixture
def site(serve: Serve, connect: Connect, root: Path) -> Site:
    """Serves ``root``, with these options, or attributes of the handler class, and connects to it."""

    def site(arguments: dict[str, Any] | None = None, **attributes: Any) -> Client:
        options = {name: attributes.pop(name) for name in OPTIONS & attributes.keys()}
        handler = type("Site", (Static,), {"file_options": FileOptions(**options), **attributes})

        def make(*args: Any) -> Static:
            made: Static = handler(*args, directory=root, **(arguments or {}))
            return made

        return connect(serve(make))

    return site


# default_content_type


def test_a_file_of_unknown_type_is_octets(site: Site) -> None:
    assert site().get("/data").headers["Content-Type"] == "application/octet-stream"


def test_the_default_type_is_for_files_of_unknown_type_alone(site: Site) -> None:
    client = site(default_content_type="text/x-data")

    assert client.get("/data").headers["Content-Type"] == "text/x-data"
    assert client.get("/page.html").headers["Content-Type"] == "text/html"


# extra_response_headers


def test_extra_headers_are_an_argument_and_an_attribute_as_in_python_3_15(site: Site) -> None:
    parameter = inspect.signature(SimpleHTTPRequestHandler).parameters["extra_response_headers"]
    assert (parameter.kind, parameter.default) == (inspect.Parameter.KEYWORD_ONLY, None)

    pairs = [("X-A", "1")]
    assert site({"extra_response_headers": pairs}).get("/data").headers["X-A"] == "1"
    assert site(extra_response_headers=pairs).get("/data").headers["X-A"] == "1"


def test_extra_headers_may_repeat_a_name(site: Site) -> None:
    answer = site(extra_response_headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]).get("/data")

    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_extra_headers_replace_none_that_the_server_sends(site: Site) -> None:
    names = ["Server", "date", "Content-Type", "content-length", "LAST-MODIFIED", "ETag", "Accept-Ranges"]
    plain, extra = site(), site(extra_response_headers=[(name, "mine") for name in names])

    assert [name for name, _ in extra.get("/data").headers.fields] == [
        name for name, _ in plain.get("/data").headers.fields
    ]
    assert "mine" not in extra.get("/data").headers.values()


@pytest.mark.parametrize("target", ["/app.js", "/sub/"])
def test_extra_headers_go_with_files_and_listings(site: Site, target: str) -> None:
    client = site(extra_response_headers=[("X-A", "1")])

    assert client.get(target).headers["X-A"] == "1"
    assert client.request("HEAD", target).headers["X-A"] == "1"


def test_extra_headers_go_with_a_part_of_a_file(site: Site) -> None:
    answer = site(extra_response_headers=[("X-A", "1")]).get("/app.js", "Range: bytes=2-3")

    assert (answer.status, answer.headers["X-A"]) == (206, "1")


@pytest.mark.parametrize(
    ("target", "field", "status"),
    [
        ("/missing", "X: y", 404),
        ("/sub", "X: y", 301),
        ("/app.js", "If-None-Match: *", 304),
        ("/app.js", "Range: bytes=10-", 416),
        ("/app.js", 'If-Match: "other"', 412),
    ],
)
def test_extra_headers_go_with_nothing_else(site: Site, target: str, field: str, status: int) -> None:
    answer = site(strict=True, extra_response_headers=[("X-A", "1")]).get(target, field)

    assert answer.status == status
    assert "X-A" not in answer.headers


# response_headers and headers_for


def test_response_headers_go_out_in_place_of_those_of_the_same_name(site: Site) -> None:
    answer = site(response_headers={"X-A": "1", "content-type": "text/x-mine", "SERVER-TIMING": "t"}).get("/app.js")

    assert (answer.body, answer.headers["X-A"], answer.headers["Server-Timing"]) == (b"0123456789", "1", "t")
    assert answer.headers.get_all("Content-Type") == ["text/x-mine"]


@pytest.mark.parametrize(
    ("target", "field", "status"),
    [("/sub/", "X: y", 200), ("/sub", "X: y", 301), ("/app.js", "If-None-Match: *", 304), ("/app.js", "X: y", 200)],
)
def test_response_headers_go_with_all_that_is_found(site: Site, target: str, field: str, status: int) -> None:
    answer = site(strict=True, response_headers={"X-A": "1"}).get(target, field)

    assert (answer.status, answer.headers["X-A"]) == (status, "1")


def test_response_headers_do_not_go_with_what_is_missing(site: Site) -> None:
    assert "X-A" not in site(response_headers={"X-A": "1"}).get("/missing").headers


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*.js", ["/app.js", "/sub/deep.js"]),
        ("/*.js", ["/app.js", "/sub/deep.js"]),
        ("sub/*", ["/sub/deep.js", "/sub/b.txt"]),
        ("/sub/*", ["/sub/deep.js", "/sub/b.txt"]),
        ("app.js", ["/app.js"]),
        ("[a-c]pp.*", ["/app.js"]),
        ("*.JS", []),
        ("js", []),
        ("*", ["/app.js", "/sub/deep.js", "/sub/b.txt", "/data"]),
    ],
)
def test_headers_for_a_pattern_go_with_the_files_that_match(
    site: Site, root: Path, pattern: str, matched: list[str]
) -> None:
    (root / "sub" / "deep.js").write_bytes(b"deep")
    client = site(headers_for={pattern: {"X-A": "1"}})
    targets = ["/app.js", "/sub/deep.js", "/sub/b.txt", "/data"]

    assert [target for target in targets if "X-A" in client.get(target).headers] == matched


def test_of_two_patterns_the_later_wins(site: Site) -> None:
    client = site(
        response_headers={"Cache-Control": "public", "X-All": "1"},
        headers_for={"*": {"cache-control": "no-cache"}, "*.js": {"CACHE-CONTROL": "no-store", "X-JS": "1"}},
    )
    script, data = client.get("/app.js"), client.get("/data")

    assert script.headers.get_all("Cache-Control") == ["no-store"]
    assert (script.headers["X-All"], script.headers["X-JS"]) == ("1", "1")
    assert data.headers.get_all("Cache-Control") == ["no-cache"]
    assert "X-JS" not in data.headers


def test_headers_for_a_pattern_see_the_decoded_name(site: Site, root: Path) -> None:
    (root / "a b.js").write_bytes(b"")

    assert "X-A" in site(headers_for={"a b.js": {"X-A": "1"}}).get("/a%20b.js").headers


def test_headers_for_a_pattern_see_the_page_that_stands_for_a_directory(site: Site, root: Path) -> None:
    (root / "sub" / "index.html").write_bytes(b"")

    assert "X-A" in site(headers_for={"sub/index.html": {"X-A": "1"}}).get("/sub/").headers


def test_headers_for_a_pattern_go_with_a_304(site: Site) -> None:
    answer = site(strict=True, headers_for={"*.js": {"Cache-Control": "no-cache"}}).get("/app.js", "If-None-Match: *")

    assert (answer.status, answer.headers["Cache-Control"]) == (304, "no-cache")


def test_a_type_of_ones_own_stands_in_each_part_of_several_ranges(site: Site) -> None:
    answer = site(headers_for={"*.js": {"Content-Type": "text/x-mine"}}).get("/app.js", "Range: bytes=0-1,4-5")

    assert answer.status == 206
    assert re.fullmatch("multipart/byteranges; boundary=.+", answer.headers["Content-Type"])
    assert answer.body.count(b"Content-Type: text/x-mine\r\n") == 2


# precompressed

NEIGHBOURS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}


@pytest.fixture
def compressed(site: Site, root: Path) -> Client:
    """app.js with all of its neighbours; the content of each is its coding."""
    for coding, ending in NEIGHBOURS.items():
        (root / f"app.js{ending}").write_bytes(coding.encode())
    client: Client = site(precompressed=True, strict=True)
    return client


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("br, zstd, gzip", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.2, br;q=0.1, zstd;q=0.3", "zstd"),
        ("gzip ; q=0.2 , br;Q=0.1", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("*;q=0.5, gzip", "gzip"),
        ("br;q=0, *", "zstd"),
        ("deflate, gzip;q=0.001", "gzip"),
        ("gzip, identity", "gzip"),
        ("gzip, identity;q=0", "gzip"),
        ("gzip;q=0.5;what=ever, br;q=0.4", "gzip"),
    ],
)
def test_the_neighbour_that_the_client_likes_best_is_sent(compressed: Client, accepted: str, coding: str) -> None:
    answer = compressed.get("/app.js", f"Accept-Encoding: {accepted}")

    assert (answer.status, answer.body.decode(), answer.headers["Content-Encoding"]) == (200, coding, coding)
    assert re.fullmatch("(text|application)/javascript", answer.headers["Content-Type"])
    assert answer.headers["Content-Length"] == str(len(coding))


@pytest.mark.parametrize(
    "accepted",
    [
        None,
        "",
        "identity",
        "deflate, compress",
        "br;q=0, zstd;q=0.0, gzip;q=0.000",
        "*;q=0",
        "gzip;q=spam",
        "gzip;q=nan",
        "gzip;q=-1",
        "gzip;q=",
        "gzip;q=0.5, identity",
        "bro, gzipped",
    ],
)
def test_who_takes_no_neighbour_or_likes_the_file_better_gets_the_file(
    compressed: Client, accepted: str | None
) -> None:
    answer = compressed.get("/app.js", *([] if accepted is None else [f"Accept-Encoding: {accepted}"]))

    assert answer.body == b"0123456789"
    assert "Content-Encoding" not in answer.headers


def test_accept_encoding_in_several_lines_is_one_list(compressed: Client) -> None:
    answer = compressed.get("/app.js", "Accept-Encoding: gzip;q=0.5", "Accept-Encoding: br")

    assert answer.headers["Content-Encoding"] == "br"


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_caches_are_told_that_the_answer_varies(compressed: Client, accepted: str) -> None:
    field = f"Accept-Encoding: {accepted}"
    whole = compressed.get("/app.js", field)

    assert whole.headers["Vary"] == "Accept-Encoding"
    for status, condition in ((304, f"If-None-Match: {whole.headers['ETag']}"), (206, "Range: bytes=0-0")):
        answer = compressed.get("/app.js", field, condition)
        assert (answer.status, answer.headers["Vary"]) == (status, "Accept-Encoding")


def test_each_representation_has_an_etag_of_its_own(compressed: Client, root: Path) -> None:
    """Even where all have one size and one time, as what a build made may have."""
    for ending in ("", *NEIGHBOURS.values()):
        (root / f"app.js{ending}").write_bytes(b"same")
        os.utime(root / f"app.js{ending}", (1_000_000_000, 1_000_000_000))
    tags = {compressed.get("/app.js", f"Accept-Encoding: {coding}").headers["ETag"] for coding in (*NEIGHBOURS, "x")}

    assert len(tags) == 4


def test_an_etag_is_good_for_its_own_representation_alone(compressed: Client) -> None:
    gzip, br = "Accept-Encoding: gzip", "Accept-Encoding: br"
    tag = compressed.get("/app.js", gzip).headers["ETag"]

    assert compressed.get("/app.js", gzip, f"If-None-Match: {tag}").status == 304
    assert compressed.get("/app.js", br, f"If-None-Match: {tag}").status == 200
    assert compressed.get("/app.js", br, f"If-Match: {tag}").status == 412


def test_a_304_says_nothing_of_the_content(compressed: Client) -> None:
    tag = compressed.get("/app.js", "Accept-Encoding: gzip").headers["ETag"]
    answer = compressed.get("/app.js", "Accept-Encoding: gzip", f"If-None-Match: {tag}")

    assert answer.headers["ETag"] == tag
    assert [name for name in answer.headers if name.startswith("Content-")] == []


def test_a_range_is_one_of_the_encoded_bytes(compressed: Client) -> None:
    answer = compressed.get("/app.js", "Accept-Encoding: gzip", "Range: bytes=1-2")

    assert (answer.status, answer.body, answer.headers["Content-Encoding"]) == (206, b"zi", "gzip")
    assert answer.headers["Content-Range"] == "bytes 1-2/4"


def test_a_resumed_download_is_not_mixed_of_two_representations(compressed: Client) -> None:
    tag = compressed.get("/app.js", "Accept-Encoding: gzip").headers["ETag"]
    answer = compressed.get("/app.js", "Accept-Encoding: br", "Range: bytes=1-", f"If-Range: {tag}")

    assert (answer.status, answer.body) == (200, b"br")


def test_a_range_that_the_encoded_bytes_do_not_have_is_refused(compressed: Client) -> None:
    answer = compressed.get("/app.js", "Accept-Encoding: gzip", "Range: bytes=5-")

    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */4")


def test_head_is_get_without_the_body_of_the_neighbour(compressed: Client) -> None:
    field = "Accept-Encoding: gzip"
    head, get = compressed.request("HEAD", "/app.js", field), compressed.get("/app.js", field)

    assert [pair for pair in head.headers.fields if pair[0] != "Date"] == [
        pair for pair in get.headers.fields if pair[0] != "Date"
    ]
    assert head.headers["Content-Encoding"] == "gzip"


def test_a_file_without_neighbours_goes_out_as_it_is(compressed: Client) -> None:
    answer = compressed.get("/page.html", "Accept-Encoding: gzip")

    assert (answer.body, answer.headers["Vary"]) == (b"<p>page", "Accept-Encoding")
    assert "Content-Encoding" not in answer.headers


def test_a_neighbour_alone_stands_for_no_file(compressed: Client, root: Path) -> None:
    (root / "app.js").unlink()

    assert compressed.get("/app.js", "Accept-Encoding: gzip").status == 404


def test_a_neighbour_that_is_asked_for_by_name_is_a_file(compressed: Client) -> None:
    answer = compressed.get("/app.js.gz", "Accept-Encoding: gzip")

    assert (answer.body, answer.headers["Content-Type"]) == (b"gzip", "application/gzip")
    assert "Content-Encoding" not in answer.headers


def test_without_the_option_neighbours_mean_nothing(site: Site, root: Path) -> None:
    (root / "app.js.gz").write_bytes(b"gzip")
    answer = site().get("/app.js", "Accept-Encoding: gzip")

    assert answer.body == b"0123456789"
    assert "Vary" not in answer.headers


def test_a_directory_is_no_neighbour(compressed: Client, root: Path) -> None:
    (root / "page.html.gz").mkdir()

    assert compressed.get("/page.html", "Accept-Encoding: gzip").body == b"<p>page"


def test_a_neighbour_that_leads_out_is_not_sent(compressed: Client, root: Path) -> None:
    (root / "page.html.gz").symlink_to("../secret")

    assert compressed.get("/page.html", "Accept-Encoding: gzip").body == b"<p>page"


def test_the_page_of_a_directory_has_neighbours_too(compressed: Client, root: Path) -> None:
    (root / "sub" / "index.html").write_bytes(b"plain")
    (root / "sub" / "index.html.br").write_bytes(b"encoded")

    assert compressed.get("/sub/", "Accept-Encoding: br").body == b"encoded"


def test_headers_for_a_pattern_see_the_name_without_the_encoding(site: Site, root: Path) -> None:
    (root / "app.js.gz").write_bytes(b"gzip")
    client = site(precompressed=True, headers_for={"*.js": {"X-JS": "1"}, "*.gz": {"X-GZ": "1"}})
    answer = client.get("/app.js", "Accept-Encoding: gzip")

    assert "X-JS" in answer.headers
    assert "X-GZ" not in answer.headers


# fallback


@pytest.fixture
def application(site: Site, root: Path) -> Client:
    (root / "app.html").write_bytes(b"the application")
    client: Client = site(fallback="app.html", strict=True)
    return client


@pytest.mark.parametrize(
    "target", ["/users", "/users/", "/users/7", "/a.b/c", "/users/7?tab=1.5", "/data/x", "/%2e%2e/x"]
)
def test_paths_of_the_application_are_answered_with_its_page(application: Client, target: str) -> None:
    answer = application.get(target)

    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"the application", "text/html")


@pytest.mark.parametrize("target", ["/missing.js", "/users/missing.css", "/v1.5", "/v1.5/", "/.hidden", "/a/.b"])
def test_a_missing_file_stays_missing(application: Client, target: str) -> None:
    assert application.get(target).status == 404


@pytest.mark.parametrize(
    ("target", "body"),
    [("/data", b"data"), ("/sub/b.txt", b"b"), ("/page.html", b"<p>page"), ("/app.js", b"0123456789")],
)
def test_what_is_there_is_not_the_applications(application: Client, target: str, body: bytes) -> None:
    assert application.get(target).body == body


def test_a_directory_that_is_there_is_not_the_applications(application: Client) -> None:
    assert application.get("/sub").status == 301
    assert b"b.txt" in application.get("/sub/").body


def test_the_page_is_a_file_like_any_other(application: Client) -> None:
    page = application.get("/users/7")

    assert application.request("HEAD", "/users/7").headers["Content-Length"] == str(len(page.body))
    assert application.get("/users/8", f"If-None-Match: {page.headers['ETag']}").status == 304
    assert application.get("/users/9", "Range: bytes=4-6").body == b"app"


def test_an_application_whose_page_is_missing_is_missing(site: Site) -> None:
    assert site(fallback="app.html").get("/users").status == 404


def test_a_page_that_leads_out_is_not_sent(site: Site, root: Path) -> None:
    (root / "app.html").symlink_to("../secret")
    answer = site(fallback="app.html").get("/users")

    assert answer.status == 404
    assert SECRET not in answer.body


def test_the_page_may_have_neighbours(site: Site, root: Path) -> None:
    (root / "app.html").write_bytes(b"plain")
    (root / "app.html.gz").write_bytes(b"encoded")

    assert site(fallback="app.html", precompressed=True).get("/users", "Accept-Encoding: gzip").body == b"encoded"


def test_methods_other_than_get_and_head_have_no_fallback(application: Client) -> None:
    assert application.request("POST", "/users", body=b"x").status == 501


# hidden


@pytest.fixture
def dotted(root: Path) -> Path:
    """Names with a dot at their beginning, everywhere."""
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(SECRET)
    (root / ".env").write_bytes(SECRET)
    (root / "sub" / ".env").write_bytes(SECRET)
    (root / "sub" / ".d").mkdir()
    (root / "sub" / ".d" / "x").write_bytes(SECRET)
    (root / ".link").symlink_to("../secret")
    return root


DOTTED = ["/.env", "/.git", "/.git/", "/.git/config", "/sub/.env", "/sub/.d/x", "/sub/.d/", "/sub/../.env", "/.missing"]


@pytest.mark.parametrize(
    "target", [*DOTTED, "/%2eenv", "/%2Egit/config", "/sub/%2eenv", "//.env", "/.link", "/./.env", "/.git/../.env"]
)
def test_hidden_names_are_not_found(site: Site, dotted: Path, target: str) -> None:
    answer = site(hidden=False).get(target)

    assert answer.status == 404
    assert SECRET not in answer.body


def test_hidden_and_missing_names_cannot_be_told_apart(site: Site, dotted: Path) -> None:
    def look(target: str) -> tuple[int, bytes, list[str]]:
        answer = site(hidden=False).get(target)
        return answer.status, answer.body, list(answer.headers)

    assert {repr(look(target)) for target in (*DOTTED, "/.link")} == {repr(look("/nothing"))}


@pytest.mark.parametrize("target", ["/", "/sub/"])
def test_hidden_names_are_not_listed(site: Site, dotted: Path, target: str) -> None:
    page = site(hidden=False).get(target).body

    assert b'href="' in page
    assert b'href="./.' not in page
    assert b'href=".' not in page


def test_what_is_not_hidden_is_there(site: Site, dotted: Path) -> None:
    client = site(hidden=False)

    assert client.get("/sub/b.txt").body == b"b"
    assert client.get("/.git/../app.js").body == b"0123456789"


def test_a_root_that_lies_in_a_hidden_directory_is_not_hidden(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / ".cache" / "site").mkdir(parents=True)
    (tmp_path / ".cache" / "site" / "a.txt").write_bytes(b"a")

    class Site(Static):
        hidden = False

    client = connect(serve(lambda *args: Site(*args, directory=tmp_path / ".cache" / "site")))

    assert client.get("/a.txt").body == b"a"


def test_by_default_hidden_names_are_there_as_in_http_server(site: Site, dotted: Path) -> None:
    client = site()

    assert client.get("/.env").body == SECRET
    assert b'href=".env"' in client.get("/").body


def test_hidden_neighbours_are_not_sent(site: Site, root: Path) -> None:
    (root / ".page").write_bytes(b"page")
    (root / ".page.gz").write_bytes(SECRET)

    assert site(hidden=False, precompressed=True).get("/.page", "Accept-Encoding: gzip").status == 404


# cors


@pytest.mark.parametrize(
    ("target", "field", "status"),
    [
        ("/app.js", "X: y", 200),
        ("/app.js", "Range: bytes=0-0", 206),
        ("/app.js", "Range: bytes=99-", 416),
        ("/app.js", "If-None-Match: *", 304),
        ("/app.js", 'If-Match: "x"', 412),
        ("/sub/", "X: y", 200),
        ("/sub", "X: y", 301),
        ("/missing", "X: y", 404),
    ],
)
def test_any_origin_may_read_every_answer(site: Site, target: str, field: str, status: int) -> None:
    answer = site(cors=True, strict=True).get(target, "Origin: http://a.example", field)

    assert answer.status == status
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert "Vary" not in answer.headers


def test_a_method_that_is_not_there_is_answered_with_cors_too(site: Site) -> None:
    answer = site(cors=True).request("DELETE", "/app.js")

    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (501, "*")


def test_a_request_that_is_refused_is_answered_with_cors_too(site: Site) -> None:
    client = site(cors=True)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n")
    answer = client.answer()

    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (400, "*")


@pytest.mark.parametrize("asking", ["http://a.example", "http://b.example"])
@pytest.mark.parametrize("target", ["/app.js", "/missing"])
def test_one_origin_may_read(site: Site, asking: str, target: str) -> None:
    answer = site(cors="http://a.example").get(target, f"Origin: {asking}")

    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["http://a.example"]
    assert "Origin" in answer.headers["Vary"]


def test_an_answer_may_vary_in_two_ways(site: Site) -> None:
    answer = site(cors="http://a.example", precompressed=True).get("/app.js")

    assert sorted(answer.headers["Vary"].split(", ")) == ["Accept-Encoding", "Origin"]


def test_a_preflight_request_is_answered(site: Site) -> None:
    client = site(cors=True)
    answer = client.request(
        "OPTIONS",
        "/app.js",
        "Origin: http://a.example",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: range, x-mine",
    )

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert answer.headers["Access-Control-Allow-Headers"] == "range, x-mine"
    assert client.get("/app.js").status == 200, "the connection did not last"


def test_a_preflight_request_tells_one_origin(site: Site) -> None:
    answer = site(cors="http://a.example").request("OPTIONS", "/app.js", "Access-Control-Request-Method: GET")

    assert answer.headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert answer.headers["Vary"] == "Origin"


def test_an_informational_response_has_no_cors(site: Site) -> None:
    client = site(cors=True)
    client.send(b"GET /app.js HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")

    assert client.until(b"\r\n\r\n").endswith(b" 100 Continue\r\n\r\n")
    client.send(b"x")
    assert client.answer().headers["Access-Control-Allow-Origin"] == "*"


def test_without_cors_nothing_is_said_of_it(site: Site) -> None:
    client = site()

    assert "Access-Control-Allow-Origin" not in client.get("/app.js", "Origin: http://a.example").headers
    assert client.request("OPTIONS", "/app.js").status == 501


# listing


def test_without_listings_a_directory_is_refused(site: Site) -> None:
    client = site(listing=False)
    answer = client.get("/sub/")

    assert answer.status == 403
    assert b"b.txt" not in answer.body


def test_without_listings_index_pages_and_files_are_there(site: Site, root: Path) -> None:
    (root / "index.html").write_bytes(b"the index")
    client = site(listing=False)

    assert client.get("/").body == b"the index"
    assert client.get("/sub/b.txt").body == b"b"
    assert client.get("/sub").status == 301


def test_a_path_may_be_translated_into_a_path_object(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("well")

    class Translates(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> Any:
            return tmp_path / path.strip("/")

    client = connect(serve(Translates))
    assert client.get("/a.txt").body == b"well"
