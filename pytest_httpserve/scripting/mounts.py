"""Mounts: which prefix of paths belongs to a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.request import canonical_path
from pytest_httpserve.scripting.responses import HeadersArgument, check_headers

INDEX_PAGES = ("index.html", "index.htm")


@dataclass(frozen=True, slots=True)
class StaticMount:
    """A directory served beneath ``prefix``, which has no slash at its end: the prefix of ``/`` is empty."""

    prefix: str
    directory: str
    index_pages: tuple[str, ...] = INDEX_PAGES
    listing: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def covers(self, path: str) -> bool:
        """Whether ``path`` (canonical) lies beneath the prefix."""
        return path == self.prefix or path.startswith(self.prefix + "/")

    def below(self, path: str) -> str:
        """``path`` (encoded) as seen from the directory."""
        return "/" + "/".join(path.split("/")[self.prefix.count("/") + 1 :])


class Mounts:
    """All mounts of a server: the longest prefix that covers a path has it."""

    def __init__(self) -> None:
        self._mounts: tuple[StaticMount, ...] = ()

    def add(self, mount: StaticMount) -> None:
        """Add a mount. Raises UsageError if its prefix is taken."""
        for other in self._mounts:
            if other.prefix == mount.prefix:
                at = mount.prefix or "/"
                raise UsageError(f"at={at!r} is taken by {other.directory}: {mount.directory} cannot be served there")
        self._mounts = tuple(sorted((*self._mounts, mount), key=lambda one: -len(one.prefix)))

    def find(self, path: str) -> StaticMount | None:
        """The mount for this path (canonical)."""
        return next((mount for mount in self._mounts if mount.covers(path)), None)

    def __iter__(self) -> Iterator[StaticMount]:
        return iter(self._mounts)

    def clear(self) -> None:
        """Forget all of them."""
        self._mounts = ()


def static_mount(
    path: str | os.PathLike[str],
    *,
    roots: Sequence[Path],
    at: str = "/",
    index: str | Sequence[str] | None = None,
    listing: bool = True,
    headers: HeadersArgument | None = None,
) -> StaticMount:
    """Check what ``serve_dir`` was given, and make a mount of it.

    ``path`` is looked for in each of ``roots``. Raises UsageError, with the value and what was tried.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_dir takes the path of a directory first, not {path!r}")
    if not isinstance(listing, bool):
        raise UsageError(f"serve_dir(listing=) is True or False, not {listing!r}")
    return StaticMount(
        _check_prefix(at),
        str(_find_directory(Path(path), roots)),
        INDEX_PAGES if index is None else _check_index(index),
        listing,
        dict(check_headers(headers)),
    )


def _find_directory(path: Path, roots: Sequence[Path]) -> Path:
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if candidate.is_dir():
            return candidate
    for candidate in tried:
        if candidate.exists():
            raise UsageError(f"serve_dir({str(path)!r}): {candidate} is a file, not a directory")
    raise UsageError(f"serve_dir({str(path)!r}): there is no such directory; tried {', '.join(map(str, tried))}")


def _check_prefix(at: str) -> str:
    if not isinstance(at, str) or not at.startswith("/") or "?" in at or "#" in at:
        raise UsageError(f"serve_dir(at=) is a path that begins with a slash, not {at!r}")
    return canonical_path(at.rstrip("/"))


def _check_index(index: str | Sequence[str]) -> tuple[str, ...]:
    pages = (index,) if isinstance(index, str) else tuple(index)
    for page in pages:
        if not isinstance(page, str) or not page or "/" in page or os.path.dirname(page):
            raise UsageError(f"serve_dir(index=) is a file name or several, not {page!r}")
    return pages
