"""Recorded answers as routes: by method, URL and body, in the order in which they were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.errors import HTTPServeError
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.record.coding import encoded
from pytest_httpserve.scripting.recordings.entry import Entry, origin_and_rest
from pytest_httpserve.scripting.recordings.matching import Matching, RecordedQuery
from pytest_httpserve.scripting.routing.route import Handler, Route, Sought
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.routing.matchers import Matcher

_WITHOUT_BODY = (204, 205, 304)
# The test's own routes come before those of recordings.
_PRIORITY = -1


class Recorded(Route):
    """A route of an ``origin`` that answers with its recorded ``entries``, one after the other."""

    def __init__(
        self,
        path: Path,
        entries: list[Entry],
        matcher: Matcher,
        faults: tuple[Fault, ...],
        *,
        paced: bool,
    ) -> None:
        first = entries[0]
        super().__init__(matcher, f"{path}:{first.line or 1}", priority=_PRIORITY)
        self.origin: str = origin_and_rest(first.url)[0]
        self.entries: tuple[Entry, ...] = tuple(entries)
        # The target is enough to check the query, without making a request.
        self._query = next((part for part in self.further if isinstance(part, RecordedQuery)), None)
        self.further: tuple[Matcher, ...] = tuple(part for part in self.further if not isinstance(part, RecordedQuery))
        self.has_early_faults: bool = any(fault.is_early for fault in faults)
        for entry in entries:
            self._add(_Answer(path, entry, faults, paced=paced), times=1)

    def takes(self, asked: Sought, method: str) -> bool:
        query = self._query
        if query is not None and not query.takes(asked.target.partition("?")[2]):
            return False
        return super().takes(asked, method)

    def take(self, exchange: Exchange) -> Response | Handler | None:
        answer = super().take(exchange)
        return answer.made or answer if isinstance(answer, _Answer) else answer


class _Answer:
    """A recorded answer. Since a test needs only a few of many, it is made into a response on the first call, as by a
    handler, since compressing a body may take time. After that, ``made`` is the response."""

    def __init__(self, path: Path, entry: Entry, faults: tuple[Fault, ...], *, paced: bool) -> None:
        self._path = path
        self._entry = entry
        self._faults = faults
        self._paced = paced
        self.made: Response | None = None

    def __call__(self, request: Request) -> Response:
        entry = self._entry
        if entry.body is None:
            raise HTTPServeError(
                f"{self._path}:{entry.line} was exported without the body of {entry}: export it again, with content"
            )
        self.made = made = response_of(entry, self._faults, paced=self._paced)
        return made


def recorded_routes(
    path: Path,
    entries: Sequence[Entry],
    matching: Matching,
    faults: tuple[Fault, ...] = (),
    *,
    paced: bool = False,
) -> list[Recorded]:
    """The routes of a recording, not added to a server yet. With ``paced``, they take the time that was recorded.

    Raises UsageError for a fault that a response cannot have.
    """
    Response(fault=faults or None)
    together: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        together.setdefault(matching.key(entry), []).append(entry)
    # The latest route wins, so routes with a known body come last and go before those without.
    groups = sorted(together.values(), key=lambda group: group[0].request_body is not None)
    return [Recorded(path, group, matching.matcher(group[0]), faults, paced=paced) for group in groups]


def response_of(entry: Entry, faults: tuple[Fault, ...] = (), *, paced: bool = False) -> Response:
    """The recorded answer as a response. Raises UsageError if it cannot be sent."""
    body, fields = _as_sent(entry)
    chunks = _chunks(entry, body)
    if paced:
        faults = (*faults, *_pace(entry, body, chunks))
    fault = faults or None
    reason = entry.reason or None
    if entry.status in _WITHOUT_BODY or body == b"":
        return Response(entry.status, reason=reason, headers=fields, fault=fault)
    if isinstance(body, Path):
        return Response(entry.status, reason=reason, headers=fields, file=body, fault=fault)
    if chunks:
        pieces = list(_pieces(body, chunks))
        return Response(entry.status, reason=reason, headers=fields, stream=lambda: iter(pieces), fault=fault)
    return Response(entry.status, reason=reason, headers=fields, body=body, fault=fault)


def _as_sent(entry: Entry) -> tuple[bytes | Path, list[Field]]:
    """The body with its content coding, and the fields without Content-Length, which the body determines."""
    body = entry.body
    assert isinstance(body, bytes | Path)  # entries read from a file have no other kind
    left_out = {"content-length"} if entry.method != "HEAD" else set()
    if entry.coding:
        try:
            body = encoded(body if isinstance(body, bytes) else body.read_bytes(), entry.coding)
        except ValueError:  # send it decoded
            left_out.add("content-encoding")
    return body, [field for field in entry.fields if field[0].lower() not in left_out]


def _chunks(entry: Entry, body: bytes | Path) -> tuple[tuple[int, int], ...]:
    """The recorded chunks, if they add up to the body that is sent."""
    size = len(body) if isinstance(body, bytes) else -1
    return entry.chunks if sum(size for size, _ in entry.chunks) == size else ()


def _pieces(body: bytes, chunks: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    at = 0
    for size, _ in chunks:
        yield body[at : at + size]
        at += size


def _pace(entry: Entry, body: bytes | Path, chunks: tuple[tuple[int, int], ...]) -> list[Fault]:
    """The recorded pauses, and the recorded speed of the body."""
    from pytest_httpserve.scripting.faults.acts import Delay, Slow

    pauses: list[Fault] = [Delay(entry.wait / 1000)] if entry.wait >= 1 else []
    if not chunks:
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        if entry.receive >= 1 and size:
            pauses.append(Slow(size * 1000 / entry.receive))
        return pauses
    at = 0
    for size, pause in chunks:
        if pause and at:
            pauses.append(Delay(pause / 1000, after=at))
        at += size
    return pauses
