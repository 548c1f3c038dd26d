"""What a request gets that nothing answers, or whose answer fails."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe

Say = Callable[[HTTPServe, str | bytes], bytes]


def test_a_request_that_nothing_answers_gets_404_and_is_a_failure(server: HTTPServe) -> None:
    answer = requests.get(server.url_for("/nowhere?a=b"), timeout=10)

    text = "nothing answers GET /nowhere?a=b\n  the server has no route, and serves no directory\n"
    assert (answer.status_code, answer.text) == (404, text)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert server.failures == (text,)


def test_the_404_says_what_there_is(server: HTTPServe, tmp_path: Path) -> None:
    server.serve_dir(tmp_path, at="/files")
    route = server.on("POST", "/nowhere").respond()

    assert requests.get(server.url_for("/nowhere"), timeout=10).text == (
        "nothing answers GET /nowhere: the nearest route differs in method: expected 'POST', got 'GET'\n"
        f"  the route POST /nowhere ({route.place})\n"
        "    ✗ method\n"
        "        expected: 'POST'\n"
        "        got:      'GET'\n"
        "    ✓ path: /nowhere\n"
        f"  {tmp_path} is served under /files\n"
    )


def test_a_route_without_a_response_is_named(server: HTTPServe) -> None:
    route = server.on("GET", "/a")
    answer = requests.get(server.url_for("/a"), timeout=10)

    first_line = f"the route GET /a ({route.place}) matches GET /a, but has no response: add .respond(...) to it\n"
    assert answer.status_code == 404
    assert answer.text.startswith(first_line)
    assert server.failures[0].startswith(first_line)


def test_a_head_request_that_nothing_answers_gets_no_body(server: HTTPServe, say: Say) -> None:
    answer = say(server, "HEAD /nowhere HTTP/1.0\n\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\n")


def test_the_connection_goes_on_after_a_request_that_nothing_answers(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="found")
    answer = say(server, "GET /nowhere HTTP/1.1\nHost: x\n\nGET /a HTTP/1.1\nHost: x\nConnection: close\n\n")

    assert answer.endswith(b"\r\n\r\nfound")


@pytest.mark.parametrize("line", ["OPTIONS * HTTP/1.1", "CONNECT example.org:443 HTTP/1.1"])
def test_a_target_that_no_route_can_have_is_a_failure_too(server: HTTPServe, say: Say, line: str) -> None:
    answer = say(server, f"{line}\nHost: example.org:443\nConnection: close\n\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert len(server.failures) == 1


def test_a_directory_with_an_undecodable_name_can_be_told_of(server: HTTPServe, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).mkdir()
    server.serve_dir(tmp_path / name, at="/files")
    answer = requests.get(server.url_for("/nowhere"), timeout=10)

    assert answer.status_code == 404
    assert "caf" in answer.text


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /a HTTP/1.1\nConnection: close\n\n",
        "GET /a b HTTP/1.1\nHost: x\n\n",
        "GET a HTTP/1.1\nHost: x\n\n",
        "GET /a\n\n",
        "GET /a HTTP/1.1\nHost: x\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n",
        "POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nno chunk\n",
    ],
)
def test_a_request_that_is_invalid_reaches_no_route(server: HTTPServe, say: Say, request_text: str) -> None:
    routes = [server.on(method, "/a").respond(text="found") for method in ("GET", "POST")]

    assert say(server, request_text).startswith(b"HTTP/1.1 400 ")
    assert [route.calls for route in routes] == [(), ()]


# A handler that fails


@pytest.fixture
def broken(server: HTTPServe, tmp_path: Path) -> HTTPServe:
    """A server whose route /a sends a file that has gone since."""
    (tmp_path / "page.txt").write_text("")
    server.on("GET", "/a").respond(file=tmp_path / "page.txt")
    (tmp_path / "page.txt").unlink()
    return server


def test_a_handler_that_raises_gets_500_and_is_a_failure_with_its_traceback(broken: HTTPServe) -> None:
    answer = requests.get(broken.url_for("/a"), timeout=10)

    assert answer.status_code == 500
    (failure,) = broken.failures
    assert failure.startswith("the handler of 'GET /a HTTP/1.1' raised:\nTraceback (most recent call last):\n")
    assert "FileNotFoundError" in failure


def test_the_failure_is_there_before_the_client_has_its_answer(broken: HTTPServe) -> None:
    """A test that ends with the answer must not end well."""
    for count in range(1, 51):
        requests.get(broken.url_for("/a"), timeout=10)
        assert len(broken.failures) == count, "the client has its answer, and the failure is not known yet"


def test_the_exchange_of_a_handler_that_raises_is_recorded(broken: HTTPServe) -> None:
    requests.get(broken.url_for("/a"), timeout=10)

    assert [str(exchange) for exchange in broken.exchanges] == ["<Exchange GET /a -> 500>"]


def test_other_requests_are_served_after_a_handler_raised(broken: HTTPServe) -> None:
    broken.on("GET", "/b").respond(text="well")
    requests.get(broken.url_for("/a"), timeout=10)

    assert requests.get(broken.url_for("/b"), timeout=10).text == "well"


# Logging


def _application(environ: Any, start_response: Any) -> list[bytes]:  # PEP 3333 leaves their types open
    start_response("202 Accepted", [])
    return []


@pytest.mark.needs("select.poll")
def test_the_answer_of_a_script_is_logged_once(
    server: HTTPServe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\necho Status: 299\necho\n")
    (tmp_path / "script").chmod(0o755)
    server.serve_cgi(tmp_path)
    with caplog.at_level(logging.DEBUG, "pytest_httpserve"):
        assert requests.get(server.url_for("/cgi-bin/script"), timeout=10).status_code == 299

    assert [line for line in caplog.messages if '"GET' in line] == ['127.0.0.1: "GET /cgi-bin/script HTTP/1.1" 299 -']


def test_each_answer_is_logged_once_whatever_gave_it_and_not_printed(
    server: HTTPServe, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.txt").write_text("a page")
    server.serve_dir(tmp_path)
    server.mount("/wsgi", _application)
    server.on("GET", "/route").respond(201)
    server.on("GET", "/stream").respond(203, stream=["a"])
    server.on("GET", "/file").respond(206, file=tmp_path / "page.txt")
    server.on("GET", "/function").handle(lambda request: (207, "a"))
    server.ignore("unanswered")
    answers = {
        "/page.txt": 200, "/absent": 404, "/wsgi": 202, "/route": 201, "/stream": 203,
        "/file": 206, "/function": 207,
    }  # fmt: skip
    with caplog.at_level(logging.DEBUG, "pytest_httpserve"):
        for path, status in answers.items():
            assert requests.get(server.url_for(path), timeout=10).status_code == status

    lines = [f'127.0.0.1: "GET {path} HTTP/1.1" {status} -' for path, status in answers.items()]
    assert [line for line in caplog.messages if line.startswith("127.0.0.1") and '"GET' in line] == lines
    assert capfd.readouterr().err == ""


# The connection


@pytest.mark.parametrize("status", [204, 304])
def test_a_connection_lasts_past_a_route_without_a_body(server: HTTPServe, say: Say, status: int) -> None:
    server.on("GET", "/body").respond(text="a body")
    server.on("GET", "/none").respond(status)
    answer = say(
        server,
        "GET /body HTTP/1.1\nHost: x\n\nGET /none HTTP/1.1\nHost: x\n\nHEAD /body HTTP/1.1\nHost: x\n\n"
        "GET /body HTTP/1.1\nHost: x\nConnection: close\n\n",
    )

    assert answer.count(b"HTTP/1.1 200 ") == 3, "the connection ended early, and without a word"
    assert answer.endswith(b"\r\n\r\na body")
