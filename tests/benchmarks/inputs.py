"""Hostile inputs, each of any size, and what is to come back: as bytes on sockets, for no library would send them."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 60.0
_PIECE = 1 << 16

Address = tuple[str, int]


@dataclass(frozen=True)
class Input:
    """What is sent: ``unit`` says of what there are ``size``, then twice and four times as many.

    ``send`` sends it to an address and takes what comes back. It raises RuntimeError if that is not what it should be.
    """

    name: str
    unit: str
    size: int
    send: Callable[[Address, int], object]


def make_directory(directory: Path) -> None:
    """What the session serves: ``site``, a link to itself and folders of many files; ``scripts``, one that is noisy."""
    site, scripts = directory / "site", directory / "scripts"
    scripts.mkdir()
    site.mkdir()
    (site / "through").symlink_to(".")
    for size in (LISTING.size * times for times in TIMES):
        folder = site / f"{size}"
        folder.mkdir()
        for number in range(size):
            (folder / f"{number}.txt").touch()
    script = scripts / "noise"
    script.write_text('#!/bin/sh\nyes "" | head -n "$QUERY_STRING" >&2\nprintf "Content-Type: text/plain\\n\\nwell"\n')
    script.chmod(0o755)


# Sending


def ask(address: Address, data: bytes, *, expected: bytes) -> bytes:
    """Send a request whose connection ends with its answer; the answer, which begins as expected."""
    with socket.create_connection(address, timeout=TIMEOUT) as client:
        with contextlib.suppress(OSError):  # refused before it was whole: the answer says how
            client.sendall(data)
        return _checked(_rest(client), expected)


def _rest(client: socket.socket) -> bytes:
    pieces: list[bytes] = []
    with contextlib.suppress(ConnectionResetError):  # of what it had not read
        while piece := client.recv(_PIECE):
            pieces.append(piece)
    return b"".join(pieces)


def _checked(answer: bytes, expected: bytes) -> bytes:
    if not answer.startswith(b"HTTP/1.1 " + expected):
        raise RuntimeError(f"{expected.decode()} was to be answered, not {answer[:80]!r}")
    return answer


def _get(target: str, *fields: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: a", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def _post(path: str, body: bytes, content_type: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


# The inputs


def _path(address: Address, size: int) -> None:
    ask(address, _get("/site" + "/a" * (size // 2)), expected=b"404")


def _links(address: Address, size: int) -> None:
    ask(address, _get("/site" + "/through" * (size // len("/through"))), expected=b"404")


def _template(address: Address, size: int) -> None:
    ask(address, _get("/match/" + "-" * size), expected=b"404")


def _query(address: Address, size: int) -> None:
    ask(address, _get("/query?" + "&".join(["a=1"] * size)), expected=b"404")


def _fields(address: Address, size: int) -> None:
    ask(address, _get("/fields", *(f"X-Name: {number}" for number in range(1000, 1000 + size))), expected=b"404")


def _listing(address: Address, size: int) -> None:
    answer = ask(address, _get(f"/site/{size}/"), expected=b"200")
    if answer.count(b".txt</a>") != size:
        raise RuntimeError(f"the listing has not {size:,} names")


def _stderr(address: Address, size: int) -> None:
    ask(address, _get(f"/scripts/noise?{size}"), expected=b"200")


def _chunks(address: Address, size: int) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    ask(address, head + b"1\r\nx\r\n" * size + b"0\r\n\r\n", expected=b"200")


def _json(address: Address, size: int) -> None:
    body = json.dumps({"id": -1, "all": ["x" * 90] * (size // 94)}).encode()
    ask(address, _post("/json", body, "application/json"), expected=b"404")


def _compare(address: Address, size: int) -> None:
    body = json.dumps({"all": list(range(size // 8))}).encode()
    ask(address, _post("/compare", body, "application/json"), expected=b"404")


def _form(address: Address, size: int) -> None:
    ask(address, _post("/form", b"&".join([b"name=a"] * size), "application/x-www-form-urlencoded"), expected=b"404")


def _multipart(address: Address, size: int) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nabc\r\n'
    ask(address, _post("/form", part * size + b"--x--\r\n", "multipart/form-data; boundary=x"), expected=b"404")


def _heads(address: Address, size: int) -> None:
    """None of them is whole; a good client of the attacked server is answered beside them."""
    with ExitStack() as stack:
        for _ in range(size):
            client = stack.enter_context(socket.create_connection(address, timeout=TIMEOUT))
            client.sendall(b"GET / HTTP/1.1\r\nHost:")
        ask(address, _get("/"), expected=b"200")


def _garbage(address: Address, size: int) -> None:
    """Each on a connection of its own."""
    for number in range(size):
        ask(address, b"\x16\x03\x01 %d\r\n\r\n" % number, expected=b"400")


TIMES = (1, 2, 4)
LISTING = Input("listing", "names in a directory", 5_000, _listing)
INPUTS = (
    Input("path", "bytes of short names", 8_000, _path),
    Input("links", "bytes of links", 8_000, _links),
    Input("template", "dashes in a path", 8_000, _template),
    Input("query", "parameters", 2_000, _query),
    Input("fields", "header fields", 20, _fields),
    LISTING,
    Input("stderr", "empty lines of a script", 100_000, _stderr),
    Input("chunks", "chunks of one byte", 250_000, _chunks),
    Input("json", "bytes of JSON, 100 routes", 1 << 18, _json),
    Input("compare", "bytes of JSON that differ", 1 << 18, _compare),
    Input("form", "fields of a form, 30 routes", 10_000, _form),
    Input("multipart", "parts of a form, 30 routes", 5_000, _multipart),
    Input("heads", "half-sent heads", 100, _heads),
    Input("garbage", "connections with garbage", 100, _garbage),
)
