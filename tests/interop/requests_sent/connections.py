"""Keeping connections, several requests at once, and Expect."""

from __future__ import annotations

from collections.abc import Iterator

from .case import CHUNKED, GET, HOST, IN_CHUNKS, Case, get, request, shown

_OPTIONS = ("close", "Close", "keep-alive", "Keep-Alive", "close, x", "x, close", "keep-alive, close", "x", "upgrade",
            "", "closed", '"close"')  # fmt: skip
_EXPECTATIONS = ("100-continue", "100-Continue", "100-continue, x", "x", "", "100-continue, 100-continue", "200-ok")

_FIVE = b"Content-Length: 5"
_END = b"\r\n\r\n"
_ONE = GET + b"\r\n" + HOST + _END
_HEAD = b"HEAD /letters.txt HTTP/1.1\r\n" + HOST + _END
_LOST = b"GET /nothing HTTP/1.1\r\n" + HOST + _END
_LAST = GET + b"\r\n" + HOST + b"\r\nConnection: close" + _END
_WITH_BODY = b"\r\n".join([GET, HOST, _FIVE]) + _END + b"hello"
_WITH_CHUNKS = b"\r\n".join([GET, HOST, CHUNKED]) + _END + IN_CHUNKS
_OLD = b"GET /letters.txt HTTP/1.0" + _END
_BAD = b"\r\n".join([GET, HOST, b"Host: other.test"]) + _END

_PIPELINED = {
    "two": [_ONE, _ONE],
    "twenty": [_ONE] * 20,
    "HEAD, then GET": [_HEAD, _ONE],
    "a body between two": [_ONE, _WITH_BODY, _ONE],
    "chunks between two": [_ONE, _WITH_CHUNKS, _ONE],
    "nothing there, then GET": [_LOST, _ONE],
    "a bad one, then GET": [_BAD, _ONE],
    "GET, then a bad one, then GET": [_ONE, _BAD, _ONE],
    "close, then GET": [_LAST, _ONE],
    "HTTP/1.0, then GET": [_OLD, _ONE],
    "an empty line between two": [_ONE, b"\r\n" + _ONE],
    "a body without its length between two": [_ONE, b"hello", _ONE],
}


def connections() -> Iterator[Case]:
    for value in _OPTIONS:
        yield get(f"Connection: {shown(value)}", b"Connection: " + value.encode())
    yield get("Connection: on two lines", b"Connection: x", b"Connection: close")
    for value in ("keep-alive", "Keep-Alive", "close", "x, keep-alive", "x"):
        line = b"GET /letters.txt HTTP/1.0"
        yield request(f"HTTP/1.0, Connection: {value}", line, b"Connection: " + value.encode())
    yield get("Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    yield get("Upgrade: websocket", b"Connection: Upgrade", b"Upgrade: websocket")
    for name, parts in _PIPELINED.items():
        methods = tuple("HEAD" if part is _HEAD else "GET" for part in parts)
        yield Case(f"pipelined: {name}", b"".join(parts), methods)
    for value in _EXPECTATIONS:
        expect = b"Expect: " + value.encode()
        yield get(f"Expect: {shown(value)}", expect)
        yield request(f"Expect: {shown(value)}, with a body", GET, expect, _FIVE, body=b"hello")
    expect = b"Expect: 100-continue"
    old, nothing = b"GET /letters.txt HTTP/1.0", b"GET /nothing HTTP/1.1"
    yield request("Expect: 100-continue in HTTP/1.0", old, expect, _FIVE, body=b"hello")
    yield request("Expect: 100-continue, with chunks", GET, expect, CHUNKED, body=IN_CHUNKS)
    yield request("Expect: 100-continue for nothing, with a body", nothing, expect, _FIVE, body=b"hello")
