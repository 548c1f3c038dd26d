"""Words for what a journal has: numbers, and an exchange in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange


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


def exchange_line(exchange: Exchange) -> str:
    """An exchange in one line."""
    response = exchange.response
    parts = [str(exchange.request), "->", "no answer" if response is None else str(response.status)]
    if response is not None:
        headers = response.headers
        parts += [
            headers.get("content-type", ""),
            f"{length} bytes" if (length := headers.get("content-length")) else "",
        ]
    if (duration := exchange.times.duration) is not None:
        parts.append(f"{duration * 1000:.1f} ms")
    if exchange.route is not None:
        parts.append(f"by {exchange.route.place}")
    if exchange.error:
        parts.append(f"({exchange.error})")
    return " ".join(part for part in parts if part)
