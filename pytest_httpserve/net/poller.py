"""Waits for many descriptors at once; another thread can end the wait."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from pytest_httpserve import clock
from pytest_httpserve.errors import UnsupportedError
from pytest_httpserve.net import system

READABLE = 1  # as in epoll
# How many descriptors select accepts at once on Windows, and the interval of the looks at more of them, in seconds.
_MOST_SELECTED = 512
_TURN = 0.005


class Poller(Protocol):
    """The interface of ``select.epoll``; descriptors can come and go while another thread waits."""

    def register(self, file: int, events: int, /) -> None:
        """Wait for this descriptor, too."""

    def modify(self, file: int, events: int, /) -> None:
        """Wait for it again. Raises OSError if it is not registered."""

    def unregister(self, file: int, /) -> None:
        """Stop waiting for it."""

    def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
        """The readable descriptors, each with a number that means nothing here."""

    def close(self) -> None:
        """Release its resources."""


if sys.platform != "linux" and sys.platform != "win32":

    class KernelQueue:
        """A Poller over kqueue."""

        def __init__(self) -> None:
            self._queue = select.kqueue()

        def register(self, file: int, events: int, /) -> None:
            self._queue.control([select.kevent(file, select.KQ_FILTER_READ, select.KQ_EV_ADD)], 0)

        def modify(self, file: int, events: int, /) -> None:
            self.unregister(file)  # raises if it is not registered; adding it again would not
            self.register(file, events)

        def unregister(self, file: int, /) -> None:
            self._queue.control([select.kevent(file, select.KQ_FILTER_READ, select.KQ_EV_DELETE)], 0)

        def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
            return [(event.ident, READABLE) for event in self._queue.control(None, most, timeout)]

        def close(self) -> None:
            self._queue.close()


class Selection:
    """A Poller over select, for systems that have nothing else.

    It accepts any number of descriptors. If there are more than the system's ``select`` accepts, it looks at them in
    parts, one after the other.
    """

    def __init__(self) -> None:
        self._wake = Wake()
        self._files = {self._wake.fileno()}
        self._changed = threading.Condition()
        self._waiting = False
        self._turn = 0  # counts the waits

    def register(self, file: int, events: int, /) -> None:
        try:
            select.select([file], (), (), 0)
        except ValueError:
            raise UnsupportedError(f"select() takes no descriptor {file}, and this Python has no poll()") from None
        self._files.add(file)
        self._wake.set()

    def modify(self, file: int, events: int, /) -> None:
        if file not in self._files:
            raise FileNotFoundError(file)

    def unregister(self, file: int, /) -> None:
        self._files.discard(file)
        with self._changed:
            turn = self._turn
            self._wake.set()
            # While a thread waits for a descriptor, closing it has no effect: a listener would go on listening.
            self._changed.wait_for(lambda: not self._waiting or self._turn != turn)

    def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
        with self._changed:
            self._waiting = True
        try:
            ready = self._select(list(self._files), timeout)
        except (OSError, ValueError):  # one was closed before it was unregistered
            return []
        finally:
            with self._changed:
                self._waiting = False
                self._turn += 1
                self._changed.notify_all()
        if self._wake.fileno() in ready:
            self._wake.clear()
        # All of them, ignoring ``most``: otherwise, the last in the set would be left out again and again.
        return [(file, READABLE) for file in ready if file != self._wake.fileno()]

    def _select(self, files: list[int], timeout: float | None) -> list[int]:
        if len(files) <= _MOST_SELECTED:
            return select.select(files, (), (), timeout)[0]
        parts = [files[start : start + _MOST_SELECTED] for start in range(0, len(files), _MOST_SELECTED)]
        expiry = None if timeout is None else clock.monotonic() + timeout
        while True:
            ready = [file for part in parts for file in select.select(part, (), (), 0)[0]]
            left = _TURN if expiry is None else min(expiry - clock.monotonic(), _TURN)
            if ready or left <= 0:
                return ready
            select.select([self._wake.fileno()], (), (), left)

    def close(self) -> None:
        self._wake.close()


# The best poller of this system.
make_poller: Callable[[], Poller] = Selection
if sys.platform == "linux":
    make_poller = select.epoll if hasattr(select, "epoll") else Selection
elif sys.platform != "win32":
    make_poller = KernelQueue if hasattr(select, "kqueue") else Selection


def readiness(*files: int) -> Callable[[float | None], list[int]]:
    """A function that waits for that many seconds until one of ``files`` is readable, and returns the readable ones."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return lambda seconds: select.select(files, (), (), seconds)[0]
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return lambda seconds: [file for file, _ in poll.poll(None if seconds is None else seconds * 1000)]


def writability(file: int) -> Callable[[float], bool]:
    """A function that waits for that many seconds until ``file`` is writable or has ended, and tells whether it is."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return lambda seconds: bool(select.select((), (file,), (), seconds)[1])
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    return lambda seconds: bool(poll.poll(seconds * 1000))


class Wake:
    """Ends a wait from another thread: readable from the first ``set`` to the next ``clear``."""

    def __init__(self) -> None:
        # A pipe costs a third of two sockets; on Windows, one can wait only for sockets.
        self._sockets = () if hasattr(select, "poll") else socket.socketpair()
        self._files = tuple(end.fileno() for end in self._sockets) or system.pipe()
        self._identities = self._identify()
        # Non-blocking at both ends: neither clearing an empty pipe nor setting a full one may block.
        if self._sockets:
            for end in self._sockets:
                end.setblocking(False)
        elif system.set_blocking is not None:
            for file in self._files:
                system.set_blocking(file, False)

    def fileno(self) -> int:
        return self._files[0]

    def is_whole(self) -> bool:
        """Whether its descriptors are still its own: other code may have closed them, and other files reuse them."""
        try:
            return self._identify() == self._identities
        except OSError:
            return False

    def _identify(self) -> list[object]:
        if self._sockets:  # on Windows, sockets are not files
            return [end.getsockname() for end in self._sockets]
        return [(status.st_dev, status.st_ino) for status in map(system.fstat, self._files)]

    @property
    def _writing(self) -> int:
        return self._files[1]

    def set(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if self._sockets:
                self._sockets[1].send(b"\0")
            else:
                system.write(self._writing, b"\0")

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if self._sockets:
                self._sockets[0].recv(65_536)
            else:
                system.read(self._files[0], 65_536)

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Inside the context, a signal sets it, too: otherwise a signal just before a wait, or in another thread, would
        be noticed only after the wait (PEP 475). Only the main thread can do this, and with one file at a time."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        import signal

        before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        if before >= 0:  # somebody else's, such as an event loop's: leave it
            signal.set_wakeup_fd(before)
        try:
            yield
        finally:
            if before < 0:
                signal.set_wakeup_fd(-1)

    def close(self) -> None:
        for end in self._sockets:
            end.close()
        if not self._sockets:
            for file in self._files:
                system.close(file)
