"""Responses that come in pieces. The server sends a piece only after the client has read the one before."""

import threading
from collections.abc import Iterator

import requests

from pytest_httpserve import HTTPServe, Request


def test_lines_are_seen_as_they_come(httpserve: HTTPServe) -> None:
    seen = threading.Event()

    @httpserve.on("GET", "/log")
    def log(request: Request) -> Iterator[str]:
        yield "starting\n"
        assert seen.wait(timeout=5), "the client did not see the first line before the second was sent"
        yield "ready\n"

    with requests.get(httpserve.url_for("/log"), stream=True, timeout=5) as response:
        lines = response.iter_lines(chunk_size=None)
        assert next(lines) == b"starting"
        seen.set()
        assert next(lines) == b"ready"


def test_trailers_say_how_it_ended(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/export").respond(stream=[b"1,2\n", b"3,4\n"], trailers={"X-Rows": "2"})

    response = requests.get(httpserve.url_for("/export"), timeout=5)

    assert response.text == "1,2\n3,4\n"
    assert response.headers["Trailer"] == "X-Rows"
