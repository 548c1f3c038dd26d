"""What a pytest plugin adds to every start of pytest: time, and heavy modules, in fresh interpreters.

A first import of each is not counted: it may have to compile what an installation has compiled long ago.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from ..peers import Peer
from ..plan import Figure, Plan, interleave
from ..serving import ROOT, environment

HEAVY = ("ssl", "trustme", "requests", "email", "http.client", "cryptography")
"""What a plugin has no business to import before a server is used."""

_CODE = """
import json, sys, time
import pytest
before = set(sys.modules)
begun = time.perf_counter()
__import__(sys.argv[1])
spent = time.perf_counter() - begun
print(json.dumps([spent, sorted(set(sys.modules) - before)]))
"""


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    figures = [
        Figure("import", "import of the plugin after pytest", "ms"),
        Figure("import.heavy", "  heavy modules among it", "modules"),
    ]

    def turn(peer: Peer) -> list[float]:
        assert peer.plugin is not None
        spent, added = imported(peer.plugin)
        heavy = [name for name in HEAVY if name in added]
        if heavy:
            plan.note(f"import: {peer.name} imports {', '.join(heavy)}")
        return [1e3 * spent, len(heavy)]

    takers = [peer for peer in peers if peer.plugin]
    for peer in takers:
        with contextlib.suppress(RuntimeError):  # which comes up again, and is noted, when it counts
            turn(peer)
    return interleave(figures, takers, replace(plan, repeat=max(5, plan.repeat)), turn)


def imported(plugin: str) -> tuple[float, list[str]]:
    """Seconds that the import takes, and the modules that it adds."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, plugin], env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:])
    spent, added = json.loads(done.stdout)
    return spent, added
