"""Each fault from the other side of a socket: the exact bytes, and how the connection ended."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import requests

from pytest_httpserve import HTTPServe, Response
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import (
    BrokenKeepAlive,
    Close,
    CloseAfter,
    Delay,
    Duplicate,
    EarlyAnswer,
    Extend,
    Fault,
    Garbage,
    NoContinue,
    NoLastChunk,
    Reset,
    Slow,
    Stall,
    Truncate,
    WrongChunkSize,
    WrongLength,
)
from pytest_httpserve.net.transport import Transport
from pytest_httpserve.scripting.faults import wire as faulty_wire
from pytest_httpserve.scripting.faults.acts import PHASES as ALL_PHASES
from pytest_httpserve.scripting.faults.acts import Phase
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.server.servers import service_of

# Of a server without TLS, that is no proxy.
PHASES = tuple(phase for phase in ALL_PHASES if phase not in ("tls_handshake", "connect"))

PATIENCE = 10.0  # seconds
BODY = b"hello world"
STATUS = b"HTTP/1.1 200 OK\r\n"
FIELDS = b"Date: now\r\nServer: s\r\nContent-Type: text/plain\r\n"
LENGTH = b"Content-Length: 11\r\n"
WHOLE = STATUS + FIELDS + LENGTH + b"\r\n" + BODY
CHUNKED = STATUS + FIELDS + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSING = STATUS + FIELDS + LENGTH + b"Connection: close\r\n\r\n" + BODY
HEAD_BYTES = len(WHOLE) - len(BODY)

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabcdef"

Ending = Literal["FIN", "RST"]


@dataclass(frozen=True)
class Case:
    """What a client must see when it sends ``request`` and ends its own side."""

    fault: Fault
    sees: bytes
    ending: Ending = "FIN"
    request: bytes = GET
    where: str = ""

    @property
    def name(self) -> str:
        return self.fault.name


def cut(fault: Fault, at: int, ending: Ending, request: bytes = GET) -> Case:
    return Case(fault, WHOLE[:at], ending, request)


CASES = [
    cut(Reset(), 0, "RST"),
    cut(Reset(after=0), HEAD_BYTES, "RST"),
    cut(Reset(after=4), HEAD_BYTES + 4, "RST"),
    cut(Reset(after=1, phase="response_head"), 1, "RST"),
    cut(Reset(after=17, phase="response_head"), 17, "RST"),
    cut(Reset(after=9999, phase="response_head"), HEAD_BYTES, "RST"),
    cut(Reset(phase="response_body"), HEAD_BYTES, "RST"),
    cut(Reset(after=11), len(WHOLE), "RST"),
    cut(Reset(after=12), len(WHOLE), "RST"),
    cut(Reset(phase="response_end"), len(WHOLE), "RST"),
    cut(Reset(phase="request_body"), 0, "RST", POST),
    cut(Reset(after=3, phase="request_body"), 0, "RST", POST),
    cut(Reset(after=99, phase="request_body"), 0, "RST", POST),
    cut(Close(), 0, "FIN"),
    cut(Close(after=0), HEAD_BYTES, "FIN"),
    cut(Close(after=4), HEAD_BYTES + 4, "FIN"),
    cut(Close(after=17, phase="response_head"), 17, "FIN"),
    cut(Close(after=3, phase="request_body"), 0, "FIN", POST),
    cut(Truncate(1), len(WHOLE) - 1, "FIN"),
    cut(Truncate(11), HEAD_BYTES, "FIN"),
    cut(Truncate(12), HEAD_BYTES, "FIN"),
    Case(Extend(b" and more"), WHOLE + b" and more"),
    Case(Extend(3), WHOLE + b"xxx"),
    Case(Garbage(), WHOLE.replace(b"HTTP/1.1 200 OK", b"\xfe\xff garbage")),
    Case(Garbage("status_line", b"ICY"), WHOLE.replace(b"HTTP/1.1 200 OK", b"ICY")),
    Case(Garbage("header", b"no colon"), WHOLE.replace(b"Date", b"no colon\r\nDate")),
    Case(Garbage("chunk", b"zz"), CHUNKED + b"zz\r\nhello world\r\n0\r\n\r\n"),
    Case(WrongLength(), WHOLE.replace(b"Length: 11", b"Length: 12")),
    Case(WrongLength(-4), WHOLE.replace(b"Length: 11", b"Length: 7")),
    Case(WrongLength(-99), WHOLE.replace(b"Length: 11", b"Length: 0")),
    Case(WrongLength(says="eleven"), WHOLE.replace(b"Length: 11", b"Length: eleven")),
    Case(Duplicate(), WHOLE.replace(LENGTH, LENGTH + LENGTH)),
    Case(Duplicate(value="12"), WHOLE.replace(LENGTH, LENGTH + b"Content-Length: 12\r\n")),
    Case(Duplicate("server", "t"), WHOLE.replace(b"Server: s\r\n", b"Server: s\r\nserver: t\r\n")),
    Case(Duplicate("X-New", "1"), WHOLE.replace(LENGTH, LENGTH + b"X-New: 1\r\nX-New: 1\r\n")),
    Case(NoLastChunk(), CHUNKED + b"b\r\nhello world\r\n"),
    Case(WrongChunkSize(), CHUNKED + b"c\r\nhello world\r\n0\r\n\r\n"),
    Case(WrongChunkSize(-3), CHUNKED + b"8\r\nhello world\r\n0\r\n\r\n"),
    Case(CloseAfter(), CLOSING, request=GET + GET),
    Case(
        BrokenKeepAlive(),
        WHOLE.replace(LENGTH, LENGTH + b"Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n"),
        request=GET + GET,
    ),
    Case(EarlyAnswer(), CLOSING, request=POST[:-3]),
]

# Before it is known what is answered: only a connection can have these.
CONNECTION_CASES = [
    *(cut(Reset(phase=phase), 0, "RST") for phase in PHASES[:2]),
    *(cut(Close(phase=phase), 0, "FIN") for phase in PHASES[:2]),
    cut(Reset(after=5, phase="request_head"), 0, "RST"),
    cut(Reset(after=5000, phase="request_head"), 0, "RST"),
    cut(Close(after=5, phase="request_head"), 0, "FIN"),
    Case(CloseAfter(2), WHOLE + CLOSING, request=GET * 3),
    Case(Reset(phase="response_end"), WHOLE, "RST", GET * 3),
]


def ids(case: Case) -> str:
    return case.name


def prepare(server: HTTPServe, fault: Fault | None, how: str) -> None:
    fields = {"Date": "now", "Server": "s", "Content-Type": "text/plain"}
    route = server.on("*", "/a")
    if how == "route":
        route.respond(body=BODY, headers=fields, fault=fault)
        return
    route.respond(body=BODY, headers=fields)
    if fault is not None:
        server.fault(fault)


def talk(server: HTTPServe, request: bytes) -> tuple[bytes, Ending]:
    """All that the server says to ``request``, behind which the client says no more, and how it ends."""
    seen, was_reset = b"", False
    try:
        client = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    except ConnectionResetError:
        return b"", "RST"
    with client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        except OSError:  # by which the error is taken: what follows would look like a FIN
            was_reset = True
        try:
            while piece := client.recv(65536):
                seen += piece
        except ConnectionResetError:
            was_reset = True
    return seen, "RST" if was_reset else "FIN"


def check(server: HTTPServe, case: Case, how: str) -> None:
    prepare(server, case.fault, how)
    seen, ending = talk(server, case.request)
    assert seen == case.sees
    assert ending == case.ending
    (event, *_) = server.fault_events
    assert event.fault is case.fault
    assert event.connection_index == 0
    assert server.failures == ()
    for exchange in server.exchanges[-1:]:
        assert exchange.faults == (case.fault,)
        assert repr(case.fault) in exchange.notes[0]
        assert exchange.error is None


@pytest.fixture
def fresh() -> Iterator[HTTPServe]:
    server = HTTPServe().start()
    RUNNING.discard(server)
    yield server
    server.stop()


@pytest.mark.parametrize("how", ["route", "connection"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_fault_is_exact_to_the_byte(fresh: HTTPServe, case: Case, how: str) -> None:
    check(fresh, case, how)


@pytest.mark.parametrize("case", CONNECTION_CASES, ids=ids)
def test_a_fault_of_a_connection_is_exact_to_the_byte(fresh: HTTPServe, case: Case) -> None:
    check(fresh, case, "connection")


@pytest.mark.parametrize(
    ("case", "how"),
    [*((case, "route") for case in CASES), *((case, "connection") for case in CASES + CONNECTION_CASES)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_fault_that_did_nothing_would_be_noticed(
    fresh: HTTPServe, case: Case, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault in turn is told of, and does nothing: the check above must fail for its bytes or its end."""

    def tell(wire: faulty_wire.FaultyWire, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            wire._note(fault, "")

    monkeypatch.setattr(faulty_wire.FaultyWire, "add", tell)
    with pytest.raises(AssertionError, match=r"assert seen|assert ending|== b|== '|FIN|RST"):
        check(fresh, case, how)


def test_without_a_fault_all_is_well(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    assert talk(fresh, GET * 2) == (WHOLE * 2, "FIN")
    assert fresh.fault_events == ()
    assert [exchange.faults for exchange in fresh.exchanges] == [(), ()]


def receive_until_reset(client: socket.socket) -> bytes:
    got = b""
    with pytest.raises(ConnectionResetError):
        while piece := client.recv(1 << 20):
            got += piece
    return got


def test_a_large_body_is_there_to_the_last_byte_before_a_reset(fresh: HTTPServe) -> None:
    """More than a socket's buffers hold: what the kernel has not sent yet would be lost by a reset."""
    fresh.on("GET", "/a").respond(body=bytes(8 << 20), fault=Reset(after=7_000_001))
    with socket.create_connection((fresh.host, fresh.port), timeout=PATIENCE) as client:
        client.sendall(GET)
        got = receive_until_reset(client)
    assert len(got.partition(b"\r\n\r\n")[2]) == 7_000_001


def test_a_file_and_a_stream_are_cut_as_bytes_are(fresh: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BODY)
    fresh.on("GET", "/a").respond(file=tmp_path / "f", fault=Close(after=7))
    assert talk(fresh, GET)[0].partition(b"\r\n\r\n")[2] == BODY[:7]
    fresh.on("GET", "/a").respond(stream=[b"hello ", b"world"], fault=Close(after=13))
    assert talk(fresh, GET)[0].partition(b"\r\n\r\n")[2] == b"6\r\nhello \r\n5\r"
    fresh.on("GET", "/a").respond(stream=[b"hello ", b"world"], fault=NoLastChunk())
    assert talk(fresh, GET)[0].partition(b"\r\n\r\n")[2] == b"6\r\nhello \r\n5\r\nworld\r\n"
    fresh.on("GET", "/a").respond(stream=[b"hello"], trailers={"X": "1"}, fault=WrongChunkSize())
    assert talk(fresh, GET)[0].partition(b"\r\n\r\n")[2] == b"6\r\nhello\r\n0\r\nX: 1\r\n\r\n"


def test_a_fault_of_a_connection_happens_to_whatever_answers(fresh: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY)
    fresh.serve_dir(tmp_path)
    fresh.fault(Close(after=3))
    assert talk(fresh, GET)[0].endswith(b"\r\n\r\nhel")
    fresh.fault(Close(after=3, phase="request_body"))
    assert talk(fresh, POST) == (b"", "FIN")


def test_a_fault_of_a_connection_happens_in_each_of_its_exchanges(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.fault(Duplicate("Server", "t"))
    assert talk(fresh, GET * 3) == (WHOLE.replace(b"Server: s\r\n", b"Server: s\r\nServer: t\r\n") * 3, "FIN")
    assert [exchange.faults for exchange in fresh.exchanges] == [(Duplicate("Server", "t"),)] * 3


def test_a_fault_of_a_response_leaves_the_others_on_its_connection_alone(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.on("GET", "/b").respond(body=BODY, headers={"Date": "now"}, fault=Extend(b"!"))
    seen, _ = talk(fresh, GET + GET.replace(b"/a", b"/b") + GET)
    assert seen.startswith(WHOLE)
    assert seen.endswith(BODY + b"!" + WHOLE)


def test_what_is_refused_suffers_the_fault_too(fresh: HTTPServe) -> None:
    fresh.fault(Close(after=9, phase="response_head"))
    assert talk(fresh, b"no request\r\n\r\n") == (b"HTTP/1.1 ", "FIN")


def test_an_informational_response_is_none_of_the_faults(fresh: HTTPServe) -> None:
    fresh.on("GET", "/a").respond(informational=[103], fault=Close(after=3, phase="response_head"))
    assert talk(fresh, GET) == (b"HTTP/1.1 103 Early Hints\r\n\r\nHTT", "FIN")


def test_a_head_without_body_cannot_be_cut_in_its_body(fresh: HTTPServe) -> None:
    prepare(fresh, Close(after=3), "route")
    seen, ending = talk(fresh, GET.replace(b"GET", b"HEAD"))
    assert (seen, ending) == (WHOLE[:HEAD_BYTES], "FIN")
    assert "at its end" in fresh.fault_events[0].where


def test_chunks_are_not_forced_on_what_cannot_have_them(fresh: HTTPServe) -> None:
    prepare(fresh, NoLastChunk(), "route")
    seen, _ = talk(fresh, b"GET /a HTTP/1.0\r\n\r\n")
    assert b"chunked" not in seen
    assert fresh.fault_events == ()


def test_faults_can_be_combined(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.fault([Truncate(2), Duplicate("Server"), Reset(phase="response_end")])
    assert talk(fresh, GET) == (WHOLE[:-2].replace(b"Server: s\r\n", b"Server: s\r\n" * 2), "RST")
    assert [type(fault) for fault in fresh.exchanges[0].faults] == [Duplicate, Truncate, Reset]


def test_a_fault_comes_after_so_many_good_answers(fresh: HTTPServe) -> None:
    fresh.on("GET", "/a").respond(text="well", times=2).respond(fault=Reset()).respond(text="well again")
    endings = [talk(fresh, GET) for _ in range(4)]
    assert [ending for _, ending in endings] == ["FIN", "FIN", "RST", "FIN"]
    assert [seen.endswith(b"again") for seen, _ in endings] == [False, False, False, True]


def test_a_response_that_a_handler_computes_may_have_a_fault(fresh: HTTPServe) -> None:
    fresh.on("GET", "/a").handle(lambda request: Response(body=BODY, fault=Close(after=5)))
    assert talk(fresh, GET)[0].endswith(b"\r\n\r\nhello")


def test_a_response_from_the_queue_may_have_a_fault(fresh: HTTPServe) -> None:
    fresh.enqueue(body=BODY, fault=Close(after=5))
    assert talk(fresh, GET)[0].endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("fault", [WrongChunkSize(), Extend(3), Delay(0, phase="response_end")], ids=repr)
def test_a_response_that_its_handler_breaks_off_is_not_ended_by_a_fault(fresh: HTTPServe, fault: Fault) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"hello"
        raise ValueError("broken")

    fresh.on("GET", "/a").respond(stream=pieces, fault=fault)
    seen, _ = talk(fresh, GET)
    assert b"hello" in seen
    assert not seen.endswith((b"0\r\n\r\n", b"xxx"))
    assert "ValueError: broken" in fresh.failures[0]


def test_a_handler_that_fails_is_answered_with_all_of_a_500(fresh: HTTPServe) -> None:
    fresh.on("GET", "/a").handle(lambda request: 1 / 0)
    fresh.fault(Close(phase="response_end"))
    seen, _ = talk(fresh, GET)
    assert seen.endswith(fresh.failures[0].encode())


# Which connections


def endings(server: HTTPServe, count: int) -> str:
    return "".join("x" if talk(server, GET)[1] == "RST" else "." for _ in range(count))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "x....."),
        ({"times": 3}, "xxx..."),
        ({"skip": 2}, "..x..."),
        ({"skip": 1, "times": 2}, ".xx..."),
        ({"every": 2}, ".x.x.x"),
        ({"every": 1}, "xxxxxx"),
        ({"every": 2, "times": 2}, ".x.x.."),
        ({"every": 2, "skip": 1}, "..x.x."),
        ({"probability": 1}, "xxxxxx"),
        ({"probability": 0}, "......"),
        ({"probability": 1, "times": 2}, "xx...."),
    ],
    ids=str,
)
def test_a_fault_is_for_the_connections_that_it_names(
    fresh: HTTPServe, arguments: dict[str, Any], expected: str
) -> None:
    prepare(fresh, None, "route")
    fresh.fault(Reset(), **arguments)
    assert endings(fresh, 6) == expected


def test_a_probability_is_drawn_by_its_seed(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    drawn = []
    for seed in (1, 1, 2):
        fresh.fault(Reset(), probability=0.5, seed=seed)
        drawn.append(endings(fresh, 20))
        fresh._script.fault_rules.clear()
    assert drawn[0] == drawn[1] != drawn[2]
    assert 3 < drawn[0].count("x") < 17


def test_faults_for_the_next_connection_come_one_after_the_other(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.fault(Reset())
    fresh.fault(Close())
    assert [talk(fresh, GET)[:2] for _ in range(3)] == [(b"", "RST"), (b"", "FIN"), (WHOLE, "FIN")]


def test_a_reset_of_the_server_forgets_its_faults(fresh: HTTPServe) -> None:
    prepare(fresh, Reset(), "connection")
    talk(fresh, GET)
    fresh.fault(Reset())
    fresh.reset()
    prepare(fresh, None, "route")
    assert talk(fresh, GET) == (WHOLE, "FIN")
    assert fresh.fault_events == ()


def test_an_expected_fault_that_did_not_happen_is_a_failure(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.fault([Duplicate(), NoContinue()], expected=True)
    talk(fresh, GET)
    fresh.check_expectations()
    assert fresh.failures == ("NoContinue() was expected to happen, but never did\n",)


# Waiting


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait, which takes none."""
    asked: list[float] = []

    def pause(connection: object, seconds: float, *_: object, **__: object) -> bool:
        asked.append(seconds)
        return True

    monkeypatch.setattr(faulty_wire, "pause", pause)
    return asked


@pytest.mark.parametrize("phase", [None, *PHASES[2:]])
def test_a_delay_waits_once_and_changes_no_byte(fresh: HTTPServe, waits: list[float], phase: Phase | None) -> None:
    prepare(fresh, Delay(12.5, phase=phase), "route")
    assert talk(fresh, GET) == (WHOLE, "FIN")
    assert waits == [12.5]


@pytest.mark.parametrize("phase", PHASES)
def test_a_delay_of_a_connection(fresh: HTTPServe, waits: list[float], phase: Phase) -> None:
    prepare(fresh, Delay(12.5, phase=phase), "connection")
    assert talk(fresh, GET * 2) == (WHOLE * 2, "FIN")
    assert waits == [12.5] * (1 if phase == "accept" else 2)


def test_a_delay_is_drawn_by_its_seed_the_connection_and_the_exchange(fresh: HTTPServe, waits: list[float]) -> None:
    prepare(fresh, Delay((1, 2), seed=7), "connection")
    talk(fresh, GET * 3)
    fault = Delay((1, 2), seed=7)
    assert waits == [fault.draw(0, 0), fault.draw(0, 1), fault.draw(0, 2)]
    assert len(set(waits)) == 3
    assert all(1 <= seconds <= 2 for seconds in waits)
    assert Delay((1, 2), seed=8).draw(0, 0) != waits[0]
    assert Delay(lambda draw: draw.choice([5]), seed=7).draw(0, 0) == 5


def test_delay_and_throttle_are_short_for_faults() -> None:
    assert Response(delay=0.5).faults == (Delay(0.5),)
    assert Response(delay=(1, 2), throttle=10).faults == (Delay((1, 2)), Slow(10))
    assert Response(delay=Delay(1, phase="response_end")).faults == (Delay(1, phase="response_end"),)
    assert Response(fault=[Reset()], throttle=Slow(chunk=3)).faults == (Reset(), Slow(chunk=3))


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is sent in one go each."""
    sent: list[bytes] = []
    send = Transport.send

    def record(transport: Transport, data: Any, *, more: bool = False) -> None:
        sent.append(bytes(data))
        send(transport, data, more=more)

    monkeypatch.setattr(Transport, "send", record)
    return sent


@pytest.mark.parametrize("request_", [GET, GET.replace(b"GET", b"HEAD")], ids=["GET", "HEAD"])
@pytest.mark.parametrize(
    "fault",
    [
        Reset(phase="response_end"),
        Close(phase="response_end"),
        Delay(0, phase="response_end"),
        Reset(after=len(BODY)),
        Close(after=99),
        Extend(3),
        Slow(chunk=100),
        CloseAfter(),
        BrokenKeepAlive(),
    ],
    ids=repr,
)
def test_the_journal_knows_of_a_fault_before_the_client_has_its_last_byte(
    fresh: HTTPServe, fault: Fault, request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[tuple[int, int]] = []  # bytes with each write, and faults told of before it
    send = Transport.send

    def record(transport: Transport, data: Any, *, more: bool = False) -> None:
        known.append((len(data), len(fresh.fault_events)))
        send(transport, data, more=more)

    monkeypatch.setattr(Transport, "send", record)
    prepare(fresh, fault, "route")
    seen, _ = talk(fresh, request_)
    assert sum(size for size, _ in known) == len(seen)
    assert known[-1][1] == len(fresh.fault_events)
    if not (request_.startswith(b"HEAD") and isinstance(fault, Slow)):
        assert [event.fault for event in fresh.fault_events] == [fault]


def test_a_length_of_the_tests_own_making_goes_out_as_it_is(fresh: HTTPServe) -> None:
    fresh.on("GET", "/a").respond(body=BODY, headers={"Content-Length": "many"}, fault=[WrongLength(), Delay(0)])
    assert b"Content-Length: many" in talk(fresh, GET)[0]


def test_a_throttled_body_goes_out_in_pieces_with_a_pause_between(
    fresh: HTTPServe, waits: list[float], pieces: list[bytes]
) -> None:
    prepare(fresh, Slow(rate=8, chunk=4), "route")
    assert talk(fresh, GET) == (WHOLE, "FIN")
    assert pieces[1:] == [b"hell", b"o wo", b"rld"]
    assert waits == [0.5, 0.5]


def test_a_rate_alone_makes_twenty_pieces_a_second(fresh: HTTPServe, waits: list[float], pieces: list[bytes]) -> None:
    fresh.on("GET", "/a").respond(body=bytes(1000), throttle=2000)
    talk(fresh, GET)
    assert [len(piece) for piece in pieces[1:]] == [100] * 10
    assert sum(waits) == pytest.approx(900 / 2000)


def test_a_head_byte_by_byte(fresh: HTTPServe, waits: list[float], pieces: list[bytes]) -> None:
    prepare(fresh, Slow(chunk=1, phase="response_head"), "connection")
    assert talk(fresh, GET) == (WHOLE, "FIN")
    assert [len(piece) for piece in pieces] == [1] * HEAD_BYTES + [len(BODY)]
    assert waits == []


@pytest.mark.parametrize(("phase", "size"), [("request_head", len(POST) - 6), ("request_body", 6)])
def test_a_request_is_read_slowly(fresh: HTTPServe, waits: list[float], phase: Phase, size: int) -> None:
    prepare(fresh, Slow(rate=100, chunk=2, phase=phase), "connection")
    assert talk(fresh, POST) == (WHOLE, "FIN")
    assert sum(waits) >= (size - 2) / 100
    assert set(waits) == {0.02} or phase == "request_head"
    assert fresh.exchanges[0].request.body == b"abcdef"


def test_pace_and_cut_meet_at_the_byte(fresh: HTTPServe, waits: list[float], pieces: list[bytes]) -> None:
    prepare(fresh, None, "route")
    fresh.fault([Slow(rate=1, chunk=4), Delay(9, after=6), Close(after=7)])
    assert talk(fresh, GET) == (WHOLE[: HEAD_BYTES + 7], "FIN")
    assert pieces[1:] == [b"hell", b"o ", b"w"]
    assert waits == [4, 9, 2]


def held(server: HTTPServe, fault: Fault, how: str = "connection") -> socket.socket:
    """A client that waits for an answer which a fault holds back."""
    prepare(server, fault, how)
    client = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    client.sendall(POST)
    happened = threading.Event()
    while not server.fault_events:
        happened.wait(0.001)
    return client


LONG: list[Fault] = [
    *(Stall(phase=phase) for phase in PHASES),
    *(Delay(3600, phase=phase) for phase in PHASES),
    Stall(until=threading.Event()),
    Slow(rate=0.001, phase="response_body"),
    Slow(rate=0.001, phase="response_head"),
    Slow(rate=0.001, phase="request_head"),
    Slow(rate=0.001, phase="request_body"),
]


@pytest.mark.parametrize("fault", LONG, ids=[f"{fault.name}-{at}" for at, fault in enumerate(LONG)])
def test_a_stop_ends_every_wait_at_once(fault: Fault) -> None:
    """Without its interrupt a stop would take the whole grace, and name a handler that hangs."""
    server = HTTPServe().start()
    RUNNING.discard(server)
    assert server._server is not None
    server._server.grace = 3600
    with held(server, fault):
        server.stop()
    assert server.failures == ()


def test_a_stop_ends_two_hundred_stalls(fresh: HTTPServe) -> None:
    prepare(fresh, None, "route")
    fresh.fault(Stall(), times=200)
    clients = [socket.create_connection((fresh.host, fresh.port), timeout=PATIENCE) for _ in range(200)]
    for client in clients:
        client.sendall(GET)
    fresh.wait_for("GET", "/a", times=200, timeout=PATIENCE)
    fresh.stop()
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    assert fresh.failures == ()


def test_a_stall_ends_when_its_client_leaves(fresh: HTTPServe) -> None:
    held(fresh, Stall()).close()
    assert fresh._server is not None
    server = fresh._server
    assert service_of(server).wait_for_connections(PATIENCE)


def test_a_stall_ends_with_its_event(fresh: HTTPServe) -> None:
    until = threading.Event()
    with held(fresh, Stall(until=until, after=3), "route") as client:
        seen = b""
        while len(seen) < HEAD_BYTES + 3:
            seen += client.recv(HEAD_BYTES + 3 - len(seen))
        until.set()
        while len(seen) < len(WHOLE):
            seen += client.recv(100)
        assert seen == WHOLE


def test_a_stall_ends_at_its_limit(fresh: HTTPServe) -> None:
    with held(fresh, Stall(limit=0.01)) as client:
        assert client.recv(1) == b""


def test_a_delayed_answer_does_not_wake_after_the_server_has_stopped(fresh: HTTPServe) -> None:
    with held(fresh, Delay(3600), "route") as client:
        fresh.stop()
        assert client.recv(1) == b""


def test_a_function_of_a_delay_that_fails_is_told_of(fresh: HTTPServe) -> None:
    for phase in ("accept", "response_head"):
        fresh.reset()
        prepare(fresh, Delay(lambda draw: -1.0, phase=phase), "connection")
        talk(fresh, GET)
        assert len(fresh.failures) == 1
        assert (
            "what the function of Delay returns must be a number of seconds, 0 or more, not -1.0" in fresh.failures[0]
        )


# Over TLS


@pytest.mark.parametrize(
    "fault",
    [
        Reset(phase="accept"),
        Close(phase="accept"),
        Reset(phase="tls_handshake"),
        Close(phase="tls_handshake"),
        Reset(after=4),
        Truncate(3),
    ],
    ids=repr,
)
def test_faults_over_tls(fault: Fault) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen = b""
    with HTTPServe(tls=True) as server:
        prepare(server, fault, "connection")
        try:
            with (
                socket.create_connection((server.host, server.port), timeout=PATIENCE) as client,
                context.wrap_socket(client) as secure,
            ):
                assert fault.place not in ("accept", "tls_handshake"), "the handshake went well"
                secure.sendall(GET)
                while piece := secure.recv(65536):
                    seen += piece
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # the latter before Python 3.11.4
            assert isinstance(fault, Close)
        except ConnectionResetError:
            assert isinstance(fault, Reset)
        assert server.connections[0].closed_how == ("RST" if isinstance(fault, Reset) else "FIN")
    expected = {Reset(after=4): HEAD_BYTES + 4, Truncate(3): len(WHOLE) - 3}
    assert len(seen) == expected.get(fault, 0)


@pytest.fixture
def secure() -> Iterator[HTTPServe]:
    with HTTPServe(tls=True) as server:
        server.on("GET", "/a").respond(text="well")
        yield server


def test_a_handshake_waits_for_its_delay(secure: HTTPServe) -> None:
    secure.fault(Delay(0.01, phase="tls_handshake"), expected=True)
    assert requests.get(secure.url_for("/a"), timeout=10, verify=str(secure.ca.pem_path)).text == "well"
    assert [(event.fault.place, event.where) for event in secure.fault_events] == [
        ("tls_handshake", "tls_handshake, for 0.01 s")
    ]


def test_a_stop_ends_a_handshake_that_stalls(secure: HTTPServe) -> None:
    stalls = threading.Event()

    class Until(threading.Event):
        def is_set(self) -> bool:
            stalls.set()
            return super().is_set()

    secure.fault(Stall(phase="tls_handshake", until=Until()))
    with socket.create_connection((secure.host, secure.port), timeout=PATIENCE) as client:
        client.sendall(b"\x16\x03\x01\x00\x05hello")
        assert stalls.wait(PATIENCE)
        secure.stop()
        assert client.recv(100) == b""


def test_the_next_handshake_goes_well(secure: HTTPServe) -> None:
    secure.fault(Reset(phase="tls_handshake"))
    with pytest.raises(requests.ConnectionError):
        requests.get(secure.url_for("/a"), timeout=10, verify=str(secure.ca.pem_path))
    assert requests.get(secure.url_for("/a"), timeout=10, verify=str(secure.ca.pem_path)).text == "well"
    first, second = secure.connections
    assert (first.closed_by, first.closed_how, first.exchanges) == ("server", "RST", ())
    assert len(second.exchanges) == 1


def test_without_tls_there_is_no_handshake_to_fail(fresh: HTTPServe) -> None:
    with pytest.raises(UsageError, match="is for a server over TLS, and this one has no handshake"):
        fresh.fault(Reset(phase="tls_handshake"))


# The request


def test_a_continue_is_withheld(fresh: HTTPServe) -> None:
    for how in ("route", "connection"):
        fresh.reset()
        prepare(fresh, NoContinue(), how)
        head = POST[:-6].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        with socket.create_connection((fresh.host, fresh.port), timeout=PATIENCE) as client:
            client.sendall(head)
            waiting = threading.Event()
            while not fresh.fault_events:
                waiting.wait(0.001)
            client.sendall(POST[-6:])
            client.shutdown(socket.SHUT_WR)
            seen = b"".join(iter(lambda client=client: client.recv(65536), b""))  # type: ignore[misc]  # bound now
        assert seen == WHOLE
        assert fresh.exchanges[0].faults == (NoContinue(),)
        assert fresh.exchanges[0].request.body == b"abcdef"


def test_an_early_answer_does_not_wait_for_the_body(fresh: HTTPServe) -> None:
    prepare(fresh, EarlyAnswer(), "route")
    with socket.create_connection((fresh.host, fresh.port), timeout=PATIENCE) as client:
        client.sendall(POST[:-6])
        seen = b""
        while len(seen) < len(CLOSING):
            seen += client.recv(65536)
    assert seen == CLOSING


def test_a_fault_of_the_request_is_chosen_with_the_answer(fresh: HTTPServe) -> None:
    fresh.on("POST", "/a").respond(text="well").respond(fault=Reset(after=3, phase="request_body")).respond(text="well")
    assert [talk(fresh, POST)[1] for _ in range(3)] == ["FIN", "RST", "FIN"]
    assert [exchange.request.body for exchange in fresh.exchanges] == [b"abcdef", b"abc", b"abcdef"]


def test_a_fault_is_a_value() -> None:
    assert Reset(3) == Reset(3)
    assert Fault.__eq__(Reset(3), Close(3)) is NotImplemented
    assert len({Reset(), Reset(), Delay(1), Delay(1), Garbage()}) == 3
    assert repr(Stall(after=3)) == "Stall(after=3)"
    assert repr(Delay(1.5, phase="response_end")) == "Delay(phase='response_end', seconds=1.5)"
    with pytest.raises(AttributeError):
        Reset().after = 3  # type: ignore[misc]  # that is what is tried


def test_pieces_stay_in_order_after_a_fault(server: HTTPServe, say: Any) -> None:
    server.on("GET", "/").respond(stream=[b"0123456789", b"abc", b"def"], fault=Delay(0.0, after=5))
    answer = say(server, "GET / HTTP/1.1\nHost: test\nConnection: close\n\n")
    assert answer.endswith(b"\r\n\r\na\r\n0123456789\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("act", [Reset, Close, Delay, Stall])
def test_over_a_unix_socket(act: type[Reset | Close | Delay | Stall], phase: Phase) -> None:
    options: dict[type, Any] = {Delay: {"seconds": 0.0}, Stall: {"limit": 0.01}}  # of two types
    fault = act(phase=phase, **options.get(act, {}))
    with HTTPServe(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        server.on("POST", "/a").respond(text="hello")
        server.fault(fault)
        client.settimeout(PATIENCE)
        client.connect(str(server.socket_path))
        with contextlib.suppress(ConnectionError):  # it was reset with unread bytes
            client.sendall(POST)
            got = b""
            while not got.endswith(b"hello") and (data := client.recv(65_536)):
                got += data
        assert act is not Delay or got.endswith(b"hello")
        if act is Delay:
            client.close()
        server.assert_all_closed(by="client" if act is Delay else "server")
        assert [event.fault for event in server.fault_events] == [fault]
        assert server.failures == ()
