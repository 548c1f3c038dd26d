"""``http.server`` told to look every millisecond whether it is to stop, as many suites do. In a suite, one per test."""

from __future__ import annotations

from . import Peer, suite_of
from .stdlib import Handler, Server
from .threaded import Threaded


def plain() -> Threaded:
    return Threaded(Server(("127.0.0.1", 0), Handler), poll_interval=0.001)


PEER = Peer("stdlib-1ms", {"plain": plain}, suite=suite_of(__name__, "function"), only=("cycle", "suite"))
