"""A head that is parsed as a whole says what it says line by line."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_httpserve.errors import RequestError
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.source import FileSource
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS
from pytest_httpserve.wire.message import Fields, Line, parse_header_block, parse_line, parse_whole_head

LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"GET //host/a?b HTTP/1.1",
        b"POST http://host/a HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT host:1 HTTP/1.1",
        b"GET /",
        b"GET  /a   HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"",
    ]
)
FIELDS = st.sampled_from(
    [
        b"Host: test",
        b"Host:",
        b"Content-Length: 5",
        b"Content-Length: 6",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Expect: 100-continue",
        b"X: y",
        b" folded",
        b"X : y",
        b"no colon",
        b"X: \x00",
        b"",
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
NOISE = st.one_of(st.just(b""), st.just(b""), st.binary(max_size=3))
HEADS = st.builds(
    lambda line, fields, noise: b"".join((line[0], line[1], *(part for pair in fields for part in pair), noise)),
    st.tuples(LINES, ENDS),
    st.lists(st.tuples(FIELDS, ENDS), max_size=5),
    NOISE,
)


def line_by_line(data: bytes, *, strict: bool) -> tuple[Line, Fields, bytes]:
    """What a handler makes of it that reads a line, and then the fields; and what it leaves."""
    reader = Reader(FileSource(io.BytesIO(data)))
    raw = reader.readline()
    line = parse_line(raw, strict=strict)
    fields = parse_header_block(reader.read_fields(lenient=not strict), line.version, strict=strict)
    return line, fields, reader.unread


@given(HEADS, st.booleans())
@example(b"GET / HTTP/1.1\nHost: a\r\n", True)
@example(b"GET / HTTP/1.1\nHost: a\r\n", False)
@example(b"GET / HTTP/1.1\r\nHost: a\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n", False)
@example(b"GET / HTTP/1.1\r\nX: y\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n", False)
def test_a_head_taken_whole_is_the_same_taken_line_by_line(data: bytes, strict: bool) -> None:
    data += b"\r\nbehind it"
    reader = Reader(FileSource(io.BytesIO(data)))
    reader.wait()
    raw = reader.request_line()
    head = reader.take_head(raw, DEFAULT_LIMITS, strict)
    if head is None:
        assert data.endswith(raw + reader.unread), "something was taken of a head that is to be taken line by line"
        return
    line, fields, left = line_by_line(data, strict=strict)
    assert (head.line, head.fields, reader.unread) == (line, fields, left)


@pytest.mark.parametrize("strict", [True, False])
def test_a_usual_head_is_taken_whole(strict: bool) -> None:
    reader = Reader(FileSource(io.BytesIO(b"GET /a HTTP/1.1\r\nHost: test\r\nX: y\r\n\r\nbehind it")))
    reader.wait()
    head = reader.take_head(reader.request_line(), DEFAULT_LIMITS, strict)
    assert head is not None
    assert (head.line.method, head.line.target, head.fields.headers["x"]) == ("GET", "/a", "y")
    assert reader.unread == b"behind it"


@pytest.mark.parametrize(
    "head",
    [
        b"\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\n\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_head_that_is_not_all_right_is_left_to_be_taken_line_by_line(head: bytes) -> None:
    with pytest.raises(RequestError):
        parse_whole_head(head, DEFAULT_LIMITS, strict=True)


def test_limits_hold_for_a_head_taken_whole() -> None:
    many = b"".join(b"X%d: y\r\n" % number for number in range(DEFAULT_LIMITS.header_count + 1))
    for head in (
        b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % (b"a" * DEFAULT_LIMITS.request_line),
        b"GET / HTTP/1.1\r\nHost: test\r\n%b\r\n" % many,
        b"GET / HTTP/1.1\r\nHost: test\r\nX: %b\r\n\r\n" % (b"a" * DEFAULT_LIMITS.head),
    ):
        reader = Reader(FileSource(io.BytesIO(head)))
        reader.wait()
        assert reader.take_head(reader.request_line(), DEFAULT_LIMITS, strict=True) is None
