"""Bodies with a Content-Encoding: what is in them counts, and what is wrong with them is said."""

import gzip
import json
import random
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.record import coding
from pytest_httpserve.scripting.record.coding import CodingError, decoded


def raw_deflate(data: bytes) -> bytes:
    compressing = zlib.compressobj(wbits=-15)
    return compressing.compress(data) + compressing.flush()


def brotli(data: bytes) -> bytes:
    packed: bytes = pytest.importorskip("brotli").compress(data)
    return packed


def brotlicffi(data: bytes) -> bytes:
    packed: bytes = pytest.importorskip("brotlicffi").compress(data)
    return packed


def zstandard(data: bytes) -> bytes:
    packed: bytes = pytest.importorskip("zstandard").compress(data)
    return packed


Pack = Callable[[bytes], bytes]
CODINGS: list[tuple[str, Pack]] = [
    ("gzip", gzip.compress),
    ("GZip", lambda data: gzip.compress(data[:1]) + gzip.compress(data[1:])),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli),
    ("zstd", zstandard),
    ("gzip, deflate", lambda data: zlib.compress(gzip.compress(data))),
    ("identity", bytes),
    ("", bytes),
]


def post(server: HTTPServe, body: bytes, codings: str, kind: str = "application/json") -> requests.Response:
    headers = {"Content-Encoding": codings, "Content-Type": kind}
    return requests.post(server.url_for("/a"), data=body, headers=headers, timeout=10)


@pytest.mark.parametrize(("codings", "pack"), CODINGS)
@pytest.mark.parametrize("data", [b"", b"a", b"the same words " * 20_000, bytes(range(256)) * 30])
def test_each_coding_is_taken_off(codings: str, pack: Pack, data: bytes) -> None:
    assert decoded(pack(data), codings) == data


@pytest.mark.parametrize(("codings", "pack"), CODINGS)
def test_a_request_says_what_is_in_its_body(server: HTTPServe, codings: str, pack: Pack) -> None:
    route = server.on("POST", "/a", json={"a": [1, "é"]}, body=TEXT).respond()
    packed = pack(json.dumps({"a": [1, "é"]}, ensure_ascii=False).encode())

    assert post(server, packed, codings).status_code == 200
    (exchange,) = route.calls
    assert exchange.request.body == packed
    assert exchange.request.json() == {"a": [1, "é"]}
    assert exchange.request.text == '{"a": [1, "é"]}'


TEXT = '{"a": [1, "é"]}'


def test_forms_are_decoded(server: HTTPServe) -> None:
    server.on("POST", "/a", form={"a": "1"}).respond()
    server.on("POST", "/a", files={"f": b"x"}).respond(201)
    multipart = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--x--\r\n'

    assert post(server, gzip.compress(b"a=1"), "gzip", "application/x-www-form-urlencoded").status_code == 200
    assert post(server, gzip.compress(multipart), "gzip", "multipart/form-data; boundary=x").status_code == 201


@pytest.mark.parametrize(
    ("codings", "pack"), [one for one in CODINGS if one[0] not in ("", "identity", "gzip, deflate")]
)
@pytest.mark.parametrize("spoil", [lambda packed: b"plain", lambda packed: packed[:-5]], ids=["another", "cut"])
@pytest.mark.parametrize("data", [bytes(range(256)) * 40, random.Random(1).randbytes(300_000)], ids=["alike", "random"])
def test_a_body_that_is_not_what_it_says_is_named(codings: str, pack: Pack, spoil: Pack, data: bytes) -> None:
    packed = spoil(pack(data))

    with pytest.raises(CodingError, match=f"the body is not {codings.lower()}, but its Content-Encoding says so"):
        decoded(packed, codings)


@pytest.mark.parametrize(
    ("criteria", "kind"),
    [
        ({"json": {"a": 1}}, "application/json"),
        ({"json_contains": {}}, "application/vnd.x+json"),
        ({"body": "x"}, "text/plain"),
        ({"form": {"a": "1"}}, "application/x-www-form-urlencoded"),
        ({"form_exact": {}}, "application/x-www-form-urlencoded"),
        ({"files": {"f": b"x"}}, "multipart/form-data; boundary=x"),
    ],
)
def test_what_is_wrong_with_a_coding_is_a_mismatch(server: HTTPServe, criteria: Any, kind: str) -> None:
    server.on("POST", "/a", **criteria).respond()
    answer = post(server, b"plain", "gzip", kind)

    assert answer.status_code == 404
    assert "the body is not gzip, but its Content-Encoding says so" in answer.text


@pytest.mark.parametrize(("codings", "pack"), [("gzip", gzip.compress), ("zstd", zstandard)])
def test_a_body_may_be_of_several_parts_each_of_them_whole(codings: str, pack: Pack) -> None:
    first, last = random.Random(2).randbytes(1_000), bytes(1_000)

    assert decoded(pack(first) + pack(b"") + pack(last), codings) == first + last
    with pytest.raises(CodingError, match="but its Content-Encoding says so"):
        decoded(pack(last) + pack(first)[:-5], codings)


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(CodingError, match="has an unknown Content-Encoding, 'rot13'"):
        decoded(b"x", "rot13")


@pytest.mark.parametrize(("codings", "pack"), CODINGS[:7])
def test_a_bomb_is_not_taken_in(codings: str, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "MOST_DECODED_BYTES", 1000)

    assert len(decoded(pack(b"\0" * 1000), codings)) == 1000
    with pytest.raises(CodingError, match="the body has more than 1000 bytes once decoded from "):
        decoded(pack(b"\0" * 10_000_000), codings)


@pytest.mark.parametrize(
    ("codings", "missing", "advice"),
    [("br", ["brotli", "brotlicffi"], "brotli>=1.2"), ("zstd", ["compression.zstd", "zstandard"], "zstandard")],
)
def test_a_library_that_is_not_there_is_named(
    codings: str, missing: list[str], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(CodingError, match=f"to decode a body with the Content-Encoding '{codings}', install {advice}"):
        decoded(b"x", codings)


def test_the_other_library_for_brotli_does(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = brotlicffi(b"abc" * 1000)
    monkeypatch.setitem(sys.modules, "brotli", None)

    assert decoded(packed, "br") == b"abc" * 1000
