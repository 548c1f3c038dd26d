"""Round trips of ``http.client`` over one connection, client and server in the same process: the usual case in tests.

Servers without keep-alive make the client connect anew each time, as they do to their users.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from http.client import HTTPConnection

from ..client import connect, fetch
from ..peers import Peer
from ..plan import Figure, Plan, interleave, p99, repeat_for


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    figures = [Figure("roundtrip", "round trip of http.client", "µs"), Figure("roundtrip.p99", "  its p99", "µs")]

    def turn(peer: Peer) -> list[float]:
        server = peer.start()
        try:
            connection = connect(server)
            times = repeat_for(plan.seconds / 2, lambda: timed(connection))
            connection.close()
        finally:
            server.stop()
        return [1e6 * statistics.median(times), 1e6 * p99(times)]

    return interleave(figures, peers, plan, turn)


def timed(connection: HTTPConnection) -> float:
    """Seconds that one round trip takes."""
    begun = time.perf_counter()
    fetch(connection)
    return time.perf_counter() - begun
