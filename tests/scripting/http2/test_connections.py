"""The rules of a connection: how it begins, how many streams it may have, and what the journal has then."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import closing
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.net.duplex import Duplex
from pytest_httpserve.protocol.floods import MOST_CANCELLED_STREAMS
from pytest_httpserve.protocol.frames import frame
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.protocol.http2 import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    HTTP2,
    MOST_STREAMS,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    ConnectionRefused,
)
from pytest_httpserve.protocol.stream_connection import StreamConnection
from pytest_httpserve.scripting.multiplexing import Multiplexing
from tests.scripting.alone import alone
from tests.scripting.http2.client import client_of
from tests.scripting.http2.test_floods import BEGINNING, PING, WINDOW_UPDATE, asked, code_of_goaway, send

pytestmark = pytest.mark.same_everywhere

WRONG_PING = frame(PING, 0, 0, bytes(7))


def connected(server: HTTPServe, data: bytes) -> closing[socket.socket]:
    client = socket.create_connection((server.host, server.port), timeout=20)
    client.sendall(data)
    return closing(client)


@pytest.mark.parametrize("first", [asked(1), frame(PING, 0, 0, bytes(8)), frame(4, 1, 0, b"")], ids=["1", "2", "3"])
def test_a_connection_begins_with_settings(plain: HTTPServe, first: bytes) -> None:
    with connected(plain, PREFACE + first) as client:
        assert code_of_goaway(client) == PROTOCOL_ERROR

    (failure,) = plain.failures
    assert "the first frame is " in failure
    assert "against RFC 9113 section 3.4" in failure


def test_a_refusal_says_which_frame_was_wrong(plain: HTTPServe) -> None:
    with connected(plain, BEGINNING + frame(WINDOW_UPDATE, 0, 5, struct.pack("!L", 1))) as client:
        assert code_of_goaway(client) == PROTOCOL_ERROR

    (failure,) = plain.failures
    assert "WINDOW_UPDATE on stream 5: the stream is not open\n" in failure


def test_a_request_just_before_a_wrong_frame_is_in_the_journal(plain: HTTPServe) -> None:
    """Whether both come in one piece or not."""
    plain.on("GET", "/").respond(text="well")

    with connected(plain, BEGINNING + asked(1) + WRONG_PING) as client:
        assert code_of_goaway(client) == FRAME_SIZE_ERROR
    plain.stop()

    (exchange,) = plain.exchanges
    assert exchange.stream_id == 1
    assert "the client broke a rule: PING on stream 0: " in str(exchange.error)
    assert len(plain.failures) == 1


def test_a_response_that_comes_just_after_a_wrong_frame_is_broken_off(
    plain: HTTPServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = plain.on("GET", "/").respond(text="well").hold()
    end, end_stream, ended = Multiplexing._end, Multiplexing.end_stream, threading.Event()

    def end_late(multiplexing: Multiplexing, text: str) -> None:
        gate.release()
        ended.wait(20)
        end(multiplexing, text)

    def note_end(multiplexing: Multiplexing, stream: StreamConnection) -> None:
        end_stream(multiplexing, stream)
        ended.set()

    monkeypatch.setattr(Multiplexing, "_end", end_late)
    monkeypatch.setattr(Multiplexing, "end_stream", note_end)
    with connected(plain, BEGINNING + asked(1)) as client:
        gate.arrived()
        client.sendall(WRONG_PING)
        assert code_of_goaway(client) == FRAME_SIZE_ERROR
    plain.stop()

    assert "the client broke a rule: PING on stream 0: " in str(plain.exchanges[0].error)
    assert len(plain.failures) == 1


def test_more_streams_than_a_client_can_know_to_be_allowed_are_refused_alone(plain: HTTPServe) -> None:
    """Before it has the server's settings, a client knows no limit (RFC 9113 section 6.5.2)."""
    gate = plain.on("GET", "/").respond(text="well").hold()

    with client_of(plain) as client:
        streams = [client.begin("GET", "/") for _ in range(MOST_STREAMS + 5)]
        for stream in streams[MOST_STREAMS:]:
            assert client.answer(stream).reset == REFUSED_STREAM
        for _ in range(MOST_STREAMS):
            gate.arrived()
        gate.release()
        assert all(client.answer(stream).body == b"well" for stream in streams[:MOST_STREAMS])
        assert client.get("/").body == b"well"

    assert len(plain.exchanges) == MOST_STREAMS + 1
    assert plain.failures == ()


