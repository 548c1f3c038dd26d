"""Server-sent events and JSON lines: as a response, and as a stream in the hands of the test."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_httpserve import EventStream, HTTPServe, Response, UsageError
from pytest_httpserve.faults import Close, Slow, Stall, Truncate


class Reader:
    """A client of an event stream."""

    def __init__(self, server: HTTPServe, **headers: str) -> None:
        kind: Any = http.client.HTTPSConnection if server.certificate is not None else http.client.HTTPConnection
        options = {"context": server.ca.client_ssl_context()} if server.certificate is not None else {}
        self.connection = kind(server.host, server.port, timeout=10, **options)
        self.connection.request("GET", "/events", headers={name.replace("_", "-"): headers[name] for name in headers})
        self.response = self.connection.getresponse()

    def event(self) -> str:
        lines = []
        while (line := self.response.readline().decode()) not in ("\n", ""):
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        self.response.close()
        self.connection.close()


@pytest.fixture(params=["loop", "thread", "tls"])
def anywhere(request: pytest.FixtureRequest, server: HTTPServe) -> Iterator[HTTPServe]:
    """A server whose connections rest in the loop, one whose connections have threads, and one over TLS."""
    with ExitStack() as stack:
        if request.param == "tls":
            server = stack.enter_context(HTTPServe(tls=True))
        if request.param == "thread":
            server.fault(Slow(chunk=4096, phase="request_head"), times=99)
        yield server


def test_the_test_sends_events(anywhere: HTTPServe) -> None:
    events = anywhere.on("GET", "/events").events()
    reader = Reader(anywhere, Last_Event_ID="41")
    stream = events.accept(timeout=5)

    assert stream.last_event_id == "41"
    assert reader.response.headers["Content-Type"] == "text/event-stream"
    stream.send("hello")
    assert reader.event() == "data: hello\n"
    stream.send({"a": [1]}, event="add", id="42", retry=100)
    assert reader.event() == 'event: add\nid: 42\nretry: 100\ndata: {"a": [1]}\n'
    stream.send("two\nlines")
    assert reader.event() == "data: two\ndata: lines\n"
    stream.comment("still there")
    assert reader.event() == ": still there\n"
    stream.close()
    assert reader.response.read() == b""  # and no IncompleteRead
    reader.close()
    assert stream.gone()
    exchange = anywhere.exchanges[0]
    assert exchange is stream.exchange
    assert exchange.response is not None
    assert exchange.response.text.startswith("data: hello\n\nevent: add\n")
    with pytest.raises(UsageError, match="the stream is closed"):
        stream.send("too late")


def test_a_client_that_leaves(anywhere: HTTPServe) -> None:
    events = anywhere.on("GET", "/events").events()
    reader = Reader(anywhere)
    stream = events.accept()

    assert not stream.gone(timeout=0.01)
    reader.close()

    assert stream.gone(timeout=10)
    with pytest.raises(ConnectionError):
        stream.send("is there anybody?")
    stream.close()


def test_a_stop_breaks_the_stream_off(anywhere: HTTPServe) -> None:
    events = anywhere.on("GET", "/events").events()
    reader = Reader(anywhere)
    stream: EventStream = events.accept()

    anywhere.stop()

    assert stream.gone(timeout=0)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        reader.response.read()
    reader.close()
    assert anywhere.failures == ()


def test_clients_come_one_after_the_other(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    for number in range(3):
        reader = Reader(server)
        stream = events.accept()
        stream.send(str(number))
        assert reader.event() == f"data: {number}\n"
        reader.close()

    with pytest.raises(AssertionError, match=r"(?s)no client opened an event stream within 0\.01 s: the route GET"):
        events.accept(timeout=0.01)


def test_a_client_of_http_1_0_has_no_chunks(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /events HTTP/1.0\r\n\r\n")
        stream = events.accept()
        stream.send("a")
        stream.close()
        data = b""
        while piece := client.recv(65536):
            data += piece
    assert data.endswith(b"\r\n\r\ndata: a\n\n")
    assert b"chunked" not in data


def test_a_stream_that_nobody_accepted_fails_the_test(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    readers = [Reader(server), Reader(server)]
    events.accept()
    readers[1].close()

    server.settle()
    server.check_expectations()
    (failure,) = server.failures
    server.check_expectations()

    assert failure.startswith("nobody accepted GET /events, an event stream of the route GET /events")
    assert (failure.kind, failure.place.rpartition(":")[0]) == ("unanswered", __file__)  # type: ignore[attr-defined]  # a Failure
    assert server.failures == (failure,)
    readers[0].close()


def test_reset_forgets_the_streams(server: HTTPServe) -> None:
    server.on("GET", "/events").events()
    reader = Reader(server)
    server.reset()
    server.check_expectations()
    assert server.failures == ()
    reader.close()


def test_head_opens_no_stream(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("HEAD", "/events")
    assert connection.getresponse().headers["Content-Type"] == "text/event-stream"
    connection.close()
    with pytest.raises(AssertionError):
        events.accept(timeout=0)


def test_a_sequence_may_have_a_stream_in_it(server: HTTPServe) -> None:
    route = server.on("GET", "/events").respond(503)
    events = route.events()
    first = Reader(server)
    assert first.response.status == 503
    first.close()
    second = Reader(server)
    events.accept().send("a")
    assert second.event() == "data: a\n"
    second.close()


def test_a_fixed_list_of_events(server: HTTPServe, say: Any) -> None:
    given = ["one", {"data": {"n": 2}, "event": "add", "id": "7"}, {"comment": "alive"}, {"retry": 5}]
    response = Response(events=given)

    assert response.body == b'data: one\n\nevent: add\nid: 7\ndata: {"n": 2}\n\n: alive\n\nretry: 5\n\n'
    server.on("GET", "/events").respond(events=["one", "two"], fault=Close(after=13))
    answer = say(server, "GET /events HTTP/1.1\nHost: test\n\n")
    assert b"\r\nContent-Type: text/event-stream\r\n" in answer
    assert answer.endswith(b"\r\n\r\ndata: one\n\nda")


def test_json_lines() -> None:
    response = Response(json_lines=[{"a": 1}, [2], "ü\n", None])

    assert response.body == b'{"a": 1}\n[2]\n"\\u00fc\\n"\nnull\n'
    assert b"\r\nContent-Type: application/x-ndjson\r\n" in response.head(())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"events": "one"}, "events= takes a list of events, each a str or a dict, not 'one'"),
        ({"events": [1]}, "an event must be a str, or a dict of data, event, id, retry, comment, not 1"),
        ({"events": [{"name": "a"}]}, "an event must be a str, or a dict"),
        ({"events": [{}]}, "an event needs data, event=, id= or retry="),
        ({"events": [{"event": "a\nb"}]}, "event= must be one line of text"),
        ({"events": [{"id": "a\0"}]}, "the id of an event cannot hold NUL"),
        ({"events": [{"retry": -1}]}, "retry= must be a number of milliseconds, 0 or more, not -1"),
        ({"events": [{"data": {1}}]}, "data is not JSON"),
        ({"events": [{"comment": "a", "id": "1"}]}, "a comment is not part of an event"),
        ({"json_lines": {"a": 1}}, "json_lines= takes a list of values"),
        ({"json_lines": [{1}]}, "json_lines= is not JSON"),
        ({"json_lines": [], "text": ""}, "a response can have only one body, not text and json_lines"),
    ],
)
def test_wrong_values_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Response(**arguments)


@pytest.mark.parametrize("by", ["route", "connection"])
@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
def test_faults_in_what_is_sent(server: HTTPServe, by: str, protocol: str) -> None:
    goes_on = threading.Event()
    stalls, ends = (16, 23) if protocol == "1.1" else (11, 15)  # in chunks, and without
    faults = [Stall(after=stalls, until=goes_on), Close(after=ends)]
    if by == "connection":
        server.fault(faults)
    events = server.on("GET", "/events").events(fault=faults if by == "route" else None)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(f"GET /events HTTP/{protocol}\r\nHost: x\r\n\r\n".encode())
        stream = events.accept()
        assert not stream.gone(timeout=0)
        stream.send("one")
        data = b""
        while b"data: one\n\n" not in data:
            data += client.recv(65536)
        stream.send("two")
        goes_on.set()
        while piece := client.recv(65536):
            data += piece
    assert data.replace(b"b\r\n", b"").replace(b"\r\n", b"").endswith(b"data: one\n\ndata")
    assert stream.gone(timeout=10)
    assert server.exchanges[0].faults == tuple(faults)
    with pytest.raises(ConnectionError):
        stream.send("three")


def test_what_is_sent_at_a_pace(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events(throttle=Slow(chunk=3))
    reader = Reader(server)
    stream = events.accept()
    for number in range(3):
        stream.send(number)
        assert reader.event() == f"data: {number}\n"
    stream.close()
    assert reader.response.read() == b""
    assert stream.gone()
    reader.close()


def test_a_stream_without_its_end(server: HTTPServe) -> None:
    events = server.on("GET", "/events").events(fault=Truncate(5))
    reader = Reader(server)
    stream = events.accept()
    stream.send("a")
    stream.close()
    with pytest.raises(http.client.IncompleteRead):
        reader.response.read()
    reader.close()


def test_a_stream_that_is_reset(anywhere: HTTPServe) -> None:
    events = anywhere.on("GET", "/events").events()
    reader = Reader(anywhere)
    stream = events.accept()
    stream.send("a")
    assert reader.event() == "data: a\n"

    stream.reset()

    # Python's TLS takes a reset for an end that came too early.
    error = http.client.IncompleteRead if anywhere.certificate is not None else ConnectionResetError
    with pytest.raises((ConnectionResetError, error)):
        reader.response.read()
    assert stream.gone(timeout=10)
    stream.reset()
    stream.close()
    assert (anywhere.connections[0].closed_by, anywhere.connections[0].closed_how) == ("server", "RST")
    assert anywhere.failures == ()
    reader.close()


def test_a_gate_holds_a_stream(server: HTTPServe) -> None:
    route = server.on("GET", "/events")
    events, gate = route.events(), route.hold("response_body")
    reader = Reader(server)
    stream = events.accept()
    stream.send("a")
    gate.arrived().release()
    assert reader.event() == "data: a\n"
    stream.close()
    reader.close()
