"""Forks of the process: they inherit whatever waits for threads, and none of the threads."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Threaded(Protocol):
    """Something that lives by its threads."""

    def begin_anew(self) -> None:
        """In a fork: forget the threads, the locks that they may hold, and all that they were to do."""


_known: weakref.WeakSet[Threaded] = weakref.WeakSet()


def begin_anew_in_forks(thing: Threaded) -> None:
    """Have it begin anew in each fork of the process from here on."""
    _known.add(thing)


def _begin_anew() -> None:
    for thing in list(_known):
        thing.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
