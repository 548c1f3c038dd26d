"""The loop: one thread waits for all that a server waits for, and serves whatever can be served without waiting.

Threads that serve at the same time contend for the interpreter, and lose more by it than they win: eight connections
are served three times as fast by one thread as by eight. So the thread that waits for the sockets also serves them, one
after the other, until what it serves has to wait: then it *leaves the loop*, which another thread leads from there on.
Code that is not ours does not say so before it waits; the watch notices, and has the loop led by another thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from pytest_httpserve.server.workers import Workers

Result = TypeVar("Result")

# How long code may take before others are served by another thread, in seconds; at most twice that.
PATIENCE = 0.002
# While so many took longer, no other is run in the leader's thread.
MOST_AWAY = 2
# The watch ends when there was nothing to watch for so many times its patience.
_UNUSED_TURNS = 50
_MOST_EVENTS = 64
READABLE = 1  # of epoll


class Entry(Protocol):
    """Something that the loop waits for.

    ``expiry`` is when to give it up (of time.monotonic); None for never. ``led`` is whether the thread that leads the
    loop serves it at this moment, ``thread`` which one served it last.
    """

    expiry: float | None
    led: bool
    thread: threading.Thread | None

    def fileno(self) -> int:
        """Its descriptor, which the loop waits for to become readable."""

    def claim(self) -> bool:
        """Take it, to serve it; False if another thread has it."""

    @property
    def proceed(self) -> Callable[[], object]:
        """What serves it, and releases it."""

    def expire(self) -> None:
        """Give it up."""


class Loop:
    """Waits for entries, and serves them, led by one thread of ``workers`` at a time.

    With ``stays``, the loop goes on without entries, until ``close``; else its thread ends with the last of them.
    """

    def __init__(self, workers: Workers, *, stays: bool = False) -> None:
        self.workers = workers
        self.now = 0.0  # when the last wait ended
        self._stays = stays
        self._lock = threading.Lock()
        self._entries: dict[int, Entry] = {}
        self._led = 0  # counts the threads that have led it
        self._poller: Poller | None = None  # there while it is led
        self._wake: Wake | None = None
        self._leader = 0
        self._expiry: float | None = None  # no entry expires earlier
        self._watched: Entry | None = None
        self._turns = 0  # counts what was watched
        self._watching = False
        self._quiet = threading.Event()  # ends the watch
        self._away: set[Entry] = set()  # watched in vain: their code goes on without the loop

    # Entries

    def add(self, entry: Entry) -> None:
        """Wait for ``entry`` from here on, until it is removed."""
        file = entry.fileno()
        expiry = entry.expiry
        with self._lock:
            if self._poller is None:
                self._begin()
            assert self._poller is not None
            self._entries[file] = entry
            self._poller.register(file, READABLE)
            if expiry is not None and (self._expiry is None or expiry < self._expiry):
                self._expiry = expiry
                self._call()  # it may wait for longer than that

    def remove(self, entry: Entry) -> None:
        """Wait for ``entry`` no more."""
        with self._lock:
            self._take_out(entry)
            if not self._entries and not self._stays:
                self._call()

    def has(self, entry: Entry) -> bool:
        """Whether ``entry`` is waited for."""
        return self._entries.get(entry.fileno()) is entry

    def _take_out(self, entry: Entry) -> None:
        file = entry.fileno()
        if self._entries.get(file) is entry:
            del self._entries[file]
            if self._poller is not None:
                with contextlib.suppress(OSError):
                    self._poller.unregister(file)

    def close(self) -> None:
        """End the loop as soon as it has no entries."""
        with self._lock:
            self._stays = False
            if not self._entries:
                self._call()

    # Leading

    def _begin(self) -> None:
        self._poller, self._wake = make_poller(), Wake()
        self._poller.register(self._wake.fileno(), READABLE)
        self._led += 1
        self.workers.run(partial(self._lead, self._led))

    def _call(self) -> None:
        """Have the leader look at what has changed."""
        if self._wake is not None and threading.get_ident() != self._leader:
            self._wake.set()

    def _lead(self, turn: int) -> None:
        """Wait and serve until another thread does."""
        self._leader = threading.get_ident()
        thread = threading.current_thread()
        poller, entries = self._poller, self._entries
        assert poller is not None
        wait = poller.poll
        while True:
            self.now = now = time.monotonic()
            if self._expiry is not None and self._expiry <= now:
                self._give_up_expired(now)
            if not entries and self._ends(turn):
                return
            expiry = self._expiry
            ready = wait(None if expiry is None else max(expiry - now, 0.0), _MOST_EVENTS)
            for file, _ in ready:
                entry = entries.get(file)
                if entry is None:
                    if (wake := self._wake) is not None and file == wake.fileno():
                        wake.clear()
                elif entry.claim():
                    entry.led, entry.thread = True, thread
                    try:
                        entry.proceed()
                    except BaseException:
                        self.leave(entry)  # since this thread ends
                        raise
                    if self._led != turn:
                        return

    def _ends(self, turn: int) -> bool:
        """Whether there is nothing left to lead for."""
        with self._lock:
            if self._entries or self._stays or self._led != turn:
                return self._led != turn
            if self._poller is not None and self._wake is not None:
                self._poller.close()
                self._wake.close()
            self._poller = self._wake = None
            self._expiry = None
            self._quiet.set()
            return True

    def _give_up_expired(self, now: float) -> None:
        expiries = []
        for entry in list(self._entries.values()):
            if entry.expiry is None:
                continue
            if entry.expiry <= now:
                entry.expire()
            else:
                expiries.append(entry.expiry)
        with self._lock:
            self._expiry = min(expiries, default=None)

    def leave(self, entry: Entry) -> None:
        """``entry`` is going to wait: what has led the loop is its own thread from here on, and another one leads.

        Raises RuntimeError if the system has no more threads.
        """
        with self._lock:
            if entry.led:
                self._pass_on(entry)

    def _pass_on(self, entry: Entry) -> None:
        """Have another thread lead; what comes for ``entry`` is no longer for the leader."""
        self._take_out(entry)
        entry.led = False
        self._led += 1
        try:
            self.workers.run(partial(self._lead, self._led))
        except RuntimeError:
            self._led -= 1
            entry.led = True
            raise

    # Watching

    def run(self, entry: Entry, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run code that may wait and does not say so before, in the thread that leads."""
        if len(self._away) >= MOST_AWAY:
            self.leave(entry)
            return code(*arguments)
        with self._lock:
            self._turns += 1
            self._watched = entry
            if not self._watching:
                self._begin_watch()
        try:
            return code(*arguments)
        finally:
            with self._lock:
                if self._watched is entry:
                    self._watched = None
                else:
                    self._away.discard(entry)

    def _begin_watch(self) -> None:
        self._quiet.clear()
        with contextlib.suppress(RuntimeError):  # there are no more threads, and no other one could lead
            self.workers.run(self._watch)
            self._watching = True

    def _watch(self) -> None:
        """Have another thread lead when what is watched takes its time."""
        unused = 0
        while unused < _UNUSED_TURNS:
            turns = self._turns
            if self._quiet.wait(PATIENCE):
                break
            unused = unused + 1 if self._turns == turns and self._watched is None else 0
            with self._lock:
                entry = self._watched
                if entry is not None and entry.led and self._turns == turns:
                    self._watched = None
                    self._away.add(entry)
                    # Without another thread, the others have to wait for this one.
                    with contextlib.suppress(RuntimeError):
                        self._pass_on(entry)
        with self._lock:
            self._watching = False


