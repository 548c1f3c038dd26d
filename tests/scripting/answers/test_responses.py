"""Responses: how each is sent, and what is refused where it is written."""

import http.client
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from pytest_httpserve import HTTPServe, Response, basic_auth, digest_auth, match, set_cookie
from pytest_httpserve.errors import UsageError

Say = Callable[[HTTPServe, str | bytes], bytes]


def get(server: HTTPServe, path: str = "/a") -> requests.Response:
    return requests.get(server.url_for(path), timeout=10)


# Bodies


@pytest.mark.parametrize(
    ("given", "content_type", "body"),
    [
        ({}, None, b""),
        ({"text": "grüße"}, "text/plain; charset=utf-8", "grüße".encode()),
        ({"text": ""}, "text/plain; charset=utf-8", b""),
        ({"html": "<p>ü"}, "text/html; charset=utf-8", "<p>ü".encode()),
        ({"json": {"a": [1, None, "ü"]}}, "application/json", b'{"a": [1, null, "\\u00fc"]}'),
        ({"json": None}, "application/json", b"null"),
        ({"body": b"\x00\xff"}, "application/octet-stream", b"\x00\xff"),
        ({"body": bytearray(b"ab")}, "application/octet-stream", b"ab"),
        ({"body": memoryview(b"abcd")[::2]}, "application/octet-stream", b"ac"),
    ],
)
def test_each_kind_of_body_brings_its_type_and_length(
    server: HTTPServe, given: dict[str, Any], content_type: str | None, body: bytes
) -> None:
    server.on("GET", "/a").respond(**given)
    answer = get(server)

    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers.get("Content-Type") == content_type
    assert answer.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.txt", "text/plain"), ("a.json", "application/json"), ("a", "application/octet-stream")],
)
def test_a_file_is_sent_with_its_type(server: HTTPServe, tmp_path: Path, name: str, content_type: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    server.on("GET", "/a").respond(file=tmp_path / name)
    answer = get(server)

    assert (answer.content, answer.headers["Content-Type"]) == (b"abc", content_type)
    assert answer.headers["Content-Length"] == "3"


def test_a_large_file_is_sent_whole(server: HTTPServe, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(data)
    server.on("GET", "/a").respond(file=tmp_path / "large")

    assert get(server).content == data


def test_a_file_is_read_when_it_is_sent(server: HTTPServe, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("when the route was written")
    server.on("GET", "/a").respond(file=file)
    file.write_text("now")

    assert get(server).text == "now"


def test_a_relative_file_is_the_one_that_was_meant(
    server: HTTPServe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("this one")
    monkeypatch.chdir(tmp_path)
    server.on("GET", "/a").respond(file="a.txt")
    monkeypatch.chdir("/")

    assert get(server).text == "this one"


def test_a_body_does_not_change_with_what_it_was_made_of() -> None:
    data: Any = bytearray(b"abc")
    response = Response(body=data)
    data[:] = b"xyz"

    assert response.body == b"abc"


# Headers and reason


@pytest.mark.parametrize("kind", ["text", "file"])
@pytest.mark.parametrize("name", ["Content-Type", "content-type", "Server", "Date"])
def test_a_given_header_replaces_the_servers_own(server: HTTPServe, tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "a.txt").write_text("abc")
    body: dict[str, Any] = {"text": "abc"} if kind == "text" else {"file": tmp_path / "a.txt"}
    server.on("GET", "/a").respond(**body, headers={name: "mine"})
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/a")
    answer = connection.getresponse()
    connection.close()

    assert answer.headers.get_all(name) == ["mine"]


@pytest.mark.parametrize("kind", ["text", "file"])
def test_headers_can_be_repeated_and_keep_their_order(server: HTTPServe, tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.txt").write_text("abc")
    body: dict[str, Any] = {"text": "abc"} if kind == "text" else {"file": tmp_path / "a.txt"}
    server.on("GET", "/a").respond(**body, headers=[("Set-Cookie", "a=1"), ("X-N", 7), ("Set-Cookie", "b=2")])
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/a")
    answer = connection.getresponse()
    connection.close()

    assert answer.headers.items()[:3] == [("Set-Cookie", "a=1"), ("X-N", "7"), ("Set-Cookie", "b=2")]


def test_more_headers_than_a_request_may_have_are_sent_and_seen(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(headers=[("X", str(number)) for number in range(150)])
    answer = say(server, "GET /a HTTP/1.0\n\n")

    assert answer.count(b"\r\nX: ") == 150
    (exchange,) = server.exchanges
    assert exchange.response is not None
    assert len(exchange.response.headers.get_all("X")) == 150


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (200, None, "HTTP/1.1 200 OK"),
        (404, None, "HTTP/1.1 404 Not Found"),
        (299, None, "HTTP/1.1 299 "),
        (999, None, "HTTP/1.1 999 "),
        (200, "Fine by me", "HTTP/1.1 200 Fine by me"),
        (200, "", "HTTP/1.1 200 "),
        (200, "schön", "HTTP/1.1 200 schön"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "file"])
def test_the_status_line_has_the_standard_reason_or_the_given_one(
    server: HTTPServe, say: Say, tmp_path: Path, kind: str, status: int, reason: str | None, line: str
) -> None:
    (tmp_path / "a.txt").write_text("abc")
    body: dict[str, Any] = {"text": "abc"} if kind == "text" else {"file": tmp_path / "a.txt"}
    server.on("GET", "/a").respond(status, **body, reason=reason)

    assert say(server, "GET /a HTTP/1.0\n\n").split(b"\r\n")[0].decode("latin-1") == line


def test_what_a_response_was_given_can_be_asked() -> None:
    response = Response(201, text="abc", headers={"X-A": "b"})

    assert (response.status, response.reason, response.body) == (201, "Created", b"abc")
    assert dict(response.headers) == {"X-A": "b"}
    assert repr(response) == "<Response 201 Created, 3 bytes>"


# Responses without a body


@pytest.mark.parametrize("kind", ["text", "file"])
def test_head_gets_the_length_and_no_body(server: HTTPServe, say: Say, tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.txt").write_text("hello")
    body: dict[str, Any] = {"text": "hello"} if kind == "text" else {"file": tmp_path / "a.txt"}
    server.on("HEAD", "/a").respond(**body)
    answer = say(server, "HEAD /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert b"\r\nContent-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n"), "a body came after the head"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_has_no_length_either(server: HTTPServe, say: Say, status: int) -> None:
    server.on("GET", "/a").respond(status)
    answer = say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert b"content-length" not in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_after_a_response_without_body_the_connection_goes_on(server: HTTPServe, say: Say, status: int) -> None:
    server.on("GET", "/a").respond(status).respond(text="next")
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b"\r\n\r\nnext")


# The connection


def test_an_http_1_0_client_is_answered_and_the_connection_closed(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="hello")
    answer = say(server, "GET /a HTTP/1.0\n\n")

    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nhello")


def test_an_http_1_0_client_that_asks_for_it_is_kept(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="hello")
    answer = say(server, "GET /a HTTP/1.0\nConnection: keep-alive\n\nGET /a HTTP/1.0\n\n")

    first, second = answer.split(b"hello")[:2]
    assert b"\r\nConnection: keep-alive\r\n" in first
    assert b"\r\nConnection: close\r\n" in second


def test_a_client_that_asks_for_close_is_told_so(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="hello")

    assert b"\r\nConnection: close\r\n" in say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")


def test_a_kept_connection_is_not_mentioned_in_http_1_1(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="hello")
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.0\n\n")

    assert b"Connection" not in answer.split(b"hello")[0]


@pytest.mark.parametrize("value", ["close", "Close"])
@pytest.mark.parametrize("kind", ["text", "file"])
def test_a_response_can_close_the_connection(
    server: HTTPServe, say: Say, tmp_path: Path, kind: str, value: str
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    body: dict[str, Any] = {"text": "hello"} if kind == "text" else {"file": tmp_path / "a.txt"}
    server.on("GET", "/a").respond(**body, headers={"Connection": value})
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.1\nHost: x\n\n")

    assert answer.count(b"HTTP/1.1 200") == 1, "a second response came on a connection that was to close"
    assert answer.lower().count(b"\r\nconnection: ") == 1


@pytest.mark.parametrize("length", [2, 50])
def test_a_length_that_is_not_the_bodys_ends_the_connection(server: HTTPServe, say: Say, length: int) -> None:
    """Else what follows would be taken for the rest of the body, or the rest of the body for what follows."""
    server.on("GET", "/a").respond(text="hello", headers={"Content-Length": length})
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.1\nHost: x\n\n")

    assert answer.count(b"HTTP/1.1 200") == 1, "a second response came on a connection that nobody can follow"
    assert b"\r\nContent-Length: %d\r\n" % length in answer
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(("length", "goes_on"), [(5, True), (2, False), (50, False)])
def test_a_length_that_is_not_the_files_ends_the_connection(
    server: HTTPServe, say: Say, tmp_path: Path, length: int, goes_on: bool
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    server.on("GET", "/a").respond(file=tmp_path / "a.txt", headers={"Content-Length": length})
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    head, body = answer.split(b"\r\n\r\n")[:2]
    assert b"\r\nContent-Length: %d\r\n" % length in answer
    assert (b"\r\nConnection: close" not in head) is goes_on
    assert body.startswith(b"helloHTTP/1.1 200" if goes_on else b"hello")
    assert answer.count(b"HTTP/1.1 200") == 1 + goes_on, "a response came on a connection that nobody can follow"


# What is refused

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"text": "a", "json": 1}, "a response can have only one body, not text and json"),
    ({"html": "a", "body": b"b", "text": "c"}, "a response can have only one body, not text and html and body"),
    ({"status": 204, "text": "a"}, "a response with status 204 has no body (RFC 9110), so text= is wrong"),
    ({"status": 205, "body": b"a"}, "a response with status 205 has no body (RFC 9110), so body= is wrong"),
    ({"status": 304, "json": None}, "a response with status 304 has no body (RFC 9110), so json= is wrong"),
    *(
        ({"status": status}, f"a response's status must be an integer from 200 to 999, not {status!r}")
        for status in (199, 100, 1000, -1, 0, "200", 200.0, None, True)
    ),
    ({"text": b"a"}, "text= takes a str, not bytes"),
    ({"text": 5}, "text= takes a str, not int"),
    ({"html": ["a"]}, "html= takes a str, not list"),
    ({"text": "\ud800"}, "text='\\ud800' cannot be sent as UTF-8"),
    ({"body": "a"}, "body= takes bytes, not str; for a str use text="),
    ({"body": 5}, "body= takes bytes, not int"),
    ({"json": {1, 2}}, "json={1, 2} is not JSON"),
    ({"json": b"a"}, "json=b'a' is not JSON"),
    ({"file": "/no/such/file"}, "file='/no/such/file': /no/such/file does not exist"),
    ({"file": "/"}, "file='/': / is a directory"),
    ({"file": "n" * 300}, "does not exist"),
    ({"file": "a\0b"}, "does not exist"),
    ({"file": 5}, "file= takes a path, not int"),
    ({"file": b"a"}, "file= takes a path, not bytes"),
    ({"reason": "two\nlines"}, "a reason must be one line of text in ISO-8859-1, not 'two\\nlines'"),
    ({"reason": "\r"}, "a reason must be one line"),
    ({"reason": "\0"}, "a reason must be one line"),
    ({"reason": "snow ☃"}, "a reason must be one line of text in ISO-8859-1, not 'snow ☃'"),
    ({"reason": 5}, "a reason must be one line of text in ISO-8859-1, not 5"),
    ({"headers": 5}, "headers= takes a mapping or pairs of name and value, not 5"),
    ({"headers": "X-A: b"}, "headers= takes a mapping or pairs of name and value, not 'X-A: b'"),
    ({"headers": ["X-A: b"]}, "headers= takes a mapping or pairs of name and value, not 'X-A: b'"),
    ({"headers": [("a", "b", "c")]}, "headers= takes a mapping or pairs of name and value, not ('a', 'b', 'c')"),
    ({"headers": {"X-A": None}}, "a header must be a name with a str or a number, not ('X-A', None)"),
    ({"headers": {"X-A": 1.5}}, "a header must be a name with a str or a number"),
    ({"headers": {"X-A": True}}, "a header must be a name with a str or a number"),
    ({"headers": {5: "a"}}, "a header must be a name with a str or a number"),
    ({"headers": {"": "a"}}, "a header's name must be a token"),
    ({"headers": {"X A": "a"}}, "a header's name must be a token (RFC 9110 section 5.1), not 'X A'"),
    ({"headers": {"X:": "a"}}, "a header's name must be a token"),
    ({"headers": {"X-Ä": "a"}}, "a header's name must be a token"),
    ({"headers": {"X-A": "b\r\nX-B: c"}}, "the value of the header X-A cannot be sent: 'b\\r\\nX-B: c'"),
    ({"headers": {"X-A": "\0"}}, "the value of the header X-A cannot be sent"),
    ({"headers": {"X-A": "☃"}}, "the value of the header X-A cannot be sent: '☃'"),
    ({"headers": {"transfer-encoding": "chunked"}}, "the server sets Transfer-Encoding itself"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[str(given) for given, _ in REFUSED])
def test_what_cannot_be_sent_is_refused_where_it_is_written(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Response(**given)


def test_a_route_refuses_what_a_response_refuses(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match="one body"):
        server.on("GET", "/a").respond(text="a", html="b")


@pytest.mark.parametrize("empty", [{"text": ""}, {"html": ""}, {"body": b""}])
def test_an_empty_body_goes_with_a_status_that_has_none(empty: dict[str, Any]) -> None:
    assert Response(204, **empty).body == b""


# Streams


def test_each_piece_of_a_stream_is_seen_before_the_next_is_made(server: HTTPServe) -> None:
    """The second piece is made only when the client has the first: a server that gathers them would hang here."""
    seen = [threading.Event() for _ in range(3)]

    def pieces() -> Iterator[str | bytes]:
        sent: list[str | bytes] = ["one", b"two", "drei"]
        for event, piece in zip(seen, sent, strict=True):
            yield piece
            assert event.wait(10), "the client did not get the piece"

    server.on("GET", "/a").respond(stream=pieces)
    with requests.get(server.url_for("/a"), stream=True, timeout=10) as answer:
        got = []
        for event, piece in zip(seen, answer.raw.read_chunked(), strict=True):
            got.append(piece)
            event.set()

    assert got == [b"one", b"two", b"drei"]
    assert server.failures == ()


@pytest.mark.parametrize("stream", [["a", b"", "b"], ("ab",), lambda: iter(["a", "b"]), lambda: [b"ab"]])
def test_a_stream_that_can_be_made_again_is(server: HTTPServe, stream: Any) -> None:
    server.on("GET", "/a").respond(stream=stream)

    assert [get(server).content for _ in range(2)] == [b"ab", b"ab"]
    assert server.failures == ()


def test_an_iterator_that_is_used_up_fails_and_says_what_to_give(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(stream=iter(["a"]))
    assert get(server).text == "a"
    with pytest.raises(requests.RequestException):
        get(server)

    (failure,) = server.failures
    assert "the iterator given as stream= is used up: give a function that returns one each time" in failure


def test_a_stream_that_raises_does_not_pass_for_a_whole_one(server: HTTPServe) -> None:
    def pieces() -> Iterator[str]:
        yield "one"
        raise KeyError("mine")

    server.on("GET", "/a").respond(stream=pieces)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(server)

    (failure,) = server.failures
    assert "KeyError: 'mine'" in failure


@pytest.mark.parametrize("piece", [5, None, ["a"]])
def test_a_piece_that_is_neither_bytes_nor_str_is_a_failure(server: HTTPServe, piece: Any) -> None:
    server.on("GET", "/a").respond(stream=[piece])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(server)

    (failure,) = server.failures
    assert f"a stream must yield bytes or str, not {piece!r}" in failure


def test_an_http_1_0_client_gets_a_stream_without_chunks(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(stream=["a", "b"], trailers={"X-Sum": 2})
    answer = say(server, "GET /a HTTP/1.0\nConnection: keep-alive\n\n")

    assert answer.endswith(b"\r\n\r\nab")
    assert b"Transfer-Encoding" not in answer


@pytest.mark.parametrize(("length", "goes_on"), [(2, True), (1, False), (3, False)])
def test_a_stream_of_an_announced_length_is_sent_as_it_is(
    server: HTTPServe, say: Say, length: int, goes_on: bool
) -> None:
    server.on("GET", "/a").respond(stream=["a", "b"], headers={"Content-Length": length})
    answer = say(server, "GET /a HTTP/1.1\nHost: x\n\nGET /a HTTP/1.0\n\n")

    assert b"Transfer-Encoding" not in answer
    assert (answer.count(b"HTTP/1.1 200") == 2) is goes_on, "a second response where nobody can tell it from the body"


def test_a_head_request_makes_no_piece(server: HTTPServe, say: Say) -> None:
    made: list[str] = []

    def pieces() -> Iterator[str]:
        made.append("a")
        yield "a"

    server.on("GET", "/a").respond(stream=pieces)
    answer = say(server, "HEAD /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.endswith(b"\r\n\r\n")
    assert made == []


@pytest.mark.parametrize("body", [{"text": "abc"}, {"stream": ["a", "bc"]}])
def test_trailers_follow_the_body(server: HTTPServe, say: Say, body: dict[str, Any]) -> None:
    server.on("GET", "/a").respond(**body, trailers=[("X-Sum", 3), ("X-Two", "b")])
    answer = say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert b"\r\nTrailer: X-Sum, X-Two\r\n" in answer
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert b"Content-Length" not in answer
    assert answer.endswith(b"\r\n0\r\nX-Sum: 3\r\nX-Two: b\r\n\r\n")


def test_informational_responses_go_ahead(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="abc", informational=[102, (103, {"Link": "</a.css>"})])
    answer = say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    start = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n"
    assert answer.startswith(start)
    assert server.exchanges[0].status == 200


def test_an_http_1_0_client_gets_no_informational_response(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="abc", informational=[103])

    assert say(server, "GET /a HTTP/1.0\n\n").startswith(b"HTTP/1.1 200 ")


# gzip, cookies, credentials


@pytest.mark.parametrize("body", [{"text": "ab" * 500}, {"json": {"a": 1}}, {"body": b""}])
def test_a_body_is_compressed_by_choice(server: HTTPServe, body: dict[str, Any]) -> None:
    server.on("GET", "/a").respond(**body, gzip=True)
    answer = get(server)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == Response(**body).body


def test_cookies_are_set(server: HTTPServe) -> None:
    attributes = set_cookie("b", "2", path="/", max_age=60, httponly=True, samesite="Lax", secure=False)
    server.on("GET", "/a").respond(cookies={"a": "1"}, headers=[attributes])
    answer = get(server)

    assert dict(answer.cookies) == {"a": "1", "b": "2"}
    assert attributes == ("Set-Cookie", "b=2; Path=/; Max-Age=60; SameSite=Lax; HttpOnly")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a b", "1"),
        ("", "1"),
        ("a", "1;2"),
        ("a", "\r\n"),
        ("a", "b c"),
        ("a=", "1"),
        ("a", '"'),
        ("a", '"b'),
        ("a", "é"),
        *[("a", 'b"c'), ("a", '"b"c"'), ("a", "b,c"), ("a", "b\\c"), ("a", "\x7f"), ("a", "\x00")],
    ],
)
def test_a_cookie_that_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=r"^no cookie can have the name "):
        set_cookie(name, value)
    with pytest.raises(UsageError, match=r"^no cookie can have the name "):
        Response(cookies={name: value})


@pytest.mark.parametrize("value", ["", '""', '"a b"'.replace(" ", "-"), "a=b", "!#$%&'()*+-./:<=>?@[]^_`{|}~"])
def test_a_cookie_has_every_value_that_rfc_6265_takes(value: str) -> None:
    assert set_cookie("a", value) == ("Set-Cookie", f"a={value}")


@pytest.mark.parametrize("given", [{"path": "/; Secure"}, {"domain": "a\r\nb"}, {"expires": "é"}, {"samesite": ";"}])
def test_an_attribute_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^no cookie can have "):
        set_cookie("a", "1", **given)


def test_credentials_are_asked_for(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(Response.unauthorized())
    server.on(match("GET", "/a") & basic_auth("ada", "secret")).respond(text="in")

    assert get(server).headers["WWW-Authenticate"] == 'Basic realm="test"'
    assert requests.get(server.url_for("/a"), auth=("ada", "secret"), timeout=10).text == "in"


def with_requests(url: str, user: str, password: str) -> int:
    return requests.get(url, auth=requests.auth.HTTPDigestAuth(user, password), timeout=10).status_code


def with_httpx(url: str, user: str, password: str) -> int:
    return httpx.get(url, auth=httpx.DigestAuth(user, password), timeout=10, trust_env=False).status_code


@pytest.mark.parametrize("client", [with_requests, with_httpx])
@pytest.mark.parametrize("realm", ["test", 'a "quoted" realm', "back\\slash"])
def test_credentials_are_asked_for_by_digest(server: HTTPServe, client: Callable[..., int], realm: str) -> None:
    server.on("GET", "/a").respond(Response.unauthorized("Digest", realm))
    server.on(match("GET", "/a") & digest_auth("ada", "secret")).respond()

    if realm == "test":  # of escapes, these clients make something else each
        assert client(server.url_for("/a?b=1"), "ada", "secret") == 200
    assert client(server.url_for("/a"), "ada", "other") == 401
    assert client(server.url_for("/a"), "bob", "secret") == 401


def test_each_response_that_asks_for_digest_has_a_nonce_of_its_own() -> None:
    one, other = (Response.unauthorized("Digest").headers["WWW-Authenticate"] for _ in range(2))

    assert re.fullmatch('Digest realm="test", qop="auth", algorithm=SHA-256, nonce="[0-9a-f]{32}"', one)
    assert one != other


def test_a_realm_is_escaped() -> None:
    assert Response.unauthorized(realm='a "b" \\').headers["WWW-Authenticate"] == r'Basic realm="a \"b\" \\"'
    with pytest.raises(UsageError, match="takes a scheme such as 'Basic'"):
        Response.unauthorized('Basic realm="x"')


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/nëw", "/n%C3%ABw"),
        ("/a b?c=d e#f g", "/a%20b?c=d%20e#f%20g"),
        ("/a%20b", "/a%20b"),
        ("/100%", "/100%25"),
        ("https://example.org/ü?x=1&y=2", "https://example.org/%C3%BC?x=1&y=2"),
        ("//example.org:80/~a;b", "//example.org:80/~a;b"),
    ],
)
def test_a_location_is_encoded_as_urls_are(location: str, sent: str) -> None:
    assert Response.redirect(location).headers["Location"] == sent


@pytest.mark.parametrize(
    ("content", "headers", "body"),
    [
        ("é", {"X-A": "1"}, "é".encode()),
        (b"x", [("X-A", "1"), ("X-A", "2")], b"x"),
        ({"a": 1}, {"X-A": "1"}, b'{"a": 1}'),
        ([1], {"X-A": "1"}, b"[1]"),
        (None, {"X-A": "1"}, b""),
        (iter(["a", "b"]), {"X-A": "1"}, b"ab"),
        ("x", None, b"x"),
    ],
)
def test_a_function_returns_status_body_and_headers(server: HTTPServe, content: Any, headers: Any, body: bytes) -> None:
    server.on("GET", "/a").handle(lambda request: (201, content, headers))
    answer = get(server)

    sent = server.exchanges[0].response
    assert sent is not None
    assert (answer.status_code, answer.content) == (201, body)
    assert [name for name, _ in Response(headers=headers).fields] == [
        name for name, _ in sent.headers.fields if name == "X-A"
    ]


REFUSED_TOO: list[tuple[dict[str, Any], str]] = [
    ({"stream": "abc"}, "stream= takes an iterable of bytes or str, or a function that returns one, not 'abc'"),
    ({"stream": b"abc"}, "stream= takes an iterable of bytes or str"),
    ({"stream": 5}, "stream= takes an iterable of bytes or str"),
    ({"stream": [], "text": ""}, "a response can have only one body, not text and stream"),
    ({"status": 204, "stream": []}, "a response with status 204 has no body (RFC 9110), so stream= is wrong"),
    ({"stream": ["a"], "gzip": True}, "gzip= compresses a body that is given whole, not stream="),
    ({"gzip": True}, "gzip= compresses a body that is given whole, not none"),
    ({"status": 204, "gzip": True}, "gzip= compresses a body that is given whole, not none"),
    ({"status": 204, "trailers": {"X-A": "b"}}, "trailers= follow a body in chunks"),
    (
        {"file": __file__, "trailers": {"X-A": "b"}},
        "trailers= follow a body in chunks (RFC 9112 section 7.1.2), which file=",
    ),
    ({"trailers": {"X A": "b"}}, "a header's name must be a token"),
    ({"trailers": 5}, "trailers= takes a mapping or pairs of name and value, not 5"),
    *(
        (
            {"informational": [status]},
            f"an informational response must have a status from 100 to 199, and not 101: {status!r}",
        )
        for status in (99, 101, 200, "103", True)
    ),
    ({"informational": [(103, {"X A": "b"})]}, "a header's name must be a token"),
    ({"informational": 103}, "informational= takes statuses, or pairs of a status and headers, not 103"),
    ({"cookies": "a=1"}, "cookies= takes a mapping of names to values, not 'a=1'"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED_TOO, ids=[str(given) for given, _ in REFUSED_TOO])
def test_a_wrong_combination_is_refused_where_it_is_written(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(message)):
        Response(**given)


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_what_json_has_no_number_for_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="is not JSON: Out of range float values"):
        Response(json=value)


def test_close_may_stand_among_other_options_of_a_connection() -> None:
    assert Response(headers={"Connection": "X-Foo, Close"}).closes
    assert not Response(headers={"Connection": "X-Close"}).closes


def test_a_2xx_to_connect_says_nothing_of_a_body(server: HTTPServe, say: Say) -> None:
    server.on("CONNECT").respond(200, text="left out", headers={"X-A": "b"})

    head, blank, rest = say(server, "CONNECT example.test:443 HTTP/1.1\nHost: example.test:443\n\n").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-A: b\r\n")
    assert re.search(rb"(?i)\n(content-|transfer-|connection)", head) is None
    assert (blank, rest) == (b"\r\n\r\n", b"")


def test_what_refuses_connect_has_a_body(server: HTTPServe, say: Say) -> None:
    server.on("CONNECT").respond(403, text="no")

    said = say(server, "CONNECT example.test:443 HTTP/1.1\nHost: example.test:443\nConnection: close\n\n")
    assert said.endswith(b"Connection: close\r\n\r\nno")
