"""Paths in a test: exact, with parameters, or compiled patterns."""

from __future__ import annotations

import re
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.routing.templates import Parameter, Template
from pytest_httpserve.wire.target import canonical_path

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}")

# Parameters as other tools write them: <name>, :name, and * for the rest.
_FOREIGN = re.compile(r"<[^/<>]+>|(?<=/):[A-Za-z_]\w*(?=/|$)|(?<=/)\*+(?=/|$)")

# The converter for each kind of parameter.
CONVERTERS: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float, "uuid": uuid.UUID, "path": str}


class PathPattern:
    """A path to compare with. ``text`` is the path as the test wrote it.

    A template has parameters: ``/users/{name}``, ``/users/{id:int}``, ``{x:float}``, ``{key:uuid}`` and, over slashes,
    ``/files/{rest:path}``. A compiled pattern must match the whole decoded path. ``*`` is any path.

    ``segments`` are the segments of the path, with None for each that has a parameter; ``segments`` itself is None if a
    parameter may have slashes, or for a compiled pattern. Raises UsageError for anything else.
    """

    __slots__ = ("_canonical", "_kinds", "_regex", "_template", "segments", "text")

    def __init__(self, path: str | re.Pattern[str]) -> None:
        self._kinds: dict[str, str] = {}
        self._template: Template | None = None
        self.segments: tuple[str | None, ...] | None = None
        if isinstance(path, re.Pattern):
            if not isinstance(path.pattern, str):
                raise UsageError(f"a pattern for a path must be a pattern of str, not of bytes: {path!r}")
            self.text: str = f"re.compile({path.pattern!r})"
            self._regex: re.Pattern[str] | None = path
            return
        self.text = _check_path(path)
        self._regex = None
        self._canonical = canonical_path(path)
        if path != "*":
            self._parse(path)

    def _parse(self, path: str) -> None:
        pieces: list[str | Parameter] = []
        end = 0
        for match in _PARAMETER.finditer(path):
            name, kind = match[1], match[2] or "str"
            if kind not in CONVERTERS:
                kinds = ", ".join(CONVERTERS)
                raise UsageError(f"{match[0]} in {path!r}: a parameter must be one of {kinds}, not {kind!r}")
            if name in self._kinds:
                raise UsageError(f"{path!r} has two parameters called {name!r}")
            self._kinds[name] = kind
            pieces += [canonical_path(path[end : match.start()]), Parameter(name, kind)]
            end = match.end()
        pieces.append(canonical_path(path[end:]))
        if set("{}") & set(_PARAMETER.sub("", path)):
            raise UsageError(f"{path!r} has a brace that belongs to no parameter such as {{name}} or {{id:int}}")
        if self._kinds:
            self._template = Template([piece for piece in pieces if piece])
        if "path" not in self._kinds.values():
            self.segments = tuple(
                None if _PARAMETER.search(segment) else canonical_path(segment) for segment in path.split("/")
            )

    def match(self, path: str) -> dict[str, Any] | None:
        """The parameters in ``path`` (canonical), converted and decoded; None if it does not match."""
        if self._template is not None:
            found = self._template.match(path)
            return self._converted(found) if found is not None else None
        if self._regex is None:
            return {} if self.text == "*" or path == self._canonical else None
        match = self._regex.fullmatch(urllib.parse.unquote(path))
        return match.groupdict() if match else None

    def _converted(self, found: dict[str, str]) -> dict[str, Any] | None:
        try:
            return {name: CONVERTERS[kind](urllib.parse.unquote(found[name])) for name, kind in self._kinds.items()}
        except ValueError:  # int() refuses thousands of digits
            return None


def _check_path(path: object) -> str:
    if isinstance(path, str) and "://" in path and not path.startswith("/"):
        raise UsageError(f"a path is what follows host and port, not a whole URL such as {path!r}")
    if not isinstance(path, str) or not (path.startswith("/") or path == "*"):
        raise UsageError(f"a path must be a text that begins with a slash, a compiled pattern, or '*', not {path!r}")
    if "?" in path or "#" in path:
        raise UsageError(f"a path ends before ? and #; {path!r} has one of them (give a query as query=)")
    if foreign := _FOREIGN.search(path):
        raise UsageError(
            f"{path!r} has {foreign[0]!r}: a parameter is written {{name}}, one that takes slashes {{name:path}}"
            " (write these characters themselves as %3C, %3A and %2A)"
        )
    return path
