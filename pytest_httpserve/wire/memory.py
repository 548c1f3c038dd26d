"""Results that are remembered by the texts they were worked out from, in a bounded number of bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Result = TypeVar("Result")

# What is longer is worked out anew each time: a cache that is bounded in entries alone would keep whatever a client
# sends, which may be a thousand times as long as what tests ask for.
LONGEST_TEXT = 1024


def remembered(entries: int) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """``lru_cache`` for a function whose last argument is a text of the client's."""

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        cached = lru_cache(entries)(function)

        @wraps(function)
        def call(*texts: str) -> Result:
            return cached(*texts) if len(texts[-1]) <= LONGEST_TEXT else function(*texts)

        return call

    return decorate
