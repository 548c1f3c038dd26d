"""Directories of files, mounted at a prefix."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.arguments import check_switch
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.fields import HeadersArgument, check_headers
from pytest_httpserve.scripting.mounts.fronted import serve_files
from pytest_httpserve.scripting.mounts.mount import DirectoryMount, check_prefix, find_directory
from pytest_httpserve.server.files.roots import DEFAULT_OPTIONS, INDEX_PAGES, FileOptions, Root
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

# RFC 6454 section 6.2, and the two other values of Access-Control-Allow-Origin
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+|\*|null")


@dataclass(frozen=True, slots=True)
class StaticMount(DirectoryMount):
    """A directory of files."""

    options: FileOptions = DEFAULT_OPTIONS
    index_pages: tuple[str, ...] = INDEX_PAGES

    def describe(self) -> str:
        """Say what is mounted there, for a message."""
        return f"{self.directory} is served"

    def serve(self, asked: Asked, below: str) -> None:
        """Answer with a file or a listing. ``below`` is the path in the directory."""
        asked.invite_body()
        serve_files(asked, Root(self.directory, self.options, self.index_pages, asked.scripts), below)


def static_mount(
    path: str | os.PathLike[str],
    *,
    roots: Sequence[Path],
    at: str = "/",
    index: str | Sequence[str] | None = None,
    headers: HeadersArgument | None = None,
    headers_for: Mapping[str, HeadersArgument] | None = None,
    fallback: str | None = None,
    cors: bool | str = False,
    **switches: bool,
) -> StaticMount:
    """Check the arguments of ``serve_dir``, and make a mount.

    ``path`` is looked for in each of ``roots``; ``switches`` are ``listing``, ``hidden`` and ``precompressed``.
    Raises UsageError, with the value and the paths tried.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_dir takes the path of a directory first, not {path!r}")
    for name, value in switches.items():
        check_switch(f"serve_dir({name}=)", value)
    if not isinstance(cors, bool) and not (isinstance(cors, str) and _ORIGIN.fullmatch(cors)):
        allowed = "True, False or an origin such as http://127.0.0.1:3000"
        raise UsageError(f"serve_dir(cors=) must be {allowed}, not {cors!r}")
    directory = find_directory(Path(path), roots, "serve_dir")
    options = FileOptions(
        response_headers=_check_unique_headers(headers),
        headers_for=_check_patterns(headers_for) if headers_for is not None else {},
        fallback=_check_fallback(fallback, directory) if fallback is not None else None,
        cors=cors,
        **switches,
    )
    pages = _check_index(index) if index is not None else INDEX_PAGES
    return StaticMount(check_prefix(at, "serve_dir(at=)"), str(directory), options, pages)


def _check_patterns(headers_for: Mapping[str, HeadersArgument]) -> dict[str, Mapping[str, str]]:
    if not isinstance(headers_for, Mapping) or not all(isinstance(pattern, str) for pattern in headers_for):
        raise UsageError(
            f"serve_dir(headers_for=) must be a mapping of patterns such as '*.js' to headers, not {headers_for!r}"
        )
    given = "serve_dir(headers_for=)"
    return {pattern: _check_unique_headers(headers, given) for pattern, headers in headers_for.items()}


def _check_fallback(fallback: str, directory: Path) -> str:
    beneath = isinstance(fallback, str) and not os.path.isabs(fallback) and ".." not in Path(fallback).parts
    if not beneath or not os.path.isfile(directory / fallback):
        raise UsageError(f"serve_dir(fallback=) must be the name of a file in {directory}, not {fallback!r}")
    return fallback


def _check_index(index: str | Sequence[str]) -> tuple[str, ...]:
    pages = tuple(index) if isinstance(index, Sequence) and not isinstance(index, str) else (index,)
    for page in pages:
        if not isinstance(page, str) or not page or "/" in page or os.path.dirname(page):
            raise UsageError(f"serve_dir(index=) must be a file name or several, not {page!r}")
    return pages


def _check_unique_headers(headers: HeadersArgument | None, given: str = "serve_dir(headers=)") -> Mapping[str, str]:
    fields = check_headers(headers, given)
    if len(Headers(fields)) < len(fields):
        raise UsageError(f"{given} takes each header once, not {[name for name, _ in fields]}")
    return dict(fields)
