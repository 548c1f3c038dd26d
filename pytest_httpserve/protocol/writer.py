"""A handler's ``wfile``: what is written is on its way, and a head travels with the first bytes of its body."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

    from pytest_httpserve.net.connection import Connection


class Writer(io.BufferedIOBase):
    """What a handler writes to: each write is on its way when it returns.

    A response's head leaves together with the first bytes of its body where that is possible without anyone waiting
    for it: after ``hold`` the head stays here until the next write or flush; otherwise the kernel joins the two.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._holding = False
        self._held = b""
        self._corked = False
        self.written = 0  # bytes of the response in hand, without its heads
        self.anything = False  # whether anything was written since begin_response

    def begin_response(self) -> None:
        self.written = 0
        self.anything = False

    def hold(self) -> None:
        """Keep the next head back: what belongs behind it is about to be written."""
        self._holding = True

    def write_head(self, head: bytes, *, more: bool) -> None:
        """Write a head; ``more`` says that a body follows."""
        self.anything = True
        if self._holding:
            self._held += head
            return
        self._connection.send(head, more=more)
        self._corked = more

    def write_whole(self, head: bytes, body: bytes) -> None:
        """Write a response at once."""
        self.anything = True
        self.written += len(body)
        self._connection.send(head + body)

    def fileno(self) -> int:
        self.flush()
        return self._connection.fileno()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        self.anything = True
        if self._held:
            data = self._release() + bytes(data)
        if size or self._holding:
            self._connection.send(data)
        self._corked = self._holding = False
        self.written += size
        return size

    def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Write ``count`` bytes of a regular file, from ``offset`` on. Raises OSError if the file has fewer."""
        self.anything = True
        if self._held:
            self._connection.send(self._release(), more=True)
        self._corked = self._holding = False
        end = self.written + count
        self._connection.send_file(file, offset, count, self._count)
        if missing := end - self.written:
            raise OSError(f"the file ended {missing} bytes before its size: it changed while it was sent")

    def _count(self, sent: int) -> None:
        self.written += sent

    def flush(self) -> None:
        if self._held:
            self._connection.send(self._release())
        elif self._corked:
            self._connection.push()
        self._corked = self._holding = False

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held
