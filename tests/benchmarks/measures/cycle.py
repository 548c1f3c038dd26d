"""A server's life in one process: start, one request, stop; and stop alone with an idle keep-alive connection open.

A polling server that is told to stop while it still clears up after a request does not get to poll, so a cycle can
flatter it; before ``stop`` alone is timed, the server is given the time to fall idle.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from ..client import connect, fetch, get
from ..peers import Peer
from ..plan import Figure, Plan, interleave, repeat_for

_SETTLE = 0.005
"""Seconds in which a server that has answered falls idle."""


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    figures = [
        Figure("cycle", "start + one request + stop", "ms"),
        Figure("stop", "stop, a keep-alive connection open", "ms"),
    ]

    def turn(peer: Peer) -> list[float]:
        return [
            1e3 * statistics.median(repeat_for(plan.seconds / 2, lambda: cycle(peer))),
            1e3 * statistics.median(repeat_for(plan.seconds / 2, lambda: stop(peer))),
        ]

    return interleave(figures, peers, plan, turn)


def cycle(peer: Peer) -> float:
    """Seconds that a whole life with one request takes."""
    begun = time.perf_counter()
    server = peer.start()
    try:
        get(server)
    finally:
        server.stop()
    return time.perf_counter() - begun


def stop(peer: Peer) -> float:
    """Seconds that ``stop`` takes while a client holds a connection open that it has used."""
    server = peer.start()
    connection = connect(server)
    try:
        fetch(connection)
        time.sleep(_SETTLE)
    finally:
        begun = time.perf_counter()
        server.stop()
        spent = time.perf_counter() - begun
        connection.close()
    return spent
