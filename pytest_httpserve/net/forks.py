"""Forks of the process: they inherit whatever waits for threads, and none of the threads; and a copy of each socket.

As long as a copy is there, the system keeps a connection whose socket is closed, and tells whoever waits for it of all
that comes. So a fork closes what it does not need, at once.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from types import TracebackType
from typing import Protocol

from pytest_httpserve.net import system


class Threaded(Protocol):
    """Something that lives by its threads."""

    def begin_anew(self) -> None:
        """In a fork: forget the threads, the locks that they may hold, and all that they were to do."""


_known: weakref.WeakSet[Threaded] = weakref.WeakSet()


def begin_anew_in_forks(thing: Threaded) -> None:
    """Have it begin anew in each fork of the process from here on."""
    _known.add(thing)


class ForkedLock:
    """A lock that is free in a fork of the process, whoever held it: for what belongs to the whole process."""

    def __init__(self) -> None:
        self.begin_anew()
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def close_copy(sock: socket.socket) -> None:
    """In a fork: close its copy, whoever uses it there."""
    # Not by close(), which waits for the files that were made of the socket.
    if (file := sock.detach()) >= 0:
        system.close(file)


def _begin_anew() -> None:
    for thing in list(_known):
        thing.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
