"""The hosts that a proxy from the command line has files of."""

from __future__ import annotations

import os

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire import grammar


def hosts_in(directory: str) -> dict[str, str]:
    """The hosts whose files are in ``directory``, each with its own. Raises UsageError if there is none."""
    hosts = {
        entry.name.lower(): entry.path
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name)
        if entry.is_dir() and not entry.name.startswith(".") and ":" not in entry.name and grammar.is_host(entry.name)
    }
    if not hosts:
        raise UsageError(f"--proxy serves a directory for each host, and there is none in {directory!r}")
    return hosts
