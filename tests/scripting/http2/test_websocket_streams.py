"""WebSocket connections that are streams of HTTP/2 (RFC 8441)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import h2.settings
import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from pytest_httpserve import HTTPServe, WebSocketClosed
from pytest_httpserve.faults import Close, Reset
from pytest_httpserve.server import BaseHTTPRequestHandler
from tests.scripting.http2.client import Answer, Client, client_of

Event = tuple[Any, Any]  # an opcode and a payload, as wsproto has them


class Peer:
    """The client's end of one."""

    def __init__(self, client: Client, path: str = "/chat", fields: tuple[tuple[str, str], ...] = ()) -> None:
        self.client = client
        self.frames = FrameProtocol(client=True, extensions=[])
        self.id = client.begin(
            "CONNECT", path, [(":protocol", "websocket"), ("sec-websocket-version", "13"), *fields], ends=False
        )
        self._taken = 0

    @property
    def answer(self) -> Answer:
        return self.client.answers[self.id]

    def open(self) -> Peer:
        self.client.receive_until(lambda: bool(self.answer.headers) or self.answer.over)
        assert self.answer.status == 200
        return self

    def send(self, data: str | bytes) -> None:
        self.client.send(self.id, bytes(self.frames.send_data(data, fin=True)), ends=False)

    def close(self, code: int, reason: str = "") -> None:
        self.client.send(self.id, bytes(self.frames.close(code, reason)), ends=False)

    def receive(self) -> Event:
        """The next frame."""
        while True:
            for frame in self.frames.received_frames():
                return frame.opcode, frame.payload
            self.client.receive_until(lambda: len(self.answer.body) > self._taken or self.answer.over)
            new, self._taken = self.answer.body[self._taken :], len(self.answer.body)
            assert new, "the stream has ended"
            self.frames.receive_bytes(new)


def test_the_server_says_that_it_can(server: HTTPServe) -> None:
    with client_of(server) as client:
        client.receive_until(lambda: bool(client.settings))
        assert client.settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1


def test_messages_both_ways(server: HTTPServe) -> None:
    chat = server.websocket("/chat", subprotocols=["chat.v2"])
    with client_of(server) as client:
        mine = Peer(client, fields=(("sec-websocket-protocol", "chat.v1, chat.v2"),)).open()
        peer = chat.accept()

        assert peer.subprotocol == "chat.v2"
        assert mine.answer.headers["sec-websocket-protocol"] == "chat.v2"
        assert {"upgrade", "connection", "sec-websocket-accept"}.isdisjoint(mine.answer.headers)
        mine.send("hi")
        assert peer.receive(timeout=10) == "hi"
        peer.send(b"\1\2")
        assert mine.receive() == (Opcode.BINARY, b"\1\2")
        peer.close(1012, "restart")
        assert mine.receive() == (Opcode.CLOSE, (1012, "restart"))
        mine.close(1012)
        assert client.answer(mine.id).ended

        (exchange,) = server.exchanges
        assert (exchange.version, exchange.stream_id, exchange.status) == ((2, 0), 1, 101)
        assert exchange.request.method == "GET"
        assert [(one.direction, one.type) for one in exchange.messages] == [
            ("received", "text"),
            ("sent", "binary"),
            ("sent", "close"),
            ("received", "close"),
        ]
    assert server.failures == ()


def test_two_of_one_connection_beside_a_request(server: HTTPServe) -> None:
    server.on("GET", "/").respond(text="well")
    chat = server.websocket("/chat")
    with client_of(server) as client:
        mine = [Peer(client).open(), Peer(client).open()]
        peers = sorted((chat.accept(), chat.accept()), key=lambda peer: peer.exchange.stream_id or 0)
        for peer, its, text in zip(peers, mine, ("one", "two"), strict=True):
            its.send(text)
            assert peer.receive(timeout=10) == text
        assert client.get("/").body == b"well"
        assert [[one.data for one in peer.messages] for peer in peers] == [["one"], ["two"]]
        for peer in peers:
            peer.close()
        for its in mine:
            assert its.receive()[0] is Opcode.CLOSE
            its.close(1000)
            client.answer(its.id)
    assert server.failures == ()


def test_a_function_echoes_a_message_larger_than_windows(server: HTTPServe) -> None:
    @server.websocket("/chat", max_message_bytes=8 << 20)
    def echo(peer: Any) -> None:
        for message in peer:
            peer.send(message)

    data = bytes(range(256)) * 4096 * 3
    with client_of(server) as client:
        mine = Peer(client).open()
        mine.send(data)
        got = b""
        while len(got) < len(data):
            got += mine.receive()[1]
        assert got == data
        mine.close(1000)
        assert mine.receive() == (Opcode.CLOSE, (1000, ""))
        client.answer(mine.id)
    assert server.failures == ()


def test_a_client_that_resets_its_stream(server: HTTPServe) -> None:
    chat = server.websocket("/chat")
    with client_of(server) as client:
        mine = Peer(client).open()
        peer = chat.accept()
        client.h2.reset_stream(mine.id)
        client.flush()
        with pytest.raises(WebSocketClosed):
            peer.receive(timeout=10)
        assert Peer(client).open()
        chat.accept().reset()


def test_a_client_that_leaves_ends_all_of_them(server: HTTPServe) -> None:
    chat = server.websocket("/chat")
    with client_of(server) as client:
        for _ in range(20):
            Peer(client).open()
        peers = [chat.accept() for _ in range(20)]
    for peer in peers:
        peer.wait_closed(10)
        assert peer.close_code == 1006
    server.assert_all_closed()


