"""How a whole run of a suite grows with its tests, from 1 to 10,000, each with one GET. One round."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..peers import FIXTURE, HTTPSERVER, LIMIT, Peer, Suite
from ..plan import Figure, Plan, interleave
from .suite import NOTHING, seconds, write

SIZES = (1, 10, 100, 1000, 10_000)
TAKERS = (LIMIT, HTTPSERVER, FIXTURE)


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    takers = [NOTHING, *(peer for peer in peers if peer.name in TAKERS)]
    return [figure for size in SIZES for figure in measure(size, takers, replace(plan, repeat=1))]


def measure(size: int, takers: Sequence[Peer], plan: Plan) -> list[Figure]:
    """Seconds of a run of so many tests."""
    figure = Figure(f"tests.{size}", f"a run of {size:,} test{'s' * (size > 1)}", "s", at=size)
    with tempfile.TemporaryDirectory() as name:
        for peer in takers:
            write(peer.suite or Suite(""), Path(name, peer.name), size)
        return interleave([figure], takers, plan, lambda peer: [seconds(peer, Path(name, peer.name), size)])
