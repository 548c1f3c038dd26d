"""The hosts that the command line's proxy serves."""

from __future__ import annotations

import os

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire import grammar


def hosts_in(directory: str) -> dict[str, str]:
    """The hosts that have a subdirectory in ``directory``, each with its path. Raises UsageError if there are none."""
    hosts = {
        entry.name.lower(): entry.path
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name)
        if entry.is_dir() and not entry.name.startswith(".") and ":" not in entry.name and grammar.is_host(entry.name)
    }
    if not hosts:
        raise UsageError(f"--proxy serves a directory for each host, and there is none in {directory!r}")
    return hosts
