"""Faults of WebSocket connections: in the handshake, in messages, in the close frame."""

import threading
from typing import Any

import pytest
from wsproto.frame_protocol import Opcode

from pytest_httpserve import HTTPServe, Peer, UsageError, WebSocketClosed
from pytest_httpserve.faults import (
    Close,
    Delay,
    Fault,
    LongControlFrame,
    MaskedFrame,
    MixedFragments,
    NoPong,
    NoUpgrade,
    ReservedBits,
    Reset,
    Slow,
    Stall,
    Unoffered,
    WrongAccept,
    WrongText,
)
from pytest_httpserve.scripting.faults.sweeps import run_name, sweep
from tests.scripting.websockets.conftest import Client, Open

HELLO = b"\x81\x05hello"
BYE = b"\x88\x05\x03\xe8bye"


def rest_of(client: Client) -> tuple[bytes, str]:
    """What comes until the end, and how that comes."""
    data = client.rest
    try:
        while piece := client.socket.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, "RST"
    return data, "FIN"


def say_hello(peer: Peer) -> None:
    peer.send("hello")
    peer.close(1000, "bye")


@pytest.mark.parametrize("given", ["route", "connection"])
@pytest.mark.parametrize(
    ("fault", "data", "end"),
    [
        (Reset(phase="message"), b"", "RST"),
        (Reset(phase="message", after=3), HELLO[:3], "RST"),
        (Close(phase="message", after=3), HELLO[:3], "FIN"),
        (Close(phase="message", after=7), HELLO, "FIN"),
        (Close(phase="message", after=100), HELLO, "FIN"),
        (Close(phase="close"), HELLO, "FIN"),
        (Close(phase="close", after=2), HELLO + BYE[:2], "FIN"),
        (Reset(phase="close", after=2), HELLO + BYE[:2], "RST"),
        (Stall(phase="message", after=3, limit=0.01), HELLO[:3], "FIN"),
    ],
    ids=lambda given: given.name if isinstance(given, Fault) else "",
)
def test_acts_are_exact_to_the_byte(
    server: HTTPServe, open_websocket: Open, given: str, fault: Fault, data: bytes, end: str
) -> None:
    if given == "connection":
        server.fault(fault, expected=True)
        server.websocket("/chat").handle(say_hello)
    else:
        server.websocket("/chat", fault=fault).handle(say_hello)

    client = open_websocket("/chat")

    assert rest_of(client) == (data, end)
    assert server.exchanges[0].faults == (fault,)
    assert [event.fault for event in server.fault_events] == [fault]
    server.check_expectations()
    assert server.failures == ()


def test_a_pause_and_a_pace(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat", fault=[Delay(0.001, phase="message", after=2), Slow(chunk=1, phase="message")]).handle(
        say_hello
    )

    client = open_websocket("/chat")

    assert client.read()[:2] == (Opcode.TEXT, "hello")
    assert client.read_close() == (1000, "bye")
    assert len(server.fault_events) == 2


def test_silence_until_the_test_says_so(server: HTTPServe, open_websocket: Open) -> None:
    go = threading.Event()
    server.websocket("/chat", fault=Stall(phase="message", after=3, until=go)).handle(say_hello)
    client = open_websocket("/chat")

    while not client.rest:
        client.rest = client.socket.recv(3)
        client.frames.receive_bytes(client.rest)
    assert client.rest == HELLO[:3]
    go.set()
    assert client.read()[:2] == (Opcode.TEXT, "hello")


def test_a_stop_ends_a_stall_at_once(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat", fault=Stall(phase="message", limit=600)).handle(say_hello)
    open_websocket("/chat")

    server.stop()

    assert server.failures == ()


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (MaskedFrame(), b"\x81\x85\x01\x02\x03\x04igohn"),
        (ReservedBits(), b"\xb1\x05hello"),
        (ReservedBits(4), b"\xc1\x05hello"),
        (WrongText(), b"\x81\x06hello\xff"),
        (LongControlFrame(), b"\x89\x7e\x00\x7e" + bytes(126) + HELLO),
        (MixedFragments(), b"\x01\x05hello" + HELLO),
    ],
)
def test_frames_that_break_a_rule(server: HTTPServe, open_websocket: Open, fault: Fault, sent: bytes) -> None:
    chat = server.websocket("/chat", fault=fault)
    client = open_websocket("/chat")
    peer = chat.accept()

    peer.send("hello")
    peer.send("again")  # as it should be
    peer.close()

    expected = sent + b"\x81\x05again" + b"\x88\x02\x03\xe8"
    data = client.rest
    while len(data) < len(expected):
        data += client.socket.recv(65536)
    assert data == expected
    assert server.exchanges[0].faults == (fault,)


def test_silence_to_pings(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", fault=NoPong())
    client = open_websocket("/chat")
    peer = chat.accept()

    client.socket.sendall(client.frames.ping(b"1"))
    client.send("after it")
    peer.receive()
    peer.send("hello")

    assert client.read().payload == "hello"
    assert server.exchanges[0].faults == (NoPong(),)


def test_the_close_frame_that_a_client_waits_for(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", fault=Close(phase="close", after=1))
    client = open_websocket("/chat")
    peer = chat.accept()

    client.close(1000)

    assert rest_of(client) == (b"\x88", "FIN")
    with pytest.raises(WebSocketClosed):
        peer.receive()


@pytest.mark.parametrize(
    ("fault", "line", "there"),
    [
        (WrongAccept(), b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", False),
        (NoUpgrade(), b"Upgrade: websocket", False),
        (Unoffered(subprotocol="chat.v9"), b"Sec-WebSocket-Protocol: chat.v9", True),
        (Unoffered(extension="permessage-deflate"), b"Sec-WebSocket-Extensions: permessage-deflate", True),
        (Slow(chunk=1, phase="response_head"), b"Upgrade: websocket", True),
    ],
)
def test_wrong_handshakes(server: HTTPServe, open_websocket: Open, fault: Fault, line: bytes, there: bool) -> None:
    server.websocket("/chat", fault=fault).optional()

    head = open_websocket("/chat").head

    assert head.startswith(b"HTTP/1.1 101 ")
    assert (line in head) is there
    assert server.exchanges[0].faults == (fault,)


def test_a_sweep_goes_through_the_phases_of_a_websocket() -> None:
    phases = [run[0].place for run in sweep("every_phase", effects=Reset, websocket=True)]

    assert phases[-2:] == ["message", "close"]
    assert "message" not in [run[0].place for run in sweep("every_phase")]
    assert run_name(sweep("every_phase", websocket=True)[-1]) == "close-close-1"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Unoffered(), "takes a subprotocol= or an extension="),
        (lambda: Unoffered(subprotocol="a b"), "a name such as"),
        (lambda: ReservedBits(8), "bits="),
        (lambda: LongControlFrame(125), "size="),
        (lambda: Slow(10, phase="close"), "bytes move in the phases"),
        (lambda: sweep("every_phase", websocket=1), "websocket="),
    ],
)
def test_wrong_values_are_refused(make: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make()


def test_a_fault_that_comes_too_early_is_refused(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match="comes before the response is chosen"):
        server.websocket("/chat", fault=Reset(phase="accept"))
