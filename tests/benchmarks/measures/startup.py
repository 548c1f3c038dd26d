"""What a plugin adds to a whole run of pytest that has one empty test, which uses nothing of it.

Runs with and without each plugin take turns, and what is compared are those of the same round: the difference is a
hundredth of the whole. A first run of each is not counted, for it may have to compile. The run without has an empty
plugin: for each that is named, pytest looks through all that is installed, which is not the plugin's to answer for.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..peers import BASELINE, Peer
from ..plan import Figure, Plan, interleave
from ..serving import environment

ROUNDS = 15
_BARE = Peer(BASELINE)
_EMPTY = "plugin_of_nothing"


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    takers = [_BARE, *(peer for peer in peers if peer.plugin)]
    whole = Figure("startup.run", "a run of pytest, one empty test", "ms")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / f"{_EMPTY}.py").touch()
        for peer in takers:
            with contextlib.suppress(RuntimeError):  # which comes up again, and is noted, when it counts
                spent(peer, directory)
        rounds = replace(plan, repeat=max(ROUNDS, plan.repeat))
        interleave([whole], takers, rounds, lambda peer: [spent(peer, directory)])
    return [whole, above_bare(whole)]


def above_bare(whole: Figure) -> Figure:
    """What each plugin adds to the bare run of the same round."""
    bare = whole.rounds.get(BASELINE, [])
    rounds = {
        peer: [value - base for value, base in zip(values, bare, strict=False)]
        for peer, values in whole.rounds.items()
        if peer != BASELINE
    }
    return Figure("startup", "  what the plugin adds, unused", "ms", rounds=rounds)


def spent(peer: Peer, directory: Path) -> float:
    """Milliseconds of a run."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", peer.plugin or _EMPTY]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=environment(), capture_output=True, text=True, timeout=60)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        raise RuntimeError((done.stdout + done.stderr).strip()[-500:])
    return 1e3 * took
