"""Which exchanges count as requests that a matcher takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.routing.matchers import Matcher


def is_requested(exchange: Exchange, matcher: Matcher) -> bool:
    """Whether ``matcher`` takes the request. A refused request never counts."""
    return not exchange.refused and matcher.matches(exchange.request)


def requested(exchanges: Iterable[Exchange], matcher: Matcher) -> list[Exchange]:
    """The exchanges whose requests ``matcher`` takes."""
    return [exchange for exchange in exchanges if is_requested(exchange, matcher)]
