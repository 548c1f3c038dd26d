"""How an expected value is compared with what came.

Values are compared with ``==``, the expected side first, so that ``mock.ANY`` and ``dirty-equals`` work at any depth; a
compiled pattern matches a text that it finds itself in.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

ABSENT = "(not there)"


class Shown(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# What compares by one of these is compared element by element, or by its kind; any other brings an ``==`` of its own.
_DICTS: tuple[object, ...] = (dict.__eq__, OrderedDict.__eq__)
_LISTS: tuple[object, ...] = (list.__eq__, tuple.__eq__)
_NUMBERS: tuple[object, ...] = (int.__eq__, float.__eq__)


def same(expected: Any, actual: Any) -> bool:
    """``expected == actual``, and patterns at any depth. True is not 1, and NaN is NaN."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, type(expected.pattern)) and expected.search(actual) is not None
    equal: object = type(expected).__eq__
    if equal in _DICTS and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if equal in _LISTS and isinstance(actual, list | tuple):
        # A map would take a StopIteration of the test's own for its end.
        return len(expected) == len(actual) and all(same(*pair) for pair in zip(expected, actual, strict=True))
    if equal in _NUMBERS and isinstance(actual, int | float):
        if isinstance(expected, bool) != isinstance(actual, bool):
            return False
        return bool(expected == actual) or (expected != expected and actual != actual)
    return bool(expected == actual)


def contains(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` has all that ``expected`` has: keys of mappings at any depth, all else the same."""
    equal: object = type(expected).__eq__
    if equal in _DICTS and isinstance(actual, dict):
        return all(key in actual and contains(value, actual[key]) for key, value in expected.items())
    if equal in _LISTS and isinstance(actual, list):
        return len(expected) == len(actual) and all(contains(*pair) for pair in zip(expected, actual, strict=True))
    return same(expected, actual)
