"""What a test holds of a WebSocket connection: it sends, receives, and ends it."""

import json
import socket
import threading
from typing import Any

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from pytest_httpserve import HTTPServe, UsageError, WebSocketClosed
from tests.scripting.websockets.conftest import Client, Open

MASKED = FrameProtocol(client=True, extensions=[])


@pytest.fixture(params=["loop", "thread", "tls"])
def anywhere(request: pytest.FixtureRequest, server: HTTPServe) -> Any:
    """A server whose connections rest in the loop, one whose connections have threads, and one over TLS."""
    if request.param == "tls":
        with HTTPServe(tls=True) as secure:
            yield secure
        return
    if request.param == "thread":
        from pytest_httpserve.faults import Slow

        server.fault(Slow(chunk=4096, phase="request_head"), times=99)
    yield server


def test_messages_pass_in_both_directions(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    client = open_websocket("/chat", of=anywhere)
    peer = chat.accept(timeout=5)

    peer.send("hello")
    peer.send(b"\0\xff")
    peer.send_json({"a": 1})
    client.send("hi")
    client.send(b"\xff")
    client.send('{"b": 2}')

    assert [client.read().payload for _ in range(3)] == ["hello", b"\0\xff", json.dumps({"a": 1})]
    assert (peer.receive(), peer.receive(), peer.receive_json()) == ("hi", b"\xff", {"b": 2})
    said = {(one.direction, one.type, one.size) for one in anywhere.exchanges[0].messages}
    assert {one for one in said if one[0] == "sent"} == {
        ("sent", "text", 5),
        ("sent", "binary", 2),
        ("sent", "text", 8),
    }
    assert ("received", "binary", 1) in said
    assert len(anywhere.exchanges[0].messages) == 6
    assert anywhere.exchanges[0] is peer.exchange
    assert peer.request.path == "/chat"


def test_the_server_closes_with_a_code_and_a_reason(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    client = open_websocket("/chat", of=anywhere)
    peer = chat.accept()

    peer.close(1012, "restart")

    assert client.read_close() == (1012, "restart")
    with pytest.raises(WebSocketClosed, match="the server has closed"):
        peer.send("too late")
    client.close(1012)
    assert client.has_ended()
    peer.wait_closed()
    assert (peer.closed, peer.close_code, peer.close_reason) == (True, 1012, "")
    peer.close()  # which does nothing


def test_the_client_closes(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    client = open_websocket("/chat", of=anywhere)
    peer = chat.accept()

    client.send("last words")
    client.close(4000, "bye")

    assert client.read_close() == (4000, "bye")
    assert client.has_ended()
    assert peer.receive() == "last words"
    with pytest.raises(WebSocketClosed, match=r"the client has closed the connection with 4000 \(bye\)") as raised:
        peer.receive()
    assert (raised.value.code, raised.value.reason) == (4000, "bye")
    assert list(peer) == []
    assert anywhere.exchanges[0].messages[-1][:3] == ("sent", "close", "bye")


def test_a_client_that_leaves_without_a_word(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    open_websocket("/chat", of=anywhere).socket.close()

    with pytest.raises(WebSocketClosed) as raised:
        chat.accept().receive()

    assert raised.value.code == 1006


def test_stop_tells_the_client_and_wakes_who_receives(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    client = open_websocket("/chat", of=anywhere)
    peer = chat.accept()
    raised: list[WebSocketClosed] = []

    def receive() -> None:
        try:
            peer.receive(timeout=30)
        except WebSocketClosed as error:
            raised.append(error)

    thread = threading.Thread(target=receive)
    thread.start()
    anywhere.stop()
    thread.join(10)

    assert [error.code for error in raised] == [1001]
    assert client.read_close() == (1001, "")


def test_a_reset(anywhere: HTTPServe, open_websocket: Open) -> None:
    chat = anywhere.websocket("/chat")
    client = open_websocket("/chat", of=anywhere)
    peer = chat.accept()

    peer.reset()

    assert client.has_ended()
    with pytest.raises(WebSocketClosed, match="the server has reset the connection"):
        peer.receive()


def test_what_comes_with_the_handshake_is_the_first_message(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    open_websocket("/chat", then=bytes(MASKED.send_data("early")))

    assert chat.accept().receive() == "early"


def test_pings_are_answered_and_pongs_awaited(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()

    client.socket.sendall(client.frames.ping(b"1"))
    assert client.read()[:2] == (Opcode.PONG, b"1")

    def answer() -> None:
        assert client.read()[:2] == (Opcode.PING, b"2")
        client.socket.sendall(client.frames.pong(b"2"))

    thread = threading.Thread(target=answer)
    thread.start()
    peer.ping(b"2", timeout=10)
    thread.join(10)
    with pytest.raises(AssertionError, match=r"no pong came within 0\.01 s"):
        peer.ping(b"3", timeout=0.01)


def test_pongs_by_hand(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", answer_pings=False)
    client = open_websocket("/chat")
    peer = chat.accept()

    client.socket.sendall(client.frames.ping(b"1"))
    client.send("after it")
    peer.receive()
    peer.pong(b"other")

    assert client.read()[:2] == (Opcode.PONG, b"other")


def test_fragments(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()

    peer.send("He", more=True)
    peer.ping(timeout=None)
    peer.send("llo")
    client.send("wor", fin=False)
    client.send("ld")

    frames = [client.read() for _ in range(3)]
    assert [(frame.payload, frame.message_finished) for frame in frames] == [("He", False), (b"", True), ("llo", True)]
    assert peer.receive() == "world"
    texts = [(one.data, one.frames) for one in peer.messages if one.type == "text"]
    assert texts == [("Hello", 2), ("world", 2)]


def test_no_message_in_time_says_what_there_was(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    open_websocket("/chat")
    peer = chat.accept()
    peer.send("hello")

    with pytest.raises(AssertionError, match=r"no message came within 0\.01 s; the messages were:\n  < text, 5 bytes"):
        peer.receive(timeout=0.01)


def test_a_client_that_does_not_read_holds_up_nobody(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", max_message_bytes=1 << 26)
    slow, other = open_websocket("/chat"), open_websocket("/chat")
    peers = [chat.accept(), chat.accept()]
    sender = threading.Thread(target=lambda: peers[0].send(bytes(1 << 23)))
    sender.start()
    slow.socket.recv(1, socket.MSG_PEEK)  # the message has begun to come
    slow.socket.sendall(slow.frames.ping(b"is answered when there is room"))

    other.send("hi")
    assert peers[1].receive() == "hi"

    assert len(slow.read().payload) == 1 << 23
    assert slow.read()[:2] == (Opcode.PONG, b"is answered when there is room")
    sender.join(10)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda peer: peer.send(1), r"send\(\) takes a str or bytes, not 1"),
        (lambda peer: peer.send_json({1}), "this is not JSON"),
        (lambda peer: peer.close(999), "a close code from 1000 to 4999, not 999"),
        (lambda peer: peer.close(1006), "no close frame has the code 1006"),
        (lambda peer: peer.close(None, "why"), "without a code has no reason"),
        (lambda peer: peer.close(1000, "x" * 124), "at most 123 bytes"),
        (lambda peer: peer.ping(b"x" * 126), r"ping\(\) takes at most 125 bytes"),
        (lambda peer: peer.receive(timeout=-1), "timeout="),
    ],
)
def test_wrong_values_are_refused(server: HTTPServe, open_websocket: Open, call: Any, said: str) -> None:
    chat = server.websocket("/chat")
    open_websocket("/chat")

    with pytest.raises(UsageError, match=said):
        call(chat.accept())


def test_idle_connections_have_no_threads(server: HTTPServe, open_websocket: Open) -> None:
    before = threading.active_count()
    chat = server.websocket("/chat")
    clients: list[Client] = [open_websocket("/chat") for _ in range(100)]
    peers = [chat.accept() for _ in clients]

    assert threading.active_count() <= before + 4
    clients[7].send("still there")
    assert peers[7].receive() == "still there"
