"""What a server costs each test of a suite: 500 generated tests with one GET each, run by pytest in a subprocess; 200
in a short run.

Two views, both above the same suite without a server. The whole run, as its user waits for it, has the start of the
plugin and the end of a shared server in it, spread over the tests; the median test has neither.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..peers import BASELINE, BODY, Peer, Suite
from ..peers.raw import RawServer
from ..plan import Figure, Plan, interleave
from ..serving import environment

TESTS, TESTS_IN_SHORT = 500, 200
_NOTHING = Peer(BASELINE, RawServer, suite=Suite(""))

_HEAD = f"""\
from http.client import HTTPConnection

def get(server):
    connection = HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().read() == {BODY!r}
    connection.close()
"""


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    tests = TESTS_IN_SHORT if plan.short else TESTS
    figures = [
        Figure("suite", f"per test, {tests} tests in all", "ms"),
        Figure("suite.median", "  the median test", "ms"),
    ]
    takers = [_NOTHING, *(peer for peer in peers if peer.suite)]
    with tempfile.TemporaryDirectory() as name:
        interleave(figures, takers, plan, lambda peer: turn(peer, Path(name), tests))
    return [above_nothing(figure) for figure in figures]


def above_nothing(figure: Figure) -> Figure:
    """The figure without what the tests cost by themselves."""
    base = figure.median(_NOTHING.name)
    if base is None:
        raise RuntimeError("the suite without a server did not run")
    rounds = {peer: [value - base for value in values] for peer, values in figure.rounds.items()}
    del rounds[_NOTHING.name]
    return replace(figure, rounds=rounds)


def turn(peer: Peer, parent: Path, tests: int) -> list[float]:
    """Milliseconds per test: of the whole run, and of the median test."""
    directory = parent / peer.name
    if not directory.exists():
        write(peer, directory, tests)
    times = directory / "times.json"
    plugins = ["-p", "tests.benchmarks.stopwatch", *(["-p", peer.plugin] if peer.plugin else [])]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, "-c", "pytest.ini"],
        cwd=directory,
        env={**environment(), "BENCHMARK_TIMES": str(times)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    spent = time.perf_counter() - begun
    if done.returncode != 0 or f"{tests} passed" not in done.stdout:
        raise RuntimeError(f"the suite did not pass: {(done.stdout + done.stderr)[-500:]}")
    return [1e3 * spent / tests, 1e3 * statistics.median(json.loads(times.read_text()))]


def write(peer: Peer, directory: Path, count: int) -> None:
    """Generate the peer's suite."""
    assert peer.suite is not None
    fixture, prepare = peer.suite.fixture, peer.suite.prepare
    body = f"    {prepare}\n    get({fixture})\n" if fixture else "    pass\n"
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "conftest.py").write_text(peer.suite.conftest)
    tests = (f"def test_{number}({fixture}):\n{body}" for number in range(count))
    (directory / "test_suite.py").write_text("\n".join([_HEAD, *tests]))
