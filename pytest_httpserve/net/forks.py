"""Forks of the process: a fork inherits locks and queues without their threads, and a copy of each socket.

While a copy exists, a connection stays open after its socket is closed, and the system still reports its bytes to every
poller that waits for it. So a fork at once closes what it does not need.
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
    """Something that depends on its threads."""

    def begin_anew(self) -> None:
        """In a fork: forget the threads, the locks that they may hold, and all their tasks."""


_known: weakref.WeakSet[Threaded] = weakref.WeakSet()


def begin_anew_in_forks(thing: Threaded) -> None:
    """Call ``begin_anew`` of this thing in every later fork of the process."""
    _known.add(thing)


class ForkedLock:
    """A lock for process-wide state; in a fork of the process it is free, whoever held it."""

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
    """In a fork: close its copy of a socket, whoever uses it there."""
    # Not with socket.close(), which waits for the files made from the socket.
    if (file := sock.detach()) >= 0:
        system.close(file)


def _begin_anew() -> None:
    for thing in list(_known):
        thing.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
