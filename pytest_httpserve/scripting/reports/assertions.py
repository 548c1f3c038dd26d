"""Assertions about the requests that a server got. pytest rewrites this module to show its diffs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record import words
from pytest_httpserve.scripting.record.concurrency import most_at_once
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.journal import Seen
from pytest_httpserve.scripting.record.lines import exchange_lines, refusal, request_line
from pytest_httpserve.scripting.record.readable import fits, readable
from pytest_httpserve.scripting.reports import report
from pytest_httpserve.scripting.routing.criteria import match
from pytest_httpserve.scripting.routing.matchers import Check, Matcher
from pytest_httpserve.scripting.routing.requested import is_requested, requested

Step = Matcher | tuple[str, str | re.Pattern[str]] | str


def assert_requested(seen: Seen, matcher: Matcher, what: str, times: int | None) -> None:
    """Fail unless ``matcher`` took ``times`` requests, or at least one if that is None."""
    __tracebackhide__ = True
    exchanges = seen.exchanges
    found = requested(exchanges, matcher)
    if times is None and found:
        return
    if len(found) == times:
        _check_all_kept(seen, f"how often {what} was requested")
        return
    title = f"{what} was requested {words.times(len(found))}" if found else f"{what} was not requested"
    if times is not None:
        title += f", expected {words.times(times) if times else 'not at all'}"
    if times is not None and len(found) > times:
        raise AssertionError(_list(f"{title}:", found, seen))
    raise AssertionError(explained(title, seen, found, matcher))


def assert_not_requested(seen: Seen, matcher: Matcher, what: str) -> None:
    """Fail if ``matcher`` took any request."""
    __tracebackhide__ = True
    found = requested(seen.exchanges, matcher)
    if found:
        raise AssertionError(_list(f"{what} was requested:", found, seen))
    _check_all_kept(seen, f"whether {what} was requested")


def assert_in_order(seen: Seen, steps: Iterable[Step]) -> None:
    """Fail unless the steps were requested in this order; other requests may come between them."""
    __tracebackhide__ = True
    exchanges = seen.exchanges
    if isinstance(steps, str | Matcher):
        raise UsageError(f"the steps must be a list, such as ['GET /a', 'GET /b'], not {steps!r}")
    wanted = [(_name(step), _matcher(step)) for step in steps]
    rest = iter(exchanges)
    for position, (name, matcher) in enumerate(wanted, 1):
        if not any(is_requested(exchange, matcher) for exchange in rest):
            before = f" after {wanted[position - 2][0]}" if position > 1 else ""
            title = f"step {position}, {name}, was not requested{before}"
            raise AssertionError(
                _list(f"{title}{_refused_instead(exchanges, matcher)}; the server got:", exchanges, seen)
                if exchanges
                else readable([f"{title}: there were {words.no_requests()}"])
            )


def assert_none(seen: Seen) -> None:
    """Fail if any request came in."""
    __tracebackhide__ = True
    if seen.exchanges:
        raise AssertionError(_list("expected no requests; the server got:", seen.exchanges, seen))


def assert_reused(seen: Seen, most: int) -> None:
    """Fail unless the exchanges came over at most ``most`` connections, and at least one connection was reused."""
    __tracebackhide__ = True
    used = [record for record in seen.connections if record.exchange_count]
    if len(used) <= most and any(record.reused for record in used):
        if seen.dropped_connections:
            raise AssertionError(_unknown("how many connections were used", seen.dropped_connections, "connection"))
        return
    came = sum(record.exchange_count for record in used)
    title = f"{words.count(came, 'exchange')} came over {words.count(len(used), 'connection')}, "
    title += f"expected at most {most}" if len(used) > most else "and none was reused"
    raise AssertionError(readable([f"{title}:", *report.connection_lines(seen)]))


def assert_all_closed(seen: Seen, by: str | None, timeout: float) -> None:
    """Fail unless all connections are closed, and closed by ``by``. The caller has waited for ``timeout`` seconds."""
    __tracebackhide__ = True
    connections = seen.connections
    title = ""
    if left := sum(record.is_open for record in connections):
        title = f"{left} of {words.count(len(connections), 'connection')} still open after {timeout} s"
    elif others := sum(by not in (None, record.closed_by) for record in connections):
        title = f"{others} of {words.count(len(connections), 'connection')} not closed by the {by}"
    if title:
        raise AssertionError(readable([f"{title}:", *report.connection_lines(seen)]))
    if by is not None and seen.dropped_connections:
        raise AssertionError(_unknown("who closed all connections", seen.dropped_connections, "connection"))


def assert_max_concurrent(seen: Seen, matcher: Matcher, most: int) -> None:
    """Fail if more than ``most`` of the exchanges that ``matcher`` takes were in progress at once."""
    __tracebackhide__ = True
    exchanges = requested(seen.exchanges, matcher)
    together = most_at_once(exchanges)
    if len(together) > most:
        title = f"{len(together)} requests were in progress at once, expected at most {most}:"
        raise AssertionError(_list(title, together, seen))
    _check_all_kept(seen, "how many requests were in progress at once")


def _check_all_kept(seen: Seen, what: str) -> None:
    """Fail if the journal has dropped exchanges, and so cannot know."""
    __tracebackhide__ = True
    if seen.dropped_exchanges:
        raise AssertionError(_unknown(what, seen.dropped_exchanges, "exchange"))


def _unknown(what: str, dropped: int, kind: str) -> str:
    """Say that the journal cannot know, and what to do about it."""
    return (
        f"{what} is not known: {words.count(dropped, f'older {kind}')} dropped from the journal; give the server a "
        "higher max_exchanges= or max_journal_bytes=, or ask a route with assert_called(), which counts all its calls"
    )


def _matcher(step: Step) -> Matcher:
    if isinstance(step, Matcher):
        return step
    if isinstance(step, str):
        method, blank, path = step.partition(" ")
        return match(method, path) if blank else match("*", step)
    if isinstance(step, tuple) and len(step) == 2:
        return match(*step)
    raise UsageError(f"a step must be ('GET', '/path'), 'GET /path' or a matcher, not {step!r}")


def _name(step: Step) -> str:
    if isinstance(step, tuple):
        return " ".join(part.pattern if isinstance(part, re.Pattern) else part for part in step)
    return step if isinstance(step, str) else repr(step)


def _list(title: str, exchanges: Sequence[Exchange], seen: Seen) -> str:
    return readable(_listed(title, exchanges, seen))


def _listed(title: str, exchanges: Sequence[Exchange], seen: Seen) -> list[str]:
    lines = [title, *words.dropped(seen.dropped_exchanges, "exchange")]
    return [*lines, *(f"  {line}" for line in exchange_lines(exchanges))]


def none_to_take(seen: Seen, timeout: float) -> str:
    """The message for a request that did not come while the test waited to take it."""
    title = f"no further request came within {timeout} s; the server got:"
    return readable(_listed(title, seen.exchanges, seen) + ([] if seen.exchanges else ["  nothing"]))


def not_in_time(seen: Seen, matcher: Matcher, what: str, times: int, timeout: float) -> str:
    """The message for requests that did not come often enough while the test waited for them."""
    found = requested(seen.exchanges, matcher)
    came = f"was requested {words.times(len(found))}" if found else "was not requested"
    wanted = f", expected {words.times(times)}" if times > 1 else ""
    return explained(f"{what} {came} within {timeout} s{wanted}", seen, found, matcher)


def explained(title: str, seen: Seen, found: Sequence[Exchange], matcher: Matcher) -> str:
    """List what was requested instead, and compare the nearest of the other requests, criterion by criterion."""
    exchanges = seen.exchanges
    if not exchanges:
        return readable([f"{title}: there were {words.no_requests()}"])
    asked_for = set(map(id, found))
    others = [exchange for exchange in exchanges if id(exchange) not in asked_for]
    why = "" if found else _refused_instead(exchanges, matcher)
    if others:
        nearest, checks, as_near = report.nearest(matcher, others)
        if not (found or why) and (said := report.difference(checks, seen.redacted)):
            why = f": {request_line(nearest.request)} differs in {said}"
    lines = _listed(f"{title}{why}; the server got:", exchanges, seen)
    if others:
        other = " other one" if found else ""
        latest = f", the latest of {as_near} equally near," if as_near > 1 else ""
        lines.append(f"the nearest{other}{latest} is {request_line(nearest.request)}:")
        for check in (report.redact(check, seen.redacted) for check in checks):
            lines += [f"  {line}" for line in [*report.describe_check(check), *_diff(check)]]
    return readable(lines)


def _refused_instead(exchanges: Sequence[Exchange], matcher: Matcher) -> str:
    """Why the server refused the last request that seems to be meant; empty if it refused none."""
    refused = [exchange for exchange in exchanges if exchange.refused and _is_meant(exchange, matcher)]
    return f": {refusal(refused[-1])}" if refused else ""


def _is_meant(exchange: Exchange, matcher: Matcher) -> bool:
    """Whether method and path match: often nothing else is known of a refused request."""
    return all(check.passed for check in matcher.checks(exchange.request) if check.criterion in ("method", "path"))


def _diff(check: Check) -> list[str]:
    """pytest's diff of two values; empty if they are a single line, or if pytest has not rewritten this module."""
    if check.passed or type(check.expected) is not type(check.got):
        return []
    if not (fits(check.expected) and fits(check.got)):  # their first difference is enough
        return []
    if not isinstance(check.expected, dict | list) and "\n" not in str(check.expected):
        return []
    try:
        assert check.got == check.expected
    except AssertionError as error:
        return [f"    {line}" for line in str(error).splitlines()[1:] if line.strip()]
    return []
