"""A HAR file and the entries in it: there and back, and files as others export them."""

import json
from base64 import b64encode
from collections.abc import Callable
from gzip import compress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.recordings.entry import Digest, Entry, origin_and_rest
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.writing import write_har

Har = Callable[..., Path]

ENTRIES = [
    Entry(
        "POST",
        "https://api.test/a?b=1&c=%20",
        (("Accept", "*/*"), ("Content-Type", "application/json"), ("Cookie", "a=***")),
        b'{"name": "caf\xc3\xa9"}',
        201,
        "Made",
        (("Content-Type", "text/plain; charset=iso-8859-1"), ("Set-Cookie", "b=***"), ("Set-Cookie", "a=***; Path=/")),
        b"caf\xe9",
        "gzip",
        ((3, 0), (1, 25)),
        12,
        34,
        "2026-01-02T03:04:05.678Z",
    ),
    Entry("GET", "http://api.test/", body=b"\x00\xff", fields=(("Content-Encoding", "br"),)),
    Entry("PUT", "http://api.test/", request_body=Digest("ab" * 32, 5_000_000), status=204),
    Entry("PUT", "http://api.test/", request_body=b"\xff", status=204),
]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.har"
    write_har(path, ENTRIES)
    entries = read_har(path)

    assert [entry._replace(line=0) for entry in entries] == ENTRIES
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [lines[entry.line - 1].strip()[:17] for entry in entries] == ['"startedDateTime"'] * 4


def test_a_header_is_a_line_and_the_text_is_the_same_each_time(tmp_path: Path) -> None:
    write_har(tmp_path / "a.har", ENTRIES)
    text = (tmp_path / "a.har").read_text(encoding="utf-8")
    first = ENTRIES[0]
    write_har(tmp_path / "a.har", [first._replace(request_fields=first.request_fields[::-1]), *ENTRIES[1:]])

    assert (tmp_path / "a.har").read_text(encoding="utf-8") == text
    assert '\n            {"name": "Accept", "value": "*/*"},\n' in text
    assert '"text": "café"' in text
    assert '"_chunks": [[3, 0], [1, 25]]' in text


