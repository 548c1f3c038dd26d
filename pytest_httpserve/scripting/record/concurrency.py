"""How many requests were in progress at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange


def most_at_once(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The exchanges in progress at the moment when there were the most of them, in the order in which they began.

    An exchange is in progress from the first byte of its request until the last byte of its response leaves. A client
    that waits for each response before it sends the next request never has more than one.
    """
    moments = []
    for place, exchange in enumerate(exchanges):
        begun, ended = _in_hand(exchange)
        # At the same moment, an end counts before a beginning.
        moments += [(begun, 1, place), (ended, 0, place)]
    moments.sort()
    now: dict[int, Exchange] = {}
    most: list[Exchange] = []
    for _, begins, place in moments:
        if not begins:
            now.pop(place, None)
            continue
        now[place] = exchanges[place]
        if len(now) > len(most):
            most = list(now.values())
    return most


def _in_hand(exchange: Exchange) -> tuple[float, float]:
    """When it began, and when it ended: infinity, if it has not."""
    times = exchange.times
    if times.response_ended is not None:
        return times.request_begun, times.response_ended
    connection = exchange.connection
    if connection is not None and connection.closed is not None:
        return times.request_begun, connection.closed
    return times.request_begun, math.inf
