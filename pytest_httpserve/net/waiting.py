"""What a loop waits by: the system's poller, and a wake-up; and what if other code closes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pytest_httpserve.net.poller import READABLE, Poller, Wake, make_poller

# Those whose numbers may be other files' by now, and must not be closed.
_kept: list[Waiting] = []


class Waiting:
    """A ``poller``, which others are registered with, and a ``wake`` that ends its wait from another thread."""

    __slots__ = ("poller", "wake")

    def __init__(self, files: Iterable[int] = ()) -> None:
        self.poller: Poller = make_poller()
        self.wake: Wake = Wake()
        try:
            self.poller.register(self.wake.fileno(), READABLE)
        except BaseException:
            self.close()
            raise
        for file in files:
            with contextlib.suppress(OSError):  # it was closed by others, too
                self.poller.register(file, READABLE)

    def is_whole(self) -> bool:
        """Whether both are what they were: not closed by others, nor numbers of other files by now."""
        try:
            self.poller.modify(self.wake.fileno(), READABLE)
        except (OSError, ValueError):
            return False
        return self.wake.is_whole()

    def close(self) -> None:
        """Nobody waits by it any more."""
        self.poller.close()
        self.wake.close()

    def keep(self) -> None:
        """Nobody waits by it any more, and it is not closed, for its numbers may be other files'."""
        _kept.append(self)

    def close_copy(self) -> None:
        """In a fork of the process."""
        with contextlib.suppress(OSError):  # a kernel's queue does not come along
            self.poller.close()
        self.wake.close()
