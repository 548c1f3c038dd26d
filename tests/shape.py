"""How far a request goes: how many functions of ours it enters, and how often it changes from one file to another.

``python -m tests.shape`` prints a table, a line for each kind of request.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest_httpserve
from pytest_httpserve import HTTPServe

_PACKAGE = str(Path(pytest_httpserve.__file__).parent)
_REQUESTS = 50  # that are counted: what one leaves to be done when it is answered is counted with the next
_PATIENCE = 10.0

_GET = b"GET /a HTTP/1.1\r\nHost: test\r\n\r\n"
_POST = b'POST /a HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'


class Shape(NamedTuple):
    """Of one request, on the average: the calls, the files they are in, and the changes from one file to another."""

    calls: int
    files: int
    changes: int


class _Counter:
    """Notes the calls of functions of ours, in all threads that begin from now on."""

    def __init__(self) -> None:
        self.counting = False
        self._calls = self._changes = 0
        self._files: set[str] = set()
        self._last = ""

    def note(self, frame: FrameType, event: str, argument: Any) -> None:  # whatever goes with the event
        file = frame.f_code.co_filename
        if not self.counting or event != "call" or not file.startswith(_PACKAGE):
            return
        self._calls += 1
        self._files.add(file)
        self._changes += file != self._last
        self._last = file

    def shape(self) -> Shape:
        return Shape(round(self._calls / _REQUESTS), len(self._files), round(self._changes / _REQUESTS))


def _plain(server: HTTPServe, folder: Path) -> bytes:
    server.on("GET", "/a").respond(text="well")
    return _GET


def _where(server: HTTPServe, folder: Path) -> bytes:
    server.on("GET", "/a", where=lambda request: True).respond(text="well")
    return _GET


def _function(server: HTTPServe, folder: Path) -> bytes:
    server.on("GET", "/a").handle(lambda request: {"a": 1})
    return _GET


def _limit(server: HTTPServe, folder: Path) -> bytes:
    server.limit(per_second=1_000_000)
    return _plain(server, folder)


def _post(server: HTTPServe, folder: Path) -> bytes:
    server.on("POST", "/a", json={"a": 1}).respond(text="well")
    return _POST


def _directory(server: HTTPServe, folder: Path) -> bytes:
    (folder / "a").write_bytes(b"a" * 1024)
    server.serve_dir(folder)
    return _GET


def _throttle(server: HTTPServe, folder: Path) -> bytes:
    server.on("GET", "/a").respond(text="well", throttle=1_000_000_000)
    return _GET


KINDS: dict[str, Callable[[HTTPServe, Path], bytes]] = {
    "plain route": _plain,
    "where=": _where,
    "function": _function,
    "limit": _limit,
    "POST, json=": _post,
    "directory": _directory,
    "throttle=": _throttle,
}


def shape_of(kind: str) -> Shape:
    """That of a request of this kind, the server's side of it."""
    counter = _Counter()
    before = threading.getprofile()
    threading.setprofile(counter.note)
    try:
        with tempfile.TemporaryDirectory() as folder, HTTPServe() as server:
            request = KINDS[kind](server, Path(folder))
            with socket.create_connection((server.host, server.port), timeout=_PATIENCE) as client:
                _ask(client, request, 5)
                counter.counting = True
                _ask(client, request, _REQUESTS)
                counter.counting = False
    finally:
        threading.setprofile(before)
    return counter.shape()


def _ask(client: socket.socket, request: bytes, times: int) -> None:
    answers = client.makefile("rb")
    for _ in range(times):
        client.sendall(request)
        length = 0
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        while (line := answers.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert len(answers.read(length)) == length > 0


def main() -> None:
    """Print the table."""
    print(f"{'':12} {'calls':>6} {'files':>6} {'changes':>8}")
    for kind in KINDS:
        shape = shape_of(kind)
        print(f"{kind:12} {shape.calls:6} {shape.files:6} {shape.changes:8}")


if __name__ == "__main__":
    main()
