"""Files per second, small ones and such of 1 MiB: ``wrk`` over 8 kept connections, the server in another process.

nginx shows how much of it is the client's and the kernel's own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import bulk
from ..peers import NGINX, Peer
from ..plan import Figure, Plan, UnavailableError, interleave
from .load import Shape, read, wrk

SIZES = {"files.1k": ("files of 1 KiB", 1 << 10), "files.1m": ("files of 1 MiB", 1 << 20)}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    if shutil.which("wrk") is None:
        raise UnavailableError("wrk is not installed")
    # interleave asks for names only.
    takers = [Peer(NGINX, bulk.sink), *(peer for peer in peers if peer.name in bulk.FILE_SERVERS)]
    with tempfile.TemporaryDirectory() as directory:
        return [figure for key in SIZES for figure in measure(key, takers, plan, directory)]


def measure(key: str, takers: Sequence[Peer], plan: Plan, directory: str) -> list[Figure]:
    """Files of one size per second."""
    title, size = SIZES[key]
    Path(directory, key).write_bytes(os.urandom(size))

    def turn(peer: Peer) -> list[float]:
        with bulk.serving(peer.name, directory) as server:
            url = f"http://{server.host}:{server.port}/{key}"
            return read(wrk(url, Shape(key, title, 8), plan.seconds), f"{key}: {peer.name}", plan)[:1]

    return interleave([Figure(key, title, "files/s", "higher")], takers, plan, turn)
