"""What TLS costs: handshakes, requests over kept connections, a server's life, and the first use of all.

Handshakes per second are those of ``wrk`` with a new connection and one request each, 8 at once; no server takes up a
session again. All servers have the same certificate, of an elliptic curve; ``httpserve`` issues its own. The first use
is what the first HTTPS test of a session waits for, in a fresh interpreter: a test CA, a certificate, a server, one
request, and all imports.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import trustme

from ..client import get
from ..peers import MODULES, TUNNELLED, Peer, offering
from ..plan import Figure, Plan, interleave, repeat_for
from ..serving import ROOT, environment
from .load import Shape, check, rate

SHAPES = (
    Shape("tls.handshakes", "TLS handshakes, 8 at once", 8, keep_alive=False),
    Shape("tls.1", "HTTPS, 1 keep-alive connection", 1),
    Shape("tls.8", "HTTPS, 8 keep-alive connections", 8),
)

_FIRST = """
import json, pathlib, sys, time
import pytest
from tests.benchmarks import peers
begun = time.perf_counter()
peer = __import__(f"tests.benchmarks.peers.{sys.argv[1]}", fromlist=["PEER"]).PEER
certificate = pathlib.Path(sys.argv[2])
if not sys.argv[1].startswith("fixture"):  # which issue their own
    import trustme
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
server = peer.starts["secure"](str(certificate))
from tests.benchmarks.client import get
get(server, secure=True)
print(json.dumps(time.perf_counter() - begun), flush=True)
server.stop()
"""


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    check()
    takers = offering(peers, "secure")
    with tempfile.TemporaryDirectory() as directory:
        certificate = str(Path(directory, "server.pem"))
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        figures: list[Figure] = []
        for shape in SHAPES:
            figure = Figure(shape.key, shape.title, "1/s" if not shape.keep_alive else "req/s", "higher")
            turn = partial(loaded, certificate=certificate, shape=shape, plan=plan)
            figures += interleave([figure], takers, plan, turn)
        cycle = Figure("tls.cycle", "start + one HTTPS request + stop", "ms")
        figures += interleave([cycle], takers, plan, lambda peer: [lives(peer, certificate, plan)])
        tunnelled = Figure("tls.tunnel", "the same through a tunnel", "times")
        through = partial(tunnels, certificate=certificate, plan=plan)
        figures += interleave([tunnelled], offering(peers, "tunnel"), plan, through)
        if plan.short:
            return figures
        first = Figure("tls.first", "first HTTPS request of a process", "ms")
        return figures + interleave([first], takers, plan, lambda peer: [first_use(peer, directory)])


def loaded(peer: Peer, *, certificate: str, shape: Shape, plan: Plan) -> list[float]:
    """Requests per second."""
    return [rate(peer, "secure", certificate, shape=shape, plan=plan)]


def lives(peer: Peer, certificate: str, plan: Plan) -> float:
    """Milliseconds of a life with one request, the median of them."""
    return 1e3 * statistics.median(repeat_for(plan.seconds, lambda: life(peer, "secure", certificate)))


def tunnels(peer: Peer, certificate: str, plan: Plan) -> list[float]:
    """How many times as long a life takes whose request comes through a tunnel; the two take turns."""

    def pair() -> float:
        direct.append(life(peer, "secure", certificate))
        return life(peer, "tunnel")

    direct: list[float] = []
    through = repeat_for(plan.seconds, pair)
    return [statistics.median(through) / statistics.median(direct)]


def life(peer: Peer, kind: Literal["secure", "tunnel"], *arguments: str) -> float:
    """Seconds that a life with one request takes."""
    begun = time.perf_counter()
    server = peer.starts[kind](*arguments)
    try:
        get(server, secure=True, tunnel=TUNNELLED if kind == "tunnel" else "")
    finally:
        server.stop()
    return time.perf_counter() - begun


def first_use(peer: Peer, directory: str) -> float:
    """Milliseconds until a fresh interpreter has its first answer."""
    module = peer.starts["secure"].__module__.rpartition(".")[2]
    assert module in MODULES, module
    done = subprocess.run(
        [sys.executable, "-c", _FIRST, module, str(Path(directory, f"{module}.pem"))],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:])
    spent: float = json.loads(done.stdout)
    return 1e3 * spent
