"""What a loop knows of that which it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Entry(Protocol):
    """Something that the loop waits for.

    ``file`` is its descriptor, which the loop waits for to become readable; it stays what it was when the descriptor
    is closed. ``expiry`` is when to give it up (of clock.monotonic); None for never. ``led`` is whether the thread that
    leads the loop serves it at this moment.
    """

    file: int
    expiry: float | None
    led: bool

    def claim(self, leader: threading.Thread, /) -> bool:
        """Claim it for this thread, which leads the loop and serves it next; False if another thread has it."""

    def go_alone(self) -> None:
        """The thread that serves it leads no longer."""

    @property
    def proceed(self) -> Callable[[], object]:
        """What serves it, and releases it."""

    def expire(self) -> bool:
        """Give it up; False if it is about to be served, and to be asked again."""
