"""Words for numbers of what a journal has."""

from __future__ import annotations


def times(count: int) -> str:
    """A number of calls in words."""
    return "never" if count == 0 else "once" if count == 1 else f"{count} times"


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def dropped(number: int, what: str, *, by_bytes: bool = True) -> list[str]:
    """That the journal no longer has so many, in a line, and what bounds it; none if it has all."""
    bounds = "max_exchanges= and max_journal_bytes= bound" if by_bytes else "max_exchanges= bounds"
    return [f"  ({count(number, f'older {what}')} dropped: {bounds} the journal)"] if number else []
