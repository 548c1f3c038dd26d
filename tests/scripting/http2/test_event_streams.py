"""Event streams over HTTP/2, several on one connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.faults import Split
from tests.scripting.http2.client import client_of


def test_two_streams_of_one_connection(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    with client_of(server) as client:
        ids = client.begin("GET", "/events"), client.begin("GET", "/events")
        streams = sorted((events.accept(), events.accept()), key=lambda stream: stream.exchange.stream_id or 0)
        answers = [client.answers[id] for id in ids]
        for stream, answer in zip(streams, answers, strict=True):
            stream.send("one")
            client.receive_until(lambda answer=answer: answer.body == b"data: one\n\n")  # type: ignore[misc]  # its default
        client.h2.reset_stream(ids[0])
        client.flush()

        assert streams[0].gone(timeout=10)
        assert not streams[1].gone(timeout=0)
        with pytest.raises(ConnectionError):
            streams[0].send("two")
        streams[1].send("two")
        streams[1].close()
        assert client.answer(ids[1]).body == b"data: one\n\ndata: two\n\n"
        assert answers[1].headers["content-type"] == "text/event-stream"
        assert streams[1].gone(timeout=10)
    assert server.failures == ()


def test_a_stream_that_is_reset(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    server.on("GET", "/").respond(text="well")
    with client_of(server) as client:
        id = client.begin("GET", "/events")
        stream = events.accept()
        stream.reset()
        assert client.answer(id).reset is not None
        assert stream.gone(timeout=10)
        assert client.get("/").body == b"well"
    assert server.failures == ()


def test_a_function_learns_that_the_server_stops(plain: HTTPServe) -> None:
    waits, stopped = threading.Event(), []

    @plain.on("GET", "/")
    def answer(request: Request) -> Iterator[str]:
        yield "begun"
        waits.set()
        stopped.append(request.stopped.wait(30))

    with client_of(plain) as client:
        client.begin("GET", "/")
        assert waits.wait(10)
        plain.stop()
    assert stopped == [True]


def test_a_body_in_pieces(server: HTTPServe) -> None:
    server.fault(Split())
    server.on("GET", "/").respond(text="well").respond(stream=["we", "ll"])
    with client_of(server) as client:
        assert [client.get("/").body, client.get("/").body] == [b"well", b"well"]
