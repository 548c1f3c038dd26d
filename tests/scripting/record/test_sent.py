"""What an exchange says of its response."""

import gzip
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe, Request, Response
from pytest_httpserve.faults import Duplicate, Fault, Garbage, NoLastChunk, WrongChunkSize, WrongLength
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.record.transcript import KEPT_BYTES


def sent(server: HTTPServe, path: str = "/a", method: str = "GET") -> SentResponse:
    """What the journal has of the response to a request, once it is over."""
    requests.request(method, server.url_for(path), timeout=10)
    server.stop()
    response = server.exchanges[-1].response
    assert response is not None
    return response


def test_a_response_has_its_body(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(json={"id": 7})
    response = sent(server)

    assert (response.body, response.text, response.json()) == (b'{"id": 7}', '{"id": 7}', {"id": 7})
    assert not response.is_cut
    assert response is server.exchanges[-1].response


def test_each_exchange_has_its_own_though_the_head_is_the_same(server: HTTPServe) -> None:
    @server.on("GET", "/{name}")
    def say(request: Request) -> Response:
        return Response(text=request.path_params["name"], headers={"Date": "today"})

    for name in ("one", "two"):
        requests.get(server.url_for(f"/{name}"), timeout=10)

    assert [one.response.text for one in server.exchanges if one.response is not None] == ["one", "two"]


def test_chunks_and_informational_responses_are_no_part_of_it(
    server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]
) -> None:
    @server.on("GET", "/a")
    def pieces(request: Request) -> Response:
        def stream() -> Iterator[bytes]:
            yield b"one "
            yield b"two"

        return Response(stream=stream(), informational=[(103, {"Link": "</a>"})], trailers={"X-Trailer": "b"})

    say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")
    server.stop()

    response = server.exchanges[0].response
    assert response is not None
    assert (response.status, response.body) == (200, b"one two")


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", 200), ("GET", 204), ("GET", 304)],
)
def test_where_there_is_none_it_is_empty(server: HTTPServe, method: str, status: int) -> None:
    server.on("*", "/a").respond(status, **({"text": "well"} if status == 200 else {}))  # type: ignore[arg-type]  # it is text

    assert sent(server, method=method).body == b""


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=ISO-8859-1", b"caf\xe9", "café"),
        ('text/plain; charset="utf-8"; x=y', b"caf\xc3\xa9", "café"),
        ("text/plain; charset=klingon", b"caf\xc3\xa9", "café"),
        ("text/plain", b"caf\xe9", "caf\ufffd"),
    ],
)
def test_text_is_read_as_its_type_says(server: HTTPServe, content_type: str, body: bytes, text: str) -> None:
    server.on("GET", "/a").respond(body=body, headers={"Content-Type": content_type})

    assert sent(server).text == text


def test_a_content_coding_is_left_on_the_body_and_taken_off_its_text(server: HTTPServe) -> None:
    packed = gzip.compress(json.dumps({"id": 7}).encode())
    server.on("GET", "/a").respond(body=packed, headers={"Content-Encoding": "gzip"})
    response = sent(server)

    assert (response.body, response.text, response.json()) == (packed, '{"id": 7}', {"id": 7})


def test_a_body_that_was_not_kept_as_a_whole_says_so(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(json="x" * KEPT_BYTES)
    response = sent(server)

    assert response.is_cut
    assert response.body.startswith(b'"xxx')
    assert len(response.head) + len(response.body) == KEPT_BYTES
    with pytest.raises(ValueError, match=f"kept only the first {len(response.body)} bytes of this body"):
        response.json()


def test_the_bytes_of_a_file_go_past_the_journal(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    server.on("GET", "/a").respond(file=tmp_path / "file")
    response = sent(server)

    assert response.is_cut
    assert response.headers["content-length"] == "100000"


def test_a_body_that_is_under_way_is_there_as_far_as_it_has_come(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold("response_end")
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    client.request("GET", "/a")
    exchange = gate.arrived(10).exchange
    response = exchange.response
    assert response is not None
    assert response.body == b"wel"
    gate.release()
    assert client.getresponse().read() == b"well"
    client.close()

    assert exchange.response is response
    assert response.body == b"well"


@pytest.mark.parametrize(
    ("fault", "says"),
    [(Duplicate("X-A"), ["a", "a"]), (WrongLength(by=-5), ["a"]), (Garbage("header"), ["a"])],
    ids=repr,
)
def test_it_is_what_went_out_when_a_fault_has_changed_its_head(
    server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes], fault: Fault, says: list[str]
) -> None:
    server.on("GET", "/a").respond(text="hello world", headers={"X-A": "a"}, fault=fault)
    data = say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")
    server.stop()

    response = server.exchanges[0].response
    assert response is not None
    assert response.headers.get_all("x-a") == says
    assert response.head + response.content == data
    assert response.content == b"hello world"


@pytest.mark.parametrize("fault", [WrongChunkSize(), NoLastChunk()], ids=repr)
def test_chunks_that_a_fault_has_made_are_there_as_they_went_out(server: HTTPServe, fault: Fault) -> None:
    server.on("GET", "/a").respond(text="hello world", fault=fault)
    with pytest.raises(requests.RequestException):
        requests.get(server.url_for("/a"), timeout=10)
    server.stop()

    response = server.exchanges[0].response
    assert response is not None
    assert b"hello world" in response.content
    assert b"hello world" in response.body


def test_a_length_that_is_none_is_no_error(server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]) -> None:
    server.on("GET", "/a").respond(text="hello", headers={"Content-Length": "abc"})
    say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")
    server.stop()

    response = server.exchanges[0].response
    assert response is not None
    assert response.body == b"hello"
    assert server.har()["log"]["entries"][0]["response"]["content"]["text"] == "hello"


def test_a_response_says_its_status_where_it_is_shown(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(203)
    requests.get(server.url_for("/a"), timeout=10)

    assert repr(server.exchanges[0].response) == "<SentResponse 203>"
