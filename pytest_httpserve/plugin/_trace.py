"""The trace of a test: a HAR of what its servers have seen, and a page that shows it."""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_httpserve.plugin._beginning import Beginning
from pytest_httpserve.scripting.record.placing import put_file
from pytest_httpserve.scripting.reports.trace.document import document, part
from pytest_httpserve.scripting.reports.trace.page import page

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe

_MOST_NAME = 120  # characters: file names are limited to 255 bytes
_UNFIT = re.compile(r"[^\w.\[\]-]+|^\.+", re.ASCII)


class Trace:
    """The trace of one test."""

    def __init__(self, nodeid: str, folder: Path, *, is_shown: bool) -> None:
        self._title = nodeid
        self._began = Beginning()
        self._is_shown = is_shown
        self.outcome = "passed"
        self._parts: dict[HTTPServe, dict[str, Any]] = {}
        self._failures: list[str] = []
        self._base = folder.joinpath(*names_of(nodeid))

    @property
    def path(self) -> Path:
        """Where the page is, if one is written."""
        return self._base.with_name(f"{self._base.name}.html")

    def fail(self, text: str) -> None:
        """Note that the test has failed, with this text."""
        self._failures.append(text.removeprefix("Failed: "))
        self.outcome = "failed"
        self.show()

    def show(self) -> None:
        """Show this run, even if only failing tests have a trace."""
        self._is_shown = True

    def keep(self, server: HTTPServe, name: str, *, is_own: bool) -> None:
        """Keep the exchanges of this server since the test began; one that is not the test's own may have none."""
        if not self._is_shown:
            return
        said = part(self._began.seen_by(server), server.base_url, name, self._began.moment)
        if is_own or said["entries"]:
            self._parts[server] = said

    def write(self) -> None:
        """Write both files. If there is nothing to show, remove those of an earlier run, so that nobody is misled."""
        archive = self._base.with_name(f"{self._base.name}.har")
        if not self._parts:
            archive.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            return
        parts = [*self._parts.values()]
        har = document(self._title, self._began.moment, parts, failures=self._failures, outcome=self.outcome)
        os.makedirs(self._base.parent, exist_ok=True)
        shown = page(har, self._title)
        put_file(archive, lambda file: file.write(json.dumps(har, indent=1).encode()))
        put_file(self.path, lambda file: file.write(shown.encode(errors="backslashreplace")))


def names_of(nodeid: str) -> list[str]:
    """The folders and the name for a test's files: the test's own if possible, and always unique."""
    module, _, inner = nodeid.partition("::")
    place = PurePosixPath(module)
    function, bracket, parameters = inner.partition("[")
    name = f"{function.replace('::', '.')}{bracket}{parameters}" or place.stem
    plain = _UNFIT.sub("-", name)
    if plain != name or len(plain) > _MOST_NAME:
        plain = f"{plain[:_MOST_NAME]}-{sha256(nodeid.encode('utf-8', 'replace')).hexdigest()[:8]}"
    return [*(_UNFIT.sub("-", folder) for folder in place.with_suffix("").parts), plain]
