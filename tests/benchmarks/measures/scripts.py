"""What it takes to run a CGI script, beside ``subprocess.run`` of the same script: a shell's, and one of Python's.

Client and server are in this process, as they are in a test; the script runs as the user who runs this.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path

from ..client import connect
from ..peers import BODY, SUBPROCESS, Peer
from ..plan import Figure, Plan, interleave, repeat_for

_TEXT = f"Content-Type: text/plain\n\n{BODY.decode()}"
SCRIPTS = {
    "cgi.sh": ("a CGI script of the shell", f"#!/bin/sh\nprintf '{_TEXT}'\n"),
    "cgi.py": ("a CGI script of Python", f"#!{sys.executable}\nprint({_TEXT!r}, end='')\n"),
}


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    takers = [peer for peer in peers if peer.name == SUBPROCESS or "cgi" in peer.starts]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name, "cgi-bin")
        directory.mkdir()
        for key, (title, text) in SCRIPTS.items():
            script = directory / key
            script.write_text(text)
            script.chmod(0o755)
            turn = functools.partial(_turn, script=script, plan=plan)
            figures += interleave([Figure(key, title, "ms")], takers, plan, turn)
    return figures


def _turn(peer: Peer, *, script: Path, plan: Plan) -> list[float]:
    with running(peer, script) as once:
        once()
        return [1e3 * statistics.median(repeat_for(plan.seconds, once))]


@contextlib.contextmanager
def running(peer: Peer, script: Path) -> Iterator[Callable[[], float]]:
    """What runs the script once and returns the seconds that took."""
    if peer.name == SUBPROCESS:
        yield functools.partial(timed, functools.partial(by_itself, script))
        return
    server = peer.starts["cgi"](str(script.parent.parent))
    connection = connect(server)
    try:
        yield functools.partial(timed, functools.partial(over, connection, f"/cgi-bin/{script.name}"))
    finally:
        connection.close()
        server.stop()


def timed(action: Callable[[], bytes]) -> float:
    """Seconds that the action takes to give what the script says."""
    begun = time.perf_counter()
    said = action()
    spent = time.perf_counter() - begun
    if said != BODY:
        raise RuntimeError(f"the script said {said[:80]!r}")
    return spent


def by_itself(script: Path) -> bytes:
    done = subprocess.run([script], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return done.stdout.partition(b"\n\n")[2]


def over(connection: HTTPConnection, target: str) -> bytes:
    connection.request("GET", target)
    return connection.getresponse().read()
