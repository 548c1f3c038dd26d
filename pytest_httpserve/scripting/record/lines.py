"""Exchanges as lines of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.record.readable import both_ends, shortened
from pytest_httpserve.scripting.record.words import count
from pytest_httpserve.wire import grammar

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.request import Request

MOST_REQUEST_LINE = 200


def request_line(request: Request, most: int = MOST_REQUEST_LINE) -> str:
    """A request, for use within a line; ``a request`` if it is not HTTP, such as a TLS client's first bytes."""
    if not grammar.TOKEN.fullmatch(request.method):
        return "a request"
    return shortened(str(request), most)


def refusal(exchange: Exchange) -> str:
    """Say that a request was refused, and why, for use within a line."""
    most = MOST_REQUEST_LINE // 2  # there is more in the line
    return f"{request_line(exchange.request, most)} was refused ({shortened(exchange.error or '', most)})"


def exchange_line(exchange: Exchange) -> str:
    """One line for an exchange."""
    response = exchange.response
    parts = [
        request_line(exchange.request),
        *where_asked(exchange),
        "" if exchange.stream_id is None else f"on stream {exchange.stream_id}",
        "->",
        "no answer" if response is None else str(response.status),
    ]
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
        parts.append(f"({'refused: ' if exchange.refused else ''}{exchange.error})")
    return " ".join(part for part in parts if part)


def where_asked(exchange: Exchange) -> list[str]:
    """The origin, if the request line does not name it, for use within a line."""
    origin, target = exchange.origin, exchange.request.target
    return [f"at {origin}"] if origin is not None and target.startswith(("/", "*")) else []


def exchange_lines(exchanges: Sequence[Exchange]) -> list[str]:
    """One line for each exchange; if there are many, only for the first and last ones."""
    first, left_out, last = both_ends(exchanges)
    return [*map(exchange_line, first), *more(left_out, "exchange"), *map(exchange_line, last)]


def more(left_out: int, what: str) -> list[str]:
    """A line that says how many are left out; none if that is 0."""
    return [f"... {count(left_out, f'more {what}')} ..."] if left_out else []
