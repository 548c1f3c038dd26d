"""What is measured: each module has ``run(peers, plan)`` and is imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from ..peers import Peer
from ..plan import Figure, Plan

Run = Callable[[Sequence[Peer], Plan], list[Figure]]

MODULES = {
    "cycle": "cycle",
    "suite": "suite",
    "roundtrip": "roundtrip",
    "load": "load",
    "import": "imports",
    "memory": "memory",
    "files": "files",
    "download": "download",
    "tls": "handshakes",
    "cgi": "scripts",
    "scripting": "scripting",
}
"""Name on the command line -> module, in the order in which they run."""


def find(name: str) -> Run:
    """The measure of this name."""
    run: Run = importlib.import_module(f"{__name__}.{MODULES[name]}").run
    return run
