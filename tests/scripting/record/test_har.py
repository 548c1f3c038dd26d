"""Exchanges as HAR."""

import base64
import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request, Response
from pytest_httpserve.faults import Reset

# What the specification asks of each object, with the types of its values.
REQUIRED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "entry": {
        "startedDateTime": str,
        "time": (int, float),
        "request": dict,
        "response": dict,
        "cache": dict,
        "timings": dict,
    },
    "request": {
        "method": str,
        "url": str,
        "httpVersion": str,
        "cookies": list,
        "headers": list,
        "queryString": list,
        "headersSize": int,
        "bodySize": int,
    },
    "response": {
        "status": int,
        "statusText": str,
        "httpVersion": str,
        "cookies": list,
        "headers": list,
        "content": dict,
        "redirectURL": str,
        "headersSize": int,
        "bodySize": int,
    },
    "content": {"size": int, "mimeType": str},
    "postData": {"mimeType": str, "params": list, "text": str},
    "timings": {"send": (int, float), "wait": (int, float), "receive": (int, float)},
}


def check(kind: str, value: dict[str, Any]) -> None:
    for name, of in REQUIRED[kind].items():
        assert isinstance(value.get(name), of), f"{name} of {kind} {value}"


def entries(server: HTTPServe) -> list[dict[str, Any]]:
    """The entries of the server's HAR, written and read again, with all in them that must be."""
    log = json.loads(json.dumps(server.har()))["log"]
    assert log["version"] == "1.2"
    assert set(log["creator"]) == {"name", "version"}
    for entry in log["entries"]:
        check("entry", entry)
        check("request", entry["request"])
        check("response", entry["response"])
        check("content", entry["response"]["content"])
        check("timings", entry["timings"])
        if "postData" in entry["request"]:
            check("postData", entry["request"]["postData"])
        assert datetime.fromisoformat(entry["startedDateTime"]).tzinfo is not None
        assert all(duration >= 0 for duration in entry["timings"].values())
        assert entry["time"] == pytest.approx(sum(entry["timings"].values()))
        for message in (entry["request"], entry["response"]):
            for pair in [*message["headers"], *message["cookies"], *message.get("queryString", [])]:
                assert isinstance(pair["name"], str) and isinstance(pair["value"], str)
    entries: list[dict[str, Any]] = log["entries"]
    return entries


def pairs(values: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(value["name"], value["value"]) for value in values]


def test_an_exchange_is_an_entry(server: HTTPServe) -> None:
    headers = [("Set-Cookie", "id=7; Path=/; HttpOnly"), ("Set-Cookie", "theme=dark; Domain=shop.test; Secure")]
    route = server.on("POST", "/orders").respond(201, json={"id": 1}, headers=headers)
    url = server.url_for("/orders?dry=1&dry=2")
    requests.post(url, json={"item": "tea"}, cookies={"a": "b"}, timeout=10)

    [entry] = entries(server)
    request, response = entry["request"], entry["response"]
    assert (request["method"], request["url"], request["httpVersion"]) == ("POST", url, "HTTP/1.1")
    assert pairs(request["queryString"]) == [("dry", "1"), ("dry", "2")]
    assert pairs(request["cookies"]) == [("a", "***")]
    assert ("Content-Type", "application/json") in pairs(request["headers"])
    assert request["postData"] == {"mimeType": "application/json", "params": [], "text": '{"item": "tea"}'}
    assert request["bodySize"] == len('{"item": "tea"}')
    assert request["headersSize"] + request["bodySize"] == len(server.exchanges[0].raw.request)
    assert (response["status"], response["statusText"], response["httpVersion"]) == (201, "Created", "HTTP/1.1")
    assert response["content"] == {"size": 9, "mimeType": "application/json", "text": '{"id": 1}'}
    assert response["headersSize"] + response["bodySize"] == len(server.exchanges[0].raw.response)
    assert response["cookies"] == [
        {"name": "id", "value": "***", "path": "/", "httpOnly": True, "secure": False},
        {"name": "theme", "value": "***", "domain": "shop.test", "httpOnly": False, "secure": True},
    ]
    assert (entry["connection"], entry["_route"]) == ("0", route.place)


def test_chunks_and_codings_are_taken_off(server: HTTPServe) -> None:
    def pieces(request: Request) -> Iterator[str]:
        yield "one "
        yield "two"

    server.on("GET", "/stream").handle(pieces)
    server.on("GET", "/gzip").respond(body=gzip.compress(b"packed" * 100), headers={"Content-Encoding": "gzip"})
    server.on("GET", "/no-gzip").respond(body=b"plain", headers={"Content-Encoding": "gzip"})
    server.on("PUT", "/upload").respond(204)
    requests.get(server.url_for("/stream"), timeout=10)
    requests.get(server.url_for("/gzip"), timeout=10)
    requests.get(server.url_for("/no-gzip"), stream=True, timeout=10).close()
    requests.put(server.url_for("/upload"), data=iter([b"in ", b"chunks"]), timeout=10)

    stream, packed, plain, upload = entries(server)
    assert stream["response"]["content"]["text"] == "one two"
    assert packed["response"]["content"]["text"] == "packed" * 100
    assert packed["response"]["content"]["size"] == 600
    assert packed["response"]["bodySize"] < 600
    assert plain["response"]["content"]["text"] == "plain"
    assert upload["request"]["postData"]["text"] == "in chunks"
    assert "text" in upload["response"]["content"] and upload["response"]["content"]["size"] == 0


