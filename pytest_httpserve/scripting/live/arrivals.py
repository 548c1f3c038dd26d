"""What clients open and the test accepts, one after the other."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

OpenedT = TypeVar("OpenedT")


class Arrivals(Generic[OpenedT]):
    """What clients have opened, and nobody has accepted yet. Whoever waits for one waits for ``changed``."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._opened: deque[OpenedT] = deque()

    def add(self, opened: OpenedT) -> None:
        """A client has opened this."""
        with self._changed:
            self._opened.append(opened)
            self._changed.notify_all()

    def accept(self, seconds: float) -> OpenedT | None:
        """The next one, within so many seconds; None if there is none."""
        with self._changed:
            return self._opened.popleft() if self._changed.wait_for(lambda: self._opened, seconds) else None

    def take_left(self) -> list[OpenedT]:
        """Those that nobody has accepted, and will."""
        with self._changed:
            left = list(self._opened)
            self._opened.clear()
            return left
