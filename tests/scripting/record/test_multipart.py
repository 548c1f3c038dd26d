"""Uploads: multipart forms as clients send them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
from dirty_equals import IsBytes

from pytest_httpserve import HTTPServe, UploadedFile, match
from pytest_httpserve.scripting.record.multipart import parse_multipart

TYPE = 'multipart/form-data; boundary="x"'
Post = Callable[[str, Any, Any], object]


def with_requests(url: str, files: Any, data: Any) -> object:
    return requests.post(url, files=files, data=data, timeout=10)


def with_httpx(url: str, files: Any, data: Any) -> object:
    return httpx.post(url, files=files, data=data, timeout=10, trust_env=False)


@pytest.fixture(params=[with_requests, with_httpx])
def post(request: pytest.FixtureRequest) -> Post:
    function: Post = request.param
    return function


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"a\r\nb\nc\rd\r\n",
        b"\r\n--",
        b"--\r\n",
        b"\x00\xff\x80\r\n\x1c\x85",
        bytes(range(256)) * 10,
        bytes(range(255, -1, -1)) * 1200,
    ],
    ids=["empty", "line", "two lines", "line ends", "half a boundary", "dashes", "binary", "all bytes", "large"],
)
@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "text/plain", "message/rfc822", "multipart/mixed"]
)
def test_every_byte_of_a_file_is_kept(server: HTTPServe, post: Post, content: bytes, content_type: str) -> None:
    server.on("POST", "/a").respond()
    post(server.url_for("/a"), {"upload": ("name.bin", content, content_type)}, {})

    (exchange,) = server.exchanges
    assert exchange.request.files == {"upload": UploadedFile("upload", "name.bin", content_type, content)}


@pytest.mark.parametrize(
    "filename",
    [
        "a.txt",
        "with blank.txt",
        "grüße 猫.txt",
        "semi;colon=.txt",
        "it's.txt",
        "a\\b.txt",
        'a"b".txt',
        "100%.txt",
        "%41.txt",
    ],
)
def test_the_name_of_a_file_is_seen_as_it_is(server: HTTPServe, post: Post, filename: str) -> None:
    server.on("POST", "/a").respond()
    post(server.url_for("/a"), {"upload": (filename, b"abc")}, {})

    assert server.exchanges[0].request.files["upload"].filename == filename


def test_files_of_the_same_name_are_all_there(server: HTTPServe, post: Post) -> None:
    server.on("POST", "/a").respond()
    post(server.url_for("/a"), [("f", ("1.txt", b"one")), ("f", ("2.txt", b"two")), ("g", ("3.txt", b"three"))], {})

    files = server.exchanges[0].request.files
    assert [file.filename for file in files.get_all("f")] == ["1.txt", "2.txt"]
    assert files["f"].content == b"one"
    assert list(files) == ["f", "g"]


def test_fields_and_files_are_told_apart(server: HTTPServe, post: Post) -> None:
    server.on("POST", "/a").respond()
    post(server.url_for("/a"), {"f": ("1.txt", b"one")}, {"a": "grüße", "b": ["1", "2"]})

    request = server.exchanges[0].request
    assert (request.form["a"], request.form.get_all("b"), list(request.files)) == ("grüße", ["1", "2"], ["f"])


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ({"f": b"one"}, True),
        ({"f": "one"}, True),
        ({"f": ("1.txt", b"one")}, True),
        ({"f": ("1.txt", "one")}, True),
        ({"f": IsBytes}, True),
        ({"f": ["one"]}, True),
        ({"g": None}, True),
        ({"two": [b"1", "2"]}, True),
        ({"two": [("1.txt", b"1"), b"2"]}, True),
        ({"f": b"two"}, False),
        ({"f": ("2.txt", b"one")}, False),
        ({"f": None}, False),
        ({"g": b"one"}, False),
        ({"two": b"1"}, False),
        ({"two": [b"1"]}, False),
        ({"two": [b"1", b"2", b"3"]}, False),
    ],
)
def test_a_route_asks_for_files(server: HTTPServe, files: dict[str, Any], taken: bool) -> None:
    server.on("POST", "/a").respond(404)
    server.on("POST", "/a", files=files, form={"field": "x"}).respond(200)
    sent = [("f", ("1.txt", b"one")), ("two", ("1.txt", b"1")), ("two", ("2.txt", b"2"))]
    answer = requests.post(server.url_for("/a"), files=sent, data={"field": "x"}, timeout=10)

    assert (answer.status_code == 200) is taken
    check = match(files=files).checks(server.exchanges[0].request)[-1]
    assert (check.criterion, check.passed) == (f"file {next(iter(files))}", taken)
    assert server.failures == ()


# As it may stand on the wire


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="a"; filename="b.txt"', "a", "b.txt"),
        ("form-data; name=a; filename=b.txt", "a", "b.txt"),
        ('form-data; filename="b.txt"; name="a"', "a", "b.txt"),
        ('FORM-DATA; Name="a"; FileName="b.txt"', "a", "b.txt"),
        ('form-data;name="a";filename="b \\"c\\".txt"', "a", 'b "c".txt'),
        ('form-data; name="a"; filename="C:\\dir\\b.txt"', "a", "C:\\dir\\b.txt"),
        ("form-data; name=\"a\"; filename*=utf-8''na%C3%AFve.txt", "a", "naïve.txt"),
        ("form-data; name=\"a\"; filename*=ISO-8859-1'de'%fcber.txt", "a", "über.txt"),
        ("form-data; name=\"a\"; filename*=''%C3%A9.txt", "a", "é.txt"),
        ('form-data; name="a"; filename*=utf-8\'\'%C3%A9.txt; filename="e.txt"', "a", "é.txt"),
        ('form-data; name="a"; filename="e.txt"; filename*=utf-8\'\'%C3%A9.txt', "a", "é.txt"),
        ('form-data; name="a%22b"; filename="c%22%0D%0Ad%41.txt"', 'a"b', 'c"\r\nd%41.txt'),
        ("form-data; name=\"a\"; filename*=utf-8''%2522.txt", "a", "%22.txt"),
        ('form-data; name="a"; filename*=plain.txt', "a", "plain.txt"),
        ("form-data; name=\"a\"; filename*=punycode''%61.txt", "a", "punycode''%61.txt"),
        ("form-data; name=\"a\"; filename*=zlib''%61.txt", "a", "zlib''%61.txt"),
        ("form-data; name=\"a\"; filename*=no-such-codec''%61.txt", "a", "no-such-codec''%61.txt"),
        ('form-data; name="a; b"; filename="c; name=d"', "a; b", "c; name=d"),
        ('form-data; name="a"', "a", ""),
        ('form-data; name="a"; filename=""', "a", ""),
        ("form-data", "", ""),
    ],
)
def test_names_are_read_from_the_disposition(disposition: str, name: str, filename: str) -> None:
    body = f"--x\r\nContent-Disposition: {disposition}\r\n\r\nabc\r\n--x--\r\n".encode()

    assert parse_multipart(TYPE, body) == [UploadedFile(name, filename, "text/plain", b"abc")]


@pytest.mark.parametrize(
    ("body", "contents"),
    [
        (b"--x\r\n\r\na\r\n--x--", [b"a"]),
        (b"--x\r\n\r\na\r\n--x--\r\n", [b"a"]),
        (b"before\r\n--x\r\n\r\na\r\n--x--\r\nbehind\r\n--x\r\n\r\nb\r\n--x--", [b"a"]),
        (b"--x \t\r\n\r\na\r\n--x  \r\n\r\nb\r\n--x--", [b"a", b"b"]),
        (b"--x\r\n\r\n--xy\r\n--x--", [b"--xy"]),
        (b"--x\r\n\r\n\r\n--x--", [b""]),
        (b"--x--", []),
    ],
)
def test_parts_lie_between_boundaries(body: bytes, contents: list[bytes]) -> None:
    assert [part.content for part in parse_multipart(TYPE, body)] == contents


@pytest.mark.parametrize("body", [b"", b"no form at all", b"--y\r\n\r\na\r\n--y--", b"--X--"])
def test_another_boundary_than_that_which_was_said(body: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        parse_multipart(TYPE, body)
    assert str(caught.value) == f"a multipart body without the boundary that its Content-Type names: {TYPE!r}"


@pytest.mark.parametrize("body", [b"--x", b"--x\r\n\r\ncut off", b"--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x-"])
def test_a_form_that_was_cut(body: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        parse_multipart(TYPE, body)
    assert str(caught.value) == "a multipart body without its last boundary, --x--"


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"form": {"a": "1"}}, "application/x-www-form-urlencoded"),
        ({"form_exact": {}}, "application/x-www-form-urlencoded"),
        ({"files": {"a": b"x"}}, "multipart/form-data"),
    ],
)
@pytest.mark.parametrize("sent_as", ["text/plain; charset=utf-8", None])
def test_a_form_that_was_sent_as_something_else_is_named(
    server: HTTPServe, criteria: Any, said: str, sent_as: str | None
) -> None:
    server.on("POST", "/a", **criteria).respond()
    headers = {"Content-Type": sent_as} if sent_as else {}
    answer = requests.post(server.url_for("/a"), data=b"a=1", headers=headers, timeout=10)

    assert answer.status_code == 404
    assert f"        got:      not sent as {said}, but as {sent_as or 'no type'}: b'a=1'\n" in answer.text


@pytest.mark.parametrize("criteria", [{"form": {"a": None}}, {"form": {}}, {"files": {"a": None}}, {"files": {}}])
def test_a_form_that_need_not_be_there_may_be_something_else(server: HTTPServe, criteria: Any) -> None:
    server.on("POST", "/a", **criteria).respond()

    assert requests.post(server.url_for("/a"), data=b"a=1", timeout=10).status_code == 200


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=", "", "text/plain"])
def test_without_a_boundary_that_is_said(content_type: str) -> None:
    with pytest.raises(ValueError, match="a multipart body whose Content-Type names no boundary"):
        parse_multipart(content_type, b"--\r\n\r\na\r\n----")


@pytest.mark.parametrize("criteria", [{"form": {"a": "1"}}, {"form_exact": {}}, {"files": {"a": b"x"}}])
def test_a_form_without_a_boundary_is_a_mismatch_that_says_so(server: HTTPServe, criteria: Any) -> None:
    server.on("POST", "/a", **criteria).respond()
    answer = requests.post(
        server.url_for("/a"), data=b"--x\r\n", headers={"Content-Type": "multipart/form-data"}, timeout=10
    )

    assert answer.status_code == 404
    assert "got:      a multipart body whose Content-Type names no boundary: 'multipart/form-data'\n" in answer.text


def test_a_part_has_headers(server: HTTPServe) -> None:
    server.on("POST", "/a").respond()
    sent = {"f": ("1.txt", b"one", "text/plain; charset=utf-8", {"X-Part": "1"})}
    requests.post(server.url_for("/a"), files=sent, timeout=10)

    part = server.exchanges[0].request.files["f"]
    assert (part.headers["x-part"], part.headers["Content-Type"]) == ("1", "text/plain; charset=utf-8")
    assert part == UploadedFile("f", "1.txt", "text/plain", b"one")
    assert repr(part) == "UploadedFile(name='f', filename='1.txt', content_type='text/plain', content=b'one')"
