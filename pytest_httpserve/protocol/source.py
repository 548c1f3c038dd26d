"""Where a Reader's bytes come from, and how long the client may take to send them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol

from pytest_httpserve import clock

# A client that keeps the reader of a body waiting for a whole timeout per so many bytes is given up.
PROGRESS_BYTES = 65_536


class Source(Protocol):
    """Where a Reader's bytes come from."""

    @property
    def timeout(self) -> float | None:
        """Seconds that ``receive`` waits at most; None for ever."""

    def fileno(self) -> int:
        """The descriptor, as of any file."""

    def receive(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end. Raises TimeoutError when ``timeout`` seconds bring nothing."""

    def receive_within(self, size: int, seconds: float, /) -> bytes:
        """Like ``receive``, with another timeout for this call."""

    def leave_loop(self) -> object:
        """Go on in a thread of its own: what comes next may take its time."""

    def failed(self, error: OSError, /) -> OSError:
        """Note that the reader gives the source up, and return the error to raise."""


class FileSource:
    """A file object as a source: handlers can also run over files, without a socket."""

    timeout = None

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self.receive: Callable[[int], bytes] = getattr(file, "read1", file.read)

    def fileno(self) -> int:
        return self._file.fileno()

    def receive_within(self, size: int, seconds: float) -> bytes:
        return self.receive(size)

    def leave_loop(self) -> None:
        pass

    def failed(self, error: OSError) -> OSError:
        return error


class Patience:
    """Receives from a source, and limits how long a client that sends in small pieces may take."""

    __slots__ = ("head_expiry", "progress", "waited")

    def __init__(self) -> None:
        self.head_expiry: float | None = None  # when the whole head must be here
        self.waited: float = 0.0  # seconds, since progress was last 0
        self.progress: int = 0  # bytes of the body that have come in that time

    def receive_of_head(self, source: Source, size: int) -> bytes:
        """Receive within what is left of one timeout for the whole head, however many pieces it comes in."""
        if source.timeout is None:
            return source.receive(size)
        now = clock.monotonic()
        if self.head_expiry is None:
            self.head_expiry = now + source.timeout
        return source.receive_within(size, self.head_expiry - now)

    def receive_of_body(self, source: Source, size: int) -> bytes:
        """Receive; raise TimeoutError if PROGRESS_BYTES of the body take longer than one timeout to wait for."""
        if source.timeout is None:
            return source.receive(size)
        started = clock.monotonic()
        data = source.receive(size)
        self.waited += clock.monotonic() - started
        self.progress += len(data)
        if self.progress >= PROGRESS_BYTES:
            self.waited, self.progress = 0.0, 0
        elif self.waited > source.timeout:
            raise source.failed(TimeoutError(f"{self.progress} bytes of the body came in {self.waited:.1f} s"))
        return data
