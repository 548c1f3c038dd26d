"""What a client of HTTP/2 may not send, and what a server must put up with: a case for each rule."""

from __future__ import annotations

from typing import NamedTuple

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED, ACK = 0x1, 0x4, 0x8, 0x20, 0x1

NO_ERROR, PROTOCOL, INTERNAL, FLOW, SETTINGS_TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
CALM = 0xB

MOST_BYTES = 16_384  # of a frame
Fields = tuple[tuple[str, str], ...]


class Outcome(NamedTuple):
    """What the client sees: ``GOAWAY`` or ``RST_STREAM`` with a code, or an ``answer`` with a status; or it is
    ``ignored``, and the connection goes on."""

    kind: str
    code: int = 0


class Case(NamedTuple):
    """What is sent after the preface and the client's settings, and what comes of that."""

    name: str
    section: str
    sent: bytes
    outcome: Outcome


def goaway(code: int) -> Outcome:
    return Outcome("GOAWAY", code)


def rst(code: int) -> Outcome:
    return Outcome("RST_STREAM", code)


def answer(status: int) -> Outcome:
    return Outcome("answer", status)


IGNORED = Outcome("ignored")
WELL, MALFORMED = answer(200), answer(400)


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, size: int | None = None) -> bytes:
    """A frame, right or wrong."""
    length = len(payload) if size is None else size
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def setting(code: int, value: int) -> bytes:
    return code.to_bytes(2, "big") + number(value)


def fields(method: str = "GET", *others: tuple[str, str]) -> Fields:
    return (
        (":method", method),
        (":scheme", "http"),
        (":authority", "127.0.0.1"),
        (":path", "/"),
        *others,
    )


