"""Faults over HTTP/2: what a client sees of each, and what GOAWAY asks of it."""

from __future__ import annotations

import threading
from typing import Any

import h2.exceptions
import h2.settings
import pytest

from pytest_httpserve import HTTPServe, UsageError
from pytest_httpserve.faults import (
    ChangeSettings,
    Close,
    Extend,
    Fault,
    FrameGarbage,
    GoAway,
    HpackGarbage,
    MaxStreams,
    NoLastChunk,
    NoPong,
    NoSettingsAck,
    Reset,
    ResetStream,
    Slow,
    Stall,
    StarveWindow,
    Truncate,
    TruncateFrame,
    WrongStream,
)
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.protocol.http2 import HTTP2, ConnectionRefused
from pytest_httpserve.protocol.stream_connection import StreamConnection
from pytest_httpserve.scripting.multiplexing import Multiplexing
from tests.scripting.http2.client import client_of

BROKEN = (ConnectionError, h2.exceptions.ProtocolError, OSError)


# Faults of streams


@pytest.mark.parametrize("after", [None, 3])
def test_a_stream_is_reset_and_the_connection_goes_on(server: HTTPServe, after: int | None) -> None:
    server.on("GET", "/a").respond(text="hello", fault=ResetStream("REFUSED_STREAM", after=after))
    server.on("GET", "/b").respond(text="well")

    with client_of(server) as client:
        answer = client.get("/a")
        assert answer.reset == 0x7
        assert answer.body == (b"" if after is None else b"hel")
        assert client.get("/b").body == b"well"

    assert server.exchanges[0].faults == (ResetStream("REFUSED_STREAM", after=after),)
    assert server.failures == ()


@pytest.mark.parametrize("phase", ["request_head", "request_body", "response_head", "response_body", "response_end"])
def test_a_stream_is_reset_in_any_phase(plain: HTTPServe, phase: Any) -> None:
    plain.fault(ResetStream(0xB, phase=phase))
    plain.on("POST", "/a").respond(text="hello")

    with client_of(plain) as client:
        stream = client.begin("POST", "/a", [("content-length", "4")], ends=False)
        client.send(stream, b"body")
        answer = client.answer(stream)
        if phase == "response_end":
            client.receive_until(lambda: answer.ended or answer.reset is not None)
        else:
            assert answer.reset == 0xB
        assert bool(answer.headers) is phase.startswith("response_b") or phase == "response_end"


def test_what_is_cut_short(server: HTTPServe) -> None:
    server.on("GET", "/length").respond(text="hello world", fault=Truncate(3))
    server.on("GET", "/chunks").respond(stream=["hello", "world"], fault=NoLastChunk())
    server.on("GET", "/more").respond(text="hello", fault=Extend(b"more"))
    server.on("GET", "/b").respond(text="well")

    with client_of(server) as client:
        client.h2.config.validate_inbound_headers = False
        assert client.get("/chunks").reset == 0x2
        assert client.get("/b").body == b"well"
        with pytest.raises(h2.exceptions.InvalidBodyLengthError, match="Expected 11 bytes, received 8"):
            client.get("/length")
    with client_of(server) as client, pytest.raises(h2.exceptions.InvalidBodyLengthError, match="received 9"):
        client.get("/more")


@pytest.mark.parametrize("fault", [Reset(), Reset(after=2), Close(), Close(after=2)])
def test_a_connection_that_ends(server: HTTPServe, fault: Fault) -> None:
    server.on("GET", "/a").respond(text="hello", fault=fault)
    gate = server.on("GET", "/held").respond(text="held").hold()

    with client_of(server) as client:
        client.begin("GET", "/held")
        gate.arrived()
        with pytest.raises(BROKEN):
            client.get("/a")
            client.receive_until(lambda: False)
    with client_of(server) as client:
        gate.release()
        assert client.get("/held").body == b"held"


def test_a_pace(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="hello", fault=Slow(chunk=1))

    with client_of(server) as client:
        assert client.get("/a").body == b"hello"


def test_silence_ends_with_the_server(plain: HTTPServe) -> None:
    plain.on("GET", "/a").respond(text="hello", fault=Stall(after=2))
    plain.on("GET", "/b").respond(text="well")

    with client_of(plain) as client:
        stream = client.begin("GET", "/a")
        client.receive_until(lambda: client.answers[stream].body == b"he")
        assert client.get("/b").body == b"well"
        plain.stop()
        with pytest.raises(BROKEN):
            client.receive_until(lambda: False)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (FrameGarbage(b"\0\0\1\x04\0\0\0\0\1s"), h2.exceptions.ProtocolError),
        (WrongStream(), h2.exceptions.ProtocolError),
        (HpackGarbage(), h2.exceptions.ProtocolError),
        (TruncateFrame(), ConnectionError),
    ],
)
def test_frames_that_break_the_rules(server: HTTPServe, fault: Fault, error: type[Exception]) -> None:
    server.on("GET", "/a").respond(text="hello", fault=fault)

    with client_of(server) as client, pytest.raises(error):
        client.get("/a")
        client.receive_until(lambda: False)

    assert server.exchanges[0].faults == (fault,)
    assert server.failures == ()


