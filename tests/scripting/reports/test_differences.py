"""Where two values differ first."""

from typing import Any
from unittest.mock import ANY

import pytest

from pytest_httpserve.scripting.reports.differences import common_length, first_difference


@pytest.mark.parametrize(
    ("expected", "got", "place", "one", "other"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b", 2, 3),
        ({"a": ANY, "b": 1}, {"a": 7, "b": 2}, "b", 1, 2),
        ([1, 2], [1, 2, 3], "[2]", "(not there)", 3),
        ([1, 2, 3], [1, 2], "[2]", 3, "(not there)"),
        ({"a": 1}, {}, "a", 1, "(not there)"),
        ({}, {"a": 1}, "a", "(not there)", 1),
        ({"a b": {"": 1}}, {"a b": {"": 2}}, "['a b']['']", 1, 2),
        ({"items": []}, {"items": {}}, "items", [], {}),
        (1, 2, "", 1, 2),
        ("a" * 1000 + "b" + "c" * 1000, "a" * 2001, "character 1000", "a" * 60 + "b" + "c" * 59, "a" * 120),
        (b"a" * 1000, b"a" * 999, "byte 999", b"a" * 61, b"a" * 60),
        ({"t": "a" * 200}, {"t": "b" * 200}, "t, character 0", "a" * 60, "b" * 60),
    ],
)
def test_the_place_that_differs_first(expected: Any, got: Any, place: str, one: object, other: object) -> None:
    assert first_difference(expected, got, part=False) == (place, one, other)


def test_of_a_part_what_is_beside_it_is_no_difference() -> None:
    expected, got = {"a": [{"b": 1}]}, {"z": 0, "a": [{"z": 0, "b": 2}]}

    assert first_difference(expected, got, part=True) == ("a[0].b", 1, 2)


class Unwilling:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")


def test_a_value_that_cannot_be_compared_is_the_difference() -> None:
    unwilling = Unwilling()
    place, expected, got = first_difference({"a": 1, "b": unwilling}, {"a": 1, "b": 2}, part=False)

    assert (place, got) == ("b", 2)
    assert expected is unwilling


@pytest.mark.parametrize(("one", "other", "length"), [("", "", 0), ("abc", "abd", 2), ("ab", "abc", 2), ("x", "y", 0)])
def test_how_much_is_the_same_at_the_beginning(one: str, other: str, length: int) -> None:
    assert common_length(one, other) == length
