"""Mounts: which prefix of paths belongs to whom."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from pytest_httpserve.arguments import check_switch
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.responses import HeadersArgument, check_headers
from pytest_httpserve.scripting.record.request import canonical_path
from pytest_httpserve.server.files.roots import DEFAULT_OPTIONS, INDEX_PAGES, FileOptions
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handler import ScriptedHandler

# RFC 6454 section 6.2, and the two other values of Access-Control-Allow-Origin
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+|\*|null")


class Mount(Protocol):
    """What answers the requests beneath a prefix. The prefix has no slash at its end: that of ``/`` is empty.

    ``runs_code`` is whether it calls code of the test, which may take its time.
    """

    runs_code: ClassVar[bool]

    @property
    def prefix(self) -> str:
        """The prefix, in its canonical spelling."""

    def describe(self) -> str:
        """What stands there, for a message."""

    def serve(self, handler: ScriptedHandler, below: str) -> None:
        """Answer the request that ``handler`` has in hand; ``below`` is its path (encoded) without the prefix."""


@dataclass(frozen=True, slots=True)
class DirectoryMount:
    """A directory beneath a prefix."""

    runs_code: ClassVar[bool] = False
    prefix: str
    directory: str


@dataclass(frozen=True, slots=True)
class StaticMount(DirectoryMount):
    """A directory of files."""

    options: FileOptions = DEFAULT_OPTIONS
    index_pages: tuple[str, ...] = INDEX_PAGES

    def describe(self) -> str:
        """What stands there, for a message."""
        return f"{self.directory} is served"

    def serve(self, handler: ScriptedHandler, below: str) -> None:
        """Answer with what is beneath the directory."""
        handler.invite_body()
        handler.serve_files(handler.root(self.directory, self.options, self.index_pages), below)


class Mounts:
    """All mounts of a server: the longest prefix that covers a path has it."""

    def __init__(self) -> None:
        self._mounts: tuple[Mount, ...] = ()

    def add(self, mount: Mount) -> None:
        """Add a mount. Raises UsageError if its prefix is taken."""
        for other in self._mounts:
            if other.prefix == mount.prefix:
                at = mount.prefix or "/"
                raise UsageError(f"at={at!r} is taken: {other.describe()} there, so nothing else can be")
        self._mounts = tuple(sorted((*self._mounts, mount), key=lambda one: -len(one.prefix)))

    def find(self, path: str) -> Mount | None:
        """The mount for this path (canonical)."""
        for mount in self._mounts:
            if path == mount.prefix or path.startswith(mount.prefix + "/"):
                return mount
        return None

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def clear(self) -> None:
        """Forget all of them."""
        self._mounts = ()


@lru_cache(256)
def below(prefix: str, path: str) -> str:
    """``path`` (encoded) as seen from beneath ``prefix``."""
    return "/" + "/".join(path.split("/")[prefix.count("/") + 1 :])


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
    """Check what ``serve_dir`` was given, and make a mount of it.

    ``path`` is looked for in each of ``roots``; ``switches`` are ``listing``, ``hidden`` and ``precompressed``.
    Raises UsageError, with the value and what was tried.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_dir takes the path of a directory first, not {path!r}")
    for name, value in switches.items():
        check_switch(f"serve_dir({name}=)", value)
    if not isinstance(cors, bool) and not (isinstance(cors, str) and _ORIGIN.fullmatch(cors)):
        raise UsageError(f"serve_dir(cors=) is True, False or an origin such as http://127.0.0.1:3000, not {cors!r}")
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
            f"serve_dir(headers_for=) is a mapping of patterns such as '*.js' to headers, not {headers_for!r}"
        )
    given = "serve_dir(headers_for=)"
    return {pattern: _check_unique_headers(headers, given) for pattern, headers in headers_for.items()}


def _check_fallback(fallback: str, directory: Path) -> str:
    beneath = isinstance(fallback, str) and not os.path.isabs(fallback) and ".." not in Path(fallback).parts
    if not beneath or not os.path.isfile(directory / fallback):
        raise UsageError(f"serve_dir(fallback=) is the name of a file in {directory}, not {fallback!r}")
    return fallback


def find_directory(path: Path, roots: Sequence[Path], verb: str) -> Path:
    """The directory ``path`` beneath the first of ``roots`` that has it.

    Raises UsageError with what was tried; ``verb`` is the method that was given the path.
    """
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if os.path.isdir(candidate):  # where Path.is_dir raises, as for a name too long, this says no
            return candidate
    for candidate in tried:
        if os.path.exists(candidate):
            raise UsageError(f"{verb}({str(path)!r}): {candidate} is a file, not a directory")
    raise UsageError(f"{verb}({str(path)!r}): there is no such directory; tried {', '.join(map(str, tried))}")


def check_prefix(at: str, given: str) -> str:
    """The canonical spelling of a prefix. Raises UsageError for what is no path; ``given`` says where it stands."""
    if not isinstance(at, str) or not at.startswith("/") or "//" in at or "?" in at or "#" in at:
        raise UsageError(f"{given} is a path such as / or /static, not {at!r}")
    return canonical_path(at.rstrip("/"))


def _check_index(index: str | Sequence[str]) -> tuple[str, ...]:
    pages = tuple(index) if isinstance(index, Sequence) and not isinstance(index, str) else (index,)
    for page in pages:
        if not isinstance(page, str) or not page or "/" in page or os.path.dirname(page):
            raise UsageError(f"serve_dir(index=) is a file name or several, not {page!r}")
    return pages


def _check_unique_headers(headers: HeadersArgument | None, given: str = "serve_dir(headers=)") -> Mapping[str, str]:
    fields = check_headers(headers, given)
    if len(Headers(fields)) < len(fields):
        raise UsageError(f"{given} takes each header once, not {[name for name, _ in fields]}")
    return dict(fields)