# Faults of connections


@pytest.mark.parametrize("fault", [FrameGarbage(), WrongStream(), MaxStreams(1), TruncateFrame(), Reset(), Close()])
def test_a_fault_for_a_client_that_has_gone_fails_no_test(server: HTTPServe, fault: Fault) -> None:
    gate = server.on("GET", "/a").respond(text="well", fault=fault).hold()

    with client_of(server) as client:
        client.begin("GET", "/a")
        gate.arrived()
    server.assert_all_closed(by="client")
    gate.release()
    server.stop()

    assert server.failures == ()


@pytest.mark.parametrize("fault", [Reset(), Close(), TruncateFrame(), FrameGarbage()])
def test_a_fault_on_a_connection_that_another_stream_has_reset_fails_no_test(server: HTTPServe, fault: Fault) -> None:
    server.on("GET", "/a").respond(text="well", fault=Reset())
    gate = server.on("GET", "/b").respond(text="well", fault=fault).hold()

    with client_of(server) as client:
        client.begin("GET", "/b")
        gate.arrived()
        with pytest.raises(BROKEN):
            client.get("/a")
    gate.release()
    server.stop()

    assert server.failures == ()


def test_a_window_that_never_opens(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(text="hello", fault=StarveWindow())
    server.on("POST", "/b").respond(text="well")

    with client_of(server) as client:
        client.request("POST", "/b", b"body")  # its settings have come
        stream = client.begin("POST", "/a", [("content-length", "3000000")], ends=False)
        window = client.h2.local_flow_control_window(stream)
        client.send(stream, bytes(window), ends=False)
        assert client.request("POST", "/b", b"body").body == b"well"
        assert client.h2.local_flow_control_window(stream) == 0


def test_a_connection_without_a_window(server: HTTPServe) -> None:
    server.fault(StarveWindow())
    server.on("POST", "/a").respond(text="hello")
    server.on("GET", "/b").respond(text="well")

    with client_of(server) as client:
        assert client.get("/b").body == b"well"
        stream = client.begin("POST", "/a", ends=False)
        assert client.h2.local_flow_control_window(stream) == 0


def test_settings_that_a_connection_begins_with(server: HTTPServe) -> None:
    server.fault([MaxStreams(1), ChangeSettings({"INITIAL_WINDOW_SIZE": 10})])
    server.on("GET", "/a").respond(text="well")

    with client_of(server) as client:
        assert client.get("/a").body == b"well"

    assert client.settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] == 1
    assert client.settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] == 10


def test_settings_that_change(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well", fault=MaxStreams(3))

    with client_of(server) as client:
        assert client.get("/a").body == b"well"

    assert client.settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] == 3


@pytest.mark.parametrize("fault", [None, NoSettingsAck(), NoPong()])
def test_what_gets_no_answer(server: HTTPServe, fault: Fault | None) -> None:
    if fault is not None:
        server.fault(fault)
    server.on("GET", "/a").respond(text="well")

    with client_of(server) as client:
        client.h2.ping(b"12345678")
        assert client.get("/a").body == b"well"
        assert client.get("/a").body == b"well"

    assert client.settings_acknowledged is (fault != NoSettingsAck())
    assert client.pongs == ([] if fault == NoPong() else [b"12345678"])


# GOAWAY


def test_a_client_is_told_to_go_away(server: HTTPServe) -> None:
    server.on("GET", "/{n:int}").respond(text="well", fault=GoAway())

    with client_of(server) as client:
        assert client.get("/1").body == b"well"
        assert client.gone_away is not None
        assert client.gone_away == (1, 0)
        with pytest.raises(ConnectionError):
            client.receive_until(lambda: False)

    (record,) = server.connections
    assert record.goaway is not None
    assert (record.goaway.code, record.goaway.last_stream, record.goaway.unprocessed) == ("NO_ERROR", 1, ())
    server.assert_goaway_respected()


def ask_again(server: HTTPServe, *targets: str) -> None:
    with client_of(server) as client:
        for target in targets:
            client.get(target)


def told_to_go(server: HTTPServe) -> None:
    """Three requests on one connection: two are processed, the third comes after the last."""
    server.on("GET", "/first").respond(text="well")
    server.on("GET", "/last").respond(text="well", fault=GoAway(code="ENHANCE_YOUR_CALM"))
    server.on("GET", "/late").respond(text="well")
    gate = server.on("GET", "/held").respond(text="held").hold()
    with client_of(server) as client:
        held = client.begin("GET", "/held")
        gate.arrived()
        assert client.get("/first").body == b"well"
        assert client.get("/last").body == b"well"
        client.begin("GET", "/late")  # as if it had not heard yet
        gate.release()
        assert client.answer(held).body == b"held"
        with pytest.raises(ConnectionError):
            client.receive_until(lambda: False)


def test_who_repeats_what_was_not_processed_does_right(server: HTTPServe) -> None:
    told_to_go(server)
    ask_again(server, "/late")

    (late,) = server.connections[0].goaway.unprocessed if server.connections[0].goaway else ()
    assert (late.stream_id, late.method, late.target) == (7, "GET", "/late")
    server.assert_goaway_respected()


