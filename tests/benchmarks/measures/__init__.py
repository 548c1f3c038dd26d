"""What is measured: each module has ``run(peers, plan)`` and is imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from ..peers import Peer
from ..plan import Figure, Plan

Run = Callable[[Sequence[Peer], Plan], list[Figure]]

MODULES = {
    "suite": "suite",
    "cycle": "cycle",
    "roundtrip": "roundtrip",
    "load": "load",
    "scripting": "scripting",
    "files": "files",
    "bulk": "bulk",
    "memory": "memory",
    "tls": "tls",
    "http2": "http2",
    "cgi": "scripts",
    "import": "imports",
    "startup": "startup",
    "routes": "routes",
    "exchanges": "exchanges",
    "endurance": "endurance",
    "connections": "connections",
    "tests": "tests",
    "hostile": "hostile",
}
"""Name on the command line -> module, in the order in which they run."""

SHORT = ("suite", "roundtrip", "load", "scripting", "files")
"""The measures of a short run: those in which a peer could beat ours."""


def find(name: str) -> Run:
    """The measure of this name."""
    run: Run = importlib.import_module(f"{__name__}.{MODULES[name]}").run
    return run
