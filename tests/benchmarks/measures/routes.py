"""How a scripted answer slows down as routes grow, from 1 to 10,000: ``wrk`` over 8 keep-alive connections.

The route that answers is the one that a search in order would come to last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..peers import Peer, offering
from ..plan import Figure, Plan, interleave
from .load import Shape, check, rate

SIZES = (1, 10, 100, 1000, 10_000)


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    check()
    takers, once = offering(peers, "routes"), replace(plan, repeat=1)
    return [figure for size in SIZES for figure in measure(size, takers, once)]


def measure(size: int, takers: Sequence[Peer], plan: Plan) -> list[Figure]:
    """Answers per second with so many routes."""
    shape = Shape(f"routes.{size}", f"answers, {size:,} route{'s' * (size > 1)}", 8)
    return interleave(
        [Figure(shape.key, shape.title, "req/s", "higher", at=size)],
        takers,
        plan,
        lambda peer: [rate(peer, "routes", str(size), path="users/7", shape=shape, plan=plan)],
    )
