"""Where bodies end, whether connections last, and what decodes and encodes chunks."""

import gc
import re
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    ChunkedDecoder,
    FixedDecoder,
    Framing,
    Headers,
    Limits,
    UntilCloseDecoder,
    body_decoder,
    encode_chunk,
    encode_last_chunk,
    expects_continue,
    keeps_alive,
    request_framing,
    response_framing,
)

MEBIBYTE = 1 << 20


@contextmanager
def refused(status: int, saying: str | None = None) -> Iterator[None]:
    """What runs in here must end in a RequestError with this status, and with these words in its message."""
    with pytest.raises(RequestError, match=saying and re.escape(saying)) as caught:
        yield
    assert caught.value.status == status, f"status {caught.value.status} for: {caught.value}"


# The length of a request's body (RFC 9112 section 6.3)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_a_request_without_length_has_no_body(version: tuple[int, int]) -> None:
    assert request_framing(Headers([("Host", "h")]), version) is NO_BODY


@pytest.mark.parametrize(
    ("lengths", "length"),
    [
        (["0"], 0),
        (["5"], 5),
        (["005"], 5),
        (["0" * 5_000 + "5"], 5),
        (["5", "5"], 5),
        (["5, 5 ,\t5"], 5),
        ([str(1 << 40)], 1 << 40),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_content_length_is_a_number_of_bytes(lengths: list[str], length: int, version: tuple[int, int]) -> None:
    headers = Headers([("content-LENGTH", value) for value in lengths])
    assert request_framing(headers, version) == Framing("length", length)


@pytest.mark.parametrize(
    "lengths",
    [
        ["5", "6"],
        ["5, 6"],
        ["5", "05"],
        ["5", ""],
        ["5,"],
        [",5"],
        [""],
        ["-1"],
        ["+5"],
        ["5.0"],
        ["0x5"],
        ["1_000"],
        ["5 5"],
        ["5;a"],
        ["five"],
        ["\xb2"],
        ["9" * 5_000 + "x"],
    ],
    ids=lambda lengths: ascii(lengths)[:20],
)
def test_a_content_length_that_is_not_one_number_is_refused(lengths: list[str]) -> None:
    with refused(400, "Content-Length is not one number of bytes"):
        request_framing(Headers([("Content-Length", value) for value in lengths]), (1, 1))


@pytest.mark.parametrize("length", [(1 << 40) + 1, int("9" * 21), int("1" + "0" * 4_000)], ids=lambda n: str(n)[:24])
def test_a_content_length_above_the_limit_is_refused(length: int) -> None:
    with refused(413, f"more than the limit of {1 << 40}"):
        request_framing(Headers([("Content-Length", str(length))]), (1, 1))


def test_a_content_length_may_be_as_large_as_its_limit_says() -> None:
    headers = Headers([("Content-Length", "10")])
    assert request_framing(headers, (1, 1), limits=Limits(body=10)) == Framing("length", 10)
    with refused(413, "announces 10 bytes, more than the limit of 9"):
        request_framing(headers, (1, 1), limits=Limits(body=9))


@pytest.mark.parametrize("coding", ["chunked", "CHUNKED", "Chunked"])
def test_chunked_is_known_in_any_case(coding: str) -> None:
    assert request_framing(Headers([("Transfer-Encoding", coding)]), (1, 1)) is CHUNKED


@pytest.mark.parametrize(
    "codings",
    [
        [""],
        ["gzip"],
        ["identity"],
        ["chunked, gzip"],
        ["chunked", "gzip"],
        ["chunked, chunked"],
        ["chunked", "chunked"],
        ["chunked, identity"],
        ["chunked;a=b"],
        ["xchunked"],
        ["chunked\xa0"],
        ['"chunked"'],
        # RFC 9110 section 5.6.1.2 lets a reader skip empty members; what frames a body must not need that.
        ["chunked,"],
        [", chunked"],
    ],
    ids=repr,
)
def test_a_request_whose_last_coding_is_not_chunked_is_refused(codings: list[str]) -> None:
    # RFC 9112 section 6.3: its end is not known, "the server MUST respond with the 400"
    with refused(400, "chunked must be the last transfer coding"):
        request_framing(Headers([("Transfer-Encoding", coding) for coding in codings]), (1, 1))


@pytest.mark.parametrize("codings", [["gzip, chunked"], ["gzip", "chunked"], ["identity, Chunked"]], ids=repr)
def test_a_coding_before_chunked_is_not_implemented(codings: list[str]) -> None:
    # RFC 9112 section 6.1
    with refused(501, "the only transfer coding supported here is chunked"):
        request_framing(Headers([("Transfer-Encoding", coding) for coding in codings]), (1, 1))


@pytest.mark.parametrize("names", [("Content-Length", "Transfer-Encoding"), ("Transfer-Encoding", "Content-Length")])
def test_content_length_beside_transfer_encoding_is_refused(names: tuple[str, str]) -> None:
    values = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    with refused(400, "are mutually exclusive"):
        request_framing(Headers([(name, values[name]) for name in names]), (1, 1))


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    # RFC 9112 section 6.1: "MUST treat the message as if the framing is faulty"
    with refused(400, "HTTP/1.0 has no Transfer-Encoding"):
        request_framing(Headers([("Transfer-Encoding", "chunked")]), (1, 0))


# The length of a response's body


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", 200), ("HEAD", 404), ("GET", 100), ("GET", 103), ("GET", 204), ("GET", 304), ("CONNECT", 200)],
)
@pytest.mark.parametrize("field", [("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("Server", "x")])
def test_some_responses_have_no_body_whatever_their_headers_say(
    method: str, status: int, field: tuple[str, str]
) -> None:
    assert response_framing(method, status, Headers([field])) is NO_BODY


@pytest.mark.parametrize(
    ("fields", "framing"),
    [
        ([], UNTIL_CLOSE),
        ([("Content-Length", "5")], Framing("length", 5)),
        ([("Content-Length", str(1 << 50))], Framing("length", 1 << 50)),
        ([("Transfer-Encoding", "chunked")], CHUNKED),
        ([("Transfer-Encoding", "gzip, Chunked")], CHUNKED),
        ([("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], CHUNKED),
        ([("Transfer-Encoding", "gzip")], UNTIL_CLOSE),
        ([("Transfer-Encoding", "chunked"), ("Content-Length", "5")], CHUNKED),
        ([("Content-Length", "5"), ("Transfer-Encoding", "gzip")], UNTIL_CLOSE),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("CONNECT", 403), ("POST", 500)])
def test_a_response_is_framed_by_coding_then_length_then_close(
    fields: list[tuple[str, str]], framing: Framing, method: str, status: int
) -> None:
    assert response_framing(method, status, Headers(fields)) == framing


@pytest.mark.parametrize("length", ["", "-1", "5, 6", "x"])
def test_a_response_whose_length_is_no_number_is_refused(length: str) -> None:
    with refused(400, "Content-Length is not one number of bytes"):
        response_framing("GET", 200, Headers([("Content-Length", length)]))


def test_a_response_longer_than_any_body_is_refused() -> None:
    with refused(413, "Content-Length announces"):
        response_framing("GET", 200, Headers([("Content-Length", "9" * 5_000)]))


# Persistence (RFC 9112 section 9.3)


@pytest.mark.parametrize(
    ("version", "options", "lasts"),
    [
        ((1, 1), [], True),
        ((1, 2), [], True),
        ((1, 1), ["close"], False),
        ((1, 1), ["CLOSE"], False),
        ((1, 1), ["upgrade, close"], False),
        ((1, 1), ["upgrade", "close"], False),
        ((1, 1), ["keep-alive, close"], False),
        ((1, 1), [",, close ,"], False),
        ((1, 1), ["keep-alive"], True),
        ((1, 1), [""], True),
        ((1, 1), ["closed"], True),
        ((1, 1), ["not-close"], True),
        ((1, 1), ["close;now"], True),
        ((1, 0), [], False),
        ((1, 0), ["keep-alive"], True),
        ((1, 0), ["Keep-Alive, te"], True),
        ((1, 0), ["te", "Keep-Alive"], True),
        ((1, 0), ["close, keep-alive"], False),
        ((1, 0), ["keep-alive-please"], False),
        ((0, 9), [], False),
    ],
)
def test_a_connection_lasts_as_version_and_connection_header_say(
    version: tuple[int, int], options: list[str], lasts: bool
) -> None:
    assert keeps_alive(Headers([("Connection", option) for option in options]), version) is lasts


# Expect (RFC 9110 section 10.1.1)


@pytest.mark.parametrize(
    ("expectations", "waits"),
    [
        ([], False),
        ([""], False),
        (["100-continue"], True),
        (["100-Continue"], True),
        (["100-continue, 100-continue"], True),
        (["100-continue", "100-continue"], True),
        ([", 100-continue"], True),
    ],
)
def test_a_client_may_wait_for_100_continue(expectations: list[str], waits: bool) -> None:
    assert expects_continue(Headers([("Expect", value) for value in expectations]), (1, 1)) is waits


@pytest.mark.parametrize("expectation", ["200-ok", "100-continue=1", "100-continue, x", "100", '"100-continue"'])
def test_another_expectation_is_refused(expectation: str) -> None:
    with refused(417, f"the only expectation supported here is 100-continue, not {expectation!r}"):
        expects_continue(Headers([("Expect", expectation)]), (1, 1))


@pytest.mark.parametrize("expectation", ["100-continue", "200-ok"])
def test_an_expectation_of_http_1_0_is_ignored(expectation: str) -> None:
    assert expects_continue(Headers([("Expect", expectation)]), (1, 0)) is False


# Decoders


class Decoded(NamedTuple):
    """What a chunked body came to."""

    body: bytes
    rest: bytes
    complete: bool
    trailers: tuple[tuple[str, str], ...]


def decode(pieces: Iterable[bytes], limits: Limits | None = None) -> Decoded | int:
    """Feed the pieces to a chunked decoder, one after the other: the outcome, or the status of the refusal."""
    decoder = ChunkedDecoder(limits or Limits())
    body = rest = b""
    for piece in pieces:
        if decoder.complete:
            rest += piece
            continue
        try:
            got, rest = decoder.decode(piece)
        except RequestError as error:
            return error.status
        body += got
        assert decoder.complete or not rest, "a decoder that is not complete keeps everything for itself"
    return Decoded(body, rest, decoder.complete, decoder.trailers.fields)


def in_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_a_fixed_body_ends_after_its_length() -> None:
    decoder = FixedDecoder(5)
    assert decoder.decode(b"abc") == (b"abc", b"")
    assert not decoder.complete
    assert decoder.decode(b"defgh") == (b"de", b"fgh")
    assert decoder.complete
    assert decoder.decode(b"more") == (b"", b"more")


def test_a_fixed_body_that_ends_with_the_data_is_complete() -> None:
    decoder = FixedDecoder(5)
    assert decoder.decode(b"abcde") == (b"abcde", b"")
    assert decoder.complete


def test_a_body_until_close_takes_everything() -> None:
    decoder = UntilCloseDecoder()
    assert decoder.decode(b"abc\r\n0\r\n\r\n") == (b"abc\r\n0\r\n\r\n", b"")
    assert not decoder.complete


@pytest.mark.parametrize(
    ("framing", "kind", "complete"),
    [
        (NO_BODY, FixedDecoder, True),
        (Framing("length", 0), FixedDecoder, True),
        (Framing("length", 5), FixedDecoder, False),
        (CHUNKED, ChunkedDecoder, False),
        (UNTIL_CLOSE, UntilCloseDecoder, False),
    ],
)
def test_each_framing_has_its_decoder(framing: Framing, kind: type, complete: bool) -> None:
    decoder = body_decoder(framing)
    assert isinstance(decoder, kind)
    assert decoder.complete is complete
    assert decoder.trailers == Headers()


# Chunks (RFC 9112 section 7.1)

WHOLE = [
    (b"0\r\n\r\n", Decoded(b"", b"", True, ())),
    (b"000\r\n\r\nGET", Decoded(b"", b"GET", True, ())),
    (b"5\r\nhello\r\n0\r\n\r\n", Decoded(b"hello", b"", True, ())),
    (b"1\r\na\r\n00a\r\n0123456789\r\n0A\r\n0123456789\r\n0\r\n\r\n", Decoded(b"a" + b"0123456789" * 2, b"", True, ())),
    (b"2\r\n\r\n\r\n0\r\n\r\n\r\n", Decoded(b"\r\n", b"\r\n", True, ())),
    (b"0" * 40 + b"1\r\na\r\n0\r\n\r\n", Decoded(b"a", b"", True, ())),
    (b'1;a\r\nx\r\n1;a=b;c="d;\\"\r\ne"\r\n', 400),
    (b"1;a\r\nx\r\n0;b\r\n\r\n", Decoded(b"x", b"", True, ())),
    (b'1;a=b;c="d;\\"e\xe9" ;\tf = g\r\nx\r\n0\r\n\r\n', Decoded(b"x", b"", True, ())),
    (b"0\r\nA: b\r\na:  c \r\n\r\nGET", Decoded(b"", b"GET", True, (("A", "b"), ("a", "c")))),
    (
        b"0\r\nContent-Length: 5\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        Decoded(b"", b"GET / HTTP/1.1\r\n\r\n", True, (("Content-Length", "5"),)),
    ),
    (b"5\r\nhel", Decoded(b"hel", b"", False, ())),
    (b"5\r\nhello\r", Decoded(b"hello", b"", False, ())),
    (b"5\r\nhello\r\n0\r\nA: b\r\n\r", Decoded(b"hello", b"", False, ())),
]
BROKEN = [
    (b"\r\n", "not the first line of a chunk"),
    (b"5\n", "not the first line of a chunk: '5\\n'"),
    (b"\n", "not the first line of a chunk"),
    (b"x\r\n", "not the first line of a chunk: 'x\\r\\n'"),
    (b"-1\r\n", "not the first line of a chunk"),
    (b"+1\r\n", "not the first line of a chunk"),
    (b"0x1\r\n", "not the first line of a chunk"),
    (b"1_0\r\n", "not the first line of a chunk"),
    (b" 1\r\n", "not the first line of a chunk"),
    (b"1 \r\n", "not the first line of a chunk"),
    (b"1\r\r\n", "not the first line of a chunk"),
    (b"\xb2\r\n", "not the first line of a chunk"),
    (b"1;\r\n", "not the first line of a chunk"),
    (b"1;;a\r\n", "not the first line of a chunk"),
    (b"1;a=\r\n", "not the first line of a chunk"),
    (b"1;=b\r\n", "not the first line of a chunk"),
    (b"1;a b\r\n", "not the first line of a chunk"),
    (b"1,a\r\n", "not the first line of a chunk"),
    (b'1;a="b\r\n', "not the first line of a chunk"),
    (b'1;a="b"c\r\n', "not the first line of a chunk"),
    (b'1;a="\x00"\r\n', "not the first line of a chunk"),
    (b'1;a="\r\n"\r\n', "not the first line of a chunk"),
    (b"1;a\rb\r\n", "not the first line of a chunk"),
    (b"1;a\n", "not the first line of a chunk"),
    (b"1\r\nab\r\n", "a chunk is longer than its size says"),
    (b"1\r\na\n", "a chunk is longer than its size says"),
    (b"1\r\na\r\r", "a chunk is longer than its size says"),
    (b"1\r\na0\r\n\r\n", "a chunk is longer than its size says"),
    (b"3\r\na\r\n0\r\n\r\n", "a chunk is longer than its size says"),
    (b"0\r\n\n", "a trailer line does not end with CRLF"),
    (b"0\r\nA: b\n", "a trailer line does not end with CRLF: 'A: b\\n'"),
    (b"0\r\nA: b\r\n\n", "a trailer line does not end with CRLF"),
    (b"0\r\nA\r\n\r\n", "in the trailers: a header line has no colon: 'A'"),
    (b"0\r\nA: b\r\n c\r\n\r\n", "in the trailers: a header is folded"),
    (b"0\r\nA: \0\r\n\r\n", "in the trailers: the value of the header A has a control character"),
]


@pytest.mark.parametrize(("data", "outcome"), WHOLE, ids=lambda value: repr(value)[:40])
def test_chunks_are_decoded(data: bytes, outcome: Decoded) -> None:
    assert decode([data]) == outcome


@pytest.mark.parametrize(("data", "saying"), BROKEN, ids=lambda value: repr(value)[:40])
def test_broken_chunks_are_refused(data: bytes, saying: str) -> None:
    with refused(400, saying):
        ChunkedDecoder().decode(data)


def assert_same_for_every_split(data: bytes, limits: Limits | None = None) -> None:
    whole = decode([data], limits)
    assert decode(in_bytes(data), limits) == whole, f"byte by byte, another outcome than whole: {data!r}"
    for place in range(len(data) + 1):
        halves = [data[:place], data[place:]]
        assert decode(halves, limits) == whole, f"split at {place}, another outcome than whole: {halves!r}"


@pytest.mark.parametrize("data", [data for data, _ in WHOLE + BROKEN], ids=lambda data: repr(data)[:40])
def test_chunks_come_to_the_same_wherever_they_are_split(data: bytes) -> None:
    assert_same_for_every_split(data)


TOKENS = [b"\r\n", b"\r", b"\n", b"0", b"1", b"5", b"a", b";", b"=", b'"', b" ", b"\\", b":", b"\0", b"\xff"]


@given(
    data=st.lists(st.sampled_from(TOKENS), max_size=16).map(b"".join),
    start=st.sampled_from([b"", b"1\r\na\r\n", b"0\r\n"]),
)
@settings(deadline=None, max_examples=300)
def test_any_bytes_come_to_the_same_wherever_they_are_split(data: bytes, start: bytes) -> None:
    assert_same_for_every_split(start + data)


@given(
    data=st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join),
    start=st.sampled_from([b"", b"1\r\na\r\n", b"0\r\n"]),
)
@settings(deadline=None, max_examples=300)
def test_at_the_limits_too_any_bytes_come_to_the_same_wherever_they_are_split(data: bytes, start: bytes) -> None:
    assert_same_for_every_split(start + data, Limits(chunk_line=4, trailers=8, header_line=5, header_count=1, body=5))


NAMES = st.text("abcXYZ-_!", min_size=1, max_size=8)
VALUES = st.text("abc XYZ\t;,:\xe9", max_size=12).map(lambda text: text.strip(" \t"))


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=6),
    trailers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    behind=st.binary(max_size=8),
)
@settings(deadline=None, max_examples=150)
def test_what_is_encoded_is_decoded_again(pieces: list[bytes], trailers: list[tuple[str, str]], behind: bytes) -> None:
    data = b"".join(map(encode_chunk, pieces)) + encode_last_chunk(trailers) + behind
    assert decode([data]) == Decoded(b"".join(pieces), behind, True, tuple(trailers))
    assert_same_for_every_split(data)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 8, 9])
def test_a_chunk_is_handed_on_before_it_is_complete(cut: int) -> None:
    # A handler that reads a stream must see what has come, not wait for the chunk's end.
    data = b"5\r\nhello\r\n"
    body = decode([data[:cut]])
    assert isinstance(body, Decoded)
    assert body.body == data[3:cut][:5]


def test_no_data_is_no_progress() -> None:
    assert decode([b"", b"1", b"", b"\r\n", b"", b"a", b"", b"\r", b"", b"\n0\r\n\r", b"", b"\n", b""]) == Decoded(
        b"a", b"", True, ()
    )


def test_encoding_nothing_does_not_end_the_body() -> None:
    assert encode_chunk(b"") == b""


def test_a_chunk_is_its_size_in_hex_and_its_data() -> None:
    assert encode_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


@pytest.mark.parametrize("trailer", [("A B", "c"), ("A", "b\r\nC: d"), ("A", "\u20ac"), ("", "")])
def test_a_trailer_that_would_break_its_line_is_not_sent(trailer: tuple[str, str]) -> None:
    with pytest.raises(ValueError):
        encode_last_chunk([trailer])


# Limits


def test_a_chunk_line_may_be_as_long_as_its_limit_says() -> None:
    data = b"1;aaaa\r\nx\r\n0\r\n\r\n"
    for pieces in ([data], in_bytes(data)):
        assert decode(pieces, Limits(chunk_line=6)) == Decoded(b"x", b"", True, ())
        assert decode(pieces, Limits(chunk_line=5)) == 400
    with refused(400, "first line is longer than 5 bytes"):
        ChunkedDecoder(Limits(chunk_line=5)).decode(data)


def test_trailers_may_be_as_large_as_their_limit_says() -> None:
    lines = b"A: b\r\nC: d\r\n"
    data = b"0\r\n" + lines + b"\r\n"
    for pieces in ([data], in_bytes(data)):
        assert decode(pieces, Limits(trailers=len(lines))) == Decoded(b"", b"", True, (("A", "b"), ("C", "d")))
        assert decode(pieces, Limits(trailers=len(lines) - 1)) == 400
    with refused(400, f"the trailers take more than {len(lines) - 1} bytes"):
        ChunkedDecoder(Limits(trailers=len(lines) - 1)).decode(data)


def test_trailers_may_be_larger_than_a_head() -> None:
    data = b"0\r\nA: bbbb\r\n\r\n"
    assert decode([data], Limits(head=1)) == Decoded(b"", b"", True, (("A", "bbbb"),))


def test_no_trailers_at_all_fit_into_any_limit() -> None:
    assert decode(in_bytes(b"0\r\n\r\n"), Limits(trailers=0)) == Decoded(b"", b"", True, ())


@pytest.mark.parametrize("limits", [Limits(header_count=1), Limits(header_line=3)])
def test_the_limits_of_headers_hold_for_trailers_but_not_their_status(limits: Limits) -> None:
    # 431 is about the head, which has been taken.
    with refused(400, "in the trailers: "):
        ChunkedDecoder(limits).decode(b"0\r\nA: b\r\nC: d\r\n\r\n")


def test_a_body_in_chunks_may_be_as_large_as_its_limit_says() -> None:
    data = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    assert decode([data], Limits(body=10)) == Decoded(b"helloworld", b"", True, ())
    assert decode([data], Limits(body=9)) == 413
    with refused(413, "more than 9 bytes"):
        ChunkedDecoder(Limits(body=9)).decode(data)


def test_a_chunk_that_is_too_large_is_refused_before_its_data_comes() -> None:
    with refused(413, f"more than {1 << 40} bytes"):
        ChunkedDecoder().decode(b"10000000001\r\n")


@pytest.mark.parametrize("digits", [16, 17, 21, 4_000])
def test_a_chunk_size_beyond_any_number_of_bytes_is_refused(digits: int) -> None:
    with refused(413):
        ChunkedDecoder().decode(b"F" * digits + b"\r\n")


# Work and memory


class CountingBytes(bytes):
    """Bytes that count how many bytes were copied out of them."""

    copied = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        part = super().__getitem__(key)
        if not isinstance(key, slice):
            return part
        type(self).copied += len(part)
        return CountingBytes(part)

    def __radd__(self, before: bytes) -> bytes:
        return CountingBytes(before + bytes(self))


@pytest.mark.parametrize(
    "unit", [b"1\r\nx\r\n", b"1;a=b\r\nx\r\n", encode_chunk(b"x" * 1_000)], ids=["bytes", "extensions", "blocks"]
)
def test_the_work_of_decoding_grows_with_the_data_alone(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # Steps that hand on "all that is left" copy 30,000 bytes for each byte of this data.
    monkeypatch.setattr(CountingBytes, "copied", 0)
    data = CountingBytes(unit * (60_000 // len(unit)))
    ChunkedDecoder().decode(data)
    assert CountingBytes.copied <= 2 * len(data), f"{CountingBytes.copied} bytes copied to decode {len(data)}"


@pytest.mark.parametrize(
    "data",
    [
        b"1\r\nx\r\n" * (MEBIBYTE // 6),
        b"0\r\n" + b"A:\r\n" * (MEBIBYTE // 4),
        b"0\r\n" + b"A: " + b"b" * MEBIBYTE,
        b"1" + b";a" * (MEBIBYTE // 2) + b"\0\r\n",
        b"1" + b' ; a = "' * (MEBIBYTE // 8) + b"\r\n",
        b"1" + b';a="x"' * (MEBIBYTE // 6) + b"\0\r\n",
        b'1;a="' + b"\\" * MEBIBYTE + b"\r\n",
        b'1;a="' + b"x" * MEBIBYTE + b"\r\n",
        b"1" + b" " * MEBIBYTE + b"\r\n",
        b"1;a" + b" " * MEBIBYTE + b"\r\n",
        b"1;a=" + b" " * MEBIBYTE + b"\r\n",
        b"F" * MEBIBYTE + b"\r\n",
        b"0" * MEBIBYTE + b"x\r\n",
    ],
    ids=lambda data: f"{data[:10]!r}",
)
def test_a_hostile_body_takes_linear_time(data: bytes) -> None:
    # Nothing is timed: at this size, quadratic work would take hours.
    wide = Limits(chunk_line=2 * MEBIBYTE, trailers=2 * MEBIBYTE, header_count=MEBIBYTE, body=MEBIBYTE)
    outcome = decode([data], wide)
    assert outcome in (400, 413) or (isinstance(outcome, Decoded) and not outcome.complete)


@pytest.mark.parametrize(
    ("start", "endless", "most"),
    [
        (b"", b"0", 4_096),
        (b"1;a=", b"b", 4_096),
        (b"0\r\n", b"a", 65_536),
        (b"0\r\n", b"A: b\r\n", 65_536),
        (b"0\r\n", b"\r", 65_536),
    ],
    ids=["size", "extension", "trailer", "trailers", "blank line"],
)
def test_what_never_ends_is_refused_at_its_limit(start: bytes, endless: bytes, most: int) -> None:
    """What a decoder has to keep in memory, it keeps within a bound, however slowly the bytes come."""
    decoder = ChunkedDecoder()
    decoder.decode(start)
    with refused(400):
        for _ in range(0, most + 2, len(endless)):
            decoder.decode(endless)


def test_a_body_is_not_kept() -> None:
    decoder = ChunkedDecoder()
    decoder.decode(b"%x\r\n" % (64 * MEBIBYTE))
    block = b"x" * MEBIBYTE
    for _ in range(64):
        body, rest = decoder.decode(block)
        assert body is block, "a whole block of body bytes is handed on as it came, without a copy"
        assert rest == b""


@pytest.mark.parametrize("data", [b"", b"5\r\nhel", b"0\r\nA: b\r\n\r\n"], ids=["fresh", "amid", "complete"])
def test_a_decoder_leaves_no_work_for_the_garbage_collector(data: bytes) -> None:
    decoder = ReferencedDecoder()
    decoder.decode(data)
    reference = weakref.ref(decoder)
    gc.disable()
    try:
        del decoder
        assert reference() is None, "the decoder is a part of a reference cycle"
    finally:
        gc.enable()


class ReferencedDecoder(ChunkedDecoder):
    """A decoder that can be watched: ChunkedDecoder itself has no room for weak references."""

    __slots__ = ("__weakref__",)