def test_it_is_a_har_as_the_specification_has_it(tmp_path: Path) -> None:
    write_har(tmp_path / "a.har", ENTRIES)
    log = json.loads((tmp_path / "a.har").read_text(encoding="utf-8"))["log"]

    assert {"version", "creator", "entries"} <= log.keys()
    asked = {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"}
    answered = {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize"}
    for entry in log["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= entry.keys()
        assert asked <= entry["request"].keys()
        assert answered <= entry["response"].keys()
        assert {"send", "wait", "receive"} == entry["timings"].keys()
    first = log["entries"][0]
    assert first["request"]["queryString"] == [{"name": "b", "value": "1"}, {"name": "c", "value": " "}]
    assert [one["name"] for one in first["response"]["cookies"]] == ["b", "a"]


def test_a_large_body_has_a_file_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.har"
    large = b"0123456789abcdef" * 100_000
    write_har(path, [Entry("GET", "http://a.test/", body=large), Entry("GET", "http://a.test/2", body=large)])

    first, second = read_har(path)
    assert isinstance(first.body, Path)
    assert first.body == second.body
    assert first.body.read_bytes() == large
    assert path.stat().st_size < 5_000
    (tmp_path / "a-notes.body").write_text("not ours")
    write_har(path, [first])  # its own file
    assert first.body.read_bytes() == large
    write_har(path, [Entry("GET", "http://a.test/", body=b"small")])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a-notes.body", "a.har"]


@pytest.mark.parametrize("name", ["../a.body", "/etc/hostname", "missing.body"])
def test_a_file_beside_is_one_beside(har: Har, tmp_path: Path, name: str) -> None:
    (tmp_path.parent / "a.body").write_text("secret")
    path = har(("GET", "http://a.test/", 200, {"_file": name}))

    with pytest.raises(UsageError, match="is not a file in"):
        read_har(path)


def one(path: Path) -> Entry:
    (entry,) = read_har(path)
    return entry


def header(name: str, value: str) -> dict[str, Any]:
    return {"response": {"headers": [{"name": name, "value": value}]}}


def test_names_that_http_2_has_and_http_1_has_not(har: Har) -> None:
    headers = [{"name": ":status", "value": "200"}, {"name": "transfer-encoding", "value": "chunked"}]
    more = {"request": {"headers": headers}, "response": {"headers": [*headers, {"name": "x-a", "value": "1"}]}}
    entry = one(har(("GET", "https://a.test/", 200, "a", more)))

    assert (entry.request_fields, entry.fields) == ((), (("x-a", "1"),))


def test_chromium_joins_the_lines_of_a_name(har: Har) -> None:
    entry = one(har(("GET", "https://a.test/", 200, "a", header("set-cookie", "a=1; Path=/\nb=2"))))
    assert entry.fields == (("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2"))


def test_a_value_beyond_iso_8859_1_is_sent_as_utf_8(har: Har) -> None:
    entry = one(har(("GET", "https://a.test/", 200, "a", header("x", "\u2713\x00"))))
    assert entry.fields == (("x", "\xe2\x9c\x93"),)


def test_a_body_is_exported_without_its_coding(har: Har) -> None:
    assert one(har(("GET", "https://a.test/", 200, "plain", header("content-encoding", "br")))).fields == ()


def test_a_body_that_was_exported_with_its_coding_keeps_it(har: Har) -> None:
    content = {"text": b64encode(compress(b"a")).decode(), "encoding": "base64"}
    fields = one(har(("GET", "https://a.test/", 200, content, header("content-encoding", "gzip")))).fields
    assert fields == (("content-encoding", "gzip"),)


def test_playwright_has_bodies_beside_the_har(har: Har, tmp_path: Path) -> None:
    (tmp_path / "ab12.html").write_text("<p>")
    content = {"size": -1, "_file": "ab12.html"}
    entry = one(har(("GET", "https://a.test/", 200, content, header("content-encoding", "br"))))

    assert (entry.body, entry.fields) == (tmp_path / "ab12.html", ())


def test_playwright_puts_all_into_an_archive(har: Har, tmp_path: Path) -> None:
    path = har(("GET", "https://me:mine@a.test/", 200, {"size": -1, "_file": "ab12.html"}))
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "har.har")
        archive.writestr("ab12.html", "<p>")
    entry = one(tmp_path / "a.zip")

    assert (entry.body, origin_and_rest(entry.url)) == (b"<p>", ("https://a.test", "/"))
    (tmp_path / "b.zip").write_text("no archive")
    with ZipFile(tmp_path / "c.zip", "w"):
        pass
    for name in ("b.zip", "c.zip"):
        with pytest.raises(UsageError, match="is not a HAR file"):
            read_har(tmp_path / name)


@pytest.mark.parametrize(
    "entry",
    [
        ("GET", "https://a.test/blocked", 0, ""),
        ("GET", "wss://a.test/", 101, ""),
        ("GET", "data:text/plain,a", 200, "a"),
        ("GET", "https://a.test/", -1, ""),
    ],
)
def test_what_no_server_has_answered_is_left_out(har: Har, entry: Any) -> None:
    assert [one.url for one in read_har(har(entry, ("GET", "https://a.test/b", 200, "")))] == ["https://a.test/b"]


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ({"size": 12, "mimeType": "text/html"}, None),
        ({"size": 0}, b""),
        ({"size": -1}, b""),
        ({}, b""),
        ({"size": 1, "text": "é", "mimeType": "text/plain; charset=ISO-8859-1"}, b"\xe9"),
        ({"size": 1, "text": "✓", "mimeType": "text/plain; charset=ISO-8859-1"}, b"\xe2\x9c\x93"),
        ({"size": 1, "text": "é", "mimeType": "text/plain; charset=klingon"}, b"\xc3\xa9"),
    ],
)
def test_bodies_that_are_there_or_not(har: Har, content: dict[str, Any], body: bytes | None) -> None:
    assert one(har(("GET", "https://a.test/", 200, content))).body == body


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (None, None),
        ({"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "&"}]}, b"a+b=%26"),
        ({"mimeType": "text/plain", "text": "é"}, b"\xc3\xa9"),
        ({"mimeType": "x/y", "text": "/w==", "encoding": "base64"}, b"\xff"),
        ({"mimeType": "multipart/form-data", "params": [{"name": "a"}]}, None),
    ],
)
def test_what_was_sent(har: Har, data: object, body: bytes | None) -> None:
    assert one(har(("POST", "https://a.test/", 200, "", {"request": {"postData": data}}))).request_body == body


def test_a_mark_before_the_text_and_a_fragment_are_none_of_it(har: Har) -> None:
    path = har(("GET", "https://a.test/#part", 200, ""))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert one(path).url == "https://a.test/"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {}}', '{"log": {"entries": [{}]}}', "\xff"])
def test_what_is_no_har_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.har").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"a\.har is not a HAR file"):
        read_har(tmp_path / "a.har")


@pytest.mark.parametrize(
    ("url", "origin", "rest"),
    [
        ("https://a.test", "https://a.test", "/"),
        ("https://a.test:8443/a/b?c=/d?e", "https://a.test:8443", "/a/b?c=/d?e"),
        ("http://a.test?b=c/d@e", "http://a.test", "/?b=c/d@e"),
        ("http://me:mine@[::1]:80//a@b", "http://[::1]:80", "//a@b"),
        ("http://a.test/?", "http://a.test", "/?"),
    ],
)
def test_the_origin_of_a_url(url: str, origin: str, rest: str) -> None:
    assert origin_and_rest(url) == (origin, rest)
