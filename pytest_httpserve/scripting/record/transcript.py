"""The raw bytes of an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_httpserve.clock import monotonic

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# How many raw bytes are kept in each direction of an exchange.
KEPT_BYTES = 65_536


class Transcript:
    """The raw bytes of an exchange: ``request`` is what the client sent, ``response`` what the server sent.

    Up to KEPT_BYTES of each are kept; ``dropped_received`` and ``dropped_sent`` count the rest.

    The times say when the first and the latest bytes came in, when the head was complete, and when the first and the
    latest bytes of the response went out; each is None until then.

    ``pipelined`` says that its first bytes came in together with the previous request. ``stream_id`` is the number of
    its HTTP/2 stream; HTTP/2 heads are kept as HTTP/1 would write them.
    """

    __slots__ = (
        "dropped_received",
        "dropped_sent",
        "first_received",
        "first_sent",
        "head_received",
        "last_received",
        "last_sent",
        "pipelined",
        "request",
        "response",
        "stream_id",
    )

    def __init__(self, received: bytes = b"") -> None:
        self.request: bytes = received[:KEPT_BYTES]
        self.response: bytes = b""
        self.dropped_received: int = len(received) - len(self.request)
        self.dropped_sent: int = 0
        self.pipelined: bool = received.strip(b"\r\n") != b"" if received else False
        self.first_received: float | None = monotonic() if received else None
        self.last_received = self.first_received
        self.head_received: float | None = None
        self.stream_id: int | None = None
        self.first_sent: float | None = None
        self.last_sent: float | None = None

    # Only the connection's own thread calls these.

    def received(self, data: bytes, /) -> None:
        """Note that these bytes came in."""
        if not data:  # the end
            return
        self.last_received = monotonic()
        if self.first_received is None:
            self.first_received = self.last_received
        if not self.request and len(data) <= KEPT_BYTES:
            self.request = data
            return
        room = KEPT_BYTES - len(self.request)
        self.request += data[:room]
        self.dropped_received += max(len(data) - room, 0)

    def sent(self, data: ReadableBuffer, /) -> None:
        """Note that these bytes are about to go out."""
        self.last_sent = now = monotonic()
        if self.first_sent is None:
            self.first_sent = now
        if not self.response and type(data) is bytes and len(data) <= KEPT_BYTES:
            self.response = data
            return
        view = memoryview(data).cast("B")
        room = KEPT_BYTES - len(self.response)
        self.response += view[:room]
        self.dropped_sent += max(len(view) - room, 0)

    def sent_unseen(self, count: int, /) -> None:
        """Note that ``count`` bytes of a file are about to go out; a negative number corrects an earlier one."""
        self.last_sent = now = monotonic()
        if self.first_sent is None:
            self.first_sent = now
        self.dropped_sent += count

    def response_begins(self) -> None:
        """Note that the final response goes out from here on."""
        self.first_sent = self.last_sent = None

    def head_ends(self) -> None:
        """Note that the head is complete."""
        self.head_received = self.last_received

    def give_back(self, count: int) -> None:
        """Remove the last ``count`` bytes that came in: they belong to the next exchange."""
        dropped = min(count, self.dropped_received)
        self.dropped_received -= dropped
        self.request = self.request[: len(self.request) - (count - dropped)]

    @property
    def bytes_received(self) -> int:
        """How many bytes came in, kept or not."""
        return len(self.request) + self.dropped_received

    @property
    def bytes_sent(self) -> int:
        """How many bytes went out, kept or not."""
        return len(self.response) + self.dropped_sent

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return len(self.request) + len(self.response)
