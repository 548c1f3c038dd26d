"""SimpleHTTPRequestHandler: files, directories and conditions; and nothing from outside the root."""

from __future__ import annotations

import contextlib
import dataclasses
import html.parser
import mimetypes
import os
import re
import socket
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import HTTPServer, SimpleHTTPRequestHandler
from pytest_httpserve.server.dates import parse_http_date
from pytest_httpserve.server.files.roots import FileOptions

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]
    Site = Callable[..., Client]

PATIENCE = 5.0
BIG = bytes(range(256)) * 32_768  # 8 MiB: sent by sendfile, in many pieces
MODIFIED = 784111777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
SECRET = b"this is not for you"


class Static(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory to serve, with a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "root-secret").mkdir()
    (tmp_path / "root-secret" / "secret").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"0123456789")
    (root / "sub" / "b.txt").write_bytes(b"b")
    os.utime(root / "a.txt", (MODIFIED, MODIFIED))
    return root


OPTIONS = {field.name for field in dataclasses.fields(FileOptions)}


@pytest.fixture
def site(serve: Serve, connect: Connect, root: Path) -> Site:
    """Serves ``root``, with these options, or attributes of the handler class, and connects to it."""

    def site(**attributes: Any) -> Client:
        options = {name: attributes.pop(name) for name in OPTIONS & attributes.keys()}
        handler = type("Site", (Static,), {"file_options": FileOptions(**options), **attributes})

        def make(*args: Any) -> Static:
            made: Static = handler(*args, directory=root)
            return made

        return connect(serve(make))

    return site


# Files


def test_a_file(site: Site) -> None:
    answer = site().get("/a.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Last-Modified"] == DATE
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[!-~]+"', answer.headers["ETag"])


def test_a_connection_serves_many_files(site: Site) -> None:
    client = site()
    assert [client.get(path).body for path in ("/a.txt", "/sub/b.txt", "/a.txt")] == [
        b"0123456789",
        b"b",
        b"0123456789",
    ]


def test_head_is_get_without_the_body(site: Site) -> None:
    client = site()
    head, get = client.request("HEAD", "/a.txt"), client.get("/a.txt")
    assert (head.status, head.body) == (200, b"")
    assert [field for field in head.headers.fields if field[0] != "Date"] == [
        field for field in get.headers.fields if field[0] != "Date"
    ]


def test_a_file_that_is_not_there(site: Site) -> None:
    client = site()
    assert client.get("/missing").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(site: Site, root: Path, method: str) -> None:
    assert site().request(method, "/a.txt", body=b"x").status == 501
    assert (root / "a.txt").read_bytes() == b"0123456789"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, len(BIG)])
def test_a_file_of_any_size_arrives_whole(site: Site, root: Path, size: int) -> None:
    (root / "file").write_bytes(BIG[:size])
    client = site()
    assert client.get("/file").body == BIG[:size]
    assert client.get("/a.txt").body == b"0123456789"


@pytest.mark.parametrize("path", ["/a.txt?query", "/a.txt?x/", "/a.txt#part", "/a%2etxt", "/./sub/../a.txt", "//a.txt"])
def test_ways_to_name_a_file(site: Site, path: str) -> None:
    assert site().get(path).body == b"0123456789"


def test_a_file_named_by_a_whole_url(site: Site) -> None:
    assert site().get("http://test/a.txt?query").body == b"0123456789"


@pytest.mark.parametrize("path", ["/a.txt/", "/a.txt%2f", "/a.txt/.", "/a.txt/x"])
def test_a_file_is_no_directory(site: Site, path: str) -> None:
    answer = site().get(path)
    assert answer.status == 404 or answer.body == b"0123456789"
    assert site().get("/a.txt/").status == 404


