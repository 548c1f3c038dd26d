"""Round trips of ``http.client``, client and server in the same process: the usual case in tests.

Over one connection, and over a new one each time. Servers without keep-alive make the client connect anew each time,
as they do to their users.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from ..client import connect, fetch, get
from ..peers import Peer, offering
from ..plan import Figure, Plan, interleave, p99, repeat_for


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    figures = [
        Figure("roundtrip", "round trip of http.client", "µs"),
        Figure("roundtrip.p99", "  its p99", "µs"),
        Figure("roundtrip.new", "round trip, a new connection each", "µs"),
        Figure("roundtrip.new.p99", "  its p99", "µs"),
    ]

    def turn(peer: Peer) -> list[float]:
        server = peer.starts["plain"]()
        try:
            connection = connect(server)
            kept = repeat_for(plan.seconds / 2, lambda: timed(lambda: fetch(connection)))
            connection.close()
            new = repeat_for(plan.seconds / 2, lambda: timed(lambda: get(server)))
        finally:
            server.stop()
        return [1e6 * statistics.median(kept), 1e6 * p99(kept), 1e6 * statistics.median(new), 1e6 * p99(new)]

    return interleave(figures, offering(peers, "plain"), plan, turn)


def timed(action: Callable[[], None]) -> float:
    """Seconds that the action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
