"""Large bodies on disk: one temporary file for all of them, and so one descriptor, however many there are."""

from __future__ import annotations

import tempfile
import threading
import weakref
from typing import IO, Final

from pytest_httpserve.net.forks import begin_anew_in_forks
from pytest_httpserve.server.files.paths import read_at

BLOCK_BYTES = 1 << 16
_GONE = "the body was kept on disk, and is gone by now: read it before its server's test ends"


class Spool:
    """An unnamed file of blocks, open as long as one of them is in use."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._free: list[int] = []
        self._count = 0
        self.used: int = 0
        self._lock = threading.RLock()  # the garbage collector may give blocks back while one is taken
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        """A fork of the process can read what is there; what it writes goes to a file of its own."""
        global _here
        self._lock = threading.RLock()
        if self is _here:
            _here = Spool()

    def put(self, data: bytes) -> int:
        """Write a block; its number."""
        with self._lock:
            self.used += 1
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed with the last block
                block = self._free.pop() if self._free else self._count
                self._count = max(self._count, block + 1)
                self._file.seek(block * BLOCK_BYTES)
                while data:
                    data = data[self._file.write(data) :]
            except BaseException:
                self._let_go(1)
                raise
            return block

    def get(self, blocks: list[int], at: int, size: int) -> bytes:
        """Up to ``size`` bytes of what is in these blocks, from ``at`` on, of one block at most.

        Raises ValueError if they were given back meanwhile: they are another body's by now.
        """
        number, start = divmod(at, BLOCK_BYTES)
        with self._lock:
            if not blocks or self._file is None:
                raise ValueError(_GONE)
            return read_at(self._file, blocks[number] * BLOCK_BYTES + start, min(size, BLOCK_BYTES - start))

    def give_back(self, blocks: list[int]) -> None:
        """These are no longer needed. The list is empty then."""
        with self._lock:
            self._free += blocks
            self._let_go(len(blocks))
            blocks.clear()

    def _let_go(self, count: int) -> None:
        self.used -= count
        if not self.used and self._file is not None:
            self._file.close()
            self._file, self._free, self._count = None, [], 0


_here = Spool()


def spool() -> Spool:
    """That of this process."""
    return _here


class Stored:
    """The bytes of one body, written piece by piece and then read."""

    __slots__ = ("__weakref__", "_blocks", "_rest", "_size", "_spool", "close")

    def __init__(self) -> None:
        self._spool = spool()
        self._blocks: list[int] = []
        self._rest = b""
        self._size = 0
        self.close: Final = weakref.finalize(self, self._spool.give_back, self._blocks)
        self.close.atexit = False

    def write(self, data: bytes) -> None:
        self._size += len(data)
        self._rest += data
        while len(self._rest) >= BLOCK_BYTES:
            self._blocks.append(self._spool.put(self._rest[:BLOCK_BYTES]))
            self._rest = self._rest[BLOCK_BYTES:]

    def end(self) -> None:
        """That was all of it."""
        if self._rest:
            self._blocks.append(self._spool.put(self._rest))
            self._rest = b""

    def read_at(self, at: int, size: int) -> bytes:
        """Some of the bytes from ``at`` on, ``size`` at most; none at the end. Raises ValueError once it is closed."""
        if not self.close.alive:
            raise ValueError(_GONE)
        return self._spool.get(self._blocks, at, min(size, self._size - at)) if at < self._size else b""
