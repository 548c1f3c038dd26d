"""Frames that break the rules, or a limit: each ends the connection with its code, and fails the test."""

import struct
import zlib

import pytest
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from pytest_httpserve import HTTPServe, Peer, UsageError
from pytest_httpserve.protocol.websocket import Frames
from tests.scripting.websockets.conftest import Open


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    """A frame whose first byte is this, with a mask of zeros."""
    assert len(payload) < 65536
    mask = 0x80 if masked else 0
    length = (
        bytes([mask | len(payload)]) if len(payload) < 126 else bytes([mask | 126]) + struct.pack("!H", len(payload))
    )
    return bytes([first]) + length + (bytes(4) if masked else b"") + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x81, b"hi", masked=False), 1002),
        (frame(0xC1, b"hi"), 1002),  # a reserved bit
        (frame(0x83, b""), 1002),  # a reserved opcode
        (frame(0x80, b"hi"), 1002),  # the continuation of nothing
        (frame(0x01, b"a") + frame(0x81, b"b"), 1002),  # a message within another one
        (frame(0x09, b""), 1002),  # a fragment of a ping
        (frame(0x89, bytes(126)), 1002),  # a ping too long
        (frame(0x88, b"\x03"), 1002),  # half a code
        (frame(0x88, struct.pack("!H", 1005)), 1002),  # a code that is for nobody
        (frame(0x81, b"\xff"), 1007),
        (frame(0x01, b"\xe2\x82") + frame(0x80, b"\x28"), 1007),
        (frame(0x88, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(0x82, bytes(1025)), 1009),
        (frame(0x02, bytes(600)) + frame(0x80, bytes(600)), 1009),
    ],
)
def test_what_breaks_a_rule(server: HTTPServe, open_websocket: Open, data: bytes, code: int) -> None:
    chat = server.websocket("/chat", max_message_bytes=1024)
    client = open_websocket("/chat")
    peer = chat.accept()

    client.socket.sendall(data)

    assert client.read_close()[0] == code
    assert client.has_ended()
    peer.wait_closed()
    assert peer.close_code == code
    assert server.failures[0].startswith("refused what the client sent over GET /chat: ")
    assert f"against RFC 6455, closed with {code}" in server.failures[0]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_what_came_before_is_dealt_with_before_a_client_is_refused(
    server: HTTPServe, open_websocket: Open, is_async: bool
) -> None:
    def echo(peer: Peer) -> None:
        for message in peer:
            peer.send(message)

    async def echo_later(peer: Peer) -> None:
        async for message in peer.aio:
            peer.send(message)

    server.websocket("/echo").handle(echo_later if is_async else echo)
    for _ in range(10):
        client = open_websocket("/echo")
        client.socket.sendall(frame(0x81, b"one") + frame(0x81, b"two") + frame(0x83, b"") + frame(0x81, b"three"))

        assert [client.read().payload, client.read().payload] == ["one", "two"]
        assert client.read_close()[0] == 1002


def test_a_function_that_asks_for_nothing_more_holds_no_refusal_up(server: HTTPServe, open_websocket: Open) -> None:
    @server.websocket("/ends")
    def ends(peer: Peer) -> None:
        peer.receive()

    server.websocket("/steps").expect("one")

    @server.websocket("/hangs")
    def hangs(peer: Peer) -> None:
        peer.receive()
        peer.wait_closed(timeout=30)

    for path in ("/ends", "/steps", "/hangs"):
        client = open_websocket(path)
        client.socket.sendall(frame(0x81, b"one") + frame(0x83, b""))
        assert client.read_close()[0] in ((1000, 1002) if path == "/ends" else (1002,))  # it may have been faster


def test_a_message_may_come_byte_by_byte(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    for byte in frame(0x81, "héllo".encode()):
        client.socket.sendall(bytes([byte]))

    assert chat.accept().receive() == "héllo"


OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


def test_messages_are_compressed_by_choice(server: HTTPServe, open_websocket: Open) -> None:
    @server.websocket("/echo", compression=True)
    def echo(peer: Peer) -> None:
        for message in peer:
            peer.send(message)

    server.websocket("/plain").optional()
    assert b"Sec-WebSocket-Extensions" not in open_websocket("/plain", OFFER).head
    assert b"Sec-WebSocket-Extensions" not in open_websocket("/echo").head
    client = open_websocket("/echo", OFFER)
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n" in client.head

    inflate = zlib.decompressobj(wbits=-15)
    for text in (b"tea " * 50, b"tea " * 50):
        client.socket.sendall(frame(0xC1, _deflated(text)))
        first, length = client.socket.recv(2)
        assert first == 0xC1
        assert inflate.decompress(client.socket.recv(length) + b"\0\0\xff\xff") == text


def test_a_message_that_grows_is_bounded_while_it_grows(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat", compression=True, max_message_bytes=100_000)
    client = open_websocket("/chat", OFFER)
    peer = chat.accept()

    client.socket.sendall(frame(0xC2, _deflated(bytes(20_000_000))))

    assert client.read_close()[0] == 1009
    peer.wait_closed()
    assert server.failures


def _deflated(data: bytes) -> bytes:
    """A message as it is compressed when nothing was before it."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_frames_of_the_library_are_those_of_the_server() -> None:
    assert FrameProtocol(client=False, extensions=[]).send_data("a") == b"\x81\x01a"


@pytest.mark.parametrize("compresses", [False, True])
@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_is_sent_is_what_a_client_reads(compresses: bool, size: int) -> None:
    deflate, its = PerMessageDeflate(), PerMessageDeflate()
    deflate.accept("permessage-deflate")
    its.finalize("permessage-deflate")
    frames = Frames(deflate if compresses else None, 1 << 20)
    client = FrameProtocol(client=True, extensions=[its] if compresses else [])
    text, binary = "é" * size, bytes(size)
    sent = [frames.message(text), frames.fragment(binary), frames.fragment(binary), frames.message(binary)]

    client.receive_bytes(b"".join([*sent, frames.message("last")]))
    got = [(frame.payload, frame.message_finished) for frame in client.received_frames()]
    texts = [payload for payload, _ in got if isinstance(payload, str)]
    assert "".join(texts) == text + "last"
    assert b"".join(bytes(payload) for payload, _ in got if isinstance(payload, bytes | bytearray)) == binary * 3
    assert [ends for _, ends in got].count(True) == 3


def test_fragments_are_of_one_type(server: HTTPServe, open_websocket: Open) -> None:
    chat = server.websocket("/chat")
    client = open_websocket("/chat")
    peer = chat.accept()
    peer.send("a", more=True)
    with pytest.raises(UsageError, match="the fragments of a message must be all str, or all bytes"):
        peer.send(b"b")
    peer.send("b")
    assert [(one.data, one.frames) for one in peer.messages] == [("ab", 2)]
    assert (client.read().payload, client.read().payload) == ("a", "b")
