"""When a test began, and what its servers have seen since."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pytest_httpserve import clock

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.record.journal import Mark, Seen


def running() -> set[HTTPServe]:
    """The servers that are running now. Imports nothing."""
    httpserve = sys.modules.get("pytest_httpserve.scripting.httpserve")
    return set(httpserve.RUNNING) if httpserve is not None else set()


class Beginning:
    """The moment when a test began. A server that outlives a test may have seen earlier tests."""

    def __init__(self) -> None:
        self.moment = clock.monotonic()
        # Weak, since this object may live as long as the session.
        self._marks: WeakKeyDictionary[HTTPServe, Mark] = WeakKeyDictionary()
        for server in running():
            self._marks[server] = server.mark()

    def seen_by(self, server: HTTPServe) -> Seen:
        """What the server has seen since then, including what was already under way."""
        return server.seen(self._marks.get(server))
