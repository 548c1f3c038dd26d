"""Files per second, small ones and such of 1 MiB: ``wrk`` over 8 kept connections, the server in another process.

nginx shows how much of it is the client's and the kernel's own. A short run has small ones only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..peers import Peer, offering
from ..plan import Figure, Plan, interleave
from .load import Shape, check, rate

SIZES = {"files.1k": ("files of 1 KiB", 1 << 10), "files.1m": ("files of 1 MiB", 1 << 20)}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    check()
    with tempfile.TemporaryDirectory() as directory:
        keys = [*SIZES][:1] if plan.short else [*SIZES]
        return [figure for key in keys for figure in measure(key, offering(peers, "files"), plan, directory)]


def measure(key: str, takers: Sequence[Peer], plan: Plan, directory: str) -> list[Figure]:
    """Files of one size per second."""
    title, size = SIZES[key]
    Path(directory, key).write_bytes(os.urandom(size))
    shape = Shape(key, title, 8)
    return interleave(
        [Figure(key, title, "files/s", "higher")],
        takers,
        plan,
        lambda peer: [rate(peer, "files", directory, path=key, shape=shape, plan=plan)],
    )
