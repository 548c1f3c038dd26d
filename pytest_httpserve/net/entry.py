"""The interface of the things that a loop waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Entry(Protocol):
    """Something that the loop waits for.

    ``file`` is its descriptor, which the loop waits for to become readable; it keeps its value when the descriptor is
    closed. ``expiry`` is when to give it up, in the time of clock.monotonic; None for never. ``led`` is whether the
    thread that leads the loop is serving it now.
    """

    file: int
    expiry: float | None
    led: bool

    def claim(self, leader: threading.Thread, /) -> bool:
        """Claim it for this thread, which leads the loop and serves it next; False if another thread owns it."""

    def go_alone(self) -> None:
        """Note that the thread that serves it no longer leads the loop."""

    @property
    def proceed(self) -> Callable[[], object]:
        """A function that serves it, and then releases it."""

    def expire(self) -> bool:
        """Give it up; False if it is about to be served, so that the loop must try again later."""
