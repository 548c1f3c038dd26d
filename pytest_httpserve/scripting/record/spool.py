"""Large bodies on disk: one temporary file, and so one descriptor, however many bodies there are."""

from __future__ import annotations

import tempfile
import threading
import weakref
from typing import IO, Final

from pytest_httpserve.net.forks import begin_anew_in_forks
from pytest_httpserve.server.files.paths import read_at

BLOCK_BYTES = 1 << 16
_GONE = "the body was kept on disk and has been deleted: read it before the test of its server ends"


class Spool:
    """An unnamed file of blocks, open as long as any block is in use."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._free: list[int] = []
        self._count = 0
        self.used: int = 0
        self._lock = threading.RLock()  # the garbage collector may give blocks back while one is taken
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        """In a fork of the process, keep the file readable, but write to a new one."""
        global _here
        self._lock = threading.RLock()
        if self is _here:
            _here = Spool()

    def put(self, data: bytes) -> int:
        """Write a block, and return its number."""
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
        """Up to ``size`` bytes of these blocks from ``at`` on, but no further than to the end of a block.

        Raises ValueError if the blocks were given back meanwhile: they may hold another body by now.
        """
        number, start = divmod(at, BLOCK_BYTES)
        with self._lock:
            if not blocks or self._file is None:
                raise ValueError(_GONE)
            return read_at(self._file, blocks[number] * BLOCK_BYTES + start, min(size, BLOCK_BYTES - start))

    def give_back(self, blocks: list[int]) -> None:
        """Give back blocks that are no longer needed, and empty the list."""
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
    """The spool of this process."""
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
        """Write what is left: the body is complete."""
        if self._rest:
            self._blocks.append(self._spool.put(self._rest))
            self._rest = b""

    def read_at(self, at: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``at`` on; empty at the end. Raises ValueError once it is closed."""
        if not self.close.alive:
            raise ValueError(_GONE)
        return self._spool.get(self._blocks, at, min(size, self._size - at)) if at < self._size else b""
