"""Knowing when processes that a test has not started itself have started, and when all of them have ended."""

from __future__ import annotations

import os
import select
from pathlib import Path

PATIENCE = 5.0  # seconds


class Lifeline:
    """A FIFO whose writing end the processes of a script hold while they live."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self._fifo = fifo
        self._descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        # In a script: take hold of it, and say so. Processes that it starts from then on hold it, too.
        self.hold = f"exec 3>{fifo}; echo >&3"

    def wait_for_the_start(self) -> None:
        assert self._read(), "the script has ended"

    def wait_for_the_end(self) -> None:
        # Without this, the end of a script that was killed before it took hold could not be seen.
        os.close(os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK))
        while self._read():
            pass

    def _read(self) -> bytes:
        assert select.select([self._descriptor], [], [], PATIENCE)[0], "a process of the script lives on, and is silent"
        return os.read(self._descriptor, 100)

    def close(self) -> None:
        os.close(self._descriptor)


class Cue:
    """A FIFO through which a test tells a script when to go on."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self._descriptor = os.open(fifo, os.O_RDWR)  # on its own, either end would wait for the other
        # In a script: wait for a word, and have it in $cue.
        self.wait = f"read cue <{fifo}"

    def give(self, word: str) -> None:
        os.write(self._descriptor, f"{word}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)
