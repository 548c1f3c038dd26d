"""Files per second, small ones and such of 1 MiB: ``wrk`` over 8 kept connections, the server in another process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import bulk
from ..peers import ENGINE, FIXTURE, Peer, Running
from ..plan import Figure, Plan, UnavailableError, interleave
from ..serving import serve
from .load import Shape, read, wrk

SIZES = {"files.1k": ("files of 1 KiB", 1 << 10), "files.1m": ("files of 1 MiB", 1 << 20)}
STARTS: dict[str, Callable[..., Running]] = {"stdlib": bulk.stdlib, ENGINE: bulk.engine, FIXTURE: bulk.fixture}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    if shutil.which("wrk") is None:
        raise UnavailableError("wrk is not installed")
    takers = [peer for peer in peers if peer.name in STARTS]
    with tempfile.TemporaryDirectory() as directory:
        return [figure for key in SIZES for figure in measure(key, takers, plan, directory)]


def measure(key: str, takers: Sequence[Peer], plan: Plan, directory: str) -> list[Figure]:
    """Files of one size per second."""
    title, size = SIZES[key]
    Path(directory, key).write_bytes(os.urandom(size))

    def turn(peer: Peer) -> list[float]:
        with serve(STARTS[peer.name], directory) as server:
            report = wrk(server.url + key, Shape(key, title, 8), plan.seconds)
            return read(report, f"{key}: {peer.name}", plan)[:1]

    return interleave([Figure(key, title, "files/s", "higher")], takers, plan, turn)
