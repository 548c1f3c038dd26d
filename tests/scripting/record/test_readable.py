"""Text that leaves gives no orders, forges no line, and is bounded."""

import pytest

from pytest_httpserve.scripting.record.readable import (
    MOST_JOINED_BYTES,
    MOST_LINE,
    MOST_TEXT_BYTES,
    both_ends,
    brief,
    fits,
    joined,
    line,
    readable,
    readable_text,
    shortened,
    size,
)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("GET /a\t1", "GET /a\t1"),
        ("Grüße, 世界 ✓", "Grüße, 世界 ✓"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\0b\x7f", "a\\x00b\\x7f"),
        ("one\nanother\r\n", "one\\nanother\\r\\n"),
        ("\x85\u2028\u2029\x0b\x0c", "\\x85\\u2028\\u2029\\x0b\\x0c"),
        ("\ud800", "\\ud800"),
        ("\u202ereversed", "\\u202ereversed"),
        ("\ufffe\U000e0001", "\\ufffe\\U000e0001"),
    ],
)
def test_what_a_terminal_obeys_or_no_encoding_has_is_written_out(given: str, shown: str) -> None:
    assert line(given) == shown
    assert readable([given, "b"]) == f"{shown}\nb"


def test_a_long_line_is_shown_at_both_ends() -> None:
    text = line("a" * 400 + "b" * 10_000 + "c" * 400)

    assert text.startswith("aaaa")
    assert text.endswith("cccc")
    assert f" ... {10_800 - MOST_LINE + 40} more characters ... " in text
    assert len(text) <= MOST_LINE
    assert line(text) == text
    assert shortened("a" * 50, 50) == "a" * 50
    assert shortened("a" * 100 + "b" * 100, 100) == f"{'a' * 40} ... 140 more characters ... {'b' * 20}"


def test_a_long_text_is_shown_at_both_ends() -> None:
    text = readable(f"line {number} ä" for number in range(100_000))
    lines = text.split("\n")

    assert lines[:2] == ["line 0 ä", "line 1 ä"]
    assert lines[-1] == "line 99999 ä"
    assert f"... {100_000 - len(lines) + 1} more lines ..." in lines
    assert MOST_TEXT_BYTES - 100 < len(text.encode()) <= MOST_TEXT_BYTES
    assert readable_text(text) == text


def test_texts_are_left_out_whole() -> None:
    text = joined([f"failure {number}\n  more of it\n" for number in range(10_000)])

    assert text.startswith("failure 0\n  more of it\n\nfailure 1\n")
    assert text.endswith("\nfailure 9999\n  more of it\n")
    assert " more failures ...\n" in text
    assert len(text.encode()) <= MOST_JOINED_BYTES
    assert joined(["one\n", "another\n"]) == "one\n\nanother\n"


def test_a_text_that_is_too_long_by_itself_is_left_out_alone() -> None:
    large = "x" * 2 * MOST_JOINED_BYTES

    assert joined(["one", large, "another"]) == "one\n... 1 more failure ...\nanother"
    assert joined(["one", "another", large]) == "one\nanother\n... 1 more failure ..."
    assert joined([large, "one", "another"]) == "... 1 more failure ...\none\nanother"


def test_both_ends_of_items() -> None:
    assert both_ends([1, 2, 3], 3) == ([1, 2, 3], 0, ())
    assert both_ends([1, 2, 3, 4, 5], 3) == ([1, 2], 2, [5])


class Wrong:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [{"a": [1, "it's", None]}, [], {}, "a", b"\xff", (1, 2), 1.5, {1: {}}, [[{"a": "b"}], {"c": [True]}]],
)
def test_a_small_value_is_shown_whole(value: object) -> None:
    assert fits(value)
    assert brief(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "beginning", "end"),
    [
        ("x" * 5_000, "'xxx", "x ... (5000 characters)"),
        (b"x" * 5_000, "b'xxx", "x ... (5000 bytes)"),
        ([{"n": 1}] * 5_000, "[{'n': 1}, {'n': 1}", " ... (a list of 5000 items)"),
        ({"key": "x" * 5_000}, "{'key': 'xxx", "x ... (a dict of 1 key)"),
        (tuple(range(5_000)), "(0, 1, ", " ... (a tuple of 5000 items)"),
    ],
)
def test_of_a_large_value_the_beginning_is_shown_and_how_much_there_is(value: object, beginning: str, end: str) -> None:
    text = brief(value)

    assert not fits(value)
    assert text.startswith(beginning)
    assert text.endswith(end)
    assert len(text) < 350


def test_of_a_large_value_no_more_is_written_than_is_shown() -> None:
    class Counted:
        asked = 0

        def __repr__(self) -> str:
            Counted.asked += 1
            return "counted"

    brief([Counted() for _ in range(10_000)])

    assert Counted.asked < 100


def test_a_deep_value_is_shown() -> None:
    value: object = "deep"
    for _ in range(100_000):
        value = [value]

    assert brief(value).startswith("[[[[")


def test_a_value_whose_repr_raises_says_so() -> None:
    assert brief([Wrong()]) == "[<a Wrong, whose repr raised RuntimeError>]"
    assert size(Wrong()) == "a Wrong"
