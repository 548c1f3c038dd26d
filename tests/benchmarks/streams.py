"""A client of HTTP/2 that costs little: its frames are made beforehand, and those of answers counted."""

from __future__ import annotations

import functools
import socket
import ssl
import struct
from typing import Literal

from pytest_httpserve.protocol.frames import frame, settings_frame

from .client import TIMEOUT
from .peers import Running

Protocol = Literal["h2", "http/1.1"]

_BUFFER = 1 << 20
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY, _WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x7, 0x8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_WIDEST = (1 << 31) - 1
_HELLO = b"".join(
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        settings_frame({4: _WIDEST}),  # INITIAL_WINDOW_SIZE
        frame(_SETTINGS, _ACK, 0, b""),  # of those that are to come
        frame(_WINDOW_UPDATE, 0, 0, struct.pack("!L", _WIDEST - 65535)),
    )
)
_GET, _OK = b"\x82\x87", b"\x88"  # as HPACK has them: a GET over TLS, and the status 200


class Streams:
    """A connection of HTTP/2, which asks for one path again and again."""

    def __init__(self, connection: socket.socket, path: str = "/") -> None:
        self._connection = connection
        target = path.encode()
        self._request = _GET + b"\x04%c%b\x01\x09localhost" % (len(target), target)
        self._next = 1
        self._left = b""
        connection.sendall(_HELLO)

    def ask(self, count: int = 1) -> None:
        """Open so many streams."""
        numbers = range(self._next, self._next + 2 * count, 2)
        self._next += 2 * count
        flags = _END_STREAM | _END_HEADERS
        self._connection.sendall(b"".join(frame(_HEADERS, flags, number, self._request) for number in numbers))

    def read(self) -> tuple[int, int]:
        """Read once: how many streams have ended, and how many bytes of bodies came."""
        data = self._connection.recv(_BUFFER)
        if not data:
            raise RuntimeError("the connection has ended")
        data, at, ended, received = self._left + data, 0, 0, 0
        while len(data) - at >= 9 and len(data) - at >= 9 + (size := int.from_bytes(data[at : at + 3], "big")):
            kind, flags = data[at + 3], data[at + 4]
            if kind in (_RST_STREAM, _GOAWAY) or (kind == _HEADERS and data[at + 9 : at + 10] != _OK):
                raise RuntimeError(f"answered {data[at : at + 80]!r}")
            if kind in (_DATA, _HEADERS):
                ended += flags & _END_STREAM
                received += size if kind == _DATA else 0
            at += 9 + size
        self._left = data[at:]
        return ended, received


def connect(server: Running, protocol: Protocol) -> ssl.SSLSocket:
    """A connection over TLS that speaks this."""
    plain = socket.create_connection((server.host, server.port), timeout=TIMEOUT)
    connection = _context(protocol).wrap_socket(plain)
    if connection.selected_alpn_protocol() != protocol:
        raise RuntimeError(f"the server does not speak {protocol}")
    return connection


def fetch(server: Running, path: str, protocol: Protocol) -> int:
    """One round trip on a connection of its own; the size of the body."""
    with connect(server, protocol) as connection:
        return _over_http2(connection, path) if protocol == "h2" else _over_http1(connection, path)


def _over_http2(connection: socket.socket, path: str) -> int:
    streams, received, ended = Streams(connection, path), 0, 0
    streams.ask()
    while not ended:
        ended, count = streams.read()
        received += count
    return received


def _over_http1(connection: socket.socket, path: str) -> int:
    connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
    head = b""
    while b"\r\n\r\n" not in head and (data := connection.recv(_BUFFER)):
        head += data
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"answered {head[:80]!r}")
    received = len(head) - head.find(b"\r\n\r\n") - 4
    while data := connection.recv(_BUFFER):
        received += len(data)
    return received


@functools.cache
def _context(protocol: Protocol) -> ssl.SSLContext:
    """One that takes any certificate: whether it is trusted is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context
