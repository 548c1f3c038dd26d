"""Large bodies, and those in many parts: looked at by many routes, and taken in."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.protocol.reader import LED_BYTES, Reader
from pytest_httpserve.protocol.source import FileSource
from pytest_httpserve.scripting.record import multipart
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.wire.framing import CHUNKED, ChunkedDecoder, Framing

pytestmark = pytest.mark.same_everywhere  # what is counted is the same on every Python

Measure = Callable[[Callable[[], object]], int]

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1 << 20


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, *arguments: object, **options: object) -> object:
        self.calls += 1
        return self._function(*arguments, **options)


# However many routes look at it


@pytest.mark.parametrize("size", [MEBIBYTE // 2, 2 * MEBIBYTE], ids=["in memory", "on disk"])
def test_json_is_parsed_once_for_all_routes(server: HTTPServe, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """100 routes and 1 MiB took 12 s."""
    server.on("POST", "/a").respond(200)
    for index in range(50):
        server.on("POST", "/a", json={"id": index}).respond(204)
        server.on("POST", "/a", json_contains={"id": index}).respond(204)
    body = json.dumps({"id": -1, "all": ["x" * 90] * (size // 94)})
    monkeypatch.setattr(json, "loads", loads := Counted(json.loads))

    answer = requests.post(server.url_for("/a"), headers=JSON, data=body, timeout=60)

    assert answer.status_code == 200
    assert loads.calls == 1


def test_what_is_no_json_is_parsed_once_and_its_beginning_is_shown(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(50):
        server.on("POST", "/a", json={"id": index}).respond(204)
    monkeypatch.setattr(json, "loads", loads := Counted(json.loads))

    answer = requests.post(server.url_for("/a"), headers=JSON, data=b"[" + b"x" * MEBIBYTE, timeout=60)

    assert answer.status_code == 404
    assert loads.calls == 1
    assert len(answer.content) < 200_000


@pytest.mark.parametrize("filename", ["", '; filename="a.txt"'], ids=["fields", "files"])
def test_a_form_is_parsed_once_for_all_routes(
    server: HTTPServe, monkeypatch: pytest.MonkeyPatch, filename: str
) -> None:
    """20,000 parts and 30 routes took 16 s."""
    parts = 2_000
    server.on("POST", "/a").respond(200)
    for index in range(15):
        server.on("POST", "/a", form={"name": f"{index}"}).respond(204)
        server.on("POST", "/a", files={"name": f"{index}".encode()}).respond(204)
    part = f'--x\r\nContent-Disposition: form-data; name="name"{filename}\r\n\r\nabc\r\n'.encode()
    monkeypatch.setattr(multipart, "_parse_part", parse := Counted(multipart._parse_part))

    answer = requests.post(
        server.url_for("/a"),
        data=part * parts + b"--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        timeout=60,
    )

    assert answer.status_code == 200
    assert parse.calls == parts


def test_what_was_parsed_is_not_kept_with_the_exchange(server: HTTPServe, bytes_kept: Measure) -> None:
    """Nor is it changed by whoever has asked for it: they have their own."""

    @server.on("POST", "/a", json_contains={"id": 1})
    def clear(request: Request) -> str:
        request.json().clear()
        return str(len(request.json()))

    body = json.dumps({"id": 1, "all": [{"a": 1}] * 200_000})

    def ask() -> None:
        for _ in range(3):
            assert requests.post(server.url_for("/a"), headers=JSON, data=body, timeout=60).text == "2"

    ask()
    assert bytes_kept(ask) < 60 * MEBIBYTE  # each takes 40; the last one may still be in hand
    assert [exchange.request.json()["id"] for exchange in server.exchanges] == [1] * 6


# As it comes


class Leading(FileSource):
    """Endless chunks, which the loop's thread takes in."""

    def __init__(self, unit: bytes) -> None:
        self._data = unit * (65_536 // len(unit))
        self.taken = self.taken_by_the_loop = 0
        self.left = False

    def receive(self, size: int) -> bytes:
        data = self._data[:size]
        self.taken += len(data)
        if not self.left:
            self.taken_by_the_loop = self.taken
        return data

    def leave_loop(self) -> None:
        self.left = True


@pytest.mark.parametrize("unit", [b"1\r\nx\r\n", b"10\r\n0123456789abcdef\r\n"])
def test_a_body_is_not_taken_in_by_the_loop(unit: bytes) -> None:
    """A 60 MB upload in 1-byte chunks held up all servers of the session for up to 15 s."""
    source = Leading(unit)
    reader = Reader(source)
    reader.begin_body(CHUNKED)
    while source.taken < 4 * MEBIBYTE:
        assert reader.read1(65_536)

    assert source.left and source.taken_by_the_loop <= LED_BYTES + 65_536


def test_each_body_begins_in_the_loop() -> None:
    source = Leading(b"x")
    reader = Reader(source)
    for _ in range(5):
        reader.begin_body(Framing("length", 65_536))
        assert len(reader.read()) == 65_536
        assert reader.end_body()
    assert not source.left


@pytest.mark.parametrize(("unit", "most"), [(b"1\r\nx\r\n", 5), (b"ff\r\n" + b"x" * 255 + b"\r\n", 5)])
def test_a_small_chunk_takes_few_calls(unit: bytes, most: int, calls: Measure) -> None:
    chunks = 10_000
    data = unit * chunks

    assert calls(lambda: ChunkedDecoder().decode(data)) <= most * chunks


@pytest.mark.parametrize("way", [Reader.readline, Reader.read])
def test_a_long_line_is_copied_a_few_times(way: Callable[[Reader], bytes], most_bytes: Measure) -> None:
    """Not once for each piece that comes, which copies half of it on average."""
    size, copied = 16 * MEBIBYTE, 0

    class Counting(Reader):
        def _fill(self, wanted: int) -> bool:
            nonlocal copied
            copied += len(self._buffer)
            return super()._fill(wanted)

    reader = Counting(Leading(b"x"))
    reader.begin_body(Framing("length", size))

    assert most_bytes(lambda: way(reader)) <= 3 * size
    assert copied <= size


def test_a_line_whose_end_does_not_come_in_time_stays_to_be_read() -> None:
    class Late(FileSource):
        def __init__(self) -> None:
            self._pieces = [b"abc", b"def", None, b"ghi\nj"]

        def receive(self, size: int) -> bytes:
            piece = self._pieces.pop(0)
            if piece is None:
                raise TimeoutError
            return piece

    reader = Reader(Late())
    reader.begin_body(Framing("length", 11))
    with pytest.raises(TimeoutError):
        reader.readline()

    assert reader.unread == b"abcdef"
    assert (reader.readline(), reader.readline(1)) == (b"abcdefghi\n", b"j")