def test_more_streams_than_the_settings_allow_fail_the_test(plain: HTTPServe) -> None:
    gate = plain.on("GET", "/").respond(text="well").hold()

    with client_of(plain) as client:
        client.h2.ping(bytes(8))
        client.flush()
        client.receive_until(lambda: bool(client.pongs))  # and the settings, which it has acknowledged since
        client.h2.remote_settings.acknowledge()
        client.h2.remote_settings[3] = 1_000  # as if they had said so
        client.h2.remote_settings.acknowledge()
        streams = [client.begin("GET", "/") for _ in range(MOST_STREAMS + 1)]
        assert client.answer(streams[-1]).reset == REFUSED_STREAM
        gate.release()
        assert client.answer(streams[0]).body == b"well"

    (failure,) = plain.failures
    assert f"stream {streams[-1]}: {MOST_STREAMS} others are open, and the settings allow no more\n" in failure
    assert "against RFC 9113 section 5.1.2" in failure


def test_streams_that_the_server_has_to_reset_count_like_those_that_the_client_resets(plain: HTTPServe) -> None:
    gate = plain.on("GET", "/").respond(text="well").hold()
    too_wide = struct.pack("!L", (1 << 31) - 1)
    streams = range(1, 2 * MOST_CANCELLED_STREAMS + 3, 2)

    with closing(socket.create_connection((plain.host, plain.port), timeout=20)) as client:
        send(client, BEGINNING + b"".join(asked(one) + frame(WINDOW_UPDATE, 0, one, too_wide) for one in streams))
        assert code_of_goaway(client) == ENHANCE_YOUR_CALM
    gate.release()


def test_the_end_does_not_come_into_a_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are calls of one TLS object, which OpenSSL does not guard."""
    take, send, unwrap = HTTP2.take, ssl.SSLSocket.send, ssl.SSLSocket.unwrap
    taking, sending, said_goodbye = threading.Event(), threading.Event(), threading.Event()
    overlaps: list[bool] = []

    def send_slowly(sock: ssl.SSLSocket, data: Any, flags: int = 0) -> int:
        if not sock.server_side or said_goodbye.is_set():
            return send(sock, data, flags)
        sending.set()
        said_goodbye.wait(0.2)  # it comes at once, unless it waits for this
        count = send(sock, data, flags)
        sending.clear()
        return count

    def say_goodbye(sock: ssl.SSLSocket) -> socket.socket:
        overlaps.append(sending.is_set())
        said_goodbye.set()
        return unwrap(sock)

    def take_late(http2: HTTP2, data: bytes) -> tuple[list[StreamTransport], ConnectionRefused | None]:
        if data == WRONG_PING:
            taking.set()
            sending.wait(20)
        return take(http2, data)

    with alone(http2=True, tls=True) as server:
        gate = server.on("GET", "/").respond(text="well").hold()
        with client_of(server) as client:
            client.begin("GET", "/")
            gate.arrived()
            monkeypatch.setattr(ssl.SSLSocket, "send", send_slowly)
            monkeypatch.setattr(ssl.SSLSocket, "unwrap", say_goodbye)
            monkeypatch.setattr(HTTP2, "take", take_late)
            client.socket.sendall(WRONG_PING)
            assert taking.wait(20)
            gate.release()
            assert said_goodbye.wait(20)

    assert overlaps
    assert not any(overlaps)


def test_responses_to_requests_that_come_together_leave_together(
    plain: HTTPServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.on("GET", "/").respond(text="well")
    send_now, writes = Duplex._send_now, []

    def note(duplex: Duplex, data: memoryview) -> memoryview:
        writes.append(bytes(data))
        return send_now(duplex, data)

    monkeypatch.setattr(Duplex, "_send_now", note)
    with connected(plain, BEGINNING + asked(1) + asked(3) + asked(5)):
        plain.wait_for("GET", "/", times=3)
        plain.assert_requested("GET", "/", times=3)
    plain.stop()

    assert max(data.count(b"well") for data in writes) == 3
