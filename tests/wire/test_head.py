"""Request lines, targets, field lines, Host, and response heads."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import (
    Headers,
    Limits,
    RequestLine,
    Target,
    check_host,
    parse_fields,
    parse_request_line,
    parse_target,
    response_head,
)
from pytest_httpserve.wire.head import check_field, parse_lenient_request_line

MEBIBYTE = 1 << 20


@contextmanager
def refused(status: int, saying: str | None = None) -> Iterator[None]:
    """What runs in here must end in a RequestError with this status, and with these words in its message."""
    with pytest.raises(RequestError, match=saying and re.escape(saying)) as caught:
        yield
    assert caught.value.status == status, f"status {caught.value.status} for: {caught.value}"


# The request line (RFC 9112 section 3)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (b"GET / HTTP/1.1\r\n", RequestLine("GET", "/", (1, 1))),
        (b"GET / HTTP/1.0\r\n", RequestLine("GET", "/", (1, 0))),
        (b"GET / HTTP/1.9\r\n", RequestLine("GET", "/", (1, 9))),
        (b"get /a/b?c=d&e HTTP/1.1\r\n", RequestLine("get", "/a/b?c=d&e", (1, 1))),
        (b"PUT http://h:80/a HTTP/1.1\r\n", RequestLine("PUT", "http://h:80/a", (1, 1))),
        (b"OPTIONS * HTTP/1.1\r\n", RequestLine("OPTIONS", "*", (1, 1))),
        (b"CONNECT h:443 HTTP/1.1\r\n", RequestLine("CONNECT", "h:443", (1, 1))),
        (b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n", RequestLine("!#$%&'*+-.^_`|~09azAZ", "/", (1, 1))),
        (b"GET /%00%ff%zz HTTP/1.1\r\n", RequestLine("GET", "/%00%ff%zz", (1, 1))),
        # No characters of a URI, yet browsers and curl send them as they are.
        (b'GET /a|b\\c^d`e{f}"g<h> HTTP/1.1\r\n', RequestLine("GET", '/a|b\\c^d`e{f}"g<h>', (1, 1))),
    ],
)
def test_a_request_line_has_method_target_and_version(line: bytes, parsed: RequestLine) -> None:
    assert parse_request_line(line) == parsed


@pytest.mark.parametrize(
    ("line", "saying"),
    [
        (b"", "does not end with CRLF"),
        (b"\n", "does not end with CRLF"),
        (b"GET / HTTP/1.1", "does not end with CRLF"),
        (b"GET / HTTP/1.1\n", "does not end with CRLF"),
        (b"GET / HTTP/1.1\r", "does not end with CRLF"),
        (b"\r\n", "method, target and version"),
        (b"GET\r\n", "method, target and version"),
        (b"GET /\r\n", "method, target and version"),
        (b"GET  / HTTP/1.1\r\n", "one space between them"),
        (b" GET / HTTP/1.1\r\n", "one space between them"),
        (b"GET / HTTP/1.1 \r\n", "one space between them"),
        (b"GET /a b HTTP/1.1\r\n", "one space between them"),
        (b"GET\t/\tHTTP/1.1\r\n", "one space between them"),
        (b"GET / HTTP/1.1\r\nA: b\r\n", "method, target and version"),
        (b" / HTTP/1.1\r\n", "the method is not a token: ''"),
        (b"G@T / HTTP/1.1\r\n", "the method is not a token: 'G@T'"),
        (b"G\xc9T / HTTP/1.1\r\n", "the method is not a token"),
        (b"GET\x00 / HTTP/1.1\r\n", "the method is not a token"),
        (b"\x16\x03\x01\x02 / HTTP/1.1\r\n", "the client speaks TLS"),
        (b"GET  HTTP/1.1\r\n", "percent-encoded: ''"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n", "must be percent-encoded"),
        (b"GET /\x00 HTTP/1.1\r\n", "must be percent-encoded"),
        (b"GET /\x7f HTTP/1.1\r\n", "must be percent-encoded"),
        (b"GET /a\rb HTTP/1.1\r\n", "must be percent-encoded"),
        (b"GET /a\tb HTTP/1.1\r\n", "must be percent-encoded"),
        (b"GET /a#b HTTP/1.1\r\n", "a target cannot have a fragment: '/a#b'"),
        (b"GET / HTTP/1.1\r\r\n", "the version is not in the form HTTP/1.1"),
        (b"GET / http/1.1\r\n", "the version is not in the form HTTP/1.1: 'http/1.1'"),
        (b"GET / HTTP/1\r\n", "the version is not in the form HTTP/1.1"),
        (b"GET / HTTP/1.10\r\n", "the version is not in the form HTTP/1.1"),
        (b"GET / HTTP/01.1\r\n", "the version is not in the form HTTP/1.1"),
        (b"GET / HTTP/1.\xb2\r\n", "the version is not in the form HTTP/1.1"),
        (b"GET / XTTP/1.1\r\n", "the version is not in the form HTTP/1.1"),
    ],
)
def test_what_is_no_request_line_is_refused(line: bytes, saying: str) -> None:
    with refused(400, saying):
        parse_request_line(line)


@pytest.mark.parametrize("version", ["0.9", "2.0", "3.0", "9.9"])
def test_another_major_version_is_refused(version: str) -> None:
    with refused(505, f"HTTP/{version}"):
        parse_request_line(f"GET / HTTP/{version}\r\n".encode())


def test_a_request_line_may_be_as_long_as_its_limit_says() -> None:
    line = b"GET /aaaa HTTP/1.1"
    assert parse_request_line(line + b"\r\n", limits=Limits(request_line=len(line))).target == "/aaaa"
    with refused(414, f"longer than {len(line) - 1} bytes"):
        parse_request_line(line + b"\r\n", limits=Limits(request_line=len(line) - 1))


def test_a_request_line_that_is_too_long_is_refused_whatever_it_holds() -> None:
    # What a server has in hand when its buffer is full: no end of line, perhaps no blank.
    with refused(414, "longer than 65536 bytes"):
        parse_request_line(b"\0" * 65_539)


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_refusing_a_request_line_shows_the_line(version: str) -> None:
    with refused(400, repr(f"GET /a b HTTP/{version}")):
        parse_request_line(f"GET /a b HTTP/{version}\r\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        b"A" * MEBIBYTE,
        b" " * MEBIBYTE,
        b"A " * (MEBIBYTE // 2),
        b"GET " + b"/" * MEBIBYTE,
        b"GET " + b"/" * MEBIBYTE + b" HTTP/1.x",
        b"GET / " + b"HTTP/1." * (MEBIBYTE // 7),
    ],
    ids=lambda line: f"{line[:8]!r}",
)
def test_a_hostile_request_line_takes_linear_time(line: bytes) -> None:
    # Nothing is timed: at this size, quadratic work would take hours.
    with refused(400):
        parse_request_line(line + b"\r\n", limits=Limits(request_line=2 * MEBIBYTE))


# The lenient request line of http.server


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (b"GET / HTTP/1.1\r\n", RequestLine("GET", "/", (1, 1))),
        (b"  GET   /  HTTP/1.0 \n", RequestLine("GET", "/", (1, 0))),
        (b"GET /\xc3\xa9#x HTTP/1.1\r\n", RequestLine("GET", "/\xc3\xa9#x", (1, 1))),
        (b"GET /old\r\n", RequestLine("GET", "/old", (0, 9))),
        (b"GET / HTTP/0.9\r\n", RequestLine("GET", "/", (0, 9))),
    ],
)
def test_a_lenient_request_line_may_have_what_http_server_takes(line: bytes, parsed: RequestLine) -> None:
    assert parse_lenient_request_line(line) == parsed


@pytest.mark.parametrize(
    ("line", "status", "saying"),
    [
        (b"\r\n", 400, "method, target and version"),
        (b"GET\r\n", 400, "method, target and version"),
        (b"POST /\r\n", 400, "Bad HTTP/0.9 request type ('POST')"),
        (b"GET / a HTTP/1.1\r\n", 400, "one space between them"),
        (b"G@T / HTTP/1.1\r\n", 400, "the method is not a token"),
        (b"GET / HTTP/1.1.1\r\n", 400, "the version is not in the form"),
        (b"GET / HTTP/2.0\r\n", 505, "HTTP/2.0"),
    ],
)
def test_a_lenient_request_line_is_still_a_request_line(line: bytes, status: int, saying: str) -> None:
    with refused(status, saying):
        parse_lenient_request_line(line)


@pytest.mark.parametrize("end", [b"", b" HTTP/1.1\r\n"], ids=["cut off", "whole"])
def test_a_lenient_request_line_keeps_to_its_limit(end: bytes) -> None:
    # Cut off at the limit, it has two words: it must not pass for a request of HTTP/0.9.
    with refused(414, "longer than 65536 bytes"):
        parse_lenient_request_line(b"GET /" + b"a" * 65_536 + end)


# The target (RFC 9112 section 3.2)


@pytest.mark.parametrize(
    ("method", "target", "parsed"),
    [
        ("GET", "/", Target("origin", "/")),
        ("GET", "/a/b", Target("origin", "/a/b")),
        ("GET", "/a?", Target("origin", "/a", "")),
        ("GET", "/a?b=c?d", Target("origin", "/a", "b=c?d")),
        ("GET", "//a/../b%2f", Target("origin", "//a/../b%2f")),
        ("GET", "/http://other/", Target("origin", "/http://other/")),
        ("OPTIONS", "/a", Target("origin", "/a")),
        ("OPTIONS", "*", Target("asterisk", "*")),
        ("GET", "http://h", Target("absolute", "/", None, "h", "http")),
        ("GET", "http://h?q", Target("absolute", "/", "q", "h", "http")),
        ("GET", "HTTPS://H:8443/a/b?c=/d", Target("absolute", "/a/b", "c=/d", "H:8443", "https")),
        ("GET", "http://h:/a?", Target("absolute", "/a", "", "h:", "http")),
        ("GET", "http://[::1]:80//x", Target("absolute", "//x", None, "[::1]:80", "http")),
        ("OPTIONS", "http://h:80", Target("absolute", "/", None, "h:80", "http")),
        ("CONNECT", "h:443", Target("authority", "", authority="h:443")),
        ("CONNECT", "[2001:db8::1]:65535", Target("authority", "", authority="[2001:db8::1]:65535")),
    ],
)
def test_a_target_is_taken_apart_but_not_decoded(method: str, target: str, parsed: Target) -> None:
    assert parse_target(target, method) == parsed


@pytest.mark.parametrize(
    ("method", "target", "saying"),
    [
        ("GET", "a", "must be a path that begins with / or a whole URL"),
        ("GET", "", "must be a path that begins with / or a whole URL"),
        ("GET", "?a", "must be a path that begins with / or a whole URL"),
        ("GET", "h:443", "must be a path that begins with / or a whole URL"),
        ("GET", "http:/a", "must be a path that begins with / or a whole URL"),
        ("GET", "1http://h/", "must be a path that begins with / or a whole URL"),
        ("GET", "*/a", "must be a path that begins with / or a whole URL"),
        ("GET", "*", "is for OPTIONS only, not for GET"),
        ("options", "*", "is for OPTIONS only, not for options"),
        ("GET", "http://", "not a host[:port]"),
        ("GET", "http:///a", "not a host[:port]"),
        ("GET", "http://:80/a", "not a host[:port]"),
        ("GET", "http://user@h/", "not a host[:port]"),
        ("GET", "http://user:secret@h/", "not a host[:port]"),
        ("GET", "http://h:80:80/", "not a host[:port]"),
        ("GET", "http://h:port/", "not a host[:port]"),
        ("GET", "http://a\\b/", "not a host[:port]"),
        ("GET", "http://[::1/", "not a host[:port]"),
        ("CONNECT", "/", "CONNECT takes host:port"),
        ("CONNECT", "*", "CONNECT takes host:port"),
        ("CONNECT", "h", "CONNECT takes host:port"),
        ("CONNECT", "h:", "CONNECT takes host:port"),
        ("CONNECT", ":443", "CONNECT takes host:port"),
        ("CONNECT", "h:65536", "CONNECT takes host:port"),
        ("CONNECT", "h:" + "9" * 5_000, "CONNECT takes host:port"),
        ("CONNECT", "::1:443", "CONNECT takes host:port"),
        ("CONNECT", "user@h:443", "CONNECT takes host:port"),
        ("CONNECT", "http://h:443", "CONNECT takes host:port"),
    ],
)
def test_a_target_of_the_wrong_form_is_refused(method: str, target: str, saying: str) -> None:
    with refused(400, saying):
        parse_target(target, method)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "a" * MEBIBYTE),
        ("GET", "http://" + "a" * MEBIBYTE + "#"),
        ("GET", "http://" + "a" * MEBIBYTE + "@"),
        ("GET", "http://" + "%41" * (MEBIBYTE // 3) + "%"),
        ("GET", "http://[" + ":" * MEBIBYTE),
        ("CONNECT", ":" * MEBIBYTE),
        ("CONNECT", "h:" + "0" * MEBIBYTE + "x"),
        ("CONNECT", "h:0" * (MEBIBYTE // 3) + "x"),
    ],
    ids=lambda value: value[:10],
)
def test_a_hostile_target_takes_linear_time(method: str, target: str) -> None:
    with refused(400):
        parse_target(target, method)


# Field lines (RFC 9112 section 5)


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        (b"", []),
        (b"Host: h\r\n", [("Host", "h")]),
        (b"host:h\r\nHOST: i\r\n", [("host", "h"), ("HOST", "i")]),
        (b"A: \t b \tc\t \r\n", [("A", "b \tc")]),
        (b"A:\r\nB: \t \r\n", [("A", ""), ("B", "")]),
        (b"A: b: c\r\n", [("A", "b: c")]),
        (b"A::\r\n", [("A", ":")]),
        (b"!#$%&'*+-.^_`|~09azAZ: x\r\n", [("!#$%&'*+-.^_`|~09azAZ", "x")]),
        (b"A: \xa0\x80\xff\x85\r\n", [("A", "\xa0\x80\xff\x85")]),
    ],
)
def test_field_lines_are_read_without_the_blanks_around_their_values(
    block: bytes, fields: list[tuple[str, str]]
) -> None:
    assert parse_fields(block).fields == tuple(fields)


@pytest.mark.parametrize(
    ("block", "saying"),
    [
        (b"A: b", "does not end with CRLF: 'A: b'"),
        (b"A: b\r", "does not end with CRLF: 'A: b\\r'"),
        (b"A: b\n", "does not end with CRLF: 'A: b\\n'"),
        (b"A: b\nC: d\r\n", "does not end with CRLF: 'A: b\\n'"),
        (b"A: b\r\nC: d\n", "does not end with CRLF: 'C: d\\n'"),
        (b"A: b\r\nC: d", "does not end with CRLF: 'C: d'"),
        (b"\n", "does not end with CRLF"),
        (b" A: b\r\n", "has whitespace before its name: ' A: b'"),
        (b"A: b\r\n c\r\n", "folded over two lines"),
        (b"A: b\r\n\tc: d\r\n", "folded over two lines"),
        (b"A\r\n", "no colon: 'A'"),
        (b"\r\n", "no colon: ''"),
        (b"A: b\r\n\r\nC: d\r\n", "no colon: ''"),
        (b"A : b\r\n", "whitespace between a header's name and its colon: 'A : b'"),
        (b"A\t: b\r\n", "whitespace between a header's name and its colon"),
        (b": b\r\n", "name is not a token: ''"),
        (b"A B: c\r\n", "name is not a token: 'A B'"),
        (b"A\rB: c\r\n", "name is not a token: 'A\\rB'"),
        (b"\xc4: b\r\n", "name is not a token"),
        (b"A(: b\r\n", "name is not a token: 'A('"),
        (b"A: b\x00c\r\n", "the value of the header A has a control character: ' b\\x00c'"),
        (b"A: b\rc\r\n", "the value of the header A has a control character"),
        (b"A: b\r\r\n", "the value of the header A has a control character"),
        (b"A: \x7f\r\n", "the value of the header A has a control character"),
        (b"A: \x0b\r\n", "the value of the header A has a control character"),
        (b"A: \x01\r\n", "the value of the header A has a control character"),
    ],
)
def test_what_is_no_field_line_is_refused(block: bytes, saying: str) -> None:
    with refused(400, saying):
        parse_fields(block)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", [b"A\r\n", b" A: b\r\n", b"A: b\n", b"A: \0\r\n", b"\r\n"])
def test_a_bad_line_is_found_wherever_it_stands(bad: bytes, place: int) -> None:
    lines = [b"X: 1\r\n", b"Y: 2\r\n"]
    lines.insert(place, bad)
    with refused(400):
        parse_fields(b"".join(lines))


@given(block=st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b":", b" ", b"\t", b"A", b"b", b"\0"]), max_size=12))
@settings(deadline=None, max_examples=300)
def test_a_block_is_read_as_its_lines_are_or_refused(block: list[bytes]) -> None:
    """The whole block is matched at once; read line by line, as the grammar has it, it must come to the same."""
    text = b"".join(block)
    line = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n")
    matches = [line.fullmatch(part) for part in re.findall(rb"[^\n]*\n|[^\n]+", text)]
    try:
        fields = parse_fields(text).fields
    except RequestError:
        assert None in matches, f"refused, though every line is a field line: {text!r}"
    else:
        assert fields == tuple((m[1].decode(), m[2].decode()) for m in matches if m)
        assert None not in matches, f"taken, though a line is none: {text!r}"


@pytest.mark.parametrize("block", [b"A: b\nC: d\n", b"A: b\r\nC: d\n", b"A: b \nC: d\r\n"])
def test_bare_lf_ends_a_line_where_it_is_asked_for(block: bytes) -> None:
    assert parse_fields(block, bare_lf=True).fields == (("A", "b"), ("C", "d"))


@pytest.mark.parametrize("block", [b"A: b\rC: d\n", b"A: b\n c\n", b"A: b\r\r\n", b"A: b\n\nC: d\n"])
def test_bare_lf_makes_nothing_else_valid(block: bytes) -> None:
    with refused(400):
        parse_fields(block, bare_lf=True)


def test_a_head_may_be_as_large_as_its_limit_says() -> None:
    block = b"A: b\r\nC: d\r\n"
    assert len(parse_fields(block, limits=Limits(head=len(block)))) == 2
    with refused(431, f"more than {len(block) - 1} bytes"):
        parse_fields(block, limits=Limits(head=len(block) - 1))


def test_a_header_may_be_as_long_as_its_limit_says() -> None:
    block = b"A: bbbb\r\nC: d\r\n"
    assert len(parse_fields(block, limits=Limits(header_line=7))) == 2
    with refused(431, "longer than 6 bytes"):
        parse_fields(block, limits=Limits(header_line=6))


def test_there_may_be_as_many_headers_as_their_limit_says() -> None:
    block = b"A: b\r\nA: b\r\n"
    assert parse_fields(block, limits=Limits(header_count=2)).get_all("a") == ["b", "b"]
    with refused(431, "more than 1 header fields"):
        parse_fields(block, limits=Limits(header_count=1))


@pytest.mark.parametrize(
    ("block", "reason"),
    [(b"A: b\r\n" * 101, "Too many headers"), (b"A: " + b"b" * 65_536 + b"\r\n", "Line too long")],
)
def test_past_a_default_limit_the_reason_is_that_of_http_server(block: bytes, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_fields(block)
    assert (caught.value.status, caught.value.reason) == (431, reason)


WIDE = Limits(head=2 * MEBIBYTE, header_line=2 * MEBIBYTE, header_count=MEBIBYTE)


@pytest.mark.parametrize(
    "block",
    [
        b"A" * MEBIBYTE,
        b"A:" + b" " * MEBIBYTE + b"\0\n",
        b"A:" + b" b" * (MEBIBYTE // 2) + b"\0\r\n",
        b"A:" + b" \t" * (MEBIBYTE // 2) + b"\0\r\n",
        b":" * MEBIBYTE + b"\r\n",
        b"\r" * MEBIBYTE + b"\r\n",
        b"A: \r" * (MEBIBYTE // 4) + b"\n",
        b"\n" * MEBIBYTE,
        b"A:\r\n" * (MEBIBYTE // 4) + b"\0",
    ],
    ids=lambda block: f"{block[:6]!r}",
)
@pytest.mark.parametrize("bare_lf", [False, True])
def test_a_hostile_block_takes_linear_time(block: bytes, bare_lf: bool) -> None:
    with refused(400):
        parse_fields(block if block.endswith(b"\n") else block + b"\r\n", limits=WIDE, bare_lf=bare_lf)


def test_a_great_many_lines_of_one_name_take_linear_time() -> None:
    lines = MEBIBYTE // 4
    headers = parse_fields(b"A:\r\n" * lines, limits=WIDE)
    assert headers["a"] == ", ".join([""] * lines)


# Host (RFC 9112 section 3.2, RFC 9110 section 7.2)


@pytest.mark.parametrize(
    "host",
    [
        "",  # what a client sends whose target has no authority
        "example.com",
        "example.com:",
        "127.0.0.1:8080",
        "a_b-c~d.e!$&'()*+,;=%41",
        "[::]",
        "[::1]:80",
        "[1:2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7::]",
        "[::2:3:4:5:6:7:8]",
        "[1::8]",
        "[2001:db8::ff00:42:8329]:443",
        "[::ffff:192.0.2.255]",
        "[1:2:3:4:5:6:192.0.2.1]",
        "[v1.fe80::a+en1]:80",
    ],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(host: str) -> None:
    check_host(Headers([("hOST", host)]), (1, 1))


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "a:b",
        "a:80:80",
        "user@a",
        "http://a",
        "a?b",
        "a#b",
        "a\\b",
        'a"b',
        "<a>",
        "%4",
        "%zz",
        "\xe9",
        "[]",
        "[::1",
        "::1",
        "[::1]a",
        "[:]",
        "[:::]",
        "[1::2::3]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1:2:3:4::5:6:7:8]",
        "[12345::]",
        "[::g]",
        "[::256.0.0.1]",
        "[127.0.0.1]",
        "[fe80::1%25eth0]",
        "[v.a]",
        "[v1]",
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_what_is_no_host_is_refused(host: str, version: tuple[int, int]) -> None:
    with refused(400, f"the Host header is not a host[:port]: {host!r}"):
        check_host(Headers([("Host", host)]), version)


@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
def test_without_host_a_request_of_http_1_1_is_refused(version: tuple[int, int]) -> None:
    with refused(400, "requires a Host header, and there is none"):
        check_host(Headers([("X-Host", "a")]), version)


def test_without_host_a_request_of_http_1_0_is_served() -> None:
    check_host(Headers(), (1, 0))


@pytest.mark.parametrize("hosts", [["a", "a"], ["a", "b"], ["", ""], ["", "a"], ["a", "b", "c"]])
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_more_than_one_host_is_refused(hosts: list[str], version: tuple[int, int]) -> None:
    with refused(400, f"more than one Host header: {hosts}"):
        check_host(Headers([("Host", hosts[0]), *(("host", host) for host in hosts[1:])]), version)


@pytest.mark.parametrize(
    "host",
    ["a" * MEBIBYTE + " ", "%41" * (MEBIBYTE // 3) + "%", "[" + "1:" * (MEBIBYTE // 2), "a:" + "0" * MEBIBYTE + "x"],
    ids=["name", "percent-encoded", "address", "port"],
)
def test_a_hostile_host_takes_linear_time(host: str) -> None:
    with refused(400, "not a host"):
        check_host(Headers([("Host", host)]), (1, 1))


# Response heads (RFC 9112 section 4)


def test_a_response_head_is_status_line_fields_and_a_blank_line() -> None:
    head = response_head(200, "OK", [("Content-Type", "text/plain"), ("x-Empty", ""), ("Set-Cookie", "\xe9")])
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nx-Empty: \r\nSet-Cookie: \xe9\r\n\r\n"


def test_a_response_head_keeps_the_space_before_an_empty_reason() -> None:
    # RFC 9112 section 4: the space is there even when the reason is not
    assert response_head(299, "", (), version="HTTP/1.0") == b"HTTP/1.0 299 \r\n\r\n"


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\n", "\r\nX: injected", "a\r\n b", "\u20ac"])
@pytest.mark.parametrize("place", ["reason", "name", "value"])
def test_a_response_head_holds_nothing_that_breaks_its_lines(bad: str, place: str) -> None:
    parts = {"reason": "OK", "name": "X", "value": "1"}
    parts[place] += bad
    with pytest.raises(ValueError):
        response_head(200, parts["reason"], [(parts["name"], parts["value"])])


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\n", "\xc4", " A", "A\n"])
def test_a_field_to_be_sent_has_a_token_for_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="must be a token"):
        check_field(name, "x")


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\n", "a\0b", "\x7f", "\u20ac"])
def test_a_field_to_be_sent_has_a_value_without_control_characters(value: str) -> None:
    with pytest.raises(ValueError, match="the value of the header A cannot be sent"):
        check_field("A", value)


@pytest.mark.parametrize("value", ["", "a b\tc", "\xe9\xff"])
def test_a_field_to_be_sent_may_have_any_other_value(value: str) -> None:
    check_field("A", value)


@pytest.mark.parametrize(
    "target",
    ["/50%", "/%zz", "/%4", "/a%", "/%u0041", "/%-1/x", "http://h/%", "/a%2?b", "/a?b=100%", "/?%", "http://h/?%zz"],
)
def test_a_percent_sign_begins_an_octet(target: str) -> None:
    with pytest.raises(RequestError, match="is not followed by two hexadecimal digits") as caught:
        parse_target(target, "GET")
    assert caught.value.status == 400


@pytest.mark.parametrize("target", ["/50%25", "/%2f%2F", "/a?b=100%25", "/?%ff", "http://h/%41?%41"])
def test_octets_are_taken_in_path_and_query(target: str) -> None:
    assert parse_target(target, "GET").form in ("origin", "absolute")
