"""Ranges of bytes: what a Range header asks for, and the bytes that answer it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_httpserve.server.files.ranges import (
    MOST_RANGES,
    content_range,
    multipart,
    parse_ranges,
)


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-9", [(0, 10)]),
        ("bytes=5-", [(5, 10)]),
        ("bytes=5-100", [(5, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-100", [(0, 10)]),
        ("bytes=9-9", [(9, 10)]),
        ("bytes=0-1,4-5", [(0, 2), (4, 6)]),
        ("bytes=4-5,0-1", [(4, 6), (0, 2)]),
        ("bytes=0-1,-2", [(0, 2), (8, 10)]),
        ("bytes=0-1, ,\t4-5,", [(0, 2), (4, 6)]),
        ("Bytes = 0-1", [(0, 2)]),
        ("bytes= 0-1 ", [(0, 2)]),
    ],
)
def test_ranges_that_are_there(value: str, pieces: list[tuple[int, int]]) -> None:
    assert parse_ranges(value, 10) == [range(*piece) for piece in pieces]


@pytest.mark.parametrize(
    "value", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=10-11,12-13", "bytes=99999999999999-"]
)
def test_ranges_of_which_none_is_there(value: str) -> None:
    assert parse_ranges(value, 10) == []


def test_of_several_ranges_those_that_are_there_are_answered() -> None:
    assert parse_ranges("bytes=0-1,20-30,-0", 10) == [range(0, 2)]


def test_nothing_has_no_ranges() -> None:
    assert parse_ranges("bytes=0-", 0) == []


def test_the_end_of_nothing_is_all_of_it() -> None:
    """It can be satisfied (RFC 9110 section 14.1.2), and there is no Content-Range for it."""
    assert parse_ranges("bytes=-5", 0) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes=+0-1",
        "bytes=0-+1",
        "bytes=--1",
        "bytes=0 - 1",
        "bytes=0_0-1",
        "bytes=\u0660-\u0661",
        "lines=0-1",
        "=0-1",
        "0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_a_header_that_is_no_set_of_ranges_is_ignored(value: str) -> None:
    assert parse_ranges(value, 10) is None


def test_too_many_ranges_are_ignored() -> None:
    value = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MOST_RANGES + 1))
    assert parse_ranges(value, 10_000) is None


def test_overlapping_ranges_that_ask_for_more_than_there_is_are_ignored() -> None:
    assert parse_ranges("bytes=0-,0-,0-", 10) is None


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=40), st.integers(0, 100))
def test_no_header_asks_for_more_than_there_is(value: str, size: int) -> None:
    pieces = parse_ranges("bytes=" + value, size)
    for piece in pieces or []:
        assert 0 <= piece.start < piece.stop <= size
    assert sum(map(len, pieces or [])) <= size


def test_content_range_counts_from_zero_and_inclusively() -> None:
    assert content_range(range(0, 1), 10) == "bytes 0-0/10"
    assert content_range(range(5, 10), 10) == "bytes 5-9/10"


def test_several_parts_stand_between_boundaries() -> None:
    data = b"0123456789"
    parts = multipart([range(8, 10), range(0, 1)], 10, "text/x", "edge")
    assert b"".join(part if isinstance(part, bytes) else data[part.start : part.stop] for part in parts) == (
        b"\r\n--edge\r\nContent-Type: text/x\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
        b"\r\n--edge\r\nContent-Type: text/x\r\nContent-Range: bytes 0-0/10\r\n\r\n0"
        b"\r\n--edge--\r\n"
    )
