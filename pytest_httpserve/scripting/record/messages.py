"""The WebSocket messages that the journal keeps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pytest_httpserve.clock import monotonic
from pytest_httpserve.scripting.record.readable import both_ends
from pytest_httpserve.scripting.record.words import count, dropped

# Bytes that a message counts for in addition to its payload.
_BESIDE_BYTES = 256
_MARKS = {"received": ">", "sent": "<"}
# Reports show this many messages of a connection: the first ones and the last ones.
_MOST_SHOWN = 20
_MOST_DATA = 80


class Message(NamedTuple):
    """A message, or a control frame, of a WebSocket connection.

    ``direction`` is ``received`` or ``sent``, as the server sees it; ``type`` is ``text``, ``binary``, ``ping``,
    ``pong`` or ``close``. ``data`` is the payload: a str for ``text`` and ``close`` (the reason), else bytes. ``size``
    is its length in bytes, ``frames`` the number of frames, ``time`` the seconds of ``time.monotonic()``. ``code`` is
    the status code of a ``close``.
    """

    direction: str
    type: str
    data: str | bytes
    size: int
    time: float
    frames: int = 1
    code: int | None = None

    @property
    def counts_for(self) -> int:
        """How many bytes it counts for in the journal."""
        return self.size + _BESIDE_BYTES

    @property
    def _shown(self) -> str:
        return repr(self.data) if len(self.data) <= _MOST_DATA else f"{self.data[:_MOST_DATA]!r} ..."

    def __str__(self) -> str:
        said = f"close {self.code}" if self.type == "close" else f"{self.type}, {count(self.size, 'byte')}"
        in_frames = f", in {self.frames} frames" if self.frames > 1 else ""
        return f"{_MARKS[self.direction]} {said}{in_frames}{f': {self._shown}' if self.data else ''}"


def made_message(direction: str, type: str, data: str | bytes, *, frames: int = 1, code: int | None = None) -> Message:
    """A message that is received or sent now."""
    # An ASCII text, as most are, is as long as its bytes.
    size = len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode("utf-8", "surrogatepass"))
    return Message(direction, type, data, size, monotonic(), frames, code)


class MessageLog:
    """The messages of one connection, except the oldest ones, which the journal has dropped: as many as ``dropped``."""

    __slots__ = ("_messages", "dropped")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.dropped: int = 0

    def add(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)

    def drop(self) -> None:
        """Drop the oldest message."""
        self._messages.popleft()
        self.dropped += 1

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()
        self.dropped = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages that are kept."""
        return tuple(self._messages)

    def lines(self) -> list[str]:
        """One line for each message; if there are many, only for the first and last ones."""
        return [*dropped(self.dropped, "message"), *message_lines(self.messages, _MOST_SHOWN // 2)]


def message_lines(messages: Sequence[Message], most: int = _MOST_SHOWN) -> list[str]:
    """One line for each message; if there are more than ``most``, only for the first and last ones."""
    first, left_out, last = both_ends(messages, most)
    more = [f"... {count(left_out, 'more message')} ..."] if left_out else []
    return [*map(str, first), *more, *map(str, last)]
