"""How servers bear idle connections, 1 to 5,000: each is answered once, all lie idle, then all are answered again.

Then a newcomer asks, while all the others lie idle. A server that does not answer all of them in time still has its
number in the table: how many it answered both times. One round.
"""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from ..client import get
from ..peers import HTTPBIN, HTTPSERVER, LOCALSERVER, Peer, Running, offering
from ..plan import Figure, Plan, interleave
from ..serving import serve
from .memory import memory

SIZES = (1, 10, 100, 1000, 5000)
WITHOUT_KEEP_ALIVE = (HTTPSERVER, LOCALSERVER, HTTPBIN)
PATIENCE = 10.0  # seconds in which all have to be answered
_AT_ONCE = 64  # requests under way
_SPARE = 200  # descriptors for other things


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    takers = [peer for peer in offering(peers, "plain") if peer.name not in WITHOUT_KEEP_ALIVE]
    figures: list[Figure] = []
    for size in SIZES:
        if not room(size + _SPARE):
            plan.note(f"connections: {size:,} are more than this process may open (ulimit -n)")
            continue
        about = f"{size:,} idle connection{'s' * (size > 1)}"
        row = [
            Figure(f"connections.{size}", f"{about}, all answered again", "ms", at=size),
            Figure(f"connections.newcomer.{size}", "  a newcomer's answer", "ms", at=size),
            Figure(f"connections.memory.{size}", "  memory", "MiB", at=size),
            Figure(f"connections.answered.{size}", "  answered both times", "", "higher", at=size),
        ]
        figures += interleave(row, takers, replace(plan, repeat=1), partial(turn, size=size))
    return figures


def room(descriptors: int) -> bool:
    """Whether so many may be open, after raising the limit as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors <= hard or hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, descriptors), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= descriptors


def turn(peer: Peer, *, size: int) -> list[float]:
    """Milliseconds for all, milliseconds for a newcomer, MiB, and the number that were answered both times."""
    with serve(peer.starts["plain"]) as server, ExitStack() as stack:
        connections: list[socket.socket] = []
        deadline = time.monotonic() + PATIENCE
        while len(connections) < size and time.monotonic() < deadline:
            batch = opened(server, min(_AT_ONCE, size - len(connections)), stack)
            answered(batch, server, deadline)
            connections += batch
        begun = time.perf_counter()
        again = answered(connections, server, time.monotonic() + PATIENCE)
        spent = time.perf_counter() - begun
        taken = memory(server, "VmRSS")
        begun = time.perf_counter()
        get(server)
        return [1e3 * spent, 1e3 * (time.perf_counter() - begun), taken, len(again)]


def opened(server: Running, count: int, stack: ExitStack) -> list[socket.socket]:
    """So many new connections."""
    address = (server.host, server.port)
    return [stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(count)]


def answered(connections: Sequence[socket.socket], server: Running, deadline: float) -> list[socket.socket]:
    """Ask on each of them, some at a time; those that were answered."""
    request = f"GET / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()
    waiting = list(connections)
    done: list[socket.socket] = []
    with selectors.DefaultSelector() as selector:

        def ask() -> None:
            connection = waiting.pop()
            try:
                connection.sendall(request)
                selector.register(connection, selectors.EVENT_READ)
            except OSError:  # the server has closed it
                return

        while (waiting or selector.get_map()) and time.monotonic() < deadline:
            while waiting and len(selector.get_map()) < _AT_ONCE:
                ask()
            for key, _ in selector.select(deadline - time.monotonic()):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                selector.unregister(connection)
                if received(connection):
                    done.append(connection)
    return done


def received(connection: socket.socket) -> bool:
    """Whether a good answer has come; its head and its short body may come one after the other."""
    answer = b""
    try:
        while not answer.endswith(b"Hello, world!") and (data := connection.recv(65536)):
            answer += data
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello, world!")