NAMES = [
    "with blank",
    "a:b",
    "50%",
    "50%25",
    "what?",
    "a#b",
    "a&b;c",
    'a"b',
    "a'b",
    "a<b>",
    "a+b",
    "é",
    "☃",
    "a\\b",
    "~",
    "…",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_an_odd_name(site: Site, root: Path, name: str) -> None:
    (root / name).write_bytes(name.encode())
    assert site().get("/" + urllib.parse.quote(name)).body == name.encode()


@pytest.mark.needs("any file name")
@pytest.mark.parametrize("quoted", ["%E9t%E9", "%ED%B3%A9t%ED%B3%A9"])
def test_a_file_whose_name_is_no_text(site: Site, root: Path, quoted: str) -> None:
    """By its bytes, and by the link that a listing has for it."""
    Path(os.fsdecode(os.fsencode(root) + b"/\xe9t\xe9")).write_bytes(b"found")
    assert site().get("/" + quoted).body == b"found"


@pytest.mark.needs("any file name")
def test_octets_that_are_no_text_name_a_file_by_its_bytes_or_else_by_the_replacement_character(
    site: Site, root: Path
) -> None:
    (root / "\ufffd").write_bytes(b"replaced")
    client = site()
    assert client.get("/%ff").body == b"replaced"

    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_bytes(b"by its bytes")
    assert client.get("/%ff").body == b"by its bytes"
    assert client.get("/%EF%BF%BD").body == b"replaced"


@pytest.mark.parametrize(
    ("path", "status"), [("/sub%2f", 200), ("/sub%2F", 200), ("/a.txt%2f", 404), ("/a.txt%2F", 404)]
)
def test_an_encoded_slash_at_the_end_is_one(site: Site, path: str, status: int) -> None:
    assert site().get(path).status == status


@pytest.mark.parametrize("path", ["/%00", "/a.txt%00", "/%ED%A0%80", "/%ff", "/%", "/%zz", "/" + "a" * 5000])
def test_a_path_that_cannot_be_a_name_is_not_found(site: Site, path: str) -> None:
    assert site().get(path).status == 404


# Types


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", "text/html"),
        ("a.HTML", "text/html"),
        ("a.css", "text/css"),
        ("a.json", "application/json"),
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a.svgz", "image/svg+xml"),
        ("a.html.br", "text/html"),
        ("a.xz", "application/x-xz"),
        ("a.unknown-to-all", "application/octet-stream"),
        ("none", "application/octet-stream"),
        (".hidden", "application/octet-stream"),
        ("data:x", "application/octet-stream"),
    ],
)
def test_the_type_goes_by_the_name(site: Site, root: Path, name: str, content_type: str) -> None:
    (root / name).touch()
    assert site().get(f"/{name}").headers["Content-Type"] == content_type


def test_types_can_be_registered_at_any_time(site: Site, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a.own").touch()
    client = site()
    assert client.get("/a.own").headers["Content-Type"] == "application/octet-stream"
    for media_type in ("text/x-own", "text/x-other"):
        monkeypatch.setitem(mimetypes.types_map, ".own", media_type)
        assert client.get("/a.own").headers["Content-Type"] == media_type


def test_types_can_be_given(site: Site, root: Path) -> None:
    (root / "a.own").touch()
    (root / "a.OWN").touch()
    (root / "none").touch()
    client = site(extensions_map={".own": "text/x-own"}, default_content_type="text/x-default")
    assert client.get("/a.own").headers["Content-Type"] == "text/x-own"
    assert client.get("/a.OWN").headers["Content-Type"] == "text/x-own"
    assert client.get("/none").headers["Content-Type"] == "text/x-default"


# Directories


@pytest.mark.parametrize("name", ["index.html", "index.htm"])
def test_a_directory_is_its_index_page(site: Site, root: Path, name: str) -> None:
    (root / "sub" / name).write_bytes(b"index")
    answer = site().get("/sub/")
    assert (answer.body, answer.headers["Content-Type"]) == (b"index", "text/html")


def test_the_first_index_page_there_is_is_taken(site: Site, root: Path) -> None:
    for name in ("two", "three"):
        (root / name).write_text(name)
    (root / "one").mkdir()  # no page
    assert site(index_pages=("zero", "one", "two", "three")).get("/").body == b"two"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/sub", "/sub/"),
        ("/sub?a=b/c", "/sub/?a=b/c"),
        ("/sub?", "/sub/?"),
        ("/./sub/../sub", "/./sub/../sub/"),
        ("/s%75b", "/s%75b/"),
        ("/sub#a", "/sub/"),
        ("/sub?a=b#c", "/sub/?a=b"),
    ],
)
def test_a_directory_without_its_slash_is_redirected(site: Site, path: str, location: str) -> None:
    client = site()
    answer = client.get(path)
    assert (answer.status, answer.headers["Location"], answer.body) == (301, location, b"")
    assert client.get(answer.headers["Location"]).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/..%2f",
        "//evil.example/%2e%2e",
        "///evil.example/..",
        "////evil.example/..%2fsub",
        "/\\evil.example/..%2f..",
        "/\\\\evil.example/%2e%2e",
        "\\\\evil.example/%2e%2e/sub",
        "/%2fevil.example/..",
        "/%5cevil.example/..",
        "//sub",
        "/.//evil.example/../../sub",
    ],
)
def test_a_redirection_stays_on_its_host(site: Site, path: str) -> None:
    answer = site().get(path)
    if answer.status == 301:
        # What a browser makes of it: to a browser, a backslash is a slash.
        there = urllib.parse.urljoin("http://test/x", answer.headers["Location"].replace("\\", "/"))
        assert urllib.parse.urlsplit(there).netloc == "test", answer.headers["Location"]


