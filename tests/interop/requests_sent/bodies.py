"""Where a body ends: lengths, chunks, and both. All of it with GET, which both sides serve and for which neither wants
a body: so what is taken for the next request shows."""

from __future__ import annotations

from collections.abc import Iterator

from .case import CHUNKED, GET, HOST, IN_CHUNKS, Case, request, shown

_HIDDEN = b"GET /hidden.txt HTTP/1.1\r\n" + HOST + b"\r\n\r\n"

_LENGTHS = "0 00005 +5 -5 5x x 0x5 5.0 5,5 5,6 5;5 1e1 \u0665 18446744073709551621 9223372036854775808"
_ODD_LENGTHS = ("", "5 ", "5, 5", "3 2", "\v5", "5\0", "9" * 30)

_CODINGS = """
    Chunked CHUNKED chunked, ,chunked identity gzip x xchunked chunkedx chunked;q=1 "chunked" gzip,chunked chunked,gzip
    chunked,chunked chunked,identity identity,chunked
"""
_ODD_CODINGS = ("", "chunked ", "chunk ed", "\vchunked", "chunked\0")

_CHUNKS = {
    "several": b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "none": b"0\r\n\r\n",
    "a size in capitals": b"A\r\n0123456789\r\n0\r\n\r\n",
    "leading zeros": b"0005\r\nhello\r\n000\r\n\r\n",
    "an extension": b"5;x\r\nhello\r\n0\r\n\r\n",
    "an extension with a value": b'5;x=y;z="a b"\r\nhello\r\n0;x\r\n\r\n',
    "a blank before the extension": b"5 ;x\r\nhello\r\n0\r\n\r\n",
    "a semicolon and no extension": b"5;\r\nhello\r\n0\r\n\r\n",
    "a blank after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a bare CR in the extension": b"5;\rx\r\nhello\r\n0\r\n\r\n",
    "a LF in a quoted extension": b'5;x="\n"\r\nhello\r\n0\r\n\r\n',
    "a trailer": b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "a trailer that is not a field": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "a trailer folded": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
    "a trailer with LF": b"5\r\nhello\r\n0\r\nX: y\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a size that is not a number": b"x\r\nhello\r\n0\r\n\r\n",
    "a size too small": b"4\r\nhello\r\n0\r\n\r\n",
    "a size too large": b"6\r\nhello\r\n0\r\n\r\n",
    "LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "LF everywhere": b"5\nhello\n0\n\n",
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "CR and more after the data": b"5\r\nhello\rx0\r\n\r\n",
    "a size of 17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"1" + b"0" * 20 + b"\r\nhello\r\n0\r\n\r\n",
    "an extension of 5,000 bytes": b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailers of 70,000 bytes": b"0\r\n" + b"X: y\r\n" * 12_000 + b"\r\n",
}


def body(name: str, *fields: bytes, data: bytes = b"hello", version: bytes = b"1.1") -> Case:
    return request(f"body: {name}", b"GET /letters.txt HTTP/" + version, *fields, body=data)


def bodies() -> Iterator[Case]:
    yield body("a length", b"Content-Length: 5")
    yield body("a length, HTTP/1.0", b"Content-Length: 5", version=b"1.0")
    yield body("that looks like a request", b"Content-Length: %d" % len(_HIDDEN), data=_HIDDEN)
    yield body("of another request", data=_HIDDEN)
    for value in (*_LENGTHS.split(), *_ODD_LENGTHS):
        yield body(f"Content-Length: {shown(value)}", b"Content-Length: " + value.encode())
    yield body("two lengths alike", b"Content-Length: 5", b"Content-Length: 5")
    yield body("two lengths", b"Content-Length: 5", b"Content-Length: 6")
    yield body("a length folded", b"Content-Length:\r\n 5")
    yield body("a blank before the length's colon", b"Content-Length : 5")
    yield body("an underscore for the length's hyphen", b"Content_Length: 5", data=b"")
    for size in (2_000_000, (1 << 32) + 5):
        announced = b"\r\n".join([GET, HOST, b"Content-Length: %d" % size, b"", b""])
        yield Case(f"body: announced with {size:,} bytes", announced, ends=True)

    yield body("chunks", CHUNKED, data=IN_CHUNKS)
    yield body("chunks, HTTP/1.0", CHUNKED, data=IN_CHUNKS, version=b"1.0")
    yield body("chunks, then a length", CHUNKED, b"Content-Length: 5", data=IN_CHUNKS)
    yield body("a length, then chunks", b"Content-Length: 15", CHUNKED, data=IN_CHUNKS)
    length = b"Content-Length: %d" % (5 + len(_HIDDEN))
    yield body("chunks, a length and a hidden request", length, CHUNKED, data=b"0\r\n\r\n" + _HIDDEN)
    for value in (*_CODINGS.split(), *_ODD_CODINGS):
        yield body(f"Transfer-Encoding: {shown(value)}", b"Transfer-Encoding: " + value.encode(), data=IN_CHUNKS)
    yield body("Transfer-Encoding twice", CHUNKED, CHUNKED, data=IN_CHUNKS)
    yield body("Transfer-Encoding, two kinds", b"Transfer-Encoding: identity", CHUNKED, data=IN_CHUNKS)
    yield body("a folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked", data=IN_CHUNKS)
    yield body("a blank before Transfer-Encoding's colon", b"Transfer-Encoding : chunked", data=IN_CHUNKS)
    for name, data in _CHUNKS.items():
        yield body(f"chunks: {name}", CHUNKED, data=data)
