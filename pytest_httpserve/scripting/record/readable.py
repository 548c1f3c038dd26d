"""Text for a terminal, a JUnit file or another process: no control characters, no forged lines, and bounded.

Whatever comes from a peer or from a test's own object enters a report one line at a time: ``line`` escapes control
characters, and those that cannot be encoded. ``readable`` joins lines to a text, ``joined`` joins texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pytest_httpserve.scripting.record.words import count

T = TypeVar("T")

# The report of a failing test stays under 64 KiB: its own error, what its servers add to it, and their exchanges, with
# what pytest writes before each line.
MOST_TEXT_BYTES = 8 << 10
MOST_JOINED_BYTES = 16 << 10
MOST_LINE = 500
MOST_VALUE = 300
MOST_DEPTH = 50

_SUSPECT = re.compile(r"[^ -~\t]")


def line(text: str) -> str:
    """The text as one line that can be shown anywhere; a long one loses its middle."""
    return shortened(written_out(text), MOST_LINE)


def written_out(text: str) -> str:
    """The text with everything unprintable as a Python escape."""
    return _SUSPECT.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else repr(character)[1:-1]


def shortened(text: str, most: int) -> str:
    """The text or, if it has more than ``most`` characters, its two ends."""
    if len(text) <= most:
        return text
    mark = f" ... {len(text) - most + 40} more characters ... "
    begin = (most - 40) * 2 // 3
    end = most - 40 - begin
    return f"{text[:begin]}{mark}{text[-end:]}"


def both_ends(items: Sequence[T], most: int = 40) -> tuple[Sequence[T], int, Sequence[T]]:
    """The first items, how many are left out, and the last items. With up to ``most`` items, none are left out."""
    if len(items) <= most:
        return items, 0, ()
    end = most // 2
    return items[: most - end], len(items) - most, items[-end:]


def readable(lines: Iterable[str], most: int = MOST_TEXT_BYTES) -> str:
    """Join lines to a text, without those in the middle if it would have more than ``most`` bytes."""
    return "\n".join(_within(list(map(line, lines)), most, "line"))


def is_readable(text: str) -> bool:
    """Whether a text of lines has nothing unprintable and is not far too long."""
    return len(text) <= 4 * MOST_JOINED_BYTES and written_out(text.replace("\n", "")) == text.replace("\n", "")


def readable_text(text: str) -> str:
    """A text of lines, made ``readable``."""
    return readable(text.split("\n"))


def joined(texts: Sequence[str], most: int = MOST_JOINED_BYTES) -> str:
    """Join readable texts, without those in the middle if there would be more than ``most`` bytes."""
    return "\n".join(_within(texts, most, "failure"))


def _within(items: Sequence[str], most: int, what: str) -> Sequence[str]:
    """As many of the items, from both ends, as fit into ``most`` bytes."""
    sizes = [len(item.encode()) + 1 for item in items]
    if sum(sizes) <= most:
        return items
    room = most - 40  # for the mark
    begin = _fitting(sizes, room * 2 // 3)
    end = _fitting(sizes[:begin:-1], room - sum(sizes[:begin]))
    return [*items[:begin], f"... {count(len(items) - begin - end, f'more {what}')} ...", *items[len(items) - end :]]


def _fitting(sizes: Sequence[int], room: int) -> int:
    """How many of the sizes, from the first on, fit into ``room``."""
    for number, size in enumerate(sizes):
        room -= size
        if room < 0:
            return number
    return len(sizes)


def fits(value: object) -> bool:
    """Whether ``brief`` shows all of it."""
    return _beginning(value)[1]


def brief(value: object) -> str:
    """``repr(value)`` or, if that is long, its beginning and the size of the value."""
    text, is_whole = _beginning(value)
    return text if is_whole else f"{text} ... ({size(value)})"


def size(value: object) -> str:
    """The kind of a value, and its size."""
    if isinstance(value, str):
        return count(len(value), "character")
    if isinstance(value, bytes | bytearray):
        return count(len(value), "byte")
    if isinstance(value, dict):
        return f"a dict of {count(len(value), 'key')}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {count(len(value), 'item')}"
    return f"a {type(value).__name__}"


def _beginning(value: object) -> tuple[str, bool]:
    """The beginning of ``repr(value)``, made only as far as it is shown, and whether that is all of it."""
    text = ""
    for piece in _pieces(value, 0):
        text += piece
        if len(text) > MOST_VALUE:
            return text[:MOST_VALUE], False
    return text, True


def _pieces(value: object, depth: int) -> Iterator[str]:
    if depth == MOST_DEPTH:
        yield " ... "
    elif type(value) is dict:
        yield "{"
        for number, (key, element) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _pieces(key, depth + 1)
            yield ": "
            yield from _pieces(element, depth + 1)
        yield "}"
    elif type(value) is list:
        yield "["
        for number, element in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(element, depth + 1)
        yield "]"
    else:
        yield _shown(value)


def _shown(value: object) -> str:
    if type(value) is str or type(value) is bytes:
        return repr(value[: MOST_VALUE + 1])  # one more than is shown, to tell that it is cut
    try:
        return repr(value)
    except Exception as error:  # raised by the test's own object
        return f"<a {type(value).__name__}, whose repr raised {type(error).__name__}>"
