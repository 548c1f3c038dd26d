"""Requests per second and p99 under load: ``wrk`` in one process, the server in another, fresh for every turn.

A short run takes two shapes of load only, and the same server for both.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..client import get
from ..peers import Kind, Peer, offering
from ..plan import Figure, Plan, UnavailableError, interleave
from ..serving import serving


@dataclass(frozen=True)
class Shape:
    """How the load is put on: how many connections at once, and whether each serves more than one request."""

    key: str
    title: str
    connections: int
    keep_alive: bool = True


SHAPES = (
    Shape("load.1", "1 keep-alive connection", 1),
    Shape("load.8", "8 keep-alive connections", 8),
    Shape("load.64", "64 keep-alive connections", 64),
    Shape("load.512", "512 keep-alive connections", 512),
    Shape("load.new.1", "a new connection each, 1 at once", 1, keep_alive=False),
    Shape("load.new.8", "a new connection each, 8 at once", 8, keep_alive=False),
)
SHORT = ("load.8", "load.new.8")
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    peers = offering(peers, "plain")
    if plan.short:
        return measure([shape for shape in SHAPES if shape.key in SHORT], peers, plan)
    return [figure for shape in SHAPES for figure in measure([shape], peers, plan)]


def measure(shapes: Sequence[Shape], peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    """Requests per second and p99 under each shape of load."""
    check()

    def turn(peer: Peer) -> list[float]:
        with serving(peer, "plain") as server:
            get(server)
            url = f"http://{server.host}:{server.port}/"
            who = f"{shapes[0].key}: {peer.name}"
            return [value for shape in shapes for value in read(wrk(url, shape, plan.seconds), who, plan)]

    figures = [
        figure
        for shape in shapes
        for figure in (
            Figure(shape.key, shape.title, "req/s", "higher"),
            Figure(f"{shape.key}.p99", "  its p99", "ms"),
        )
    ]
    return interleave(figures, peers, plan, turn)


def rate(peer: Peer, kind: Kind, *arguments: str, path: str = "", shape: Shape, plan: Plan) -> float:
    """Requests per second of a server that was started for this."""
    scheme = "https" if kind == "secure" else "http"
    with serving(peer, kind, *arguments) as server:
        url = f"{scheme}://{server.host}:{server.port}/{path}"
        return read(wrk(url, shape, plan.seconds), f"{shape.key}: {peer.name}", plan)[0]


def check() -> None:
    """Raises UnavailableError if there is no wrk."""
    if shutil.which("wrk") is None:
        raise UnavailableError("wrk is not installed")


def wrk(url: str, shape: Shape, seconds: float) -> str:
    """What wrk reports. Its own clock knows whole seconds only, so it is interrupted when the time is over."""
    command = ["wrk", "-t1", f"-c{shape.connections}", f"-d{int(seconds) + 60}s", "--latency"]
    if not shape.keep_alive:
        command += ["-H", "Connection: close"]
    with subprocess.Popen([*command, url], stdout=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            return process.communicate(timeout=10)[0]
        finally:
            process.kill()


def read(report: str, who: str, plan: Plan) -> list[float]:
    """Requests per second and p99 in milliseconds from a report of wrk; answers other than 200 make it worthless."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", report)
    if rate is None or slow is None or "Non-2xx" in report:
        raise RuntimeError(f"wrk reported {report!r}")
    if not float(rate[1]):
        raise RuntimeError("nothing was answered in time")
    if errors := re.search(r"Socket errors: (.+)", report):
        kinds = re.findall(r"(\w+) [1-9]", errors[1])
        plan.note(f"{who} had socket errors ({', '.join(kinds)})")
    return [float(rate[1]), float(slow[1]) * _MILLISECONDS[slow[2]]]
