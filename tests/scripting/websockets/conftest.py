"""A WebSocket client that sends frames as they are, the wrong ones included."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import pytest
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode

from pytest_httpserve import HTTPServe

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def handshake(path: str, fields: Mapping[str, str | None] = MappingProxyType({})) -> bytes:
    """The request of a handshake, with these fields in the place of its own; what is None is left out."""
    lines = [f"{name}: {value}\r\n" for name, value in {**HANDSHAKE, **fields}.items() if value is not None]
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n{''.join(lines)}\r\n".encode()


class Client:
    """Opens a connection; ``head`` is the response to its handshake, ``rest`` what came right behind it."""

    def __init__(self, sock: socket.socket, request: bytes, then: bytes = b"") -> None:
        self.socket = sock
        self.frames = FrameProtocol(client=True, extensions=[])
        sock.sendall(request + then)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            assert piece, f"the server ended the connection after {data!r}"
            data += piece
        self.head, _, self.rest = data.partition(b"\r\n\r\n")  # and what came with it
        self.frames.receive_bytes(self.rest)

    def send(self, data: str | bytes, *, fin: bool = True) -> None:
        self.socket.sendall(self.frames.send_data(data, fin))

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        self.socket.sendall(self.frames.close(code, reason or None))

    def read(self) -> Frame:
        """The next frame, as a whole."""
        parts: list[Any] = []  # all of them text, or bytes
        while True:
            for frame in self.frames.received_frames():
                parts.append(frame.payload)
                if frame.frame_finished:
                    return frame if len(parts) == 1 else frame._replace(payload=parts[0][:0].join(parts))
            data = self.socket.recv(65536)
            assert data, "the server has ended the connection"
            self.frames.receive_bytes(data)

    def read_close(self) -> tuple[int, str]:
        """The code and the reason of the close frame, which is the next one; then the connection ends."""
        frame = self.read()
        assert frame.opcode is Opcode.CLOSE
        assert isinstance(frame.payload, tuple)
        return int(frame.payload[0]), frame.payload[1]

    def has_ended(self) -> bool:
        """Whether the server ends the connection, with a FIN or an RST, and sends nothing before."""
        try:
            return self.socket.recv(65536) == b""
        except ConnectionError:
            return True


Open = Callable[..., Client]


@pytest.fixture
def open_websocket(server: HTTPServe) -> Iterator[Open]:
    """``open_websocket(path, fields, of=server, then=b"")``: a client; ``then`` is sent behind the handshake."""
    with ExitStack() as stack:

        def open_one(
            path: str,
            fields: Mapping[str, str | None] = MappingProxyType({}),
            *,
            of: HTTPServe = server,
            then: bytes = b"",
        ) -> Client:
            sock = stack.enter_context(socket.create_connection((of.host, of.port), timeout=10))
            if of.base_url.startswith("https"):
                context = of.ca.client_ssl_context()
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
            return Client(sock, handshake(path, fields), then)

        yield open_one