class Links(html.parser.HTMLParser):
    """The links of a page: (address, text)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._address: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address = dict(attrs)["href"]

    def handle_data(self, data: str) -> None:
        if self._address is not None:
            self.found.append((self._address, data))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._address = None


def test_a_listing_leads_to_everything_in_it(site: Site, root: Path) -> None:
    for name in NAMES:
        (root / name).write_bytes(name.encode())
    client = site()
    page = client.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    links = Links(page.body.decode())
    assert {text for _, text in links.found} == {*NAMES, "a.txt", "sub/"}
    for address, text in links.found:
        there = urllib.parse.urlsplit(urllib.parse.urljoin("http://test/", address))
        assert (there.netloc, there.query, there.fragment) == ("test", "", ""), address
        if text in NAMES:
            assert client.get(there.path).body == text.encode()


def test_a_listing_is_sorted_without_regard_to_case(site: Site, root: Path) -> None:
    for name in ("B", "c", "a", "A", "b"):
        (root / "sub" / name).touch()
    page = site().get("/sub/").body.decode()
    assert [text for _, text in Links(page).found] == ["A", "a", "B", "b", "b.txt", "c"]


def test_a_listing_has_sizes_and_dates(site: Site) -> None:
    page = site().get("/").body.decode()
    row = next(row for row in page.splitlines() if "a.txt" in row)
    assert "10 bytes, 1994-11-06 08:49:37 UTC" in row


def test_a_listing_has_the_tags_that_programs_look_for(site: Site) -> None:
    """Those of ``http.server``, each once and on a line of its own, for programs that insert something there."""
    page = site().get("/sub/").body.decode()
    for line in (
        "<head>",
        "<title>Directory listing for /sub/</title>",
        "</head>",
        "<body>",
        "<h1>Directory listing for /sub/</h1>",
        "<ul>",
        "</ul>",
        "</body>",
    ):
        assert page.splitlines().count(line) == 1, line
    assert re.findall(r'^<li><a href="(.*?)">(.*?)</a>', page, re.MULTILINE) == [("b.txt", "b.txt")]


@pytest.mark.parametrize("target", ["/sub/?query", "/sub/#fragment", "/sub/?query#fragment", "/s%75b/"])
def test_a_listing_is_titled_by_its_path_alone(site: Site, target: str) -> None:
    assert b"<title>Directory listing for /sub/</title>" in site().get(target).body


def test_a_listing_marks_directories_and_links(site: Site, root: Path) -> None:
    (root / "link").symlink_to("a.txt")
    (root / "dangling").symlink_to("nowhere")
    texts = [text for _, text in Links(site().get("/").body.decode()).found]
    assert texts == ["a.txt", "dangling@", "link@", "sub/"]


def test_a_listing_is_escaped(site: Site, root: Path) -> None:
    (root / "<script>").mkdir()
    (root / "<script>" / "<img src=x>").touch()
    page = site().get("/%3Cscript%3E/?<script>").body
    assert b"<script" not in page
    assert b"<img" not in page
    assert b"&lt;script&gt;" in page


@pytest.mark.needs("any file name")
def test_a_listing_with_a_name_that_is_no_text(site: Site, root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xe9t\xe9")).write_bytes(b"found")
    client = site()
    page = client.get("/").body
    assert b"\xe9t\xe9" in page
    addresses = [address for address, _ in Links(page.decode("latin-1")).found]
    odd = next(address for address in addresses if address not in ("a.txt", "sub/"))
    assert client.get(f"/{odd}").body == b"found"


@pytest.mark.parametrize("query", ["%ff", "%ED%A0%80", "\xff", "%00"])
def test_a_listing_for_a_query_that_is_no_text(site: Site, query: str) -> None:
    assert site().get(f"/?{query}").status == 200


def test_a_listing_of_an_empty_directory(site: Site, root: Path) -> None:
    (root / "empty").mkdir()
    assert Links(site().get("/empty/").body.decode()).found == []


def test_a_directory_need_not_be_listed(site: Site, root: Path) -> None:
    client = site(listing=False)
    assert client.get("/sub/").status == 403


def test_head_of_a_listing(site: Site) -> None:
    client = site()
    head, get = client.request("HEAD", "/"), client.get("/")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(get.body)))


# Conditions


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([f"If-Modified-Since: {DATE}"], 304),
        ([f"If-Modified-Since: {LATER}"], 304),
        ([f"If-Modified-Since: {EARLIER}"], 200),
        (["If-Modified-Since: some day"], 200),
        (["If-Modified-Since: Sun, 06 Nov 1994 09:49:38 +0100"], 200),
        (["If-None-Match: {etag}"], 304),
        (["If-None-Match: W/{etag}"], 304),
        (['If-None-Match: "x", {etag}, "y"'], 304),
        (['If-None-Match: "x"', "If-None-Match: {etag}"], 304),
        (['If-None-Match: "x"'], 200),
        (['If-None-Match: "x"', f"If-Modified-Since: {LATER}"], 200),
        (["If-None-Match: {etag}", f"If-Modified-Since: {EARLIER}"], 304),
        (["If-Match: {etag}"], 200),
        (['If-Match: "x", {etag}'], 200),
        (["If-Match: *"], 200),
        (['If-Match: "x"'], 412),
        (["If-Match: W/{etag}"], 412),
        ([f"If-Unmodified-Since: {DATE}"], 200),
        ([f"If-Unmodified-Since: {LATER}"], 200),
        ([f"If-Unmodified-Since: {EARLIER}"], 412),
        (["If-Unmodified-Since: some day"], 200),
        (["If-Match: {etag}", f"If-Unmodified-Since: {EARLIER}"], 200),
        (["If-Match: {etag}", "If-None-Match: {etag}"], 304),
        (['If-Match: "x"', "If-None-Match: {etag}"], 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_are_evaluated_in_their_order(
    serve: Serve, connect: Connect, site: Site, method: str, fields: list[str], status: int
) -> None:
    client = site()
    etag = client.get("/a.txt").headers["ETag"]
    answer = client.request(method, "/a.txt", *(field.format(etag=etag) for field in fields))
    assert answer.status == status
    if status == 304:
        assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == (etag, DATE)
        assert "Content-Length" not in answer.headers
        assert client.get("/a.txt").status == 200


def test_conditions_that_an_override_has_taken_away_are_not_evaluated(
    serve: Serve, connect: Connect, root: Path
) -> None:
    class Fresh(Static):
        def send_head(self) -> IO[bytes] | None:
            del self.headers["If-Modified-Since"]
            return super().send_head()

    def make(*args: Any) -> Static:
        return Fresh(*args, directory=root)

    assert connect(serve(make)).get("/a.txt", f"If-Modified-Since: {LATER}").status == 200


@pytest.mark.parametrize(("strict", "status"), [(True, 304), (False, 200)])
def test_any_entity_tag_matches_where_the_rfc_is_followed(site: Site, strict: bool, status: int) -> None:
    assert site(strict=strict).get("/a.txt", "If-None-Match: *").status == status


def test_another_content_has_another_entity_tag(site: Site, root: Path) -> None:
    client = site()
    before = client.get("/a.txt").headers["ETag"]
    (root / "a.txt").write_bytes(b"abcdefghij")  # the same length, in the same second as below
    os.utime(root / "a.txt", ns=(MODIFIED * 10**9 + 1, MODIFIED * 10**9 + 1))
    after = client.get("/a.txt").headers["ETag"]
    assert before != after
    assert client.get("/a.txt", f"If-None-Match: {before}").body == b"abcdefghij"


def test_a_file_was_never_modified_in_the_future(site: Site, root: Path) -> None:
    """RFC 9110 section 8.8.2.1."""
    os.utime(root / "a.txt", (4_000_000_000, 4_000_000_000))
    client = site()
    answer = client.get("/a.txt")
    modified, date = (parse_http_date(answer.headers[name]) for name in ("Last-Modified", "Date"))
    assert modified is not None and date is not None and modified <= date
    assert client.get("/a.txt", f"If-Modified-Since: {answer.headers['Last-Modified']}").status == 200


# Ranges


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-1", 206, b"9", "bytes 9-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-1000", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-4", 200, b"0123456789", None),
        ("pages=1-2", 200, b"0123456789", None),
        ("bytes=x", 200, b"0123456789", None),
    ],
)
def test_a_range_of_a_file(site: Site, wanted: str, status: int, body: bytes, content_range: str | None) -> None:
    client = site()
    answer = client.get("/a.txt", f"Range: {wanted}")
    assert (answer.status, answer.body, answer.headers.get("Content-Range")) == (status, body, content_range)
    assert client.get("/a.txt").body == b"0123456789"


def test_several_ranges_of_a_file(site: Site) -> None:
    answer = site().get("/a.txt", "Range: bytes=0-1,-2")
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer.headers["Content-Type"])
    assert boundary
    parts = answer.body.decode().split(f"\r\n--{boundary[1]}")
    assert parts == [
        "",
        "\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01",
        "\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89",
        "--\r\n",
    ]


def test_large_ranges_of_a_large_file(site: Site, root: Path) -> None:
    (root / "big").write_bytes(BIG)
    client = site()
    assert client.get("/big", "Range: bytes=1000-").body == BIG[1000:]
    several = client.get("/big", "Range: bytes=1-100000,200000-7000000")
    assert BIG[1:100_001] in several.body
    assert BIG[200_000:7_000_001] in several.body
    assert client.get("/a.txt").body == b"0123456789"


def test_head_knows_no_range(site: Site) -> None:
    answer = site().request("HEAD", "/a.txt", "Range: bytes=0-1")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize(
    ("condition", "status"),
    [("{etag}", 206), ("W/{etag}", 200), ('"x"', 200), (DATE, 206), (LATER, 200), (EARLIER, 200), ("nonsense", 200)],
)
def test_a_range_of_an_old_state_is_not_taken_of_a_new_one(site: Site, condition: str, status: int) -> None:
    client = site()
    etag = client.get("/a.txt").headers["ETag"]
    assert client.get("/a.txt", "Range: bytes=0-1", f"If-Range: {condition.format(etag=etag)}").status == status


def test_a_condition_comes_before_a_range(site: Site) -> None:
    client = site()
    etag = client.get("/a.txt").headers["ETag"]
    assert client.get("/a.txt", "Range: bytes=0-1", f"If-None-Match: {etag}").status == 304
    assert client.get("/a.txt", "Range: bytes=90-", f"If-Modified-Since: {DATE}").status == 304


def test_a_listing_has_no_ranges(site: Site) -> None:
    assert site().get("/", "Range: bytes=0-1").status == 200


# Nothing from outside

OUT = [
    "/../secret",
    "/../../../../../../../../../../../../etc/passwd",
    "/sub/../../secret",
    "/%2e%2e/secret",
    "/.%2e/secret",
    "/%2E%2E%2Fsecret",
    "/..%2fsecret",
    "/sub/..%2f..%2fsecret",
    "/..%5csecret",
    "/..\\secret",
    "/%2e%2e%5csecret",
    "/%252e%252e/secret",
    "/%252e%252e%252fsecret",
    "/..%252fsecret",
    "/..%c0%afsecret",
    "/%c0%ae%c0%ae/secret",
    "/%uff0e%uff0e/secret",
    "/..%ef%bc%8fsecret",
    "/../root-secret/secret",
    "/..%2froot-secret%2fsecret",
    "/%00/../../secret",
    "/..%00/secret",
    "/../secret%00.txt",
    "/....//secret",
    "/..././secret",
    "/..;/secret",
    "//../secret",
    "/.//../secret",
    "/a.txt/../../secret",
    "/missing/../../secret",
    "/%2f{absolute}",
    "/{absolute}",
    "{absolute}",
    "/%2f%2f{absolute}",
    "http://test/../secret",
    "http://test/..%2fsecret",
    "http://test{absolute}",
    "file://{absolute}",
    "../secret",
    "..%2fsecret",
    "~root/secret",
    "/~/secret",
    "/sub/..?/../../secret",
    "/sub/..#/../../secret",
]


@pytest.mark.parametrize("path", OUT)
def test_no_path_leads_out(site: Site, root: Path, path: str) -> None:
    answer = site().get(path.format(absolute=root.parent / "secret"))
    assert SECRET not in answer.body
    assert b"root:" not in answer.body
    assert answer.status in (404, 400, 301) or b"listing" in answer.body


@pytest.mark.parametrize("target", ["../secret", "{parent}/secret", "../root-secret/secret", "outside/secret"])
def test_a_link_that_leads_out_is_refused(site: Site, root: Path, target: str) -> None:
    (root / "outside").symlink_to("..")
    (root / "link").symlink_to(target.format(parent=root.parent))
    for method in ("GET", "HEAD"):
        answer = site().request(method, "/link")
        assert (answer.status, SECRET in answer.body) == (403, False)


@pytest.mark.parametrize("path", ["/out", "/out/", "/out/secret", "/out/missing", "/out/root/a.txt/../../secret"])
def test_a_directory_reached_by_a_link_that_leads_out_is_refused(site: Site, root: Path, path: str) -> None:
    (root / "out").symlink_to("..")
    answer = site().get(path)
    assert answer.status == 403 or (answer.status == 404 and path.count("..") == 2)
    assert SECRET not in answer.body


def test_what_becomes_a_link_after_it_was_sent_is_looked_at_again(site: Site, root: Path) -> None:
    (root / "sub" / "secret").write_bytes(b"sent before")
    client = site()
    assert client.get("/sub/secret").body == b"sent before"
    (root / "sub" / "secret").unlink()
    (root / "sub" / "secret").symlink_to("../../secret")
    assert client.get("/sub/secret").status == 403
    (root / "sub" / "secret").unlink()
    (root / "sub").rename(root / "old")
    (root / "sub").symlink_to("../root-secret")
    assert site().get("/sub/secret").status == 403


def test_a_neighbour_with_the_same_beginning_is_outside(site: Site, root: Path) -> None:
    (root / "link").symlink_to(root.parent / "root-secret")
    assert site().get("/link/secret").status == 403


def test_a_link_that_leads_out_and_in_again_is_fine(site: Site, root: Path) -> None:
    (root / "link").symlink_to("../root/a.txt")
    assert site().get("/link").body == b"0123456789"


def test_links_inside_are_followed(site: Site, root: Path) -> None:
    (root / "file").symlink_to("sub/b.txt")
    (root / "directory").symlink_to("sub")
    (root / "sub" / "up").symlink_to("../a.txt")
    (root / "sub" / "top").symlink_to("..")
    client = site()
    for path, body in {
        "/file": b"b",
        "/directory/b.txt": b"b",
        "/sub/up": b"0123456789",
        "/directory/up": b"0123456789",
        "/sub/top/a.txt": b"0123456789",
    }.items():
        assert client.get(path).body == body, path
    assert client.get("/sub/top/").status == 200


def test_an_index_page_that_leads_out_is_passed_over(site: Site, root: Path) -> None:
    (root / "sub" / "index.html").symlink_to("../../secret")
    (root / "sub" / "index.htm").write_bytes(b"index")
    assert site().get("/sub/").body == b"index"


def test_links_that_lead_out_can_be_allowed(site: Site, root: Path) -> None:
    (root / "link").symlink_to("../secret")
    assert site(follow_outside=True).get("/link").body == SECRET


def test_a_link_to_itself_is_not_found(site: Site, root: Path) -> None:
    (root / "loop").symlink_to("loop")
    assert site().get("/loop").status == 404


def test_a_root_that_is_a_link_is_served(serve: Serve, connect: Connect, root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to("root")

    def make(*args: Any) -> Static:
        return Static(*args, directory=link)

    (root / "inside").symlink_to("a.txt")
    client = connect(serve(make))
    assert client.get("/a.txt").body == b"0123456789"
    assert client.get("/inside").body == b"0123456789"


@pytest.mark.parametrize("spelling", ["{root}/", "{root}/.", "{root}/sub/..", "root", "./root", "root/"])
def test_a_root_may_be_spelled_in_any_way(
    serve: Serve, connect: Connect, root: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(root.parent)
    (root / "out").symlink_to("../secret")
    (root / "in").symlink_to("a.txt")

    def make(*args: Any) -> Static:
        return Static(*args, directory=spelling.format(root=root))

    client = connect(serve(make))
    assert client.get("/a.txt").body == client.get("/in").body == b"0123456789"
    assert client.get("/out").status == 403


# Things that are no files


def test_a_fifo_is_not_found_and_nobody_waits_for_it(site: Site, root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert site().get("/fifo").status == 404


@pytest.mark.needs("socket.AF_UNIX")
def test_a_socket_is_not_found(site: Site, root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.open(".", os.O_RDONLY)
        try:
            os.chdir(root)  # a socket's path is short
            listener.bind("socket")
        finally:
            os.fchdir(before)
            os.close(before)
        assert site().get("/socket").status == 404


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Not as root, who reads everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def readable_root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def test_what_cannot_be_read_is_not_found(
    serve: Serve, connect: Connect, readable_root: Path, request: pytest.FixtureRequest
) -> None:
    (readable_root / "good").write_bytes(b"good")
    (readable_root / "bad").write_bytes(SECRET)
    (readable_root / "closed").mkdir()
    for name in ("bad", "closed"):
        os.chmod(readable_root / name, 0)

    def make(*args: Any) -> Static:
        return Static(*args, directory=readable_root)

    request.getfixturevalue("unprivileged")
    client = connect(serve(make))
    assert client.get("/good").body == b"good"
    for path in ("/bad", "/closed/", "/closed/x"):
        assert client.request("HEAD", path).status == 404
        client = connect(serve(make))


def test_a_file_that_shrinks_while_it_is_sent_ends_its_connection(serve: Serve, connect: Connect, root: Path) -> None:
    (root / "big").write_bytes(BIG)

    class Shrinking(Static):
        def copyfile(self, source: IO[bytes], outputfile: Any) -> None:
            os.truncate(root / "big", 1_000_000)
            super().copyfile(source, outputfile)

    def make(*args: Any) -> Static:
        return Shrinking(*args, directory=root)

    server = serve(make)
    with pytest.raises(EOFError, match="after 1000000 bytes"):
        connect(server).get("/big")
    assert "it changed while it was being sent" in str(serve.take_error())


def test_a_file_that_grows_while_it_is_sent_is_sent_as_announced(serve: Serve, connect: Connect, root: Path) -> None:
    class Growing(Static):
        def copyfile(self, source: IO[bytes], outputfile: Any) -> None:
            with open(root / "a.txt", "ab") as file:
                file.write(b"and more")
            super().copyfile(source, outputfile)

    def make(*args: Any) -> Static:
        return Growing(*args, directory=root)

    client = connect(serve(make))
    assert client.get("/a.txt").body == b"0123456789"
    assert client.get("/sub/b.txt").body == b"b"


def test_a_file_that_vanishes_before_it_is_opened_is_not_found(serve: Serve, connect: Connect, root: Path) -> None:
    class Vanishing(Static):
        def translate_path(self, path: str) -> str:
            path = super().translate_path(path)
            os.unlink(path)
            return path

    def make(*args: Any) -> Static:
        return Vanishing(*args, directory=root)

    assert connect(serve(make)).get("/a.txt").status == 404


def test_a_root_that_vanishes_is_not_found(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    def make(*args: Any) -> Static:
        return Static(*args, directory=tmp_path / "gone")

    assert connect(serve(make)).get("/").status == 404


def open_files() -> Iterator[str]:
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of listdir itself
            yield os.readlink(f"/proc/self/fd/{descriptor}")


@pytest.mark.needs("/proc/self/fd")
def test_no_descriptor_is_left_open(site: Site, root: Path) -> None:
    (root / "big").write_bytes(BIG)
    client = site()
    etag = client.get("/a.txt").headers["ETag"]
    client.get("/big")
    client.request("HEAD", "/big")
    client.get("/a.txt", f"If-None-Match: {etag}")
    client.get("/a.txt", "Range: bytes=0-1,4-5")
    client.get("/a.txt", "Range: bytes=99-")
    client.get("/")
    client.get("/sub")
    client.send(b"BREW / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    client.rest()  # the connection has ended, and with it all of the above
    assert not [name for name in open_files() if name.startswith(str(root))]


# Headers of one's own


def test_response_headers_are_sent_with_what_is_found(site: Site) -> None:
    client = site(response_headers={"Cache-Control": "no-store", "content-type": "text/x-own"})
    for path, status in {"/a.txt": 200, "/": 200, "/sub": 301}.items():
        answer = client.get(path)
        assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")
        assert answer.headers.get_all("Content-Type") == ["text/x-own"]
    assert "Cache-Control" not in client.get("/missing").headers


class Named(Static):
    def version_string(self) -> str:
        return "ours/1"


class Dated(Static):
    def date_time_string(self, timestamp: float | None = None) -> str:
        return f"at {timestamp}"


class Signed(Static):
    def send_header(self, keyword: str, value: object) -> None:
        super().send_header(keyword, f"{value}; seen" if keyword == "Content-type" else value)


class Begun(Static):
    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code, message)
        self.send_header("X-Begun", "1")


class Ended(Static):
    def end_headers(self) -> None:
        self.send_header("X-Ended", str(len(self._headers_buffer)))
        super().end_headers()


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (Named, {"Server": "ours/1"}),
        (Dated, {"Date": "at None", "Last-Modified": f"at {MODIFIED:.1f}"}),
        (Signed, {"Content-Type": "text/plain; seen"}),
        (Begun, {"X-Begun": "1", "Content-Length": "10"}),
        (Ended, {"X-Ended": "8"}),  # a line each
    ],
)
def test_what_makes_a_head_can_be_overridden(
    serve: Serve, connect: Connect, root: Path, handler: type[Static], expected: dict[str, str]
) -> None:
    def make(*args: Any) -> Static:
        return handler(*args, directory=root)

    client = connect(serve(make))
    for _ in range(2):
        answer = client.get("/a.txt")
        assert (answer.status, answer.body) == (200, b"0123456789")
        assert {name: answer.headers[name] for name in expected} == expected


def test_a_header_that_is_an_object_is_sent_as_text(site: Site) -> None:
    client = site(response_headers={"X-Count": 1}, extra_response_headers=[("X-More", True)])
    answer = client.get("/a.txt")
    assert (answer.headers["X-Count"], answer.headers["X-More"]) == ("1", "True")
