"""pytest-httpserver with a server for every test, as those do who want no test to see another's requests."""

from __future__ import annotations

from . import Peer, suite_of
from .httpserver import plain, secure

PEER = Peer(
    "pytest-httpserver-fresh",
    {"plain": plain, "secure": secure},
    suite=suite_of(__name__, "function", slow=True),
    secure_suite=suite_of(__name__, "function", "secure", slow=True),
    only=("suite",),
)
