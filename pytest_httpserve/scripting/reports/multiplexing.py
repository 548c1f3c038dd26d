"""Assertions about HTTP/2 clients: that they use many streams on a connection, and do what GOAWAY asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.record import words
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.reports import report

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord, Exchange
    from pytest_httpserve.scripting.record.goaway import GoneAway
    from pytest_httpserve.scripting.record.journal import Seen

_Asked = tuple[str, str]


def assert_multiplexed(seen: Seen, least: int) -> None:
    """Fail unless at least ``least`` streams were open at once on one connection."""
    __tracebackhide__ = True
    most = 0
    for record in seen.connections:
        streams = [exchange for exchange in record.exchanges if exchange.stream_id is not None]
        most = max(most, len(most_at_once(streams)))
    if most < least:
        asked = words.count(least, "request")
        title = f"expected {asked} in progress at once on one HTTP/2 connection, got at most {most}:"
        raise AssertionError(readable([title, *report.connection_lines(seen)]))


def assert_goaway_respected(seen: Seen) -> None:
    """Fail if a client repeated a request that was processed, or gave up one that was not."""
    __tracebackhide__ = True
    told = [(record, record.goaway) for record in seen.connections if record.goaway is not None]
    if not told:
        raise AssertionError("no client was told to go away: give a route, or the server, fault=GoAway()")
    wrong = [line for record, goaway in told for line in _wrong(seen, record, goaway)]
    if wrong:
        raise AssertionError(readable([*wrong, *report.connection_lines(seen)]))


def _wrong(seen: Seen, record: ConnectionRecord, goaway: GoneAway) -> Iterator[str]:
    later = {
        _asked(exchange)
        for exchange in seen.exchanges
        if exchange.connection is not record and exchange.times.request_begun >= goaway.told
    }
    on_it = [exchange for exchange in record.exchanges if exchange.stream_id is not None]
    too_late = [_asked(exchange) for exchange in on_it if (exchange.stream_id or 0) > goaway.last_stream]
    said = f"GOAWAY of connection {record.index} named {goaway.last_stream} as the last stream"
    for method, target in [*too_late, *((late.method, late.target) for late in goaway.unprocessed)]:
        if (method, target) not in later:
            yield f"the client gave up {method} {target}, which was not processed: the {said}, and it came after that"
    for exchange in on_it:
        answered = exchange.response is not None and (exchange.stream_id or 0) <= goaway.last_stream
        if answered and _asked(exchange) in later:
            method, target = _asked(exchange)
            yield f"the client repeated {method} {target}, which was processed: the {said}, and it came before that"


def _asked(exchange: Exchange) -> _Asked:
    return exchange.request.method, exchange.request.target
