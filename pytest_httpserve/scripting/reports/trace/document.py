"""One HAR document of all the servers of a test, with their connections, failures and faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_httpserve.scripting.record.har import creator, entries, moment
from pytest_httpserve.scripting.record.words import count
from pytest_httpserve.scripting.reports.report import NOTHING_ANSWERS

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.scripting.record.journal import Seen

_PAGE = "test"


def part(seen: Seen, base_url: str, name: str, since: float) -> dict[str, Any]:
    """One server's part of a ``document``: what it saw after ``since``. ``name`` is its URL or its Unix socket."""
    exchanges = [exchange for exchange in seen.exchanges if exchange.times.request_begun >= since]
    carrying = {id(exchange.connection) for exchange in exchanges}
    connections = [one for one in seen.connections if one.opened >= since or id(one) in carrying]
    known = {(exchange.request.connection_index, id(fault)) for exchange in exchanges for fault in exchange.faults}
    apart: dict[int, list[str]] = {}
    for event in seen.fault_events:
        if (event.connection_index, id(event.fault)) not in known:
            apart.setdefault(event.connection_index, []).append(str(event))
    return {
        "entries": [_entry(one, name) for one in entries(exchanges, base_url, seen.redacted)],
        "server": {"name": name, "connections": [_connection(one, apart.get(one.index, [])) for one in connections]},
        "dropped": seen.dropped_exchanges,
    }


def _entry(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    said = {"pageref": _PAGE, "_server": name}
    text = entry["response"]["content"].get("text", "")
    if "_route" not in entry and text.startswith(NOTHING_ANSWERS):
        said["_nearMisses"] = text
    return {**entry, **said}


def _connection(record: ConnectionRecord, faults: Sequence[str]) -> dict[str, Any]:
    handshake = record.handshake
    error = handshake.error if handshake is not None else None
    how = f"closed by the {record.closed_by} ({record.closed_how})" if record.closed is not None else "open"
    return {
        "index": record.index,
        "opened": moment(record.opened),
        "closed": moment(record.closed) if record.closed is not None else None,
        "how": how,
        "faults": [*faults],
        "error": str(error) if error is not None else None,
    }


def document(
    title: str, began: float, parts: Sequence[Mapping[str, Any]], *, failures: Sequence[str] = (), outcome: str = ""
) -> dict[str, Any]:
    """The HAR of a test: what its servers saw, and how it ended."""
    log: dict[str, Any] = {
        "version": "1.2",
        "creator": creator(),
        "pages": [{"id": _PAGE, "title": title, "startedDateTime": moment(began), "pageTimings": {}}],
        "entries": sorted((one for part in parts for one in part["entries"]), key=lambda one: one["startedDateTime"]),
        "_servers": [part["server"] for part in parts],
        "_failures": [*failures],
        "_outcome": outcome,
    }
    if dropped := sum(part["dropped"] for part in parts):
        log["comment"] = f"{count(dropped, 'older exchange')} dropped"
    return {"log": log}
