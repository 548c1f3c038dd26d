"""Things that clients open and the test accepts, one after the other."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from pytest_httpserve.scripting.live.awaiting import Condition

OpenedT = TypeVar("OpenedT")


class Arrivals(Generic[OpenedT]):
    """A queue of things that clients have opened and nobody has accepted yet. Waiting uses ``changed``."""

    def __init__(self, changed: Condition) -> None:
        self._changed = changed
        self._opened: deque[OpenedT] = deque()

    def add(self, opened: OpenedT) -> None:
        """Add something that a client has opened."""
        with self._changed:
            self._opened.append(opened)
            self._changed.notify_all()

    def accept(self, seconds: float) -> OpenedT | None:
        """The next one; None if there is none within ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._opened, seconds)
            return self._take()

    async def accept_soon(self, seconds: float) -> OpenedT | None:
        """Like ``accept``, for coroutines. If it is cancelled, it takes none."""
        return await self._changed.until(lambda: self._opened, seconds, self._take)

    def _take(self) -> OpenedT | None:
        return self._opened.popleft() if self._opened else None

    def take_left(self) -> list[OpenedT]:
        """Remove and return those that nobody has accepted."""
        with self._changed:
            left = list(self._opened)
            self._opened.clear()
            return left