# Waiting for many descriptors at once


class Poller(Protocol):
    """What ``select.epoll`` does; descriptors can come and go while another thread waits."""

    def register(self, file: int, events: int, /) -> None:
        """Wait for this one, too."""

    def unregister(self, file: int, /) -> None:
        """Wait for it no more."""

    def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
        """Those that can be read, each with a number that says nothing here."""

    def close(self) -> None:
        """Of no use any more."""


if sys.platform != "linux" and sys.platform != "win32":

    class KernelQueue:
        """A Poller over kqueue."""

        def __init__(self) -> None:
            self._queue = select.kqueue()

        def register(self, file: int, events: int, /) -> None:
            self._queue.control([select.kevent(file, select.KQ_FILTER_READ, select.KQ_EV_ADD)], 0)

        def unregister(self, file: int, /) -> None:
            self._queue.control([select.kevent(file, select.KQ_FILTER_READ, select.KQ_EV_DELETE)], 0)

        def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
            return [(event.ident, 1) for event in self._queue.control(None, most, timeout)]

        def close(self) -> None:
            self._queue.close()


class Selection:
    """A Poller over select, for a system that has nothing else."""

    def __init__(self) -> None:
        self._wake = Wake()
        self._files = {self._wake.fileno()}

    def register(self, file: int, events: int, /) -> None:
        self._files.add(file)
        self._wake.set()

    def unregister(self, file: int, /) -> None:
        self._files.discard(file)
        self._wake.set()

    def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
        try:
            ready, _, _ = select.select(list(self._files), (), (), timeout)
        except (OSError, ValueError):  # one was closed before it was taken out
            return []
        if self._wake.fileno() in ready:
            self._wake.clear()
        return [(file, 1) for file in ready[:most] if file != self._wake.fileno()]

    def close(self) -> None:
        self._wake.close()


def make_poller() -> Poller:
    """The best that the system has."""
    if sys.platform == "linux":
        return select.epoll()
    elif sys.platform == "win32":
        return Selection()
    else:
        return KernelQueue()


class Wake:
    """Ends a wait from another thread."""

    def __init__(self) -> None:
        # A pipe costs a third of two sockets; on Windows only sockets can be waited for.
        self._sockets = () if hasattr(select, "poll") else socket.socketpair()
        self._files = tuple(end.fileno() for end in self._sockets) or os.pipe()

    def fileno(self) -> int:
        return self._files[0]

    def set(self) -> None:
        if self._sockets:
            self._sockets[1].send(b"\0")
        else:
            os.write(self._files[1], b"\0")

    def clear(self) -> None:
        if self._sockets:
            self._sockets[0].recv(4096)
        else:
            os.read(self._files[0], 4096)

    def close(self) -> None:
        for end in self._sockets:
            end.close()
        if not self._sockets:
            for file in self._files:
                os.close(file)
