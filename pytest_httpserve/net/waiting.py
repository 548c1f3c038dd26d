"""A loop's poller and wake-up, and what to do if other code closes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pytest_httpserve.net.poller import READABLE, Poller, Wake, make_poller

# Objects that must not be closed, since other files may have their numbers by now.
_kept: list[Waiting] = []


class Waiting:
    """A ``poller``, and a ``wake`` that ends its wait from another thread."""

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
            with contextlib.suppress(OSError):  # others have closed it, too
                self.poller.register(file, READABLE)

    def is_whole(self) -> bool:
        """Whether both are intact: not closed by other code, with numbers that may belong to other files by now."""
        try:
            self.poller.modify(self.wake.fileno(), READABLE)
        except (OSError, ValueError):
            return False
        return self.wake.is_whole()

    def close(self) -> None:
        """Close both: nobody waits with them any more."""
        self.poller.close()
        self.wake.close()

    def keep(self) -> None:
        """Never close them, since other files may have their numbers."""
        _kept.append(self)

    def close_copy(self) -> None:
        """Close the copies, in a fork of the process."""
        with contextlib.suppress(OSError):  # a fork does not inherit a kqueue
            self.poller.close()
        self.wake.close()
