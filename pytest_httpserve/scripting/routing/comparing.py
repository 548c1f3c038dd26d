"""How an expected value is compared with the value that came.

Values are compared with ``==``, the expected side first, so that ``mock.ANY`` and ``dirty-equals`` work at any depth; a
compiled pattern matches a text in which it is found.
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


# Types with one of these ``==`` are compared element by element, or as numbers. Other types compare themselves.
_DICTS: tuple[object, ...] = (dict.__eq__, OrderedDict.__eq__)
_LISTS: tuple[object, ...] = (list.__eq__, tuple.__eq__)
_NUMBERS: tuple[object, ...] = (int.__eq__, float.__eq__)


def same(expected: Any, actual: Any) -> bool:
    """``expected == actual``, with patterns at any depth. True is not equal to 1, and NaN is equal to NaN."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, type(expected.pattern)) and expected.search(actual) is not None
    equal: object = type(expected).__eq__
    if equal in _DICTS and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if equal in _LISTS and isinstance(actual, list | tuple):
        # map() would take a StopIteration from the test's own ``==`` for its end.
        return len(expected) == len(actual) and all(same(*pair) for pair in zip(expected, actual, strict=True))
    if equal in _NUMBERS and isinstance(actual, int | float):
        if isinstance(expected, bool) != isinstance(actual, bool):
            return False
        return bool(expected == actual) or (expected != expected and actual != actual)
    return bool(expected == actual)


def contains(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` has everything in ``expected``: it may have more keys in dicts, at any depth."""
    equal: object = type(expected).__eq__
    if equal in _DICTS and isinstance(actual, dict):
        return all(key in actual and contains(value, actual[key]) for key, value in expected.items())
    if equal in _LISTS and isinstance(actual, list):
        return len(expected) == len(actual) and all(contains(*pair) for pair in zip(expected, actual, strict=True))
    return same(expected, actual)
