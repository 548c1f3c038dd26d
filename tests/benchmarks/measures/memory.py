"""How much the resident memory of our server's own process grows while it serves or receives 1 GiB; 128 MiB in a short
run.

Idle is what it takes after one small request; the peak comes from the kernel, so nothing between two looks is missed.
The file is a sparse one, made of one long hole: it takes no room on the disk and is sent like any other.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .. import bulk
from ..client import connect
from ..peers import ENGINE, FIXTURE, Peer, Running
from ..plan import Figure, Plan, interleave
from ..serving import Served, serve

SMALL, LARGE, LARGE_IN_SHORT = 1024, 1 << 30, 1 << 27
_PIECE = 1 << 20

Transfer = Callable[[Served, int], None]


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    starts: dict[str, Callable[..., Running]] = {ENGINE: bulk.engine, FIXTURE: bulk.fixture}
    once = replace(plan, repeat=1)
    large = LARGE_IN_SHORT if plan.short else LARGE
    download = Figure("memory.download", f"growth while serving {large >> 20:,} MiB", "MiB")
    upload = Figure("memory.upload", f"growth while receiving {large >> 20:,} MiB", "MiB")
    with tempfile.TemporaryDirectory() as directory:
        for size in (SMALL, large):
            with Path(directory, str(size)).open("wb") as file:
                file.truncate(size)
        servers = [peer for peer in peers if peer.name in starts]
        interleave([download], servers, once, lambda peer: [growth(starts[peer.name], fetch, large, directory)])
    engines = [peer for peer in peers if peer.name == ENGINE]
    interleave([upload], engines, once, lambda _: [growth(bulk.sink, send, large)])
    return [download, upload]


def growth(start: Callable[..., Running], transfer: Transfer, large: int, *arguments: str) -> float:
    """MiB that the process of a fresh server takes at its peak above what it takes idle."""
    with serve(start, *arguments) as server:
        transfer(server, SMALL)
        with contextlib.suppress(OSError):  # then the peak of its start counts too
            Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak starts anew
        idle = memory(server.pid, "VmRSS")
        transfer(server, large)
        return memory(server.pid, "VmHWM") - idle


def memory(pid: int, name: str) -> float:
    """A process's resident memory in MiB: now (VmRSS) or at its peak (VmHWM)."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/{pid}/status has no {name}")
    return int(found[1]) / 1024


def fetch(server: Served, size: int) -> None:
    """Download the file of this size and throw it away."""
    connection = connect(server)
    connection.request("GET", f"/{size}")
    response = connection.getresponse()
    buffer, received = bytearray(_PIECE), 0
    while count := response.readinto(buffer):
        received += count
    connection.close()
    if response.status != 200 or received != size:
        raise RuntimeError(f"answered {response.status} with {received} of {size} bytes")


def send(server: Served, size: int) -> None:
    """Post so many bytes."""
    connection = connect(server)
    connection.request("POST", "/", body=pieces(size), headers={"Content-Length": str(size)})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200 or body != str(size).encode():
        raise RuntimeError(f"answered {response.status} with {body[:80]!r} to {size} bytes")


def pieces(size: int) -> Iterator[bytes]:
    """So many bytes, piece by piece."""
    piece = bytes(_PIECE)
    while size:
        yield piece[:size]
        size -= min(size, _PIECE)
