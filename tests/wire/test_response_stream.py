"""A response's bytes, taken apart as they come."""

import pytest

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
HEAD = b"HTTP/1.1 200 Fine by me\r\nContent-Length: 4\r\nX-A: \tb \r\nX-A: c\r\n\r\n"


def taken(stream: ResponseStream, *pieces: bytes) -> list[bytes | ResponseHead]:
    return [part for piece in pieces for part in stream.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_heads_come_one_by_one_and_then_the_rest(size: int) -> None:
    data = CONTINUE + HINTS + HEAD + b"a\r\n\r\nb"
    parts = taken(ResponseStream(), *(data[at : at + size] for at in range(0, len(data), size)))

    heads = [part for part in parts if isinstance(part, ResponseHead)]
    assert [(head.raw, head.status, head.is_informational) for head in heads] == [
        (CONTINUE, 100, True), (HINTS, 103, True), (HEAD, 200, False)
    ]  # fmt: skip
    assert b"".join(part for part in parts if isinstance(part, bytes)) == b"a\r\n\r\nb"


def test_the_final_head_is_known_once_it_is_whole() -> None:
    stream = ResponseStream()
    assert taken(stream, HINTS, HEAD[:-1]) and stream.head is None
    (head,) = taken(stream, HEAD[-1:])
    assert stream.head is head


def test_what_a_head_says() -> None:
    head = ResponseHead(HEAD)
    assert (head.protocol, head.status, head.reason) == ("HTTP/1.1", 200, "Fine by me")
    assert head.headers.fields == head.checked_headers().fields == (("Content-Length", "4"), ("X-A", "b"), ("X-A", "c"))
    assert head.lines[0] == b"HTTP/1.1 200 Fine by me"


def test_nothing_follows_101_but_another_protocol() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    head, rest = taken(ResponseStream(), switch + HEAD)
    assert isinstance(head, ResponseHead) and not head.is_informational
    assert rest == HEAD


def test_a_head_that_is_wrong_is_taken_and_tells_when_it_is_asked() -> None:
    (head,) = taken(ResponseStream(), b"HTTP/1.1 what\r\nno field\r\n\r\n")
    assert isinstance(head, ResponseHead)
    assert head.headers.fields == (("no field", ""),)
    with pytest.raises(ValueError, match="invalid literal"):
        _ = head.status
    with pytest.raises(RequestError):
        head.checked_headers()
