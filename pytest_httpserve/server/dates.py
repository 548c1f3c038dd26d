"""HTTP dates (RFC 9110 section 5.6.7), made without ``email``, which is heavy, or ``strftime``, which uses locales."""

from __future__ import annotations

import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The date line of the current second, made once, replaced as a whole so that threads need no lock.
_now: tuple[int, object, bytes] = (0, None, b"")


def http_date(timestamp: float | None = None) -> str:
    """``timestamp`` (seconds since the epoch; now if None), as in ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    return _of(int(time.time()) if timestamp is None else timestamp)


def date_line() -> bytes:
    """The ``Date`` header line of a response that is sent now.

    If a test has set the time, this is that time, since its client may compare. It does not call time.time, which tests
    replace by a list of times.
    """
    global _now
    second, gmtime = time.time_ns() // 1_000_000_000, time.gmtime
    if second != _now[0] or gmtime is not _now[1]:
        _now = (second, gmtime, f"Date: {_format(gmtime())}\r\n".encode())
    return _now[2]


@lru_cache(256)
def _of(timestamp: float) -> str:
    return _format(time.gmtime(timestamp))


def _format(parts: time.struct_time) -> str:
    year, month, day, hour, minute, second, weekday, *_ = parts
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def parse_http_date(text: str) -> float | None:
    """Seconds since the epoch, or None for anything but a date in UTC. The obsolete forms are accepted."""
    from email.utils import parsedate_tz

    parsed = parsedate_tz(text)
    # RFC 9110 section 5.6.7: a date is in UTC; asctime's form, which has no zone, is too.
    if parsed is None or parsed[9] or text.count(",") > 1:  # a list of dates is invalid (section 13.1.3)
        return None
    from datetime import UTC, datetime

    try:
        return datetime(*parsed[:6], tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
