"""The file that responses are written to. It sends each write at once, and a head with the first bytes of its body."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class Sink(Protocol):
    """Where a Writer's bytes go; see ``pytest_httpserve.net.transport``."""

    def fileno(self) -> int:
        """The file descriptor."""

    def send(self, data: Buffer, /, *, more: bool = False) -> None:
        """Send all of it; with ``more``, it may be held back for the next call."""

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object], /) -> None:
        """Send ``count`` bytes of a file, or as many as it has."""

    def push(self) -> None:
        """Send what is held back."""


class Writer(io.BufferedIOBase):
    """A file to write responses to: each write has been sent when it returns.

    If possible without a delay, a response's head is sent together with the first bytes of its body: after ``hold`` the
    head stays here until the next write or flush; otherwise the kernel joins the two.
    """

    # Defaults are in the class, since there is a new object for each connection.
    written: int = 0  # bytes of the current response, without its heads
    anything: bool = False  # whether anything was written since begin_response
    exposed: bool = False  # whether somebody got the descriptor since then, and may have written to it
    _holding = False
    _held = b""
    _corked = False

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def begin_response(self) -> None:
        self.written = 0
        self.anything = self.exposed = False

    def hold(self) -> None:
        """Hold the next head back: its body is about to be written."""
        self._holding = True

    def write_head(self, head: bytes, *, more: bool) -> None:
        """Write a head; ``more`` says that a body follows."""
        self.anything = True
        if self._holding:
            self._held += head
            return
        self.sink.send(head, more=more)
        self._corked = more

    def write_whole(self, data: bytes, size: int) -> None:
        """Write a whole response at once; ``size`` bytes of it are the body."""
        self.anything = True
        self.written += size
        self.sink.send(data)

    def fileno(self) -> int:
        self.exposed = True
        self.flush()
        return self.sink.fileno()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        self.anything = True
        if self._held:
            data = self._release() + bytes(data)
        self.written += size  # before sending: the client may read it and be gone
        if size or self._holding:
            self.sink.send(data)
        self._corked = self._holding = False
        return size

    def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Write ``count`` bytes of a regular file, from ``offset``. Raises OSError if the file has fewer."""
        self.anything = True
        if self._held:
            self.sink.send(self._release(), more=True)
        self._corked = self._holding = False
        end = self.written + count
        self.sink.send_file(file, offset, count, self._count)
        if missing := end - self.written:
            raise OSError(f"the file ended {missing} bytes early: it changed while it was being sent")

    def _count(self, sent: int) -> None:
        self.written += sent

    def flush(self) -> None:
        if self._held:
            self.sink.send(self._release())
        elif self._corked:
            self.sink.push()
        self._corked = self._holding = False

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held
