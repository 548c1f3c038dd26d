"""How an expected value is compared with what came.

Values are compared with ``==``, the expected side first, so that ``mock.ANY`` and ``dirty-equals`` work at any depth; a
compiled pattern matches a text that it finds itself in.
"""

from __future__ import annotations

import re
from typing import Any

ABSENT = "(not there)"


class Shown(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class NoJson(Shown):
    """Why a body is no JSON."""

    __slots__ = ()


def same(expected: Any, actual: Any) -> bool:
    """``expected == actual``, and patterns at any depth."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, type(expected.pattern)) and expected.search(actual) is not None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)


def contains(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` has all that ``expected`` has: keys of mappings at any depth, all else the same."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and contains(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(contains, expected, actual))
    return same(expected, actual)
