"""Where two large values first differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_httpserve.scripting.record.readable import brief
from pytest_httpserve.scripting.routing.comparing import ABSENT, Shown, contains, same

_AROUND = 60  # characters or bytes before and after the first difference

Equal = Callable[[Any, Any], bool]


class Difference(NamedTuple):
    """The place where two values first differ, such as ``items[41].name``, and what each has there."""

    place: str
    expected: object
    got: object


def first_difference(expected: Any, got: Any, *, part: bool) -> Difference:
    """Where ``got`` first differs from ``expected``, or, with ``part``, where it does not contain it."""
    equal = _forgiving(contains if part else same)
    place = ""
    while (step := _step(expected, got, equal, part)) is not None:
        name, expected, got = step
        place += name
    if type(expected) is type(got) is str:
        return _in_text(place, "character", expected, got)
    if type(expected) is type(got) is bytes:
        return _in_text(place, "byte", expected, got)
    return Difference(place.removeprefix("."), expected, got)


def _forgiving(equal: Equal) -> Equal:
    """``equal``, but a comparison that raises counts as unequal."""

    def compared(expected: Any, got: Any) -> bool:
        try:
            return equal(expected, got)
        except Exception:  # raised by the test's own object
            return False

    return compared


def _step(expected: Any, got: Any, equal: Equal, part: bool) -> tuple[str, Any, Any] | None:
    """The name of the first element that differs, and both its values; None if there is nothing further to enter."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            if key not in got:
                return _name(key), value, Shown(ABSENT)
            if not equal(value, got[key]):
                return _name(key), value, got[key]
        extra = () if part else (key for key in got if key not in expected)
        return next(((_name(key), Shown(ABSENT), got[key]) for key in extra), None)
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        for index, (one, other) in enumerate(zip(expected, got, strict=False)):
            if not equal(one, other):
                return f"[{index}]", one, other
        shorter = min(len(expected), len(got))
        if len(expected) != len(got):
            return f"[{shorter}]", _at(expected, shorter), _at(got, shorter)
    return None


def _name(key: object) -> str:
    return f".{key}" if isinstance(key, str) and re.fullmatch(r"\w{1,60}", key) else f"[{brief(key)}]"


def _at(values: Any, index: int) -> object:
    return values[index] if index < len(values) else Shown(ABSENT)


def _in_text(place: str, unit: str, expected: Any, got: Any) -> Difference:
    """Where two strings, or two bytes objects, differ, with a little of what is around."""
    if max(len(expected), len(got)) <= 2 * _AROUND:
        return Difference(place.removeprefix("."), expected, got)
    at = common_length(expected, got)
    around = slice(max(at - _AROUND, 0), at + _AROUND)
    place = f"{place.removeprefix('.')}, {unit} {at}" if place else f"{unit} {at}"
    return Difference(place, expected[around], got[around])


def common_length(one: Any, other: Any) -> int:
    """The length of the common beginning of two strings or bytes objects."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
