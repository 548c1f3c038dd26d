"""The signals that end a command."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def at_the_end(act: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Inside the context, Ctrl-C, SIGTERM and the end of the terminal call ``act``."""
    known = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    # Leave signals alone that our parent ignores: nohup, or a shell for a background job.
    heard = [number for number in known if number is not None and signal.getsignal(number) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, act)) for number in heard]
    try:
        yield
    finally:
        for number, action in before:
            signal.signal(number, action)
