"""Limits on floods of HTTP/2 frames that cost the client little and the server much (RFC 9113 section 10.5)."""

from __future__ import annotations

# The most frames in a row without a request or a body: pings, settings, priorities, empty data.
MOST_IDLE_FRAMES = 10_000
# The most streams that a client may reset before they are answered, beyond the number of answered ones.
MOST_CANCELLED_STREAMS = 1_000
# The most pings and settings, which need an answer, while the client reads nothing.
MOST_UNTAKEN_ANSWERS = 1_000

_DATA, _HEADERS, _PRIORITY, _SETTINGS, _PING = 0x0, 0x1, 0x2, 0x4, 0x6
_IDLE = frozenset((_PRIORITY, _SETTINGS, _PING))
_ASKING = frozenset((_SETTINGS, _PING))
_FRAME_HEAD_BYTES = 9


class Floods:
    """Counts a client's frames that achieve nothing. ``blocked`` is whether the client reads nothing."""

    def __init__(self) -> None:
        self.blocked = False
        self._idle = self._cancelled = self._untaken = 0

    def sees(self, frame: bytes) -> str:
        """Count a frame. Returns what is wrong with the number of such frames; empty if nothing is."""
        kind = frame[3]
        if kind in _IDLE or (kind == _DATA and len(frame) == _FRAME_HEAD_BYTES):
            self._idle += 1
        elif kind in (_DATA, _HEADERS):
            self._idle = 0
        if not self.blocked:
            self._untaken = 0
        elif kind in _ASKING:
            self._untaken += 1
        if self._idle > MOST_IDLE_FRAMES:
            return f"more than {MOST_IDLE_FRAMES} frames in a row brought no request and no body"
        if self._untaken > MOST_UNTAKEN_ANSWERS:
            return f"more than {MOST_UNTAKEN_ANSWERS} pings or settings came, and the client did not read the answers"
        return ""

    def cancelled(self) -> str:
        """Count a stream that was reset before it was answered. Returns what is wrong with the number of these."""
        self._cancelled += 1
        if self._cancelled > MOST_CANCELLED_STREAMS:
            return f"more than {MOST_CANCELLED_STREAMS} streams were reset before they were answered"
        return ""

    def answered(self) -> None:
        """Count a stream that was answered."""
        self._cancelled = max(self._cancelled - 1, 0)
