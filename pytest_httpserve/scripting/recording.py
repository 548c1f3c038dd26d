"""A recording in use: what it answers on a server, and what is made of it when the test ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.recordings.matching import MatchArgument, Matching
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.replaying import Recorded, recorded_routes
from pytest_httpserve.scripting.recordings.secrets import RedactArgument, Redaction

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.faults.given import FaultArgument
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.routing.route import Route

PACES = ("fast", "recorded")


class Recording:
    """A recording that a server answers from; ``serve_recording`` returns one.

    ``path`` is its file, ``origins`` are the hosts that it answers for, ``routes`` what it answers, in the order of the
    file.
    """

    def __init__(self, path: Path, recorded: Sequence[Recorded], find_origin: Callable[[str], Origin]) -> None:
        self.path = path
        self._recorded = tuple(recorded)
        found: dict[str, Origin] = {}
        for one in self._recorded:
            if one.origin not in found:
                found[one.origin] = find_origin(one.origin)
            one.join(found[one.origin].script.routes)
        self.origins: tuple[Origin, ...] = tuple(dict.fromkeys(found.values()))

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes that answer as it was recorded."""
        return tuple(sorted(self._recorded, key=lambda one: one.entries[0].line))

    def __repr__(self) -> str:
        return f"<Recording {self.path}, {sum(len(one.entries) for one in self._recorded)} entries>"


def open_recording(
    path: str | os.PathLike[str],
    roots: Sequence[Path],
    find_origin: Callable[[str], Origin],
    *,
    match: MatchArgument,
    fault: FaultArgument | None,
    pace: str,
    strict: bool,
    redact: RedactArgument,
) -> Recording:
    """The recording in this file, looked up in each of ``roots``, its routes put in their places.

    Raises UsageError for a wrong value, for a file that is not there, and for one that is no HAR.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_recording() takes the path of a HAR file, not {path!r}")
    if pace not in PACES:
        raise UsageError(f"pace= is 'fast' or 'recorded', not {pace!r}")
    matching = Matching.of(match, Redaction(redact))
    faults: tuple[Fault, ...] = ()
    if fault is not None:
        from pytest_httpserve.scripting.faults.given import as_faults

        faults = as_faults(fault)
    file = _find(Path(path), roots)
    recorded = recorded_routes(file, read_har(file), matching, faults, paced=pace == "recorded")
    for one in recorded:
        if strict:
            one.expect(min=len(one.entries))
        else:
            one.optional()
    return Recording(file, recorded, find_origin)


def _find(path: Path, roots: Sequence[Path]) -> Path:
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise UsageError(
        f"serve_recording({str(path)!r}): there is no such file; tried {', '.join(map(str, tried))}. "
        "--httpserve-record=missing records it from the real hosts"
    )
