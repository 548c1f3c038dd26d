"""What HTTP/2 costs: requests over one connection, and a server's life and 1 GiB beside the same over HTTP/1.1.

All of it is over TLS. There are always 32 requests on their way; the server has a process of its own, but for its life.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trustme

from ..peers import BODY, Peer, Running, offering
from ..plan import Figure, Plan, interleave, repeat_for
from ..serving import serving
from ..streams import Protocol, Streams, connect, fetch

STREAMS = 32
SIZE, SIZE_IN_SHORT = 1 << 30, 1 << 27


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    size = SIZE_IN_SHORT if plan.short else SIZE
    with tempfile.TemporaryDirectory() as directory:
        certificate = str(Path(directory, "server.pem"))
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        with Path(directory, "large").open("wb") as file:
            file.truncate(size)
        load = Figure("http2.load", f"HTTP/2, 1 connection, {STREAMS} streams", "req/s", "higher")
        life = Figure("http2.cycle", "start + one request + stop, beside HTTP/1.1", "times")
        bulk = Figure("http2.files", f"rate of {size >> 20:,} MiB, beside HTTP/1.1", "times", "higher")
        takers = offering(peers, "http2")
        return [
            *interleave([load], takers, plan, lambda peer: [loaded(peer, certificate, plan.seconds)]),
            *interleave([life], takers, plan, lambda peer: [lives(peer, certificate, plan.seconds)]),
            *interleave([bulk], offering(peers, "http2_files"), plan, lambda peer: [files(peer, directory, size)]),
        ]


def loaded(peer: Peer, certificate: str, seconds: float) -> float:
    """Requests per second."""
    with serving(peer, "http2", certificate) as server, connect(server, "h2") as connection:
        streams = Streams(connection)
        begun, answered, ended = time.perf_counter(), 0, STREAMS
        while time.perf_counter() - begun < seconds:
            if ended:
                streams.ask(ended)
            ended, _ = streams.read()
            answered += ended
        return answered / (time.perf_counter() - begun)


def lives(peer: Peer, certificate: str, seconds: float) -> float:
    """How many times as long a life takes whose request is one of HTTP/2; the two take turns."""

    def pair() -> float:
        older.append(life(peer, certificate, "http/1.1"))
        return life(peer, certificate, "h2")

    older: list[float] = []
    newer = repeat_for(seconds, pair)
    return statistics.median(newer) / statistics.median(older)


def life(peer: Peer, certificate: str, protocol: Protocol) -> float:
    """Seconds that a life with one request takes."""
    begun = time.perf_counter()
    server = peer.starts["http2"](certificate)
    try:
        assert fetch(server, "/", protocol) == len(BODY)
    finally:
        server.stop()
    return time.perf_counter() - begun


def files(peer: Peer, directory: str, size: int) -> float:
    """The rate over HTTP/2 in multiples of that over HTTP/1.1."""
    with serving(peer, "http2_files", directory) as server:
        down(server, "http/1.1", size)  # or the first one would wait for the kernel's cache
        older = down(server, "http/1.1", size)
        return older / down(server, "h2", size)


def down(server: Running, protocol: Protocol, size: int) -> float:
    """Seconds that the file takes."""
    begun = time.perf_counter()
    assert fetch(server, "/large", protocol) == size
    return time.perf_counter() - begun
