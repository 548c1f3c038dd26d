"""The messages of a connection that has left HTTP, as the journal has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pytest_httpserve.clock import monotonic
from pytest_httpserve.scripting.record.readable import both_ends
from pytest_httpserve.scripting.record.words import count, dropped

# What a message counts for beside its payload, in bytes.
_BESIDE_BYTES = 256
_MARKS = {"received": ">", "sent": "<"}
# Of a connection, so many messages are shown: the first, and the last.
_MOST_SHOWN = 20
_MOST_DATA = 80


class Message(NamedTuple):
    """A message, or a control frame, of a WebSocket connection.

    ``direction`` is ``received`` or ``sent``, as the server sees it, ``type`` is ``text``, ``binary``, ``ping``,
    ``pong`` or ``close``. ``data`` is its payload, a str for ``text`` and, as the reason, for ``close``, whose ``code``
    is beside it. ``size`` is how many bytes that is, ``frames`` in how many frames it came, ``time`` is when: seconds
    of ``time.monotonic()``.
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
    """A message that passes now."""
    # A text of ASCII alone, as most are, is as long as its bytes.
    size = len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode("utf-8", "surrogatepass"))
    return Message(direction, type, data, size, monotonic(), frames, code)


class MessageLog:
    """The messages of one connection, as far as the journal still has them; it has ``dropped`` so many."""

    __slots__ = ("_messages", "dropped")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.dropped: int = 0

    def add(self, message: Message) -> None:
        """Add one."""
        self._messages.append(message)

    def drop(self) -> None:
        """Drop the oldest."""
        self._messages.popleft()
        self.dropped += 1

    def clear(self) -> None:
        """Forget them."""
        self._messages.clear()
        self.dropped = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        """Those that there are."""
        return tuple(self._messages)

    def lines(self) -> list[str]:
        """A line each; of many, the first and the last."""
        return [*dropped(self.dropped, "message"), *message_lines(self.messages, _MOST_SHOWN // 2)]


def message_lines(messages: Sequence[Message], most: int = _MOST_SHOWN) -> list[str]:
    """Messages, a line each; of many, the first and the last."""
    first, left_out, last = both_ends(messages, most)
    more = [f"... {count(left_out, 'more message')} ..."] if left_out else []
    return [*map(str, first), *more, *map(str, last)]
