"""Compare what real hosts answer now with what was recorded: shapes, not values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.errors import HTTPServeError
from pytest_httpserve.scripting.origins.upstream import PIECE_BYTES, Upstream
from pytest_httpserve.scripting.record.words import count
from pytest_httpserve.scripting.recordings.secrets import Redaction
from pytest_httpserve.scripting.recordings.shapes import changes
from pytest_httpserve.scripting.recordings.taking import Taken
from pytest_httpserve.wire.origin import split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from ssl import SSLContext

    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.recordings.entry import Entry
    from pytest_httpserve.scripting.recordings.replaying import Recorded

_SECONDS = 60.0


def drift(
    path: Path,
    used: Sequence[tuple[Recorded, Entry, Request]],
    redaction: Redaction,
    context: SSLContext,
) -> str:
    """Say what has changed since ``path`` was recorded, for each entry that was ``used``, with the request that used
    it. Empty if nothing has."""
    lines = []
    for recorded, entry, request in used:
        if found := list(_changes(recorded.origin, entry, request, redaction, context)):
            lines.append(f"  {entry.method} {entry.url} ({path}:{entry.line}, recorded {age(entry)})")
            lines += (f"    {one}" for one in found)
    return "\n".join([f"{path} is no longer what the real hosts answer:", *lines, ""]) if lines else ""


def _changes(origin: str, entry: Entry, request: Request, redaction: Redaction, context: SSLContext) -> Iterator[str]:
    try:
        now = ask_now(origin, request, redaction, context)
    except (OSError, HTTPException, HTTPServeError) as error:
        yield f"the host cannot be reached: {error}"
        return
    yield from changes(entry, now)


def ask_now(origin: str, request: Request, redaction: Redaction, context: SSLContext) -> Entry:
    """The real host's answer to the request. Raises OSError, HTTPException or HTTPServeError if there is none."""
    scheme, _, authority = origin.partition("://")
    host, port = split_authority(authority, scheme)
    target = target_of(request.target)
    upstream = Upstream(host, port, context if scheme == "https" else None, _SECONDS)
    taken = Taken(request, origin, redaction)
    answer = upstream.ask(request, target.path + target.query_with_mark)
    try:
        taken.begins(answer)
        while answer.has_body and (piece := answer.read(PIECE_BYTES)):
            taken.came(piece)
    finally:
        answer.close()
    return taken.entry()


def age(entry: Entry) -> str:
    """How long ago an entry was recorded, in words."""
    try:
        began = datetime.fromisoformat(entry.started)
    except ValueError:
        return "at an unknown time"
    days = int((clock.now() - began.replace(tzinfo=began.tzinfo or UTC).timestamp()) // 86_400)
    return f"{count(days, 'day')} ago" if days > 0 else "today"
