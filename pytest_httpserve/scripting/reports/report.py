"""The texts that a reader of a report sees: near misses, exchanges, transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.record.lines import exchange_line, exchange_lines, more, request_line
from pytest_httpserve.scripting.record.readable import both_ends, brief, fits, line, readable, shortened, size
from pytest_httpserve.scripting.record.redaction import ALWAYS_REDACTED, masked, masked_line
from pytest_httpserve.scripting.record.words import count, dropped, no_requests, proxy_variable
from pytest_httpserve.scripting.reports.differences import common_length, first_difference
from pytest_httpserve.scripting.routing.comparing import Shown
from pytest_httpserve.scripting.routing.matchers import Check, Matcher
from pytest_httpserve.scripting.routing.routes import MISSED
from pytest_httpserve.wire.origin import split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord, Exchange
    from pytest_httpserve.scripting.record.journal import FaultEvent, Seen
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.routing.route import Route
    from pytest_httpserve.scripting.script import Script

NOTHING_ANSWERS = "nothing answers"  # the first words of the server's own 404
NEAREST = 3
_MOST_WITHIN = 160  # characters of a value in the first line
_FIELD = re.compile(r"\b(header|cookie) ([^\s()|&]+)")


def explained(script: Script, request: Request) -> str:
    """Say what would answer ``request``, and what comes before that, such as a limit; or why nothing would."""
    path = target_of(request.target).canonical
    guards = ", then ".join(map(str, script.guards.before(path)))
    met = f"; before that comes {guards}" if guards else ""
    found = script.routes.find(request)
    if found.route is not None:
        return line(f"{found.route} answers {request_line(request)}{met}")
    if found is not MISSED and (mount := script.mounts.find(path)) is not None:
        return line(f"{mount.describe()} under {mount.prefix or '/'}, and answers {request_line(request)}{met}")
    if found is not MISSED and script.queue:
        return line(f"{script.queue[0]!r} answers {request_line(request)}, as the next in the queue{met}")
    return unanswered(script, request)


def unanswered(script: Script, request: Request) -> str:
    """Say that nothing answers ``request``, and compare it with the nearest routes, criterion by criterion."""
    at = f" at {script.whose}" if script.whose else as_to_a_proxy(script, request)
    held, redacted = _by_nearness(script.routes, request), script.journal.redacted
    why = f": the nearest route differs in {said}" if held and (said := difference(held[0][1], redacted)) else ""
    lines = [f"{NOTHING_ANSWERS} {request_line(request)}{at}{why}", *_request_lines(request)]
    lines += near_misses(held, redacted)
    lines += [f"  {mount.describe()} under {mount.prefix or '/'}" for mount in script.mounts]
    if script.queue:
        lines.append(f"  the queue has {count(len(script.queue), 'response')}")
    beneath = script.queue or script.mounts.find(target_of(request.target).canonical) is not None
    if beneath and script.routes.find(request) is MISSED:
        lines.append(
            '  not used, because a route matches method and path: give that route otherwise="continue" to allow it'
        )
    if len(script.routes) == 0 and not list(script.mounts):
        lines.append(f"  {script.whose or 'the server'} has no route, and serves no directory")
    if script.advice:
        lines.append(f"  {script.advice}")
    return readable([*lines, ""])


def as_to_a_proxy(script: Script, request: Request) -> str:
    """Say that the request was meant for a proxy, and which variable may have caused that; empty if it was not."""
    authority = target_of(request.target).authority
    if script.origins is not None or (authority is None and request.method != "CONNECT"):
        return ""
    variable = proxy_variable(split_authority(authority or request.target, "http")[0])
    return f", sent as if to a proxy{f' ({variable} is set in the environment)' if variable else ''}"


def without_answer(route: Route, request: Request) -> str:
    """Say that the route that matches ``request`` has no response."""
    return readable([f"{route} matches {request_line(request)}, but has no response: add .respond(...) to it", ""])


_Held = tuple["Route", list[Check]]


def _by_nearness(routes: Iterable[Route], request: Request) -> list[_Held]:
    """The routes with the results of their criteria, nearest to ``request`` first."""
    held = [(route, route.checks(request)) for route in routes]
    held.sort(key=lambda one: (_distance(one[1]), -one[0].rank[1]))
    return held


def near_misses(held: Sequence[_Held], redacted: frozenset[str]) -> list[str]:
    """The nearest routes, each with its criteria."""
    lines = []
    for route, checks in held[:NEAREST]:
        lines.append(f"  {route}")
        lines += [f"    {line}" for check in checks for line in describe_check(redact(check, redacted))]
    if len(held) > NEAREST:
        rest = len(held) - NEAREST
        lines.append(f"  and {rest} more routes, less similar" if rest > 1 else "  and one more route, less similar")
    return lines


def difference(checks: Sequence[Check], redacted: frozenset[str]) -> str:
    """The first unmet criterion, with what was expected and got, and the names of the others, for use within a line.
    Empty if all are met."""
    failed = [redact(check, redacted) for check in checks if not check.passed]
    if not failed:
        return ""
    first, *others = failed
    place, expected, got = first_difference(first.expected, first.got, part=first.part)
    at = f" at {shortened(place, _MOST_WITHIN)}" if place else ""
    also = f"; also in {shortened(', '.join(check.criterion for check in others), _MOST_WITHIN)}" if others else ""
    return f"{shortened(first.criterion, _MOST_WITHIN)}{at}: expected {_few(expected)}, got {_few(got)}{also}"


def _few(value: object) -> str:
    return shortened(brief(value), _MOST_WITHIN)


def _distance(checks: list[Check]) -> float:
    """How far from a match. The path says the most about what was meant: the less alike the paths, the further."""
    return sum(
        6 - 3 * _likeness(str(check.expected), str(check.got)) if check.criterion == "path" else 1
        for check in checks
        if not check.passed
    )


def _likeness(one: str, other: str) -> float:
    """How much of two paths is the same at the beginning and the end, from 0 to 1. ``one`` may be a template."""
    one = re.sub(r"\{[^}]*\}", "", one)  # a parameter may be anything
    longest = max(len(one), len(other), 1)
    begin = common_length(one, other)
    end = common_length(one[begin:][::-1], other[begin:][::-1])
    return (begin + end) / longest


def nearest(matcher: Matcher, exchanges: Sequence[Exchange]) -> tuple[Exchange, list[Check], int]:
    """The exchange whose request comes nearest to what ``matcher`` takes, with its criteria, and how many come equally
    near. Of those, it is the latest."""
    held = [(exchange, matcher.checks(exchange.request)) for exchange in exchanges]
    distances = [_distance(checks) for _, checks in held]
    least = min(distances)
    exchange, checks = next(one for one, distance in zip(held[::-1], distances[::-1], strict=True) if distance == least)
    return exchange, checks, distances.count(least)


def redact(check: Check, redacted: frozenset[str]) -> Check:
    """The check with the value it got masked, if that is a credential which the test did not name itself."""
    names = {"cookie" if kind == "cookie" else name.lower() for kind, name in _FIELD.findall(check.criterion)}
    if names.isdisjoint(redacted) or isinstance(check.got, Shown):
        return check
    if type(check.got) is type(check.expected) and check.got == check.expected:  # ANY names no value
        return check
    name = min(names & redacted)
    return check._replace(got=Shown(masked(name, check.got if isinstance(check.got, str) else "", redacted)))


def describe_check(check: Check) -> list[str]:
    """One line for a criterion that is met; else also what was expected and got, or where large values differ."""
    if check.passed:
        return [f"✓ {check.criterion}: {brief(check.got)}"]
    if fits(check.expected) and fits(check.got):
        return [f"✗ {check.criterion}", *_expected_and_got(check.expected, check.got)]
    place, expected, got = first_difference(check.expected, check.got, part=check.part)
    if not place:
        return [f"✗ {check.criterion}", *_expected_and_got(expected, got)]
    sizes = f"    in all: expected {size(check.expected)}, got {size(check.got)}"
    return [f"✗ {check.criterion} differs first at {place}", *_expected_and_got(expected, got), sizes]


def _expected_and_got(expected: object, got: object) -> list[str]:
    return [f"    expected: {brief(expected)}", f"    got:      {brief(got)}"]


def _request_lines(request: Request) -> list[str]:
    size = request.content.size if request.content.is_loaded else 0
    kind = request.headers.get("content-type", "no type")
    return [f"  with a body of {size} bytes ({kind})"] if size else []


def connection_lines(seen: Seen) -> list[str]:
    """One line for each connection, followed by one for each of its exchanges."""
    carried: dict[int, list[Exchange]] = {}  # by connection; asking each for its own would be quadratic
    for exchange in seen.exchanges:
        carried.setdefault(id(exchange.connection), []).append(exchange)
    lines = dropped(seen.dropped_connections, "connection", by_bytes=False)
    lines += dropped(seen.dropped_exchanges, "exchange")
    first, left_out, last = both_ends(seen.connections)
    shown = [_connection_lines(record, carried.get(id(record), ())) for record in (*first, *last)]
    shown.insert(len(first), more(left_out, "connection"))
    lines += (f"  {line}" for one in shown for line in one)
    return lines or ["  there were no connections"]


def _connection_lines(record: ConnectionRecord, exchanges: Sequence[Exchange]) -> list[str]:
    received, sent = record.carried(exchanges)
    carried = f"{count(record.exchange_count, 'exchange')}, {received} bytes in, {sent} out"
    state = "open" if record.is_open else f"closed by the {record.closed_by} ({record.closed_how})"
    over = " over HTTP/2" if any(exchange.stream_id is not None for exchange in exchanges) else ""
    title = f"connection {record.index} from {_address(record.client_address)}{over}: {carried}, {state}"
    if (goaway := record.goaway) is not None:
        title += f", told to go away ({goaway.code}, last stream {goaway.last_stream})"
    failed = [f"  {line}" for line in handshake_lines([record])]
    return [title, *failed, *(f"  {line}" for line in exchange_lines(exchanges))]


def handshake_lines(connections: Iterable[ConnectionRecord]) -> list[str]:
    """One line for each handshake that failed."""
    lines = []
    for record in connections:
        if (handshake := record.handshake) is None:
            continue
        # The client, and the test, may have given up before the server knows.
        error = handshake.wait(0.5 if handshake.begun else 0).error
        if error is not None:
            lines.append(f"no TLS with {_address(record.client_address)}: {error}")
    return lines


def _address(address: object) -> str:
    return f"{address[0]} port {address[1]}" if isinstance(address, tuple) and address[0] else "a Unix socket"


def transcript(exchange: Exchange, redacted: frozenset[str]) -> list[str]:
    """The bytes of an exchange as lines, marked ``>`` if the server received them and ``<`` if it sent them.

    Credentials are masked.
    """
    raw = exchange.raw
    return [
        *_raw_lines(">", raw.request, raw.dropped_received, redacted),
        *_raw_lines("<", raw.response, raw.dropped_sent, redacted),
    ]


def _raw_lines(mark: str, data: bytes, dropped: int, redacted: frozenset[str]) -> list[str]:
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    lines = (
        [f"{mark} {line(masked_line(one, redacted))}".rstrip() for one in text.rstrip("\n").split("\n")] if data else []
    )
    return [*lines, f"{mark} ({dropped} more bytes were not kept)"] if dropped else lines


def exchanges_section(
    base_url: str,
    exchanges: Sequence[Exchange],
    fault_events: Iterable[FaultEvent] = (),
    connections: Iterable[ConnectionRecord] = (),
    *,
    whole: bool,
    redacted: frozenset[str] = ALWAYS_REDACTED,
    dropped_exchanges: int = 0,
    dropped_fault_events: int = 0,
) -> list[str]:
    """The exchanges of a server for the report of a failing test, one line each; ``whole`` adds their bytes.

    ``dropped_exchanges`` and ``dropped_fault_events`` say how many the journal no longer has. Of ``fault_events``, the
    section shows those that belong to no exchange; of ``connections``, those whose handshake failed.
    """
    lines = [base_url, *(f"  {line}" for line in handshake_lines(connections)), *dropped(dropped_exchanges, "exchange")]
    first, left_out, last = both_ends(exchanges)
    shown = [_section_lines(exchange, redacted, whole=whole) for exchange in (*first, *last)]
    shown.insert(len(first), [f"  {line}" for line in more(left_out, "exchange")])
    lines += (line for one in shown for line in one)
    known = {(exchange.request.connection_index, id(fault)) for exchange in exchanges for fault in exchange.faults}
    lines += dropped(dropped_fault_events, "fault event", by_bytes=False)
    for event in fault_events:
        if (event.connection_index, id(event.fault)) not in known:
            lines.append(f"  connection {event.connection_index}: {event}")
    return lines if len(lines) > 1 else [*lines, f"  {no_requests()}"]


def _section_lines(exchange: Exchange, redacted: frozenset[str], *, whole: bool) -> list[str]:
    notes = [line for note in exchange.notes for line in note.split("\n")]
    raw = transcript(exchange, redacted) if whole else []
    messages = exchange.log.lines() if exchange.log is not None else []
    return [f"  {exchange_line(exchange)}", *(f"    {line}" for line in (*notes, *raw, *messages))]
