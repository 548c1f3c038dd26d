"""What a server costs each test of a suite: 500 generated tests with one GET each, run by pytest in a subprocess; 300
in a short run. Over HTTP and HTTPS, alone and under ``-n 2``. Servers that take half a second to stop have 20 tests.

Two views, both above the same number of tests without a server. The whole run, as its user waits for it, has the start
of the plugin and the end of a shared server in it, spread over the tests; the median test has neither.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import trustme

from ..peers import BASELINE, BODY, Peer, Suite
from ..plan import Figure, Plan, interleave
from ..serving import environment

TESTS, TESTS_IN_SHORT, FEW_TESTS = 500, 300, 20
NOTHING, _FEW_NOTHINGS = Peer(BASELINE), Peer(f"{BASELINE}, few tests")

_PLAIN_HEAD = f"""\
from http.client import HTTPConnection
import pytest

def get(server, path):
    connection = HTTPConnection(server.host, server.port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().read() == {BODY!r}
    connection.close()
"""

_SECURE_HEAD = f"""\
import ssl
from http.client import HTTPSConnection
import pytest

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

def get(server, path):
    connection = HTTPSConnection(server.host, server.port, timeout=10, context=context)
    connection.request("GET", path)
    assert connection.getresponse().read() == {BODY!r}
    connection.close()
"""

_SECURE_CONFTEST = """\
import pathlib, pytest

@pytest.fixture(scope="session")
def certificate():
    return pathlib.Path(__file__).with_name("server.pem")
"""


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    takers = {peer: peer.suite for peer in peers if peer.suite}
    figures = measure("suite", "", takers, plan)
    if plan.short:
        return figures
    takers = {peer: peer.secure_suite for peer in peers if peer.secure_suite}
    return figures + measure("suite.tls", ", HTTPS", takers, plan)


def measure(key: str, over: str, suites: Mapping[Peer, Suite], plan: Plan) -> list[Figure]:
    """The figures of one protocol."""
    many = TESTS_IN_SHORT if plan.short else TESTS
    suites = {NOTHING: Suite(""), _FEW_NOTHINGS: Suite("", slow=True), **suites}
    if not any(suite.slow for peer, suite in suites.items() if peer is not _FEW_NOTHINGS):
        del suites[_FEW_NOTHINGS]
    tests = {peer: FEW_TESTS if suite.slow else many for peer, suite in suites.items()}
    alone = [
        Figure(key, f"per test, {many} tests in all{over}", "ms"),
        Figure(f"{key}.median", "  the median test", "ms"),
    ]
    shared = Figure(f"{key}.xdist", "  per test, under -n 2", "ms")
    with tempfile.TemporaryDirectory() as name:
        places = {peer: Path(name, peer.name) for peer in suites}
        for peer, suite in suites.items():
            write(suite, places[peer], tests[peer], secure=key != "suite")
        interleave(alone, [*suites], plan, lambda peer: timed(peer, places[peer], tests[peer]))
        if not plan.short:
            interleave([shared], [*suites], plan, lambda peer: [per_test(peer, places[peer], tests[peer], "-n2")])
    slow = {peer.name for peer, suite in suites.items() if suite.slow}
    return [above_nothing(figure, slow) for figure in (*alone, shared) if figure.rounds]


def above_nothing(figure: Figure, slow: Collection[str]) -> Figure:
    """The figure without what the same number of tests cost by themselves in the same round."""
    bases = {name: figure.rounds.get(name) for name in (NOTHING.name, _FEW_NOTHINGS.name)}
    rounds: dict[str, list[float]] = {}
    for peer, values in figure.rounds.items():
        base = bases[_FEW_NOTHINGS.name if peer in slow else NOTHING.name]
        if base is None:
            raise RuntimeError("the suite without a server did not run")
        if peer not in bases:
            rounds[peer] = [value - nothing for value, nothing in zip(values, base, strict=True)]
    return replace(figure, rounds=rounds)


def timed(peer: Peer, directory: Path, tests: int) -> list[float]:
    """Milliseconds per test: of the whole run, and of the median test."""
    spent = per_test(peer, directory, tests, "-p", "tests.benchmarks.stopwatch")
    return [spent, 1e3 * statistics.median(json.loads((directory / "times.json").read_text()))]


def per_test(peer: Peer, directory: Path, tests: int, *options: str) -> float:
    """Milliseconds per test of a whole run."""
    return 1e3 * seconds(peer, directory, tests, *options) / tests


def seconds(peer: Peer, directory: Path, tests: int, *options: str) -> float:
    """What a whole run of the suite takes. Raises RuntimeError if not all of it passes."""
    plugins = ["-p", "xdist", *(["-p", peer.plugin] if peer.plugin else [])]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *options, "-c", "pytest.ini"],
        cwd=directory,
        env={**environment(), "BENCHMARK_TIMES": str(directory / "times.json")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    spent = time.perf_counter() - begun
    if done.returncode != 0 or f"{tests} passed" not in done.stdout:
        raise RuntimeError(f"the suite did not pass: {(done.stdout + done.stderr)[-500:]}")
    return spent


def write(suite: Suite, directory: Path, count: int, *, secure: bool = False) -> None:
    """Generate the tests."""
    body = f"    {suite.prepare}\n    get({suite.fixture}, {suite.path!r})\n" if suite.fixture else "    pass\n"
    tests = (f"def test_{number}({suite.fixture}):\n{body}" for number in range(count))
    head = _SECURE_HEAD if secure else _PLAIN_HEAD
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "conftest.py").write_text(_SECURE_CONFTEST * secure + suite.conftest)
    (directory / "test_suite.py").write_text("\n".join([head, suite.mark, *tests]))
    if secure:
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
