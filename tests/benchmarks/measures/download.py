"""The rate at which 1 GiB comes down, beside nginx: one request, read into one buffer and thrown away.

The file is a sparse one, which takes no room on the disk; each server first gets a small request.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.interop.nginx_server import MissingError, program

from .. import bulk
from ..peers import ENGINE, FIXTURE, NGINX, Peer, Running
from ..plan import Figure, Plan, UnavailableError, interleave

SMALL, LARGE = 1 << 10, 1 << 30
_BUFFER = 1 << 20


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    try:
        program()
    except MissingError as error:
        raise UnavailableError(str(error)) from None
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for size in (SMALL, LARGE):
            with (directory / str(size)).open("wb") as file:
                file.truncate(size)

        def turn(peer: Peer) -> list[float]:
            with bulk.serving(peer.name, name) as server:
                seconds(server, SMALL)
                return [(LARGE >> 20) / seconds(server, LARGE)]

        # interleave asks for names only.
        takers = [Peer(NGINX, bulk.sink), *(peer for peer in peers if peer.name in (ENGINE, FIXTURE))]
        return interleave([Figure("download", "1 GiB from a file", "MiB/s", "higher")], takers, plan, turn)


def seconds(server: Running, size: int) -> float:
    """What the file of this size takes from the request to its last byte."""
    buffer = bytearray(_BUFFER)
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        begun = time.perf_counter()
        client.sendall(f"GET /{size} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode())
        head, received = b"", 0
        while count := client.recv_into(buffer):
            if b"\r\n\r\n" not in head:
                before = len(head)
                head += buffer[:count]
                count = len(head) - before if (end := head.find(b"\r\n\r\n")) < 0 else len(head) - end - 4
                count = 0 if end < 0 else count
            received += count
        spent = time.perf_counter() - begun
    if not head.startswith(b"HTTP/1.1 200 ") or received != size:
        raise RuntimeError(f"answered {head[:80]!r} with {received} of {size} bytes")
    return spent
