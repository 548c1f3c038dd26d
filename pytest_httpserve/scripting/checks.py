"""Arguments, checked where they are given: each is refused at once, in one sentence with its value."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.journal import KINDS


def check_count(name: str, value: object, *, least: int = 0) -> int:
    """A number of times or bytes. Raises UsageError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name}= is a whole number from {least} on, not {value!r}")
    return value


def check_seconds(name: str, seconds: object) -> float:
    """A number of seconds. Raises UsageError for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise UsageError(f"{name}= is a number of seconds, not {seconds!r}")
    return seconds


def check_timeout(seconds: object, given: str = "timeout=") -> float:
    """How long something may take, in seconds. Raises UsageError for what is none; ``given`` names it."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise UsageError(f"{given} is a number of seconds above 0, not {seconds!r}")
    if seconds > threading.TIMEOUT_MAX:
        raise UsageError(f"{given} is at most {threading.TIMEOUT_MAX:.0f} seconds, not {seconds!r}")
    return float(seconds)


def check_switch(name: str, value: object) -> bool:
    """True or False. Raises UsageError for what is neither."""
    if not isinstance(value, bool):
        raise UsageError(f"{name}= is True or False, not {value!r}")
    return value


def check_kinds(kinds: str | Iterable[str]) -> frozenset[str]:
    """Kinds of failures. Raises UsageError for one that does not exist."""
    kinds = (kinds,) if isinstance(kinds, str) or not isinstance(kinds, Iterable) else tuple(kinds)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"a kind of failure is one of {', '.join(KINDS)}, not {kind!r}")
    return frozenset(kinds)
