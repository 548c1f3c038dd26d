"""What a WebSocket route takes, and what it does with a connection: functions, steps, refusals."""

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from pytest_httpserve import HTTPServe, Peer, UnsupportedError, UsageError, WebSocketClosed
from pytest_httpserve.faults import Reset
from tests.scripting.websockets.conftest import KEY, Client, Open


def end(server: HTTPServe) -> str:
    """What fails the test, once it is over."""
    server.settle()
    server.stop()
    server.check_expectations()
    return "\n".join(server.failures)


def test_a_handshake_as_the_rfc_has_it(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat").optional()

    head = open_websocket("/chat").head.decode()

    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
    assert "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" in head
    assert KEY == "dGhlIHNhbXBsZSBub25jZQ=="
    assert "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert "content-length" not in head.lower()
    assert "sec-websocket-protocol" not in head.lower()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Sec-WebSocket-Key": None}, "the Sec-WebSocket-Key of a handshake must be 16 bytes in base64"),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZQ=="}, "the Sec-WebSocket-Key of a handshake must be 16 bytes in base64"),
        ({"Sec-WebSocket-Key": "!"}, "the Sec-WebSocket-Key of a handshake must be 16 bytes in base64"),
        ({"Connection": "keep-alive"}, "the Connection of a handshake must contain Upgrade"),
    ],
)
def test_a_wrong_handshake_is_refused(
    server: HTTPServe, open_websocket: Open, fields: dict[str, str | None], said: str
) -> None:
    server.websocket("/chat").optional()

    assert open_websocket("/chat", fields).head.startswith(b"HTTP/1.1 400 ")
    assert said in server.failures[0]
    assert "against RFC 6455 section 4.2.1" in server.failures[0]


