"""How a round trip slows down, and memory grows, as the exchanges that a server has seen grow from 1 to 10,000.

Only servers that keep a journal of their requests, and the limit. One client, one connection, one round.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from ..client import connect, fetch
from ..peers import FIXTURE, HTTPSERVER, LIMIT, LOCALSERVER, Peer, offering
from ..plan import Figure, Plan, interleave
from ..serving import serve
from .memory import memory
from .roundtrip import timed

SIZES = (1, 10, 100, 1000, 10_000)
WITH_JOURNAL = (LIMIT, HTTPSERVER, LOCALSERVER, FIXTURE)
_TIMED = 50


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    times = [
        Figure(f"exchanges.{size}", f"round trip after {size:,} exchange{'s' * (size > 1)}", "µs", at=size)
        for size in SIZES
    ]
    grown = [
        Figure(f"exchanges.memory.{size}", f"memory after {size:,} exchange{'s' * (size > 1)}", "MiB", at=size)
        for size in SIZES
    ]
    takers = [peer for peer in offering(peers, "plain") if peer.name in WITH_JOURNAL]
    return interleave([*times, *grown], takers, replace(plan, repeat=1), turn)


def turn(peer: Peer) -> list[float]:
    """Round trips in microseconds, then memory in MiB, after each number of exchanges."""
    times: list[float] = []
    sizes: list[float] = []
    with serve(peer.starts["plain"]) as server:
        connection = connect(server)
        done = 0
        for size in SIZES:
            for _ in range(size - done):
                fetch(connection)
            sizes.append(memory(server, "VmRSS"))
            times.append(1e6 * statistics.median(timed(lambda: fetch(connection)) for _ in range(_TIMED)))
            done = max(done, size) + _TIMED
        connection.close()
    return [*times, *sizes]
