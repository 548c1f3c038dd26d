"""Whatever becomes of an exchange, nothing of it is left for the garbage collector, but what the journal keeps."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.faults import Delay, Reset
from pytest_httpserve.scripting.answering import Answering
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.faults.wire import FaultyWire
from pytest_httpserve.scripting.passage import FaultyPassage
from pytest_httpserve.scripting.serving import Serving

MADE = (Answering, Conversation, FaultyPassage, FaultyWire, Serving)
PATIENCE = 10.0


def whole(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="a")


def stream(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(stream=["a", "b"])


def late(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="a", delay=0.001)


def cut(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="a", fault=Reset(after=1))


def on_each_exchange(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="a")
    server.fault(Delay(0.001), every=1)


def failing(server: HTTPServe) -> None:
    server.on("GET", "/a").handle(lambda request: 1 // 0)


def failing_to_choose(server: HTTPServe) -> None:
    server.on("GET", "/a", where=lambda request: bool(1 // 0)).respond()


def directory(server: HTTPServe) -> None:
    server.serve_dir(Path(__file__).parent)


def application(server: HTTPServe) -> None:
    def answer(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [])
        return [b"a"]

    server.mount("/", answer)


def unanswered(server: HTTPServe) -> None:
    """There is nothing."""


KINDS = [whole, stream, late, cut, on_each_exchange, failing, failing_to_choose, directory, application, unanswered]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, MADE))


def ask_twice(server: HTTPServe, request_line: bytes) -> None:
    for _ in range(2):
        with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
            client.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while client.recv(65_536):
                    pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("request_line", [b"GET /a HTTP/1.1", b"GET /a b HTTP/1.1", b"GET"])
@pytest.mark.usefixtures("no_collector")
def test_nothing_is_left_of_an_exchange(kind: Callable[[HTTPServe], None], request_line: bytes) -> None:
    before = left()
    with HTTPServe(ignore=("errors", "unanswered", "refused")) as server:
        kind(server)
        ask_twice(server, request_line)
    assert left() <= before


@pytest.mark.needs("select.poll")
@pytest.mark.usefixtures("no_collector")
def test_nothing_is_left_of_a_script(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\na'\n")
    (tmp_path / "a").chmod(0o755)
    before = left()
    with HTTPServe() as server:
        server.serve_cgi(tmp_path, at="/")
        ask_twice(server, b"GET /a HTTP/1.1")
        assert [exchange.status for exchange in server.exchanges] == [200, 200]
    assert left() <= before
