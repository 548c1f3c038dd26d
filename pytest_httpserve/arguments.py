"""Checks of what a user passes: each wrong value is refused at once, in one sentence.

The sentence begins with ``given``, the argument's name as the user writes it, such as ``timeout=``. It goes on with
what is allowed, and ends with the value. All functions raise UsageError for a wrong value, and return a right one.
"""

from __future__ import annotations

import math
import threading
from typing import TypeGuard

from pytest_httpserve.errors import UsageError


def check_count(
    given: str, value: object, *, least: int | None = 0, most: int | None = None, what: str = "a whole number"
) -> int:
    """A whole number within bounds; ``least=None`` allows numbers below 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or (least is not None and value < least)
        or (most is not None and value > most)
    ):
        raise UsageError(f"{given} must be {what}{_bounds(least, most)}, not {value!r}")
    return value


def check_number(
    given: str, value: object, *, least: float | None = None, most: float | None = None, what: str = "a number"
) -> float:
    """A number within bounds."""
    if not is_number(value) or not (least is None or least <= value) or not (most is None or value <= most):
        raise UsageError(f"{given} must be {what}{_bounds(least, most)}, not {value!r}")
    return value


def check_above_zero(given: str, value: object, what: str) -> float:
    """A finite number above 0."""
    if not is_number(value) or not 0 < value < math.inf:
        raise UsageError(f"{given} must be {what} above 0, not {value!r}")
    return value


def check_seconds(given: str, value: object) -> float:
    """A finite number of seconds, 0 or more."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise UsageError(f"{given} must be a number of seconds, 0 or more, not {value!r}")
    return value


def check_timeout(given: str, value: object) -> float:
    """A number of seconds above 0, and no longer than a thread can wait."""
    seconds = check_above_zero(given, value, "a number of seconds")
    if seconds > threading.TIMEOUT_MAX:
        raise UsageError(f"{given} must be at most {threading.TIMEOUT_MAX:.0f} seconds, not {value!r}")
    return float(seconds)


def check_switch(given: str, value: object) -> bool:
    """True or False, and nothing that is merely equal to one of them, or true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"{given} must be True or False, not {value!r}")
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether the value is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounds(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f" up to {most}"
    return f", {least} or more" if most is None else f" from {least} to {most}"


def check_plain(given: str, function: object) -> None:
    """Refuse an ``async`` function where the result is needed at once: its coroutine would pass for a true value."""
    import inspect

    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{given} takes a plain function, but {getattr(function, '__name__', function)}() is async")