def test_who_gives_up_what_was_not_processed_does_wrong(server: HTTPServe) -> None:
    told_to_go(server)

    with pytest.raises(AssertionError, match="the client gave up GET /late, which was not processed") as failed:
        server.assert_goaway_respected()
    assert "over HTTP/2: 3 exchanges" in str(failed.value)
    assert "told to go away (ENHANCE_YOUR_CALM, last stream 5)" in str(failed.value)
    assert "GET /first on stream 3 -> 200 text/plain" in str(failed.value)


def test_who_repeats_what_was_processed_does_wrong(server: HTTPServe) -> None:
    told_to_go(server)
    ask_again(server, "/late", "/first")

    with pytest.raises(AssertionError, match="the client repeated GET /first, which was processed"):
        server.assert_goaway_respected()


def test_a_request_that_is_not_processed_itself(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="hello", fault=GoAway(last_stream=0)).respond(text="well")

    with client_of(server) as client, pytest.raises(ConnectionError):
        client.get("/a")
        client.receive_until(lambda: False)
    with pytest.raises(AssertionError, match="the client gave up GET /a"):
        server.assert_goaway_respected()
    ask_again(server, "/a")
    server.assert_goaway_respected()
    route.assert_called(times=2)
    assert server.exchanges[0].error == "not processed: GOAWAY named stream 0 as the last"


def test_a_request_that_comes_too_late_may_be_malformed(server: HTTPServe) -> None:
    server.on("GET", "/last").respond(text="well", fault=GoAway())
    gate = server.on("GET", "/held").respond(text="held").hold()

    with client_of(server) as client:
        held = client.begin("GET", "/held")
        gate.arrived()
        client.get("/last")
        client.begin("G\r\nT", "/a b")
        client.h2.ping(b"12345678")
        client.flush()
        client.receive_until(lambda: client.pongs == [b"12345678"])
        gate.release()
        assert client.answer(held).body == b"held"

    (late,) = server.connections[0].goaway.unprocessed if server.connections[0].goaway else ()
    assert (late.method, late.target) == ("G\r\nT", "/a b")


def test_what_comes_while_the_last_stream_ends_is_taken_in(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", "/last").respond(text="well", fault=GoAway())
    gate = server.on("GET", "/held").respond(text="held").hold()
    taking, go, ended = threading.Event(), threading.Event(), threading.Event()
    take, end_stream = HTTP2.take, Multiplexing.end_stream

    def take_late(http2: HTTP2, data: bytes) -> tuple[list[StreamTransport], ConnectionRefused | None]:
        if b"12345678" in data:
            taking.set()
            go.wait(20)
        return take(http2, data)

    def end(multiplexing: Multiplexing, stream: StreamConnection) -> None:
        end_stream(multiplexing, stream)
        if stream.doing.startswith("GET /held"):
            ended.set()

    with client_of(server) as client:
        held = client.begin("GET", "/held")
        gate.arrived()
        client.get("/last")
        monkeypatch.setattr(HTTP2, "take", take_late)
        monkeypatch.setattr(Multiplexing, "end_stream", end)
        client.h2.ping(b"12345678")
        client.flush()
        assert taking.wait(20)
        gate.release()
        assert ended.wait(20)
        go.set()
        assert client.answer(held).body == b"held"
        client.receive_until(lambda: client.pongs == [b"12345678"])


def test_nobody_was_told_to_go(server: HTTPServe) -> None:
    with pytest.raises(AssertionError, match="no client was told to go away"):
        server.assert_goaway_respected()


def test_whether_a_client_multiplexes(server: HTTPServe) -> None:
    server.on("GET", "/{n:int}").respond(text="well")
    gate = server.on("GET", "/held").respond(text="held").hold()

    with client_of(server) as client:
        assert client.get("/1").body == client.get("/2").body == b"well"
        with pytest.raises(AssertionError, match=r"expected 2 requests in progress at once .* got at most 1"):
            server.assert_multiplexed()
        held = client.begin("GET", "/held")
        gate.arrived()
        client.get("/3")
        server.assert_multiplexed()
        with pytest.raises(AssertionError, match="expected 3 requests in progress"):
            server.assert_multiplexed(at_least=3)
        gate.release()
        client.answer(held)


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResetStream("NO"), "code= must be one of NO_ERROR, PROTOCOL_ERROR"),
        (lambda: ResetStream(-1), "or a number, not -1"),
        (lambda: GoAway(last_stream=-1), "last_stream="),
        (lambda: ChangeSettings({}), "takes names and numbers of settings, not {}"),
        (lambda: ChangeSettings({"WINDOW": 1}), "a setting must be one of HEADER_TABLE_SIZE"),
        (lambda: ChangeSettings({"MAX_FRAME_SIZE": -1}), "the setting MAX_FRAME_SIZE"),
        (lambda: MaxStreams(-1), "MaxStreams"),
        (lambda: FrameGarbage(b""), "data= must be at least one byte"),
        (lambda: StarveWindow("all"), "of= must be 'stream' or 'connection', not 'all'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
