"""How a server ages: p99 after 5,000 and after 500,000 exchanges, and how much memory 1,000,000 of them take.

``wrk`` asks over 8 kept connections, in turns, until there have been so many; p99 is that of the turn behind it. One
round: it takes minutes. Ours, and the limit, which keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..client import get
from ..peers import FIXTURE, LIMIT, Peer, offering
from ..plan import Figure, Plan, interleave
from ..serving import Served, serve
from .load import Shape, check, read, wrk
from .memory import memory

EARLY, LATE, LAST = 5_000, 500_000, 1_000_000
SHAPE = Shape("endurance", "8 keep-alive connections", 8)
_TURN = 2.0  # seconds of one turn of asking


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    check()
    figures = [
        Figure("endurance.early.p99", f"p99 after {EARLY:,} exchanges", "ms"),
        Figure("endurance.late.p99", f"p99 after {LATE:,} exchanges", "ms"),
        Figure("endurance.growth", f"growth with {LAST:,} exchanges", "MiB"),
    ]
    takers = [peer for peer in offering(peers, "plain") if peer.name in (FIXTURE, LIMIT)]
    return interleave(figures, takers, replace(plan, repeat=1), lambda peer: aged(peer, plan, EARLY, LATE, LAST))


def aged(peer: Peer, plan: Plan, early: int, late: int, last: int, turn: float = _TURN) -> list[float]:
    """p99 after ``early`` and after ``late`` exchanges, in milliseconds, and the growth after ``last``, in MiB."""
    with serve(peer.starts["plain"]) as server:
        get(server)
        start = memory(server, "VmRSS")
        done = 0
        values: list[float] = []
        for wanted in (early, late):
            done += asked(server, wanted - done, turn)
            report = wrk(server.url, SHAPE, plan.seconds)
            done += answers(report)
            values.append(read(report, f"endurance: {peer.name}", plan)[1])
        asked(server, last - done, turn)
        return [*values, memory(server, "VmRSS") - start]


def asked(server: Served, count: int, turn: float) -> int:
    """Ask so many times at least; how many times it was in the end."""
    done = 0
    while done < count:
        # Not longer than it takes: the first turn says how fast it is, and 5,000 are soon there.
        seconds = turn if done else min(turn, 0.1)
        done += answers(wrk(server.url, SHAPE, seconds))
    return done


def answers(report: str) -> int:
    """How many requests wrk has had answers to."""
    found = re.search(r"(\d+) requests in", report)
    if found is None:
        raise RuntimeError(f"wrk reported {report!r}")
    return int(found[1])
