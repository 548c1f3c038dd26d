"""The log of a server whose handlers send what they are given to that very server."""

from __future__ import annotations

import http.client
import logging
import logging.handlers
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs

import pytest

from pytest_httpserve import HTTPServe, Request

OURS = "pytest_httpserve.scripting"


class Sender(logging.handlers.HTTPHandler):
    """Sends what is logged to a server, and keeps what goes wrong with that."""

    def __init__(self, server: HTTPServe, method: str) -> None:
        super().__init__(f"{server.host}:{server.port}", "/log", method)
        self.failed: list[logging.LogRecord] = []
        self.connections: list[http.client.HTTPConnection] = []

    def getConnection(self, host: str, secure: bool) -> http.client.HTTPConnection:
        self.connections.append(http.client.HTTPConnection(host, timeout=5))
        return self.connections[-1]

    def handleError(self, record: logging.LogRecord) -> None:
        self.failed.append(record)


@pytest.fixture
def server() -> Iterator[HTTPServe]:
    with HTTPServe() as server:
        server.on("*", "/log").respond(204)
        yield server


@pytest.fixture(params=["GET", "POST"])
def sender(request: pytest.FixtureRequest, server: HTTPServe) -> Iterator[Sender]:
    sender, root = Sender(server, request.param), logging.getLogger()
    before = root.level
    root.addHandler(sender)
    root.setLevel(logging.DEBUG)
    try:
        yield sender
    finally:
        root.setLevel(before)
        root.removeHandler(sender)
        for connection in sender.connections:
            connection.close()


def names(server: HTTPServe, sender: Sender, count: int) -> list[str]:
    """The loggers whose lines have come, when so many have, and the last of them has been answered."""
    server.wait_for("*", "/log", times=count, timeout=10)
    with sender.lock:  # type: ignore[union-attr]  # each handler has one
        requests = [exchange.request for exchange in server.requested("*", "/log")]
        return [parse_qs(one.query_string or one.text)["name"][0] for one in requests]


def test_a_line_may_be_sent_to_the_server_that_writes_one_for_it(server: HTTPServe, sender: Sender) -> None:
    """Each waited for the other, until one of them had no more patience."""
    logging.getLogger("tested").warning("hello")

    assert names(server, sender, 2) == ["tested", OURS]  # and there is no line about the second one
    assert not sender.failed


def test_so_may_that_of_a_function_that_answers(server: HTTPServe, sender: Sender) -> None:
    @server.on("GET", "/a")
    def answer(request: Request) -> str:
        logging.getLogger("tested").warning("hello")
        return "answered"

    with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/a")
        assert connection.getresponse().read() == b"answered"

    assert sorted(names(server, sender, 3)) == [OURS, OURS, "tested"]
    assert not sender.failed


def test_a_line_that_cannot_be_written_now_is_written_later(
    server: HTTPServe, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    held, leave = threading.Event(), threading.Event()

    def hold(lock: threading.RLock) -> None:
        with lock:
            held.set()
            leave.wait(10)

    thread = threading.Thread(target=hold, args=(sender.lock,))
    thread.start()
    held.wait(10)
    try:
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
            connection.request("GET", "/log?name=tested")
            assert connection.getresponse().status == 204
        assert not caplog.messages
    finally:
        leave.set()
        thread.join()

    assert names(server, sender, 2) == ["tested", OURS]
    assert caplog.messages == ['127.0.0.1: "GET /log?name=tested HTTP/1.1" 204 -']
