"""Clients that keep a server busy without getting anywhere, and clients that leave, reset or stand still."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.protocol.floods import MOST_CANCELLED_STREAMS, MOST_IDLE_FRAMES, MOST_UNTAKEN_ANSWERS, Floods
from pytest_httpserve.protocol.frames import frame, settings_frame
from pytest_httpserve.protocol.http2 import CANCEL, ENHANCE_YOUR_CALM, PREFACE
from tests.scripting.http2.client import client_of

pytestmark = pytest.mark.same_everywhere

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 2, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 0x1, 0x4
BEGINNING = PREFACE + settings_frame({})
ASKED = b"\x82\x86\x84\x01\x09localhost"  # GET http / with :authority


def asked(stream: int, *, ends: bool = True, block: bytes = ASKED) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block)


FLOODS = {
    "pings": frame(PING, 0, 0, bytes(8)) * (MOST_IDLE_FRAMES + 1),
    "settings": settings_frame({}) * (MOST_IDLE_FRAMES + 1),
    "priorities": frame(PRIORITY, 0, 1, bytes(5)) * (MOST_IDLE_FRAMES + 1),
    "empty data": asked(1, ends=False) + frame(DATA, 0, 1, b"") * (MOST_IDLE_FRAMES + 1),
    "streams that are reset": b"".join(
        asked(stream, ends=False) + frame(RST_STREAM, 0, stream, struct.pack("!L", CANCEL))
        for stream in range(1, 2 * MOST_CANCELLED_STREAMS + 3, 2)
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_ends_its_connection(plain: HTTPServe, flood: str) -> None:
    go = threading.Event()

    @plain.on("GET", "/")
    def wait(request: Request) -> str:
        go.wait(20)
        return "well"

    with socket.create_connection((plain.host, plain.port), timeout=20) as client:
        threading.Thread(target=send, args=(client, BEGINNING + FLOODS[flood])).start()
        assert code_of_goaway(client) == ENHANCE_YOUR_CALM
    go.set()
    with client_of(plain) as other:
        assert other.get("/").body == b"well"

    (failure,) = plain.failures
    assert failure.startswith("refused what the client sent over HTTP/2 <ConnectionRecord 0, ")
    assert "against RFC 9113 section 10.5" in failure


def send(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the server has ended the connection
        client.sendall(data)


def code_of_goaway(client: socket.socket) -> int:
    data = b""
    while piece := client.recv(65_536):
        data += piece
        while len(data) >= 9 and len(data) >= (size := 9 + int.from_bytes(data[:3], "big")):
            if data[3] == GOAWAY:
                code: int = struct.unpack("!L", data[13:17])[0]
                return code
            data = data[size:]
    raise AssertionError("the connection has ended without GOAWAY")


def test_who_takes_no_answers_costs_no_threads(plain: HTTPServe) -> None:
    pings = frame(PING, 0, 0, bytes(8)) * MOST_UNTAKEN_ANSWERS
    threads = 0

    with socket.create_connection((plain.host, plain.port), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.sendall(BEGINNING)
        with pytest.raises(OSError):
            while True:
                client.sendall(pings)
                threads = max(threads, threading.active_count())

    assert threads < 20
    (failure,) = plain.failures
    assert "against RFC 9113 section 10.5" in failure


def test_what_comes_between_untaken_answers_does_not_hide_them() -> None:
    floods = Floods()
    floods.blocked = True
    ping, data = frame(PING, 0, 0, bytes(8)), frame(DATA, 0, 1, b"x")

    seen = [floods.sees(between) for _ in range(MOST_UNTAKEN_ANSWERS + 1) for between in (ping, data)]

    assert seen[:-2] == [""] * (2 * MOST_UNTAKEN_ANSWERS)
    assert "the client did not read the answers" in seen[-2]


def test_uploads_that_nobody_reads_leave_the_window_open(plain: HTTPServe) -> None:
    come = threading.Semaphore(0)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        come.acquire(timeout=20)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    plain.mount("/", answer)

    with client_of(plain) as client:
        for count in range(60):  # 18 MB, more than the window of the connection
            stream = client.begin("POST", "/", [("content-length", "300000")], ends=False)
            client.send(stream, bytes(300_000), ends=False)
            client.h2.ping(bytes(8))
            client.flush()
            while len(client.pongs) <= count:
                client.receive()
            come.release()  # all of it, for it came before the ping
            assert client.answer(stream).status == 200


def test_a_slow_reader_stops_its_stream_alone(server: HTTPServe) -> None:
    server.on("GET", "/large").respond(body=bytes(3_000_000))
    server.on("GET", "/small").respond(text="well")

    with client_of(server, acknowledges=False) as client:
        client.h2.increment_flow_control_window(8_000_000)  # of the connection
        client.flush()
        slow = client.begin("GET", "/large")
        client.receive_until(lambda: len(client.answers[slow].body) == 65_535)
        assert [client.get("/small").body for _ in range(5)] == [b"well"] * 5
        assert len(client.answers[slow].body) == 65_535
        client.h2.increment_flow_control_window(3_000_000, slow)
        client.flush()
        assert len(client.answer(slow).body) == 3_000_000


@pytest.mark.parametrize("where", ["function", "gate"])
def test_a_stream_that_the_client_resets(server: HTTPServe, where: str) -> None:
    go = threading.Event()
    gate = server.on("GET", "/gate").respond(text="held").hold()
    server.on("GET", "/b").respond(text="well")

    @server.on("GET", "/function")
    def wait(request: Request) -> str:
        go.wait(20)
        return "late"

    with client_of(server) as client:
        stream = client.begin("GET", f"/{where}")
        server.wait_for("GET", f"/{where}")
        client.h2.reset_stream(stream, CANCEL)
        client.flush()
        assert client.get("/b").body == b"well"
        go.set()
        gate.release()
        assert client.get("/b").body == b"well"

    assert server.failures == ()


def test_a_reset_ends_a_response_that_waits_for_the_window(server: HTTPServe) -> None:
    server.on("GET", "/large").respond(body=bytes(200_000))
    server.on("GET", "/small").respond(text="well")

    with client_of(server, acknowledges=False) as client:
        client.h2.increment_flow_control_window(8_000_000)  # of the connection
        for _ in range(3):
            large = client.begin("GET", "/large")
            while len(client.answers[large].body) < 65_535:
                client.receive()
            client.h2.reset_stream(large, CANCEL)
            # In the same piece: the library forgets a closed stream as soon as another one begins.
            assert client.get("/small").body == b"well"
    server.stop()

    assert server.failures == ()


def test_a_client_that_goes_away_has_its_answers(server: HTTPServe) -> None:
    """GOAWAY of a client is about the streams of the server, which opens none (RFC 9113 section 6.8)."""
    gate = server.on("GET", "/held").respond(body=bytes(300_000)).hold()

    with client_of(server) as client:
        stream = client.begin("GET", "/held")
        gate.arrived()
        client.socket.sendall(frame(GOAWAY, 0, 0, bytes(8)))
        client.h2.ping(b"12345678")
        client.flush()
        client.receive_until(lambda: client.pongs == [b"12345678"])
        gate.release()
        assert len(client.answer(stream).body) == 300_000

    assert server.failures == ()


def test_a_client_that_leaves_in_the_midst_of_its_streams(server: HTTPServe) -> None:
    gate = server.on("GET", "/{n:int}").respond(text="held").hold()

    with client_of(server) as client:
        for n in range(50):
            client.begin("GET", f"/{n}")
        for _ in range(50):
            gate.arrived()
    server.assert_all_closed(by="client")
    gate.release()
    with client_of(server) as client:
        assert client.get("/1").body == b"held"
    server.stop()

    assert server.failures == ()
