"""Functions that answer, and wait for something, when the server stops."""

import http.client
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_httpserve import HTTPServe, Request, StopEvent, UsageError


def ask(server: HTTPServe) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/")
    return connection, connection.getresponse()


def test_a_generator_that_waits_for_a_queue(server: HTTPServe) -> None:
    updates: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    seen = []

    @server.on("GET", "/")
    def answer(request: Request) -> Iterator[str]:
        request.stopped.then(updates.put, None)
        while (update := updates.get()) is not None:
            yield f"{update}\n"
        seen.append((request.stopped.is_set(), request.stopped.wait(0), request.stopped is request.stopped))

    updates.put("one")
    connection, response = ask(server)
    assert response.readline() == b"one\n"

    server.stop()

    assert seen == [(True, True, True)]
    assert server.failures == ()
    response.close()
    connection.close()


@pytest.mark.parametrize("ends", ["refuse", "restart"])
def test_a_connection_that_is_to_end(server: HTTPServe, ends: str) -> None:
    waits = threading.Event()

    @server.on("GET", "/")
    def answer(request: Request) -> str:
        assert not request.stopped.is_set()
        waits.set()
        return "stopped" if request.stopped.wait(30) else "late"

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, server)
        assert waits.wait(10)
        getattr(server, ends)()
        connection, response = asked.result(10)
        assert response.read() == b"stopped"
        connection.close()


def test_one_that_asks_when_the_server_has_begun_to_stop(server: HTTPServe) -> None:
    waits, goes_on = threading.Event(), threading.Event()
    seen: list[str] = []

    @server.on("GET", "/")
    def answer(request: Request) -> Iterator[str]:
        request.stopped.then(goes_on.set)
        waits.set()
        assert goes_on.wait(10)
        request.stopped.then(seen.append, "called")
        yield "late"

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, server)
        assert waits.wait(10)
        server.stop()
        asked.result(10)[0].close()
    assert seen == ["called"]


def test_what_the_event_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    event = StopEvent()
    calls: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: calls.append(given.exc_type))
    event.then(calls.append, 1)
    event.then(int, "x")
    event.then(calls.append, 2)
    assert calls == []

    event.set()
    event.set()
    event.then(calls.append, 3)

    assert calls == [1, ValueError, 2, 3]


def test_a_request_that_no_function_answers(server: HTTPServe) -> None:
    server.on("GET", "/").respond(text="a")
    connection, _ = ask(server)
    connection.close()
    with pytest.raises(UsageError, match="stopped is for functions that answer requests"):
        server.exchanges[0].request.stopped  # noqa: B018  it raises
