"""A server's life in one process: start, one request, stop; and stop alone, with nothing to do and with much.

A polling server that is told to stop while it still clears up after a request does not get to poll, so a cycle can
flatter it; before ``stop`` alone is timed, the server is given the time to fall idle. A handler that sleeps when the
server is to stop is one that will not end: ours give it a grace.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Sequence

from ..client import connect, fetch, get
from ..peers import Peer, Running, offering
from ..plan import Figure, Plan, interleave, repeat_for

_SETTLE = 0.005
"""Seconds in which a server that has answered falls idle, and in which a handler that was called sleeps."""

MANY = 100
SLEEP = 2.0


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    peers = offering(peers, "plain")
    alone = [
        Figure("cycle.start", "start alone", "ms"),
        Figure("cycle.stop", "stop alone", "ms"),
        Figure("cycle.both", "start + stop", "ms"),
    ]
    used = [
        Figure("cycle", "start + one request + stop", "ms"),
        Figure("cycle.idle", "stop, a keep-alive connection open", "ms"),
    ]
    figures = interleave(alone, peers, plan, lambda peer: unused(peer, plan))
    figures += interleave(
        used,
        peers,
        plan,
        lambda peer: [milliseconds(plan, lambda: cycle(peer)), milliseconds(plan, lambda: stop(peer, 1))],
    )
    many = Figure("cycle.idle.many", f"stop, {MANY} keep-alive connections open", "ms")
    figures += interleave([many], peers, plan, lambda peer: [milliseconds(plan, lambda: stop(peer, MANY))])
    sleeping = Figure("cycle.sleeping", f"stop, a handler sleeping for {SLEEP:g} s", "ms")
    return figures + interleave([sleeping], offering(peers, "handler"), plan, lambda peer: [1e3 * stop_sleeping(peer)])


def milliseconds(plan: Plan, action: Callable[[], float]) -> float:
    """The median of what the action takes."""
    return 1e3 * statistics.median(repeat_for(plan.seconds / 2, action))


def unused(peer: Peer, plan: Plan) -> list[float]:
    """Milliseconds of start, of stop and of both, with nothing between them."""
    starts: list[float] = []
    stops: list[float] = []

    def life() -> float:
        begun = time.perf_counter()
        server = peer.starts["plain"]()
        started = time.perf_counter()
        time.sleep(_SETTLE)
        stopping = time.perf_counter()
        server.stop()
        ended = time.perf_counter()
        starts.append(started - begun)
        stops.append(ended - stopping)
        return starts[-1] + stops[-1]

    both = milliseconds(plan, life)
    return [1e3 * statistics.median(starts), 1e3 * statistics.median(stops), both]


def cycle(peer: Peer) -> float:
    """Seconds that a whole life with one request takes."""
    begun = time.perf_counter()
    server = peer.starts["plain"]()
    try:
        get(server)
    finally:
        server.stop()
    return time.perf_counter() - begun


def stop(peer: Peer, connections: int) -> float:
    """Seconds that ``stop`` takes while a client holds connections open that it has used."""
    server = peer.starts["plain"]()
    with contextlib.ExitStack() as stack:
        try:
            for _ in range(connections):
                connection = connect(server)
                stack.callback(connection.close)
                fetch(connection)
            time.sleep(_SETTLE)
        finally:
            spent = stopping(server)
    return spent


def stop_sleeping(peer: Peer) -> float:
    """Seconds that ``stop`` takes while a handler sleeps."""
    server = peer.starts["handler"](str(SLEEP))
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        time.sleep(_SETTLE)
        return stopping(server)


def stopping(server: Running) -> float:
    """Seconds that ``stop`` takes."""
    begun = time.perf_counter()
    server.stop()
    return time.perf_counter() - begun