def test_what_is_no_text_stands_there_as_base64(server: HTTPServe) -> None:
    server.on("POST", "/").respond(body=b"\xff\x00")
    requests.post(server.base_url, data=b"\xfe\x01", timeout=10)

    [entry] = entries(server)
    content = entry["response"]["content"]
    assert (content["encoding"], base64.b64decode(content["text"])) == ("base64", b"\xff\x00")
    data = entry["request"]["postData"]
    assert (data["_encoding"], base64.b64decode(data["text"])) == ("base64", b"\xfe\x01")


def test_a_redirect_has_its_url(server: HTTPServe) -> None:
    server.on("GET", "/a").redirect("/b")
    requests.get(server.url_for("/a"), allow_redirects=False, timeout=10)

    assert entries(server)[0]["response"]["redirectURL"] == "/b"


def test_informational_answers_are_no_part_of_the_response(
    server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]
) -> None:
    server.on("GET", "/").respond(Response(text="body", informational=[(103, {"Link": "</a.css>"})]))
    assert say(server, "GET / HTTP/1.1\nHost: a\nConnection: close\n\n").startswith(b"HTTP/1.1 103 ")

    [entry] = entries(server)
    assert (entry["response"]["status"], entry["response"]["content"]["text"]) == (200, "body")


def test_a_request_that_was_refused_is_an_entry(
    server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]
) -> None:
    say(server, "POST /a HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\nx")
    say(server, "nonsense\n\n")

    framing, nonsense = entries(server)
    assert framing["response"]["status"] == nonsense["response"]["status"] == 400
    assert "are mutually exclusive" in framing["comment"]
    assert nonsense["request"]["method"] == "nonsense"


def test_targets_of_every_form_have_a_url(server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]) -> None:
    server.on("*", "*").respond(204)
    say(server, "GET http://shop.test/a?b=http://c HTTP/1.1\nHost: shop.test\nConnection: close\n\n")
    say(server, "GET /a?b=http://c HTTP/1.1\nHost: shop.test:80\nConnection: close\n\n")
    say(server, "OPTIONS * HTTP/1.1\nHost: shop.test\nConnection: close\n\n")
    say(server, "GET /old HTTP/1.0\n\n")

    assert [entry["request"]["url"] for entry in entries(server)] == [
        "http://shop.test/a?b=http://c",
        "http://shop.test:80/a?b=http://c",
        "http://shop.test/*",
        f"{server.base_url}/old",
    ]


def test_an_exchange_without_a_response_is_as_browsers_write_it(server: HTTPServe) -> None:
    server.on("GET", "/").handle(lambda request: Response(json=entries(server)))

    [entry] = requests.get(server.base_url, timeout=10).json()

    assert entry["response"]["status"] == 0
    assert entry["response"]["bodySize"] == -1


def test_bytes_that_were_not_kept_are_said() -> None:
    with HTTPServe(max_exchanges=2) as server:
        server.on("PUT", "/large").respond(body=bytes(100_000))
        for _ in range(3):
            requests.put(server.url_for("/large"), data=bytes(100_000), timeout=10)
    log = server.har()["log"]

    assert log["comment"] == "1 older exchange dropped"
    [large, _] = log["entries"]
    assert large["request"]["bodySize"] == large["response"]["bodySize"] == 100_000
    assert "more bytes were not kept" in large["request"]["postData"]["comment"]
    assert "more bytes were not kept" in large["response"]["content"]["comment"]


def test_a_body_that_is_longer_than_what_is_kept_has_its_size(server: HTTPServe) -> None:
    server.on("GET", "/").respond(body=bytes(100_000))
    requests.get(server.base_url, timeout=10)

    content = entries(server)[0]["response"]["content"]
    assert content["size"] == 100_000
    assert "more bytes were not kept" in content["comment"]


def test_a_served_file_is_an_entry(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>")
    server.serve_dir(tmp_path)
    requests.get(server.url_for("/page.html"), timeout=10)

    [entry] = entries(server)
    assert entry["response"]["content"]["size"] == 3
    assert entry["response"]["content"]["mimeType"].startswith("text/html")


def test_a_server_without_requests_has_no_entries(server: HTTPServe) -> None:
    assert entries(server) == []


def test_har_is_loaded_when_it_is_asked_for() -> None:
    script = "import sys, pytest_httpserve.scripting.httpserve; print([name for name in sys.modules if 'har' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "pytest_httpserve.scripting.record.har" not in done.stdout


def test_timings_are_milliseconds(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    requests.get(server.url_for("/a"), timeout=10)

    [exchange] = server.exchanges
    [entry] = entries(server)
    assert exchange.times.duration is not None
    assert entry["time"] == pytest.approx(exchange.times.duration * 1000)


def test_times_are_told_to_the_microsecond_and_what_went_wrong_is_said(server: HTTPServe) -> None:
    server.on("GET", "/").respond(body=b"x" * 100, fault=Reset(after=10))
    with pytest.raises(requests.RequestException):
        requests.get(server.base_url, timeout=10)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        client.recv(1024)

    cut, refused = entries(server)
    assert re.search(r"\d:\d\d\.\d{6}\+00:00$", cut["startedDateTime"])
    assert cut["_faults"] == [{"name": "Reset(after=10)", "phase": "response_body"}]
    assert "_error" not in cut
    assert refused["_refused"] is True
    assert refused["_error"].startswith("there is whitespace")