def block(*pairs: tuple[str, str]) -> bytes:
    """Fields as HPACK has them, without its dynamic table, so that cases can be put together."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return encoder.encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in pairs])[1:]


def headers(payload: bytes, *, stream: int = 1, flags: int = END_HEADERS | END_STREAM) -> bytes:
    return frame(HEADERS, payload, flags=flags, stream=stream)


def asked(*pairs: tuple[str, str], stream: int = 1, ends: bool = True) -> bytes:
    return headers(block(*pairs), stream=stream, flags=END_HEADERS | (END_STREAM if ends else 0))


GET = block(*fields())
POST = asked(*fields("POST"), ends=False)


def data(payload: bytes = b"", *, stream: int = 1, flags: int = END_STREAM) -> bytes:
    return frame(DATA, payload, flags=flags, stream=stream)


def get(*others: tuple[str, str]) -> bytes:
    return asked(*fields("GET", *others))


def without(name: str) -> bytes:
    return asked(*(pair for pair in fields() if pair[0] != name))


def instead(name: str, value: str) -> bytes:
    return asked(*((name, value) if pair[0] == name else pair for pair in fields()))


FRAMES = (
    Case("an unknown type", "4.1", frame(0xFA, b"what") + headers(GET), WELL),
    Case("an unknown type on a stream", "5.5", POST + frame(0xFA, b"what", stream=1) + data(), WELL),
    Case("flags without a meaning", "4.1", frame(PING, bytes(8), flags=0xFE & ~ACK) + headers(GET), WELL),
    Case("the reserved bit of a stream", "4.1", headers(GET, stream=1 | 1 << 31), WELL),
    Case("DATA that is too long", "4.2", POST + data(bytes(MOST_BYTES + 1)), goaway(SIZE)),
    Case("HEADERS that are too long", "4.2", headers(bytes(MOST_BYTES + 1)), goaway(SIZE)),
    Case("SETTINGS that are too long", "4.2", frame(SETTINGS, bytes(6 * 2_731)), goaway(SIZE)),
    Case("an unknown type that is too long", "4.2", frame(0xFA, bytes(MOST_BYTES + 1)), goaway(SIZE)),
    Case("DATA of the full length", "4.2", POST + data(bytes(MOST_BYTES)), WELL),
    Case("an unknown type within a field block", "4.3", headers(GET, flags=1) + frame(0xFA), goaway(PROTOCOL)),
    Case("PING within a field block", "4.3", headers(GET, flags=1) + frame(PING, bytes(8)), goaway(PROTOCOL)),
    Case("DATA within a field block", "4.3", headers(GET, flags=0) + data(), goaway(PROTOCOL)),
    Case("SETTINGS within a field block", "4.3", headers(GET, flags=1) + frame(SETTINGS), goaway(PROTOCOL)),
    Case("HEADERS within a field block", "4.3", headers(GET, flags=1) + headers(GET, stream=3), goaway(PROTOCOL)),
    Case("PRIORITY within a field block", "4.3", headers(GET, flags=1) + frame(PRIORITY, bytes(5), stream=3),
         goaway(PROTOCOL)),
    Case("RST_STREAM within a field block", "4.3", headers(GET, flags=1) + frame(RST_STREAM, bytes(4), stream=1),
         goaway(PROTOCOL)),
    Case("WINDOW_UPDATE within a field block", "4.3", headers(GET, flags=1) + frame(WINDOW_UPDATE, number(1)),
         goaway(PROTOCOL)),
)  # fmt: skip

STATES = (
    Case("DATA on an idle stream", "5.1", data(), goaway(PROTOCOL)),
    Case("RST_STREAM on an idle stream", "5.1", frame(RST_STREAM, number(CANCEL), stream=1), goaway(PROTOCOL)),
    Case("WINDOW_UPDATE on an idle stream", "5.1", frame(WINDOW_UPDATE, number(1), stream=1), goaway(PROTOCOL)),
    Case("CONTINUATION on an idle stream", "5.1", frame(CONTINUATION, GET, stream=1, flags=4), goaway(PROTOCOL)),
    Case("PRIORITY on an idle stream", "5.1", frame(PRIORITY, number(0) + b"\1", stream=3) + headers(GET), WELL),
    Case("CONTINUATION after the end", "6.10", headers(GET) + frame(CONTINUATION, GET, stream=1), goaway(PROTOCOL)),
    Case("WINDOW_UPDATE after the end", "5.1", headers(GET) + frame(WINDOW_UPDATE, number(1), stream=1), WELL),
    Case("RST_STREAM after the end", "5.1", headers(GET) + frame(RST_STREAM, number(CANCEL), stream=1), IGNORED),
    Case("PRIORITY after the end", "5.1", headers(GET) + frame(PRIORITY, number(0) + b"\1", stream=1), WELL),
    Case("an even stream", "5.1.1", headers(GET, stream=2), goaway(PROTOCOL)),
    Case("a stream below the last", "5.1.1", headers(GET, stream=5) + headers(GET, stream=3), goaway(PROTOCOL)),
    Case("a stream that leaves some out", "5.1.1", headers(GET, stream=7) + headers(GET, stream=9), IGNORED),
    Case("HEADERS on stream 0", "6.2", headers(GET, stream=0), goaway(PROTOCOL)),
)  # fmt: skip

KINDS = (
    Case("DATA on stream 0", "6.1", data(stream=0), goaway(PROTOCOL)),
    Case("DATA with padding", "6.1", POST + data(b"\2a\0\0", flags=PADDED | END_STREAM), WELL),
    Case("DATA of padding alone", "6.1", POST + data(b"\3\0\0\0", flags=PADDED | END_STREAM), WELL),
    Case("DATA with more padding than payload", "6.1", POST + data(b"\4a\0\0", flags=PADDED), goaway(PROTOCOL)),
    Case("DATA with as much padding as payload", "6.1", POST + data(b"\4\0\0\0", flags=PADDED), goaway(PROTOCOL)),
    Case("DATA that lacks the length of its padding", "6.1", POST + data(flags=PADDED), goaway(SIZE)),
    Case("HEADERS with padding", "6.2", headers(b"\2" + GET + b"\0\0", flags=PADDED | 5), WELL),
    Case("HEADERS with more padding than payload", "6.2", headers(b"\xff" + GET, flags=PADDED | 5), goaway(PROTOCOL)),
    Case("HEADERS that lack the length of their padding", "6.2", headers(b"", flags=PADDED | 5), goaway(SIZE)),
    Case("HEADERS with a priority", "6.2", headers(number(0) + b"\1" + GET, flags=PRIORITISED | 5), WELL),
    Case("HEADERS with half a priority", "6.2", headers(b"\0\0", flags=PRIORITISED | 5), goaway(SIZE)),
    Case("PRIORITY on stream 0", "6.3", frame(PRIORITY, number(1) + b"\1"), goaway(PROTOCOL)),
    Case("RST_STREAM on stream 0", "6.4", frame(RST_STREAM, number(CANCEL)), goaway(PROTOCOL)),
    Case("RST_STREAM of 3 bytes", "6.4", POST + frame(RST_STREAM, bytes(3), stream=1), goaway(SIZE)),
    Case("RST_STREAM of 5 bytes", "6.4", POST + frame(RST_STREAM, bytes(5), stream=1), goaway(SIZE)),
    Case("RST_STREAM with an unknown code", "7", POST + frame(RST_STREAM, number(0xFFFF), stream=1), IGNORED),
    Case("SETTINGS on a stream", "6.5", POST + frame(SETTINGS, stream=1), goaway(PROTOCOL)),
    Case("SETTINGS on an idle stream", "6.5", frame(SETTINGS, stream=1), goaway(PROTOCOL)),
    Case("SETTINGS of 5 bytes", "6.5", frame(SETTINGS, bytes(5)), goaway(SIZE)),
    Case("SETTINGS of 7 bytes", "6.5", frame(SETTINGS, bytes(7)), goaway(SIZE)),
    Case("SETTINGS without any", "6.5", frame(SETTINGS) + headers(GET), WELL),
    Case("SETTINGS: ENABLE_PUSH of 2", "6.5.2", frame(SETTINGS, setting(2, 2)), goaway(PROTOCOL)),
    Case("SETTINGS: ENABLE_PUSH of 0", "6.5.2", frame(SETTINGS, setting(2, 0)) + headers(GET), WELL),
    Case("SETTINGS: a window of 2**31", "6.5.2", frame(SETTINGS, setting(4, 1 << 31)), goaway(FLOW)),
    Case("SETTINGS: a window of 2**31 - 1", "6.5.2", frame(SETTINGS, setting(4, (1 << 31) - 1)) + headers(GET), WELL),
    Case("SETTINGS: frames of 16,383 bytes", "6.5.2", frame(SETTINGS, setting(5, 16_383)), goaway(PROTOCOL)),
    Case("SETTINGS: frames of 2**24 bytes", "6.5.2", frame(SETTINGS, setting(5, 1 << 24)), goaway(PROTOCOL)),
    Case("SETTINGS: frames of 2**24 - 1 bytes", "6.5.2", frame(SETTINGS, setting(5, (1 << 24) - 1)) + headers(GET),
         WELL),
    Case("SETTINGS: an unknown one", "6.5.2", frame(SETTINGS, setting(0xFAFA, 7)) + headers(GET), WELL),
    Case("SETTINGS: one of them twice", "6.5.3", frame(SETTINGS, setting(1, 0) + setting(1, 4_096)) + headers(GET),
         WELL),
    Case("PUSH_PROMISE", "8.4", POST + frame(PUSH_PROMISE, number(2) + GET, flags=4, stream=1), goaway(PROTOCOL)),
    Case("PUSH_PROMISE on stream 0", "6.6", frame(PUSH_PROMISE, number(2) + GET, flags=4), goaway(PROTOCOL)),
    Case("PING on a stream", "6.7", frame(PING, bytes(8), stream=1), goaway(PROTOCOL)),
    Case("PING of 7 bytes", "6.7", frame(PING, bytes(7)), goaway(SIZE)),
    Case("PING of 9 bytes", "6.7", frame(PING, bytes(9)), goaway(SIZE)),
    Case("an answer to no PING", "6.7", frame(PING, bytes(8), flags=ACK) + headers(GET), WELL),
    Case("GOAWAY on a stream", "6.8", frame(GOAWAY, bytes(8), stream=1), goaway(PROTOCOL)),
    Case("GOAWAY, and the stream goes on", "6.8", POST + frame(GOAWAY, bytes(8)) + data(flags=END_STREAM), WELL),
    Case("GOAWAY, and another request", "6.8", frame(GOAWAY, bytes(8)) + headers(GET), WELL),
    Case("GOAWAY within a field block", "6.8", headers(GET, flags=1) + frame(GOAWAY, bytes(8)), goaway(PROTOCOL)),
    Case("GOAWAY of 7 bytes", "6.8", frame(GOAWAY, bytes(7)), goaway(SIZE)),
    Case("WINDOW_UPDATE of 0", "6.9", frame(WINDOW_UPDATE, number(0)), goaway(PROTOCOL)),
    Case("WINDOW_UPDATE of 3 bytes", "6.9", frame(WINDOW_UPDATE, bytes(3)), goaway(SIZE)),
    Case("WINDOW_UPDATE of 5 bytes", "6.9", frame(WINDOW_UPDATE, bytes(5)), goaway(SIZE)),
    Case("WINDOW_UPDATE beyond 2**31 - 1", "6.9.1", frame(WINDOW_UPDATE, number((1 << 31) - 1)), goaway(FLOW)),
    Case("SETTINGS that make a window too large", "6.9.2",
         POST + frame(WINDOW_UPDATE, number(1 << 30), stream=1) + frame(SETTINGS, setting(4, (1 << 31) - 1)),
         goaway(FLOW)),
    Case("CONTINUATION", "6.10", headers(GET[:5], flags=1) + frame(CONTINUATION, GET[5:], flags=4, stream=1), WELL),
    Case("CONTINUATION without anything", "6.10", headers(GET, flags=1) + frame(CONTINUATION, flags=4, stream=1),
         WELL),
    Case("CONTINUATION of another stream", "6.10", headers(GET, flags=1) + frame(CONTINUATION, flags=4, stream=3),
         goaway(PROTOCOL)),
    Case("CONTINUATION on stream 0", "6.10", frame(CONTINUATION, GET, flags=4), goaway(PROTOCOL)),
    Case("CONTINUATION after the last", "6.10", POST + frame(CONTINUATION, GET, flags=4, stream=1), goaway(PROTOCOL)),
)  # fmt: skip

NAMES = ("Host", "X-A", "x a", "x\0a", "x\x7fa", "x\xe9", "x(a)", "x:a", "x\ta", "x\na", "")
VALUES = {"NUL": "a\0b", "CR": "a\rb", "LF": "a\nb", "a blank first": " a", "a blank last": "a ", "a tab last": "a\t"}
OF_CONNECTION = ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
PSEUDO = (":method", ":scheme", ":path", ":authority")

MESSAGES = (
    Case("a right request", "8.1", get(("x-a", "b")), WELL),
    Case("cookies in crumbs", "8.2.3", get(("cookie", "a=1"), ("cookie", "b=2")), WELL),
    Case("te: trailers", "8.2.2", get(("te", "trailers")), WELL),
    Case("te: gzip", "8.2.2", get(("te", "gzip")), MALFORMED),
    Case("te: trailers, and more", "8.2.2", get(("te", "trailers, gzip")), MALFORMED),
    *(Case(f"the name {name!r}", "8.2.1", get((name, "a")), MALFORMED) for name in NAMES),
    *(Case(f"a value with {what}", "8.2.1", get(("x-a", value)), MALFORMED) for what, value in VALUES.items()),
    *(Case(f"a path with {what}", "8.2.1", instead(":path", "/" + value), MALFORMED) for what, value in VALUES.items()),
    *(Case(f"the field {name}", "8.2.2", get((name, "a")), MALFORMED) for name in OF_CONNECTION),
    *(Case(f"no {name}", "8.3.1", without(name), MALFORMED) for name in PSEUDO),
    *(Case(f"{name} twice", "8.3.1", asked((name, "GET"), *fields()), MALFORMED) for name in PSEUDO),
    *(Case(f"an empty {name}", "8.3.1", instead(name, ""), MALFORMED) for name in PSEUDO[:3]),
    *(Case(f"{name} after other fields", "8.3", asked(*(pair for pair in fields() if pair[0] != name), ("x-a", "b"),
           *(pair for pair in fields() if pair[0] == name)), MALFORMED) for name in PSEUDO),
    Case("an unknown pseudo-header field", "8.3", asked(*fields(), (":what", "a")), MALFORMED),
    Case("a pseudo-header field of responses", "8.3", asked(*fields(), (":status", "200")), MALFORMED),
    Case(":protocol that was not offered", "8.3", asked(*fields(), (":protocol", "websocket")), MALFORMED),
    Case("host, without :authority", "8.3.1", asked(*(p for p in fields() if p[0] != ":authority"), ("host", "a")),
         WELL),
    Case("host that differs from :authority", "8.3.1", get(("host", "elsewhere")), MALFORMED),
    Case("host that is the same", "8.3.1", get(("host", "127.0.0.1")), WELL),
    Case("host twice", "8.3.1", get(("host", "127.0.0.1"), ("host", "127.0.0.1")), MALFORMED),
    Case(":authority with a user", "8.3.1", instead(":authority", "me@127.0.0.1"), MALFORMED),
    Case("a method that is no token", "8.3.1", instead(":method", "G T"), MALFORMED),
    Case("a path without a slash", "8.3.1", instead(":path", "a"), MALFORMED),
    Case("a path that is a URL", "8.3.1", instead(":path", "http://127.0.0.1/"), MALFORMED),
    Case("a path with a fragment", "8.3.1", instead(":path", "/#a"), MALFORMED),
    Case("a path with a blank within", "8.3.1", instead(":path", "/a b"), MALFORMED),
    Case("* for GET", "8.3.1", instead(":path", "*"), MALFORMED),
    Case("CONNECT with a path", "8.5", instead(":method", "CONNECT"), MALFORMED),
    Case("CONNECT without :authority", "8.5", asked((":method", "CONNECT")), MALFORMED),
    Case("a length, and no body", "8.1.1", get(("content-length", "3")), MALFORMED),
    Case("a length of 0, and no body", "8.1.1", get(("content-length", "0")), WELL),
    Case("a length that is no number", "8.1.1",
         asked(*fields("POST", ("content-length", "two")), ends=False) + data(b"ab"), MALFORMED),
    Case("a length below 0", "8.1.1",
         asked(*fields("POST", ("content-length", "-1")), ends=False) + data(b"ab"), MALFORMED),
    Case("two lengths", "8.1.1",
         asked(*fields("POST", ("content-length", "2"), ("content-length", "3")), ends=False) + data(b"ab"),
         MALFORMED),
    Case("a body that is too short", "8.1.1",
         asked(*fields("POST", ("content-length", "3")), ends=False) + data(b"ab"), MALFORMED),
    Case("a body that is too long", "8.1.1",
         asked(*fields("POST", ("content-length", "1")), ends=False) + data(b"ab"), MALFORMED),
    Case("a length of 0, and a body", "8.1.1",
         asked(*fields("POST", ("content-length", "0")), ends=False) + data(b"ab"), MALFORMED),
    Case("a length of 0, and an empty body", "8.1.1",
         asked(*fields("POST", ("content-length", "0")), ends=False) + data(), WELL),
    Case("a body that is too short, before trailers", "8.1.1",
         asked(*fields("POST", ("content-length", "3")), ends=False) + data(b"ab", flags=0) + asked(("x-sum", "a")),
         MALFORMED),
    Case("a body as long as it says", "8.1.1",
         asked(*fields("POST", ("content-length", "2")), ends=False) + data(b"ab"), WELL),
    Case("trailers", "8.1", POST + data(b"a", flags=0) + asked(("x-sum", "a")), WELL),
    Case("trailers with a pseudo-header field", "8.1", POST + asked((":path", "/")), MALFORMED),
    Case("trailers with a pseudo-header field, after a body as long as it says", "8.1",
         asked(*fields("POST", ("content-length", "1")), ends=False) + data(b"a", flags=0) + asked((":path", "/")),
         MALFORMED),
    Case("trailers in upper case", "8.2.1", POST + asked(("X-Sum", "a")), MALFORMED),
    Case("trailers about the connection", "8.2.2", POST + asked(("connection", "close")), MALFORMED),
)  # fmt: skip

HPACK = (
    Case("an index of 0", "RFC 7541 6.1", headers(b"\x80"), goaway(COMPRESSION)),
    Case("an index beyond the tables", "RFC 7541 2.3.3", headers(b"\xbe"), goaway(COMPRESSION)),
    Case("an index far beyond the tables", "RFC 7541 2.3.3", headers(b"\xff\xff\xff\x7f"), goaway(COMPRESSION)),
    Case("a name beyond the tables", "RFC 7541 6.2.1", headers(b"\x7e\x01a"), goaway(COMPRESSION)),
    Case("an integer without end", "RFC 7541 5.1", headers(b"\xff" + b"\xff" * 20), goaway(COMPRESSION)),
    Case("an integer that is cut off", "RFC 7541 5.1", headers(GET + b"\xff"), goaway(COMPRESSION)),
    Case("a string that is cut off", "RFC 7541 5.2", headers(GET + b"\x00\x05ab"), goaway(COMPRESSION)),
    Case("a name without a value", "RFC 7541 5.2", headers(GET + b"\x00\x01a"), goaway(COMPRESSION)),
    Case("Huffman: EOS", "RFC 7541 5.2", headers(GET + b"\x00\x01a\x84\xff\xff\xff\xff"), goaway(COMPRESSION)),
    Case("Huffman: padding of zeros", "RFC 7541 5.2", headers(GET + b"\x00\x01a\x81\x18"), goaway(COMPRESSION)),
    Case("Huffman: padding of a byte", "RFC 7541 5.2", headers(GET + b"\x00\x01a\x82\x1f\xff"), goaway(COMPRESSION)),
    Case("Huffman: right", "RFC 7541 5.2", headers(GET + b"\x00\x01a\x81\x1f"), WELL),
    Case("a table that grows too large", "RFC 7541 6.3", headers(b"\x3f\xe2\x1f" + GET), goaway(COMPRESSION)),
    Case("a table of the full size", "RFC 7541 6.3", headers(b"\x3f\xe1\x1f" + GET), WELL),
    Case("a table that changes after a field", "RFC 7541 4.2", headers(GET + b"\x20"), goaway(COMPRESSION)),
    Case("a table that shrinks", "RFC 7541 4.2", headers(b"\x20" + GET), WELL),
)  # fmt: skip

# What the RFC calls an error of the stream may end the connection (section 5.4.1): here, it does.
OF_STREAMS = (
    Case("PRIORITY of 4 bytes", "6.3", frame(PRIORITY, bytes(4), stream=1), goaway(SIZE)),
    Case("PRIORITY of 6 bytes", "6.3", frame(PRIORITY, bytes(6), stream=1), goaway(SIZE)),
    Case("a window that grows by 0", "6.9", POST + frame(WINDOW_UPDATE, number(0), stream=1), goaway(PROTOCOL)),
    Case("a window that grows too large", "6.9.1", POST + frame(WINDOW_UPDATE, number((1 << 31) - 1), stream=1),
         rst(FLOW)),
    Case("DATA after the end", "5.1", headers(GET) + data(), rst(CLOSED)),
    Case("an acknowledgement with a payload", "6.5", frame(SETTINGS, setting(3, 1), flags=ACK), goaway(SIZE)),
    Case("trailers without an end", "8.1",
         POST + data(b"a", flags=0) + asked(("x-sum", "a"), ends=False), goaway(PROTOCOL)),
)  # fmt: skip

CASES = (*FRAMES, *STATES, *KINDS, *MESSAGES, *HPACK, *OF_STREAMS)
