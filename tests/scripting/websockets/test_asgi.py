"""WebSocket connections that ASGI applications answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.faults import Reset
from tests.scripting.websockets.conftest import Client, Open, handshake

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come


def on_websocket(application: Application) -> Application:
    """An application that knows nothing of lifespans, and is connected to."""

    async def called(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        assert await receive() == {"type": "websocket.connect"}
        await application(scope, receive, send)

    return called


@on_websocket
async def echo(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def end(server: HTTPServe) -> str:
    """What fails the test, once it is over."""
    server.settle()
    server.stop()
    return "\n".join(server.failures)


def test_the_scope_of_a_handshake(server: HTTPServe, open_websocket: Open) -> None:
    scopes: list[Message] = []

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send({"type": "websocket.accept", "subprotocol": "chat.v1", "headers": [(b"x-room", b"7")]})

    server.mount("/app", application)
    head = open_websocket("/app/rooms/7?a=b", {"Sec-WebSocket-Protocol": "chat.v2, chat.v1"}).head
    [scope] = scopes

    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "ws", "1.1")
    assert (scope["path"], scope["root_path"], scope["query_string"]) == ("/app/rooms/7", "/app", b"a=b")
    assert scope["subprotocols"] == ["chat.v2", "chat.v1"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert (b"sec-websocket-version", b"13") in scope["headers"]
    assert "method" not in scope
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Protocol: chat.v1\r\n" in head
    assert b"\r\nx-room: 7\r\n" in head
    assert end(server) == ""


def test_messages_go_in_and_out_and_are_in_the_journal(server: HTTPServe, open_websocket: Open) -> None:
    server.mount("/", echo)
    client = open_websocket("/")

    client.send("tea")
    assert client.read().payload == "tea"
    client.send(b"\0\xff")
    assert client.read().payload == b"\0\xff"
    client.close(1001)
    assert client.read_close() == (1001, "")
    server.assert_all_closed()

    [exchange] = server.exchanges
    assert exchange.response is not None
    assert exchange.response.status == 101
    assert [(one.direction, one.type, one.data) for one in exchange.messages] == [
        ("received", "text", "tea"),
        ("sent", "text", "tea"),
        ("received", "binary", b"\0\xff"),
        ("sent", "binary", b"\0\xff"),
        ("received", "close", ""),
        ("sent", "close", ""),
    ]
    assert end(server) == ""


def test_it_is_told_how_the_connection_ends(server: HTTPServe, open_websocket: Open) -> None:
    told: SimpleQueue[Message] = SimpleQueue()

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        told.put(await receive())
        with pytest.raises(OSError, match=r"^the client has "):
            await send({"type": "websocket.send", "text": "too late"})

    server.mount("/", application)
    client = open_websocket("/")
    client.close(4001, "enough")
    assert told.get(timeout=PATIENCE) == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}
    assert client.read_close() == (4001, "enough")
    open_websocket("/").socket.close()
    assert told.get(timeout=PATIENCE)["code"] == 1006
    assert end(server) == ""


def test_it_closes_with_a_code_or_by_its_return(server: HTTPServe, open_websocket: Open) -> None:
    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        if scope["path"] == "/enough":
            await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
            assert (await receive())["type"] == "websocket.disconnect"

    server.mount("/", application)

    assert open_websocket("/enough").read_close() == (4001, "enough")
    assert open_websocket("/returns").read_close() == (1000, "")
    assert end(server) == ""


def test_a_handshake_that_is_not_accepted(server: HTTPServe, open_websocket: Open) -> None:
    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/close":
            await send({"type": "websocket.close"})
            assert await receive() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
            return
        head = {"status": 429, "headers": [(b"retry-after", b"1")]}
        await send({"type": "websocket.http.response.start", **head})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"now"})

    server.mount("/", application)

    assert open_websocket("/close").head.startswith(b"HTTP/1.1 403 ")
    denied = open_websocket("/deny", {"Connection": "Upgrade, close"})
    assert denied.head.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: 1\r\n" in denied.head
    assert denied.rest + denied.socket.makefile("rb").read() == b"4\r\nnot \r\n3\r\nnow\r\n0\r\n\r\n"
    assert end(server) == ""


async def raises_at_once(receive: Receive, send: Send) -> None:
    raise ValueError("a reason")


async def answers_nothing(receive: Receive, send: Send) -> None:
    """Without a word."""


async def sends_first(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.send", "text": "hello"})


async def answers_http(receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})


async def takes_any_subprotocol(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept", "subprotocol": "chat"})


async def sends_two_lines(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept", "headers": [(b"x-a", b"b\r\nc: d")]})


@pytest.mark.parametrize(
    ("application", "wrong"),
    [
        (raises_at_once, "ValueError: a reason"),
        (answers_nothing, "the application returned without a response"),
        (sends_first, "an application cannot send 'websocket.send' here"),
        (answers_http, "an application cannot send 'http.response.start' here"),
        (takes_any_subprotocol, "the application accepts 'chat', a subprotocol that the client did not offer"),
        (sends_two_lines, "x-a"),
    ],
)
def test_what_goes_wrong_before_the_connection_is_a_500(
    server: HTTPServe, open_websocket: Open, application: Any, wrong: str
) -> None:
    server.mount("/", on_websocket(lambda scope, receive, send: application(receive, send)))

    assert open_websocket("/").head.startswith(b"HTTP/1.1 500 ")
    [failure] = server.failures
    assert wrong in failure


async def raises(receive: Receive, send: Send) -> None:
    raise ValueError("a reason")


async def accepts_again(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


async def denies_late(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.http.response.start", "status": 403})


async def sends_nothing(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.send"})


async def closes_with_no_code(receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 7})


async def cancels_itself(receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError("by itself")


@pytest.mark.parametrize(
    ("application", "wrong"),
    [
        (raises, "ValueError: a reason"),
        (accepts_again, "an application cannot send 'websocket.accept' here"),
        (denies_late, "an application cannot send 'websocket.http.response.start' here"),
        (sends_nothing, "websocket.send takes a str or bytes, not None"),
        (closes_with_no_code, "a close code"),
        (cancels_itself, "CancelledError: by itself"),
    ],
)
def test_what_goes_wrong_later_closes_with_1011(
    server: HTTPServe, open_websocket: Open, application: Any, wrong: str
) -> None:
    @on_websocket
    async def accepts(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await application(receive, send)

    server.mount("/", accepts)

    assert open_websocket("/").read_close() == (1011, "")
    [failure] = server.failures
    assert wrong in failure


class Disconnected(Exception):
    """As frameworks have it."""

    def __init__(self, code: int) -> None:
        self.code = code


def test_an_exception_that_says_that_the_client_has_left_fails_nothing(server: HTTPServe, open_websocket: Open) -> None:
    over: SimpleQueue[str] = SimpleQueue()

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        message = await receive()
        try:
            if scope["path"] == "/told":
                raise Disconnected(message["code"])
            await send({"type": "websocket.send", "text": "too late"})
        finally:
            over.put(scope["path"])

    server.mount("/", application)
    for path in ("/told", "/sends"):
        open_websocket(path).close(1001)
        assert over.get(timeout=PATIENCE) == path
    assert end(server) == ""


def test_a_client_that_leaves_the_handshake(server: HTTPServe) -> None:
    told: SimpleQueue[Message] = SimpleQueue()

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        told.put({})
        told.put(await receive())
        await send({"type": "websocket.close"})

    server.mount("/", application)
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(handshake("/"))
        told.get(timeout=PATIENCE)
    assert told.get(timeout=PATIENCE) == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert end(server) == ""


def test_a_stop_closes_the_connection_and_cancels_what_is_awaited(server: HTTPServe, open_websocket: Open) -> None:
    told: SimpleQueue[Any] = SimpleQueue()
    ended = threading.Event()

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        told.put("open")
        told.put((await receive())["code"])
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.set()

    server.mount("/", application)
    client = open_websocket("/")
    assert told.get(timeout=PATIENCE) == "open"
    assert end(server) == ""
    assert client.read_close() == (1001, "")
    assert ended.is_set()
    assert told.get(timeout=PATIENCE) == 1001


def test_a_stop_right_behind_the_handshake_fails_nothing(open_websocket: Open) -> None:
    for _ in range(20):
        with HTTPServe() as server:
            server.mount("/", echo)
            client = open_websocket("/", of=server)
        assert client.read_close() == (1001, "")


def test_a_stop_ends_a_handshake_that_waits(server: HTTPServe) -> None:
    began = threading.Event()

    @on_websocket
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        began.set()
        await asyncio.sleep(3_600)

    server.mount("/", application)
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(handshake("/"))
        assert began.wait(PATIENCE)
        assert end(server) == ""


def test_a_wrong_handshake_is_refused(server: HTTPServe, open_websocket: Open) -> None:
    server.mount("/", echo)

    assert open_websocket("/", {"Sec-WebSocket-Key": "!"}).head.startswith(b"HTTP/1.1 400 ")
    [failure] = server.failures
    assert failure.startswith("refused GET /: the Sec-WebSocket-Key of a handshake must be 16 bytes in base64")


def test_frames_that_break_the_rules_are_refused(server: HTTPServe, open_websocket: Open) -> None:
    server.mount("/", echo)
    client = open_websocket("/")
    client.socket.sendall(b"\xf1\x80\0\0\0\0")

    assert client.read_close()[0] == 1002
    assert "refused what the client sent over GET /" in end(server)


def test_over_tls_and_past_faults(open_websocket: Open) -> None:
    with HTTPServe(tls=True) as server:
        server.mount("/", echo)
        client = open_websocket("/", of=server)
        client.send("tea")
        assert client.read().payload == "tea"
        client.close()
        assert client.read_close() == (1000, "")
        server.assert_all_closed()
        server.fault(Reset(phase="message", after=3))
        broken = open_websocket("/", of=server)
        with contextlib.suppress(ConnectionError):
            broken.send("tea")
        assert broken.has_ended() or broken.has_ended()
        server.assert_all_closed()
        assert end(server) == ""


def test_a_request_that_is_no_handshake_is_one_of_http(server: HTTPServe, open_websocket: Open) -> None:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 426})
        await send({"type": "http.response.body"})

    server.mount("/", application)

    assert open_websocket("/", {"Upgrade": "h2c"}).head.startswith(b"HTTP/1.1 426 ")
    assert open_websocket("/", {"Connection": "keep-alive"}).head.startswith(b"HTTP/1.1 426 ")
    assert server.failures == ()


def test_without_the_extra_one_sentence_says_so(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wsproto", "wsproto.frame_protocol"):
        monkeypatch.setitem(sys.modules, name, None)
    server.mount("/", echo)
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(handshake("/"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 500 ")
    [failure] = server.failures
    assert "a WebSocket connection to an ASGI application needs wsproto: pip install" in failure


def test_connections_that_wait_have_no_threads(server: HTTPServe, open_websocket: Open) -> None:
    server.mount("/", echo)
    open_websocket("/")
    before = threading.active_count()
    clients: list[Client] = [open_websocket("/") for _ in range(20)]
    for client in clients:
        client.send("tea")
        assert client.read().payload == "tea"

    assert threading.active_count() <= before + 3