def test_a_server_that_resets(server: HTTPServe) -> None:
    chat = server.websocket("/chat")
    server.on("GET", "/").respond(text="well")
    with client_of(server) as client:
        mine = Peer(client).open()
        chat.accept().reset()
        assert client.answer(mine.id).reset is not None
        assert client.get("/").body == b"well"
    assert server.failures == ()


@pytest.mark.parametrize(
    ("fault", "ends"), [(Reset(phase="message"), False), (Close(phase="message"), True)], ids=["reset", "close"]
)
def test_faults_in_messages(server: HTTPServe, fault: Any, ends: bool) -> None:
    chat = server.websocket("/chat", fault=fault)
    with client_of(server) as client:
        mine = Peer(client).open()
        peer = chat.accept()
        with contextlib.suppress(WebSocketClosed):
            peer.send("never")
        answer = client.answer(mine.id)
        assert (answer.ended, answer.body) == (ends, b"")


def test_a_stop_says_going_away(server: HTTPServe) -> None:
    chat = server.websocket("/chat")
    with client_of(server) as client:
        mine = Peer(client).open()
        chat.accept()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert mine.receive() == (Opcode.CLOSE, (1001, ""))
        stopping.join(10)
        assert not stopping.is_alive()


# Applications


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    assert (scope["type"], scope["http_version"]) == ("websocket", "2")
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def flask_echo() -> Any:
    from flask import Flask
    from flask_sock import Sock  # type: ignore[import-untyped]  # it has no types

    app = Flask("echo")

    @Sock(app).route("/chat")  # type: ignore[untyped-decorator]  # nor has this
    def echo(websocket: Any) -> None:
        while True:
            websocket.send(websocket.receive())

    return app


@pytest.mark.parametrize("application", [lambda: asgi_echo, flask_echo], ids=["asgi", "flask"])
def test_an_application_echoes(server: HTTPServe, application: Callable[[], Any]) -> None:
    server.mount("/app", application())
    with client_of(server) as client:
        mine = [Peer(client, "/app/chat").open() for _ in range(2)]
        for its in mine:
            its.send("hi")
            assert its.receive() == (Opcode.TEXT, "hi")
        for its in mine:  # without a close frame: Flask-Sock would send its own when the application has ended
            client.h2.end_stream(its.id)
            client.flush()
            assert client.answer(its.id).ended
    assert [exchange.status for exchange in server.exchanges] == [101, 101]
    assert server.failures == ()


class Switching(BaseHTTPRequestHandler):
    """Answers 101, and then lines by hand."""

    def do_GET(self) -> None:
        self.send_response_only(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.end_headers()
        self.connection.settimeout(0.001)
        with contextlib.suppress(TimeoutError):
            self.connection.recv(1)
            raise AssertionError("nothing was sent")
        self.connection.sendall(b"so far")
        self.connection.settimeout(10)
        while line := self.connection.recv(100):
            self.connection.sendall(line.upper())


def test_a_handler_has_the_stream_for_its_socket(server: HTTPServe) -> None:
    server.mount("/chat", Switching)
    with client_of(server) as client:
        mine = Peer(client).open()
        client.receive_until(lambda: mine.answer.body == b"so far" or mine.answer.over)
        client.send(mine.id, b"line", ends=False)
        client.receive_until(lambda: mine.answer.body == b"so farLINE" or mine.answer.over)
        client.h2.end_stream(mine.id)
        client.flush()
        assert client.answer(mine.id).reset is None
    assert server.failures == ()


def test_what_is_sent_when_the_stream_has_ended_breaks_as_a_pipe(plain: HTTPServe) -> None:
    transports: list[Any] = []

    class Leaving(Switching):
        def do_GET(self) -> None:
            transports.append(self.connection._asked.connection.transport)
            super().do_GET()

    plain.mount("/chat", Leaving)
    with client_of(plain) as client:
        mine = Peer(client).open()
        client.receive_until(lambda: mine.answer.body == b"so far" or mine.answer.over)
        client.h2.end_stream(mine.id)
        client.flush()
        assert client.answer(mine.id).ended
        (transport,) = transports
        with pytest.raises(BrokenPipeError):
            transport.http2.send(transport, None, b"late", end=False)
    assert plain.failures == ()


# What opens none


def test_a_key_that_is_of_no_use_there_does_no_harm(server: HTTPServe) -> None:
    chat = server.websocket("/chat")
    with client_of(server) as client:
        Peer(client, fields=(("sec-websocket-key", "not one"),)).open()
        chat.accept().reset()
    assert server.failures == ()


def test_a_handshake_that_is_refused(server: HTTPServe) -> None:
    server.websocket("/chat").respond(403, text="no")
    with client_of(server) as client:
        answer = client.answer(Peer(client).id)
        assert (answer.status, answer.body) == (403, b"no")


def test_an_answer_that_a_client_would_take_for_a_connection_resets_the_stream(server: HTTPServe) -> None:
    server.on("GET", "/chat").respond(text="this is no WebSocket")
    with client_of(server) as client:
        answer = client.answer(Peer(client).id)
        assert answer.headers == {}
        assert answer.reset is not None
    assert "200 would tell the client that its connection is open" in str(server.exchanges[0].notes)


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("CONNECT", [(":protocol", "connect-udp")], 501),
        ("GET", [(":protocol", "websocket")], 400),
        ("CONNECT", [(":protocol", "")], 400),
        ("CONNECT", [(":protocol", "websocket"), ("sec-websocket-version", "12")], 426),
    ],
)
def test_what_is_wrong_is_refused(server: HTTPServe, method: str, fields: list[tuple[str, str]], status: int) -> None:
    server.websocket("/chat")
    with client_of(server) as client:
        assert client.answer(client.begin(method, "/chat", fields, ends=False)).status == status
    assert len(server.failures) == 1
