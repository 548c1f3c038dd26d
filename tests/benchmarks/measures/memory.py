"""How much the resident memory of a server's own process grows while it serves or receives 1 GiB; 128 MiB in a short
run. One round: memory does not depend on what else the machine does.

Idle is what it takes after one small request; the peak comes from the kernel, so nothing between two looks is missed.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..peers import NGINX, Kind, Peer, Running, offering
from ..plan import Figure, Plan, interleave
from ..serving import Served, serve
from .bulk import LARGE, LARGE_IN_SHORT, SMALL, download, upload

Transfer = Callable[[Running, int], float]


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    once = replace(plan, repeat=1)
    size = LARGE_IN_SHORT if plan.short else LARGE
    with tempfile.TemporaryDirectory() as directory:
        for each in (SMALL, size):
            with Path(directory, str(each)).open("wb") as file:
                file.truncate(each)

        def measure(kind: Kind, title: str, transfer: Transfer, *arguments: str) -> list[Figure]:
            figure = Figure(f"memory.{kind}", f"growth while {title} {size >> 20:,} MiB", "MiB")
            takers = [peer for peer in offering(peers, kind) if peer.name != NGINX]  # whose processes are several
            return interleave([figure], takers, once, lambda peer: [growth(peer, kind, transfer, size, *arguments)])

        return [
            *measure("files", "serving", lambda server, each: download(server, f"/{each}", each), directory),
            *measure("stream", "streaming", lambda server, _: download(server, "/", size, framed=True), str(size)),
            *measure("upload", "receiving", lambda server, each: upload(server, each, chunked=False)),
            *measure("chunked", "receiving in chunks", lambda server, each: upload(server, each, chunked=True)),
        ]


def growth(peer: Peer, kind: Kind, transfer: Transfer, size: int, *arguments: str) -> float:
    """MiB that the process of a fresh server takes at its peak above what it takes idle."""
    with serve(peer.starts[kind], *arguments) as server:
        if kind != "stream":  # which has no small one
            transfer(server, SMALL)
        with contextlib.suppress(OSError):  # then the peak of its start counts too
            Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak starts anew
        idle = memory(server, "VmRSS")
        transfer(server, size)
        return memory(server, "VmHWM") - idle


def memory(server: Served, name: str) -> float:
    """Resident memory of its process in MiB: now (VmRSS) or at its peak (VmHWM)."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/{server.pid}/status has no {name}")
    return int(found[1]) / 1024
