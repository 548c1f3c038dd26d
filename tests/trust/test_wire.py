"""What is wrong on the wire fails a test that only uses the client: nothing is asserted, and nothing expected."""

from __future__ import annotations

import pytest

from tests.trust.trial import Mistake, check, run

pytestmark = pytest.mark.same_everywhere

TEST = """
    httpserve.on("*").respond(json={"id": 7})
    CLIENT
"""
LINE, HOST, LAST = b"GET /users/7 HTTP/1.1\r\n", b"Host: x\r\n", b"Connection: close\r\n\r\n"
GET = LINE + HOST + LAST
POST = b"POST /users/7 HTTP/1.1\r\n" + HOST


def get(line: bytes = LINE, fields: bytes = HOST, end: bytes = LAST) -> bytes:
    return line + fields + end


def post(fields: bytes, body: bytes = b"") -> bytes:
    return POST + fields + LAST + body


def wire(name: str, says: str, broken: bytes, right: bytes = GET) -> Mistake:
    return Mistake(name, says, TEST, f"say(httpserve, {right!r})", f"say(httpserve, {broken!r})")


SIZED = post(b"Content-Length: 3\r\n", b"abc")
CHUNKED = post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n")


def chunks(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


MISTAKES = [
    # The request line
    wire(
        "a blank in the target", "with one space between them, not 'GET /users/7 8", get(b"GET /users/7 8 HTTP/1.1\r\n")
    ),
    wire("no slash before the path", "must be a path that begins with / or", get(b"GET users/7 HTTP/1.1\r\n")),
    wire(
        "a fragment in the target",
        "a target cannot have a fragment: '/users/7#top'",
        get(b"GET /users/7#top HTTP/1.1\r\n"),
    ),
    wire("a percent escape without digits", "%zz", get(b"GET /users/%zz HTTP/1.1\r\n")),
    wire("a percent escape without digits in a query", "'/users/7?a=%zz'", get(b"GET /users/7?a=%zz HTTP/1.1\r\n")),
    wire("letters beyond ASCII in the target", "must be percent-encoded", get(b"GET /users/7?a=\xc3\xbc HTTP/1.1\r\n")),
    wire("a control character in the target", "must be percent-encoded", get(b"GET /users/7?a=\x01 HTTP/1.1\r\n")),
    wire("no version", "a request line is method, target and version", get(b"GET /users/7\r\n")),
    wire(
        "a version in small letters",
        "the version is not in the form HTTP/1.1: 'http/1.1'",
        get(b"GET /users/7 http/1.1\r\n"),
    ),
    wire(
        "a version that is none",
        "the version is not in the form HTTP/1.1: 'HTTP/1,1'",
        get(b"GET /users/7 HTTP/1,1\r\n"),
    ),
    wire("version 2 in the words of version 1", "HTTP/2.0 is not supported here", get(b"GET /users/7 HTTP/2.0\r\n")),
    wire("two blanks after the method", "with one space between them", get(b"GET  /users/7 HTTP/1.1\r\n")),
    wire("a method that is not a token", "the method is not a token: 'G(E)T'", get(b"G(E)T /users/7 HTTP/1.1\r\n")),
    # Fields
    wire("no Host", "requires a Host header, and there is none", get(fields=b"")),
    wire("two Hosts", "more than one Host header: ['x', 'y']", get(fields=HOST + b"Host: y\r\n")),
    wire(
        "a Host that is none", "the Host header is not a host[:port]: 'http://x/'", get(fields=b"Host: http://x/\r\n")
    ),
    wire("LF without CR", "does not end with CRLF", GET.replace(b"\r\n", b"\n")),
    wire(
        "a CR within a line", "the value of the header X-A has a control character", get(fields=HOST + b"X-A: a\rb\r\n")
    ),
    wire(
        "a NUL in a value", "the value of the header X-A has a control character", get(fields=HOST + b"X-A: a\0b\r\n")
    ),
    wire(
        "a folded line",
        "a header is folded over two lines",
        get(fields=HOST + b"X-A: a\r\n b\r\n"),
        get(fields=HOST + b"X-A: a b\r\n"),
    ),
    wire(
        "a blank before the colon",
        "whitespace between a header's name and its colon: 'X-A : a'",
        get(fields=HOST + b"X-A : a\r\n"),
        get(fields=HOST + b"X-A: a\r\n"),
    ),
    wire("a space before the first field", "has whitespace before its name", get(fields=b" X-A: a\r\n" + HOST)),
    wire("a line without a colon", "a header line has no colon: 'X-A'", get(fields=HOST + b"X-A\r\n")),
    wire("a field without a name", "a header's name is not a token: ''", get(fields=HOST + b": a\r\n")),
    wire("a name that is not a token", "a header's name is not a token", get(fields=HOST + "Größe: 1\r\n".encode())),
    # The body's end
    wire(
        "a length and chunks",
        "Content-Length and Transfer-Encoding are mutually exclusive",
        post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        CHUNKED,
    ),
    wire(
        "two lengths",
        "Content-Length is not one number of bytes: '3, 4'",
        post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"),
        SIZED,
    ),
    wire(
        "a length that is no number",
        "Content-Length is not one number of bytes: 'three'",
        post(b"Content-Length: three\r\n", b"abc"),
        SIZED,
    ),
    wire(
        "a length below zero",
        "Content-Length is not one number of bytes: '-3'",
        post(b"Content-Length: -3\r\n", b"abc"),
        SIZED,
    ),
    wire(
        "a coding that nobody knows",
        "chunked must be the last transfer coding, and appear only once: 'zipped'",
        post(b"Transfer-Encoding: zipped\r\n", b"abc"),
        CHUNKED,
    ),
    wire(
        "chunks that are not the last coding",
        "chunked must be the last transfer coding, and appear only once: 'chunked, gzip'",
        post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
        CHUNKED,
    ),
    wire(
        "a chunk size that is no number",
        "not the first line of a chunk: 'three",
        chunks(b"three\r\nabc\r\n0\r\n\r\n"),
        CHUNKED,
    ),
    wire(
        "a chunk that is longer than it says",
        "a chunk is longer than its size says",
        chunks(b"3\r\nabcd\r\n0\r\n\r\n"),
        CHUNKED,
    ),
    wire(
        "chunks without a last one",
        "within the body: 8 bytes of its body came, without the last chunk",
        chunks(b"3\r\nabc\r\n"),
        CHUNKED,
    ),
    wire(
        "a body that is shorter than announced",
        "within the body: 3 of 4 bytes of its body came",
        post(b"Content-Length: 4\r\n", b"abc"),
        SIZED,
    ),
    wire(
        "a body that is longer than announced",
        "ended the connection within the request line: 1 byte of its head came",
        POST + b"Content-Length: 3\r\n\r\nabcd",
        POST + b"Content-Length: 3\r\n\r\nabc",
    ),
    wire("a head that ends too early", "ended the connection within the head: 32 bytes of its head came", LINE + HOST),
    wire(
        "an expectation that nobody can meet",
        "the only expectation supported here is 100-continue, not 'tea'",
        post(b"Expect: tea\r\nContent-Length: 3\r\n", b"abc"),
        SIZED,
    ),
    # Other protocols
    wire("TLS to a plain port", "the client speaks TLS", bytes.fromhex("16030100050100000100") + bytes(40)),
    wire("HTTP/2 to a server of HTTP/1.1", "the client speaks HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(MISTAKES, tmp_path_factory.mktemp("wire"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.identifier)
def test_a_mistake_on_the_wire_is_noticed(ended: dict[str, str], mistake: Mistake) -> None:
    check(ended, mistake)