def test_another_version_is_told_the_right_one(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat").optional()

    head = open_websocket("/chat", {"Sec-WebSocket-Version": "8"}).head

    assert head.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in head
    assert b"\r\nConnection: Upgrade, close\r\n" in head
    assert "the Sec-WebSocket-Version of a handshake must be 13" in server.failures[0]
    assert "against RFC 6455 section 4.4, answered with 426" in server.failures[0]


def test_the_first_subprotocol_of_the_clients_that_the_server_speaks(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", subprotocols=["chat.v1", "chat.v2"])

    head = open_websocket("/chat", {"Sec-WebSocket-Protocol": "other, chat.v2, chat.v1"}).head

    assert b"\r\nSec-WebSocket-Protocol: chat.v2\r\n" in head
    assert chat.accept().subprotocol == "chat.v2"


def test_criteria_are_those_of_any_route(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/rooms/{room:int}", query={"token": "abc"}, headers={"Origin": re.compile("test$")})

    open_websocket("/rooms/7?token=abc", {"Origin": "https://app.test"})

    assert chat.accept().request.path_params == {"room": 7}
    assert open_websocket("/rooms/7?token=no", {"Origin": "https://app.test"}).head.startswith(b"HTTP/1.1 404 ")
    assert "✗ query token" in server.failures[0]


def test_a_request_that_is_no_handshake_is_a_near_miss(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat")

    assert open_websocket("/chat", {"Upgrade": None, "Connection": None}).head.startswith(b"HTTP/1.1 404 ")
    assert "✗ header Upgrade" in server.failures[0]


def test_a_handshake_that_no_route_takes_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    assert open_websocket("/chat").head.startswith(b"HTTP/1.1 404 ")
    assert server.failures[0].startswith("nothing answers GET /chat")


def test_handshakes_are_refused_and_then_taken(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat").respond(503, times=2).respond(403, text="no", times=1)

    heads = [open_websocket("/chat").head[:12] for _ in range(4)]

    assert heads == [b"HTTP/1.1 503", b"HTTP/1.1 503", b"HTTP/1.1 403", b"HTTP/1.1 101"]
    chat.accept()
    chat.assert_called(times=4)
    chat.respond(401)
    assert [open_websocket("/chat").head[:12] for _ in range(2)] == [b"HTTP/1.1 401"] * 2
    assert end(server) == ""


def test_a_refusal_may_have_a_fault(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat").respond(403, fault=Reset())

    with pytest.raises((ConnectionError, AssertionError)):
        open_websocket("/chat")


def test_a_function_answers_each_connection(server: HTTPServe, open_websocket: Open) -> None:
    @server.websocket("/echo")
    def echo(peer: Peer) -> None:
        for message in peer:
            peer.send(message)

    clients = [open_websocket("/echo") for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(f"message {number}")
    assert [client.read().payload for client in clients] == ["message 0", "message 1", "message 2"]
    for client in clients:
        client.close()
        assert client.read_close() == (1000, "")
    assert end(server) == ""


def test_a_function_that_returns_closes_the_connection(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/hello").handle(lambda peer: peer.send("hello"))

    client = open_websocket("/hello")

    assert client.read().payload == "hello"
    assert client.read_close() == (1000, "")


def test_what_a_function_raises_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    @server.websocket("/chat")
    def fails(peer: Peer) -> None:
        assert peer.receive() == "hello"

    client = open_websocket("/chat")
    client.send("other")

    assert client.read_close() == (1011, "")
    assert "assert 'other' == 'hello'" in server.failures[0] or "AssertionError" in server.failures[0]
    assert "the handler of 'GET /chat HTTP/1.1' raised" in server.failures[0]


def test_a_client_that_leaves_a_function_fails_no_test(server: HTTPServe, open_websocket: Open) -> None:
    ended: list[WebSocketClosed] = []

    @server.websocket("/chat")
    def waits(peer: Peer) -> None:
        try:
            peer.receive(timeout=30)
        except WebSocketClosed as error:
            ended.append(error)
            raise

    open_websocket("/chat").close(1001)
    server.websocket("/other")
    assert server.exchanges[0].route is not None
    server.assert_all_closed()
    assert end(server) == ""
    assert [error.code for error in ended] == [1001]


def test_a_function_that_does_not_end_is_named(open_websocket: Open) -> None:
    go = threading.Event()
    with pytest.raises(AssertionError, match=r"(?s)the function of GET /chat did not end.*go\.wait"):  # noqa: SIM117
        with HTTPServe(grace=0.01) as server:

            @server.websocket("/chat")
            def hangs(peer: Peer) -> None:
                go.wait(30)

            open_websocket("/chat", of=server)
    go.set()


def test_an_async_function_answers_on_the_event_loop_of_the_server(server: HTTPServe, open_websocket: Open) -> None:
    threads: list[str] = []

    @server.websocket("/echo")
    async def echo(peer: Peer) -> None:
        threads.append(threading.current_thread().name)
        async for message in peer.aio:
            peer.send(message)
        assert peer.close_code == 1000

    @server.websocket("/greet")
    async def greet(peer: Peer) -> None:
        peer.send(f"hello {await peer.aio.receive()!s}")

    clients = [open_websocket("/echo") for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(f"message {number}")
    assert [client.read().payload for client in clients] == ["message 0", "message 1", "message 2"]
    for client in clients:
        client.close()
        assert client.read_close() == (1000, "")
    greeted = open_websocket("/greet")
    greeted.send("ada")
    assert greeted.read().payload == "hello ada"
    assert greeted.read_close() == (1000, "")
    assert end(server) == ""
    assert threads == ["httpserve-asyncio"] * 3


def test_what_an_async_function_raises_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    @server.websocket("/chat")
    async def fails(peer: Peer) -> None:
        assert await peer.aio.receive() == "hello"

    @server.websocket("/cancelled")
    async def cancelled(peer: Peer) -> None:
        raise asyncio.CancelledError("by itself")

    client = open_websocket("/chat")
    client.send("other")

    assert client.read_close() == (1011, "")
    assert open_websocket("/cancelled").read_close() == (1011, "")
    said = end(server)
    assert "the handler of 'GET /chat HTTP/1.1' raised" in said
    assert "AssertionError" in said
    assert "CancelledError: by itself" in said


def test_a_client_that_leaves_an_async_function_fails_no_test(server: HTTPServe, open_websocket: Open) -> None:
    ended: SimpleQueue[int] = SimpleQueue()

    @server.websocket("/chat")
    async def waits(peer: Peer) -> None:
        try:
            await peer.aio.receive(timeout=30)
        except WebSocketClosed as error:
            ended.put(error.code)
            raise

    open_websocket("/chat").close(1001)
    assert ended.get(timeout=10) == 1001
    assert end(server) == ""


def test_a_stop_cancels_an_async_function_and_fails_nothing(server: HTTPServe, open_websocket: Open) -> None:
    began, ended = threading.Event(), threading.Event()

    @server.websocket("/chat")
    async def sleeps(peer: Peer) -> None:
        try:
            began.set()
            await asyncio.sleep(3_600)
        finally:
            ended.set()

    client = open_websocket("/chat")
    client.send("that nobody receives")
    assert began.wait(10)
    server.websocket("/other").optional()
    assert end(server) == ""
    assert client.read_close() == (1001, "")
    assert ended.is_set()


def test_an_async_function_that_does_not_end_is_named(open_websocket: Open) -> None:
    with pytest.raises(AssertionError, match=r"(?s)a task did not end with the server.*in stubborn"):  # noqa: SIM117
        with HTTPServe() as server:

            @server.websocket("/chat")
            async def stubborn(peer: Peer) -> None:
                peer.send("here")
                for _ in range(2):  # the loop, when it is closed, cancels it once more
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(3_600)

            assert open_websocket("/chat", of=server).read().payload == "here"


def test_steps_without_a_function(server: HTTPServe, open_websocket: Open) -> None:
    chat = (
        server.websocket("/chat")
        .send("welcome", {"users": 2})
        .expect({"join": "tea"})
        .reply(re.compile("^ping"), lambda message: message.replace("ping", "pong"))
        .close(4001, "enough")
    )
    for _ in range(2):  # each connection goes through all of them
        client = open_websocket("/chat")
        assert [client.read().payload for _ in range(2)] == ["welcome", '{"users": 2}']
        client.send('{"join": "tea"}')
        client.send("ping 7")
        assert client.read().payload == "pong 7"
        assert client.read_close() == (4001, "enough")

    chat.assert_received({"join": "tea"}, times=2)
    assert end(server) == ""


def test_a_step_that_is_not_met_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat").expect("hello").close()

    client = open_websocket("/chat")
    client.send("hullo")

    assert client.read_close()[0] == 1011
    assert "expected the message 'hello', got 'hullo'" in server.failures[0]


def test_a_connection_that_nobody_accepted_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    server.websocket("/chat")
    open_websocket("/chat").send("is there anybody?")

    said = end(server)

    assert "nobody accepted GET /chat, a connection to the route GET /chat" in said
    assert "1 message" not in said


def test_a_message_that_nobody_received_fails_the_test(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()
    client.send("one")
    client.send("two")
    assert peer.receive() == "one"
    chat.wait_for_message("two")

    assert "nobody received 1 message of GET /chat; the messages were:\n  > text, 3 bytes: 'one'" in end(server)


def test_what_a_closed_peer_was_sent_fails_no_test(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()
    client.send("one")
    chat.wait_for_message("one")
    peer.close()

    assert end(server) == ""


def test_messages_are_waited_for_and_asserted(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()
    for text in ("one", "two", "one", '{"a": 1}'):
        client.send(text)

    assert chat.wait_for_message("one", times=2, timeout=5).data == "one"
    assert chat.wait_for_message({"a": 1}).type == "text"
    chat.assert_received("one", times=2)
    chat.assert_received(re.compile("^t"))
    chat.assert_received("never", times=0)
    with pytest.raises(AssertionError, match=r"'one' was received twice|'one' was received 2 times, expected once"):
        chat.assert_received("one", times=1)
    with pytest.raises(AssertionError, match=r"'other' was never received; the messages were:\n  > text, 3 bytes"):
        chat.assert_received("other")
    with pytest.raises(AssertionError, match=r"'other' was not received within 0\.01 s"):
        chat.wait_for_message("other", timeout=0.01)
    for _ in range(4):
        peer.receive()
    assert end(server) == ""


def test_nobody_comes(server: HTTPServe) -> None:
    with pytest.raises(AssertionError, match=r"no client opened a connection to the route GET /chat .* within 0\.01 s"):
        server.websocket("/chat").accept(timeout=0.01)


def gives(peer: Peer) -> Iterator[str]:
    yield "a message"


async def gives_later(peer: Peer) -> AsyncIterator[str]:
    yield "a message"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda server: server.websocket("chat"), "a path"),
        (lambda server: server.websocket("/", subprotocols=["a b"]), "names such as 'chat.v2', not 'a b'"),
        (lambda server: server.websocket("/", subprotocols="chat"), None),
        (lambda server: server.websocket("/", compression=1), "compression="),
        (lambda server: server.websocket("/", max_message_bytes=0), "max_message_bytes="),
        (lambda server: server.websocket("/", answer_pings=None), "answer_pings="),
        (lambda server: server.websocket("/", headers={"Upgrade": "h2c"}), "a mapping without Upgrade"),
        (lambda server: server.websocket("/", wrong=1), "there is no criterion wrong="),
        (lambda server: server.websocket("/").handle(3), r"handle\(\) takes a function"),
        (lambda server: server.websocket("/").handle(gives), r"not yield, but gives\(\) yields"),
        (lambda server: server.websocket("/").handle(gives_later), r"not yield, but gives_later\(\) yields"),
        (lambda server: server.websocket("/").send("a").handle(print), "has steps already"),
        (lambda server: server.websocket("/").send(7), r"send\(\) takes a str or bytes"),
        (lambda server: server.websocket("/").reply("a", 7), "with_ takes a str or bytes"),
        (lambda server: server.websocket("/").close(1005), "no close frame has the code 1005"),
        (lambda server: server.websocket("/").send("a").accept(), "have steps"),
        (lambda server: server.websocket("/").respond(101), "a response's status"),
        (lambda server: server.url_for("/", scheme="wss"), "scheme= must be 'http' or 'ws'"),
    ],
)
def test_wrong_values_are_refused(server: HTTPServe, call: Any, said: str | None) -> None:
    if said is None:
        call(server)
        return
    with pytest.raises(UsageError, match=said):
        call(server)


def test_without_the_extra_one_sentence_says_so(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wsproto", "wsproto.frame_protocol"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(UnsupportedError, match=r"needs wsproto: pip install 'pytest-httpserve\[websocket\]'"):
        server.websocket("/chat")


def test_urls_for_websocket_clients(server: HTTPServe) -> None:
    assert server.url_for("/a b", scheme="ws") == f"ws://127.0.0.1:{server.port}/a%20b"
    with HTTPServe(tls=True) as secure:
        assert secure.url_for("/", scheme="ws") == f"wss://127.0.0.1:{secure.port}/"


def test_har_has_the_messages_as_a_browser_sees_them(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client: Client = open_websocket("/chat")
    chat.accept().send(b"\xff")
    client.send("hi")
    chat.wait_for_message("hi")

    entry = server.har()["log"]["entries"][0]

    assert entry["_resourceType"] == "websocket"
    said = [(one["type"], one["opcode"], one["data"]) for one in entry["_webSocketMessages"]]
    assert said == [("receive", 2, "/w=="), ("send", 1, "hi")]
    assert entry["response"]["status"] == 101


def test_the_journal_keeps_messages_within_its_bounds(open_websocket: Open) -> None:
    server = HTTPServe(max_journal_bytes=10_000).start()
    try:
        chat = server.websocket("/chat")
        open_websocket("/chat", of=server)
        peer = chat.accept()
        for number in range(100):
            peer.send(f"{number:100}")

        assert 10 < len(peer.messages) < 40
        assert peer.messages[-1].data == f"{99:100}"
        server.reset()
        assert peer.messages == ()
    finally:
        server.stop()
