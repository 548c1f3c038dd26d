"""HTTP dates (RFC 9110 section 5.6.7). Made without ``email`` and ``strftime``: the one is heavy, the other local."""

from __future__ import annotations

import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The date of the current second, made once: (second, text, header line), replaced as a whole so that threads need no
# lock.
_now: tuple[int, str, bytes] = (0, "", b"")


def http_date(timestamp: float | None = None) -> str:
    """``timestamp`` (seconds since the epoch; now if None), as in ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    return _format(timestamp) if timestamp is not None else _current()[1]


def date_line() -> bytes:
    """The header line ``Date`` of a response that goes out now."""
    now = _now
    return now[2] if now[0] == int(time.time()) else _current()[2]


def _current() -> tuple[int, str, bytes]:
    global _now
    second = int(time.time())
    if _now[0] != second:
        text = _format(second)
        _now = (second, text, f"Date: {text}\r\n".encode())
    return _now


@lru_cache(256)
def _format(timestamp: float) -> str:
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(timestamp)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def parse_http_date(text: str) -> float | None:
    """Seconds since the epoch, or None for what is no date with a time zone of UTC. The obsolete forms are taken."""
    from email.utils import parsedate_tz

    parsed = parsedate_tz(text)
    # RFC 9110 section 5.6.7: a date is in UTC; asctime's form, which has no zone, is too.
    if parsed is None or parsed[9] or text.count(",") > 1:  # a list of dates is none (section 13.1.3)
        return None
    from datetime import UTC, datetime

    try:
        return datetime(*parsed[:6], tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
