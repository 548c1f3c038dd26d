"""Save the answers of real hosts in a file, or say why that is impossible."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.scripting.recordings.entry import Entry
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.run import Run
from pytest_httpserve.scripting.recordings.secrets import Secrets
from pytest_httpserve.scripting.recordings.taking import Taken, place_of_secret
from pytest_httpserve.scripting.recordings.writing import write_har

Key = Callable[[Entry], object]


def save(path: Path, taken: Iterable[Taken], run: Run, key: Key) -> None:
    """Write what was ``taken`` to the file, and keep its old entries unless this run records everything.

    Raises HTTPServeError, and writes nothing, if the file would contain a secret, or if it cannot be written.
    """
    secrets = Secrets(os.environ)
    entries = [_entry(one, path, secrets) for one in taken]
    try:
        with run.alone(path):
            replaced = run.mode == "all" and run.begins(path)
            before = read_har(path) if path.exists() and not replaced else []
            write_har(path, merged(before, entries, key))
    except (OSError, UsageError) as error:
        raise HTTPServeError(f"{path} was not written: {error}") from None


def _entry(taken: Taken, path: Path, secrets: Secrets) -> Entry:
    try:
        entry = taken.entry()
    except HTTPServeError as error:
        raise HTTPServeError(f"{path} was not written: {error}") from None
    if (found := place_of_secret(entry, secrets)) is not None:
        name, place = found
        url = entry.url if place != "the URL" else entry.url.partition("?")[0].partition("://")[2].partition("/")[0]
        raise HTTPServeError(
            f"{path} was not written: the value of the environment variable {name} is in {place} of "
            f"{entry.method} {url}: redact it by name with redact=, or with a function"
        )
    return entry


def merged(before: Sequence[Entry], after: Sequence[Entry], key: Key) -> list[Entry]:
    """Merge two lists of entries. For each key, only entries beyond the number in ``before`` are added."""
    found = list(before)
    left: dict[object, int] = {}
    for entry in before:
        left[key(entry)] = left.get(key(entry), 0) + 1
    for entry in after:
        if left.get(key(entry), 0):
            left[key(entry)] -= 1
        else:
            found.append(entry)
    return found
