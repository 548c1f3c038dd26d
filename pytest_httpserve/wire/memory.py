"""A cache for functions of text, bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Result = TypeVar("Result")

# Results for longer texts are not cached: a cache bounded only in entries would keep whatever a client sends, which may
# be a thousand times as long as the usual.
LONGEST_TEXT = 1024


def remembered(entries: int) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """``lru_cache`` for a function whose last argument is text from the client."""

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        cached = lru_cache(entries)(function)

        @wraps(function)
        def call(*texts: str) -> Result:
            return cached(*texts) if len(texts[-1]) <= LONGEST_TEXT else function(*texts)

        return call

    return decorate
