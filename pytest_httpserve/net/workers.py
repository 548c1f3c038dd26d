"""Reusable threads."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from pytest_httpserve import clock
from pytest_httpserve.errors import NoMoreThreads
from pytest_httpserve.net import system
from pytest_httpserve.net.forks import begin_anew_in_forks


class Workers:
    """Threads that run one task after another; a new one is made only when none is free.

    A thread that has been free for ``idle`` seconds ends; None keeps it until ``close``.
    """

    def __init__(self, name: str, *, daemon: bool, idle: float | None = None) -> None:
        self._name = name
        self._daemon = daemon
        self._idle = idle
        self.begin_anew()
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        """In a fork of the process, start without threads."""
        self._lock = threading.Lock()
        self._starting = threading.Lock()  # held until a new thread has started: nobody can join it before
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._free = 0
        self._closed = False
        self._threads: set[threading.Thread] = set()

    def run(self, task: Callable[[], object]) -> None:
        """Run ``task`` now, in a thread for itself. It must not raise."""
        with self._lock:
            if reuse := self._free > 0:
                self._free -= 1
        if reuse:
            self._tasks.put(task)
            return
        system.check_threads()
        try:
            thread = threading.Thread(target=self._work, args=(task,), name=self._name, daemon=self._daemon)
            with self._starting:
                self._threads.add(thread)
                try:
                    thread.start()
                except BaseException:
                    self._threads.discard(thread)
                    raise
        except RuntimeError as error:
            raise NoMoreThreads(_why_not(error)) from None

    def _work(self, task: Callable[[], object] | None) -> None:
        try:
            while task is not None:
                with contextlib.suppress(SystemExit):  # SystemExit ends a thread silently, as in threading
                    task()
                with self._lock:
                    if self._closed:
                        return
                    self._free += 1
                task = self._next()
        finally:
            self._threads.discard(threading.current_thread())

    def _next(self) -> Callable[[], object] | None:
        """The next task; None to end."""
        while True:
            try:
                return self._tasks.get(timeout=self._idle)
            except queue.Empty:
                with self._lock:
                    if self._free:
                        self._free -= 1
                        return None
                # Somebody has chosen this thread, and is about to give it a task.

    def leave_alone(self, thread: threading.Thread) -> None:
        """``close`` does not wait for this thread."""
        self._threads.discard(thread)

    def close(self, timeout: float) -> None:
        """End the free threads, and the others when they become free; wait for them at most ``timeout`` seconds."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, 0
        for _ in range(free):
            self._tasks.put(None)
        expiry = clock.monotonic() + timeout
        with self._starting:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, expiry - clock.monotonic()))


def _why_not(error: RuntimeError) -> str:
    """Why there is no thread: Python gives its own reason at the end of a process, and in subinterpreters."""
    if "can't start new thread" in str(error):
        return "the system has no more threads (or ulimit -u allows no more)"
    return f"a server needs threads, and Python has none here: {error}"
