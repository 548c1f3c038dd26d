"""Every request goes one way: whatever else a server has been told, a test sees no difference."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from functools import partial
from time import gmtime

import pytest

from pytest_httpserve import HTTPServe, Request, Response, Route
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.record.journal import Journal

REQUEST = b"%b HTTP/1.%d\r\nHost: x\r\n%b\r\n"


def exchanged(server: HTTPServe, sent: bytes, answers: int = 1) -> bytes:
    """What comes back for ``sent``, up to the end of the connection or of so many answers with a body that ends in !"""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        data = b""
        while data.count(b"!") < answers and (piece := client.recv(65_536)):
            data += piece
    return data


def without_date(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\r\n") if not line.startswith(b"Date: ")]


@pytest.mark.parametrize("unrelated", ["where", "limit"])
def test_what_is_said_of_other_paths_is_not_asked(unrelated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(request: Request) -> bool:
        asked.append(request.path)
        return True

    with HTTPServe() as server:
        server.on("GET", "/a").respond(text="well!")
        server.on("GET", "/b", where=ask).respond(text="so!")
        limit = server.limit("/b", per_minute=1) if unrelated == "limit" else None
        for _ in range(3):
            assert exchanged(server, REQUEST % (b"GET /a", 1, b"Connection: close\r\n")).endswith(b"well!")
            exchanged(server, REQUEST % (b"GET /b", 1, b"Connection: close\r\n"))
        assert asked == ["/b"] * 3
        if limit is not None:
            assert limit.refused_count == 2


@pytest.mark.parametrize(
    ("line", "minor", "fields"),
    [
        (b"GET /a", 1, b""),
        (b"GET /a?b=c", 1, b"Cookie: d=e\r\n"),
        (b"GET /a", 1, b"Connection: close\r\n"),
        (b"GET /a", 0, b""),
        (b"GET /a", 0, b"Connection: keep-alive\r\n"),
        (b"POST /a", 1, b""),
        (b"OPTIONS /a", 1, b""),
    ],
)
def test_a_request_is_the_same_whether_code_looks_at_it_or_not(line: bytes, minor: int, fields: bytes) -> None:
    sent = REQUEST % (line, minor, fields)
    seen = []
    for where in (None, lambda request: True):  # without, it is made of what was kept when somebody asks for it
        with HTTPServe() as server:
            route = server.on("*", "/{name}", where=where).respond(201, text="well!", headers={"X-Y": "z"})
            data = exchanged(server, sent)
        (exchange,) = server.exchanges
        (call,) = route.calls
        assert call is exchange
        assert exchange.route is route
        assert exchange.raw.request == sent
        assert exchange.raw.response == data
        assert exchange.times.duration is not None
        assert exchange.connection is not None
        assert exchange.connection.exchanges == (exchange,)
        request = exchange.request
        assert exchange.response is not None
        head = [(name, value) for name, value in exchange.response.headers.fields if name != "Date"]
        seen.append((
            without_date(data), exchange.status, head, exchange.error, str(request), request.version,
            dict(request.path_params), request.headers.fields, request.body, request.exchange_index,
        ))  # fmt: skip

    assert seen[0] == seen[1]
    assert b"well!" in seen[0][0]


def test_head_gets_no_body(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well!")

    data = exchanged(server, REQUEST % (b"HEAD /a", 1, b"Connection: close\r\n"))

    assert data.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in data


def test_each_request_of_a_row_has_its_own_bytes(server: HTTPServe) -> None:
    server.on("GET", "/{name}").respond(text="well!")
    sent = [REQUEST % (b"GET /" + name, 1, b"") for name in (b"a", b"bb", b"ccc")]

    data = exchanged(server, b"".join(sent), answers=3)

    assert [exchange.raw.request for exchange in server.exchanges] == sent
    assert [exchange.request.exchange_index for exchange in server.exchanges] == [0, 1, 2]
    assert b"".join(exchange.raw.response for exchange in server.exchanges) == data


def later_streams(route: Route) -> None:
    route.respond(text="one!", times=2).respond(stream=["two!"])


def streams_first(route: Route) -> None:
    route.respond(stream=["one!"], times=2).respond(text="two!")


def handles_later(route: Route) -> None:
    route.respond(text="one!", times=2).handle(lambda request: Response(text="two!"))


@pytest.mark.parametrize("script", [later_streams, streams_first, handles_later])
def test_answers_of_both_kinds_keep_their_order(server: HTTPServe, script: Callable[[Route], None]) -> None:
    route = server.on("GET", "/a")
    script(route)

    data = exchanged(server, 4 * (REQUEST % (b"GET /a", 1, b"")), answers=4)

    assert data.count(b"one!") == 2
    assert data.count(b"two!") == 2
    assert data.index(b"two!") > data.rindex(b"one!")
    assert len(route.calls) == 4


def test_an_answer_that_cannot_leave_at_once_is_added_between_two_requests(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="one!")
    before = exchanged(server, REQUEST % (b"GET /a", 1, b""))
    route.respond(stream=["two!"])

    assert b"one!" in before
    assert b"two!" in exchanged(server, REQUEST % (b"GET /a", 1, b""))
    assert len(route.calls) == 2


def test_a_route_without_an_answer_is_called_once_and_fails_the_test(server: HTTPServe) -> None:
    route = server.on("GET", "/a")

    data = exchanged(server, REQUEST % (b"GET /a", 1, b"Connection: close\r\n"))

    assert data.startswith(b"HTTP/1.1 404 ")
    assert len(route.calls) == 1
    assert len(server.failures) == 1


def test_the_date_goes_on(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", "/a").respond(text="well!")
    dates = []
    for now in (784_111_777.0, 784_111_777.9, 784_111_778.0):
        monkeypatch.setattr("pytest_httpserve.server.dates.time.gmtime", partial(gmtime, now))
        data = exchanged(server, REQUEST % (b"GET /a", 1, b""))
        dates.append(next(line[6:] for line in data.split(b"\r\n") if line.startswith(b"Date: ")))

    assert dates == [b"Sun, 06 Nov 1994 08:49:37 GMT"] * 2 + [b"Sun, 06 Nov 1994 08:49:38 GMT"]


def test_a_client_that_resets_within_the_answer_is_recorded(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    end_connection = Journal.end_connection
    known_at_the_end: list[str | None] = []

    def note(journal: Journal, record: ConnectionRecord, by: str, how: str) -> None:
        known_at_the_end.extend(exchange.error for exchange in record.exchanges)
        end_connection(journal, record, by, how)

    monkeypatch.setattr(Journal, "end_connection", note)
    server.on("GET", "/a").respond(body=131_072 * b"!")
    assert server._server is not None
    # What the system keeps for a client that does not read is less than the answer.
    server._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(10)
        client.connect((server.host, server.port))
        client.sendall(REQUEST % (b"GET /a", 1, b""))
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.stop()

    (connection,) = server.connections
    assert (connection.closed_by, connection.closed_how) == ("client", "RST")
    (exchange,) = server.exchanges
    assert exchange.status == 200
    assert exchange.error is not None
    assert exchange.error.startswith("the client has gone: ")
    assert known_at_the_end == [exchange.error], "whoever waits for the end finds what it has broken off"
    assert server.failures == ()


def test_the_same_bytes_are_answered_by_what_is_there_now(server: HTTPServe) -> None:
    sent = REQUEST % (b"GET /a", 1, b"")
    first = server.on("GET", "/a").respond(text="first!")
    answers = [exchanged(server, sent)]
    later = server.on("GET", "/{name}").respond(text="later!")
    answers.append(exchanged(server, sent))
    later.remove()
    answers.append(exchanged(server, sent))
    server.reset()
    server.on("GET", "/a").respond(text="anew!")
    answers.append(exchanged(server, sent))

    assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [b"first!", b"later!", b"first!", b"anew!"]
    assert first.call_count == 2


class Opinion:
    """Equal to everything, as long as it thinks so."""

    agrees = True

    def __eq__(self, other: object) -> bool:
        return self.agrees

    __hash__ = None  # type: ignore[assignment]  # as every class that may change its mind


def test_a_value_that_is_equal_to_something_else_later_is_asked_each_time(server: HTTPServe) -> None:
    sent = REQUEST % (b"GET /a", 1, b"X-Y: z\r\n")
    opinion = Opinion()
    server.on("GET", "/a").respond(text="else!")
    server.on("GET", "/a", headers={"X-Y": opinion}).respond(text="equal!")
    answers = [exchanged(server, sent)]
    opinion.agrees = False
    answers.append(exchanged(server, sent))

    assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [b"equal!", b"else!"]


def test_requests_that_never_come_again_are_not_kept_for_ever(server: HTTPServe) -> None:
    route = server.on("GET", "/{name}").respond(text="well!")
    sent = b"".join(REQUEST % (b"GET /%d" % number, 1, b"") for number in range(600))
    for at in range(3):  # one by one, over one connection
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            for number in range(at * 200, at * 200 + 200):
                client.sendall(REQUEST % (b"GET /%d" % number, 1, b""))
                data = b""
                while not data.endswith(b"!"):
                    data += client.recv(65_536)

    assert [call.request.path_params["name"] for call in route.calls] == [str(number) for number in range(600)]
    assert b"".join(exchange.raw.request for exchange in server.exchanges) == sent
    assert [exchange.request.exchange_index for exchange in server.exchanges] == 3 * list(range(200))
