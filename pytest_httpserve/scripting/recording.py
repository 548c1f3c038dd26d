"""A recording in use: its routes on a server, and what happens to it when the test ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.scripting.recordings.matching import MatchArgument, Matching
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.replaying import Recorded, recorded_routes
from pytest_httpserve.scripting.recordings.run import Run
from pytest_httpserve.scripting.recordings.secrets import RedactArgument, Redaction
from pytest_httpserve.wire.origin import split_authority
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from ssl import SSLContext

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.answers.responses import Response
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.record.journal import Journal
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.recordings.taking import Taken
    from pytest_httpserve.scripting.routing.route import Route

PACES = ("fast", "recorded")


class Recording:
    """A recording with which a server answers; ``serve_recording`` returns one.

    ``path`` is its file. ``origins`` are the hosts for which it answers, ``routes`` are its routes in the order of the
    file.
    """

    def __init__(
        self,
        path: Path,
        recorded: Sequence[Recorded],
        find_origin: Callable[[str], Origin],
        recorder: Recorder | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        self.path = path
        self.recorder = recorder
        self._comparison = comparison
        self._recorded = tuple(recorded)
        found: dict[str, Origin] = {}
        for one in self._recorded:
            if one.origin not in found:
                found[one.origin] = find_origin(one.origin)
            one.join(found[one.origin].script.routes)
        self.origins: tuple[Origin, ...] = tuple(dict.fromkeys(found.values()))

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes that answer with what was recorded."""
        return tuple(sorted(self._recorded, key=lambda one: one.entries[0].line))

    def end(self) -> None:
        """Write what was recorded, and compare what was used, at the end of the test. May be called again, for what
        came since."""
        if self.recorder is not None:
            self.recorder.save()
        if self._comparison is not None:
            self._comparison.compare(self._recorded)

    def __repr__(self) -> str:
        return f"<Recording {self.path}, {sum(len(one.entries) for one in self._recorded)} entries>"


class Recorder:
    """Sends requests that nothing else answers to real hosts, and keeps the answers for a file."""

    def __init__(self, path: Path, journal: Journal, run: Run, redaction: Redaction) -> None:
        self._context = _trusting()
        self._path = path
        self._journal = journal
        self._run = run
        self._redaction = redaction
        self._lock = threading.Lock()
        self._taken: list[Taken] = []
        self._saved = 0
        self._is_broken = False  # something cannot be recorded, so the file stays as it is

    def ask(self, connection: Connection, request: Request, origin: str) -> Response:
        """Get the answer of the real host, and record it. If the host cannot be reached, the test fails."""
        from http.client import HTTPException

        from pytest_httpserve.scripting.answers.responses import Response
        from pytest_httpserve.scripting.origins.relay import ask
        from pytest_httpserve.scripting.origins.upstream import Upstream
        from pytest_httpserve.scripting.recordings.taking import Taken

        scheme, _, authority = origin.partition("://")
        host, port = split_authority(authority, scheme)
        target = target_of(request.target)
        connection.leave_loop()
        taken = Taken(request, origin, self._redaction)
        with self._lock:
            self._taken.append(taken)
        try:
            upstream = Upstream(host, port, self._context if scheme == "https" else None, connection.transport.timeout)
            return ask(connection, request, upstream, target.path + target.query_with_mark, taken)
        except (OSError, HTTPException) as error:
            text = f"{host} port {port} cannot be reached, so {request} is not recorded: {error}"
            if not connection.closing:
                self._fail(text)
            return Response(502, text=f"{text}\n")

    def save(self) -> None:
        """Write what was taken. If that is impossible, the test fails."""
        from pytest_httpserve.scripting.recordings.saving import save

        with self._lock:
            taken = [one for one in self._taken if one.answer is not None]
        if self._is_broken or len(taken) == self._saved:
            return
        self._saved = len(taken)
        try:
            save(self._path, taken, self._run, Matching.of(None, self._redaction).key)
        except HTTPServeError as error:
            self._fail(str(error))
        except Exception as error:  # a function of redact= may raise anything
            self._fail(f"{self._path} was not written: {type(error).__name__}: {error}")

    def _fail(self, text: str) -> None:
        self._is_broken = True
        self._journal.record_failure(f"{text}\n")


class Comparison:
    """Sends the requests that used a recording to the real hosts again. If an answer has changed, the test fails."""

    def __init__(self, path: Path, journal: Journal, redaction: Redaction) -> None:
        self._context = _trusting()
        self._path = path
        self._journal = journal
        self._redaction = redaction
        self._compared: dict[Recorded, int] = {}

    def compare(self, recorded: Sequence[Recorded]) -> None:
        """Compare all answers that were not compared before."""
        from pytest_httpserve.scripting.recordings.comparing import drift

        used = []
        for route in sorted(recorded, key=lambda one: one.entries[0].line):
            before, calls = self._compared.get(route, 0), route.calls
            pairs = list(zip(route.entries, calls, strict=False))
            used += [(route, entry, exchange.request) for entry, exchange in pairs[before:]]
            self._compared[route] = len(pairs)
        if text := drift(self._path, used, self._redaction, self._context):
            self._journal.record_failure(text, "expectations")


def _trusting() -> SSLContext:
    """A context that trusts the public CAs, and those that the environment trusts right now: later, its variables may
    point to the test CA only."""
    import ssl

    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def open_recording(
    path: str | os.PathLike[str],
    roots: Sequence[Path],
    find_origin: Callable[[str], Origin],
    journal: Journal,
    run: Run,
    *,
    match: MatchArgument,
    fault: FaultArgument | None,
    pace: str,
    strict: bool,
    redact: RedactArgument,
) -> Recording:
    """Open the recording in a file, which is looked up in each of ``roots``, and add its routes.

    Raises UsageError for a wrong value, for a missing file, or for a file that is not a HAR.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_recording() takes the path of a HAR file, not {path!r}")
    if pace not in PACES:
        raise UsageError(f"pace= must be 'fast' or 'recorded', not {pace!r}")
    redaction = Redaction(redact)
    matching = Matching.of(match, redaction)
    faults: tuple[Fault, ...] = ()
    if fault is not None:
        from pytest_httpserve.scripting.faults.given import as_faults

        faults = as_faults(fault)
    file = _find(Path(path), roots, may_lack=run.records)
    if run.records and file.suffix == ".zip":
        raise UsageError(f"serve_recording({str(path)!r}): cannot record into an archive; name a .har file")
    entries = read_har(file) if run.mode != "all" and file.exists() else []
    recorded = recorded_routes(file, entries, matching, faults, paced=pace == "recorded")
    for one in recorded:
        if strict:
            one.expect(min=len(one.entries))
        else:
            one.optional()
    recorder = Recorder(file, journal, run, redaction) if run.records else None
    comparison = Comparison(file, journal, redaction) if run.mode == "compare" else None
    return Recording(file, recorded, find_origin, recorder, comparison)


def _find(path: Path, roots: Sequence[Path], *, may_lack: bool) -> Path:
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if candidate.is_file():
            return candidate
    if may_lack:
        return tried[0]
    raise UsageError(
        f"serve_recording({str(path)!r}): there is no such file; tried {', '.join(map(str, tried))}. "
        "--httpserve-record=missing records it from the real hosts"
    )
