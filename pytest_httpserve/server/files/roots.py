"""A served directory: decides what is visible in it, and opens its files."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_httpserve.server.files.opening import LeadsOut, OpenFile, entries_of, open_file, status_of
from pytest_httpserve.server.files.paths import names_below


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How the files of a directory are served.

    - ``listing``: whether a directory without an index page is listed; otherwise it is refused with 403.
    - ``hidden``: whether files whose names begin with a dot are served and listed.
    - ``follow_outside``: whether symbolic links may lead outside the directory.
    - ``response_headers``: headers for every file and listing, which replace those of the same name; ``headers_for``:
      the same by pattern, as in ``{"*.js": {"Cache-Control": "no-cache"}}``. A pattern (``fnmatch``) matches a whole
      path inside the directory, and its asterisk matches slashes, too.
    - ``precompressed``: whether to send ``app.js.br``, ``.zst`` or ``.gz`` for ``app.js`` to a client that accepts it.
    - ``fallback``: the page for a path that is not found and whose last name has no dot (single-page applications).
    - ``cors``: the origin that may read the files, or True for any; preflight requests are answered, too.
    """

    listing: bool = True
    hidden: bool = True
    follow_outside: bool = False
    response_headers: Mapping[str, str] = field(default_factory=dict)
    headers_for: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    precompressed: bool = False
    fallback: str | None = None
    cors: bool | str = False


DEFAULT_OPTIONS = FileOptions()
INDEX_PAGES = ("index.html", "index.htm")


class Entry(NamedTuple):
    """An entry of a directory: its ``status``, or that of a link's target; None if there is nothing to show."""

    name: str
    status: os.stat_result | None
    is_link: bool


class Root(NamedTuple):
    """A directory, and how it is served.

    ``index_pages`` are the names of files to send for their directory. ``scripts`` are script directories, each with
    whether its subdirectories count, too: the files in them are never sent.
    """

    directory: str
    options: FileOptions = DEFAULT_OPTIONS
    index_pages: Sequence[str] = INDEX_PAGES
    scripts: tuple[tuple[str, bool], ...] = ()

    def shows(self, path: str) -> bool:
        """Whether the names on the way to ``path`` are visible."""
        return self.options.hidden or not any(name.startswith(".") for name in names_below(self.directory, path))

    def open(self, path: str) -> OpenFile:
        """Open the regular file at ``path``.

        Raises OSError if there is no visible, readable file: LeadsOut if a link on the way to it leaves the directory,
        IsADirectoryError for a visible directory.
        """
        if not self.shows(path):
            raise FileNotFoundError(path)
        try:
            file = open_file(path, self._bounds, self.scripts)
        except ValueError:  # NUL, or a name that the system cannot encode
            raise FileNotFoundError(path) from None
        if path.endswith("/"):  # some systems open "file/" as the file, but it is a different URL
            file.close()
            raise FileNotFoundError(path)
        return file

    def status(self, path: str) -> os.stat_result:
        """The status of what is at ``path``. Raises OSError like ``open``."""
        if not self.shows(path):
            raise FileNotFoundError(path)
        try:
            return status_of(path, self._bounds)
        except ValueError:
            raise FileNotFoundError(path) from None

    def entries(self, path: str) -> list[Entry]:
        """The visible entries of the directory at ``path``, in order. Raises OSError like ``open``."""
        shown = []
        try:
            with entries_of(path, self._bounds) as found:
                for entry in found:
                    if self.options.hidden or not entry.name.startswith("."):
                        shown.append(self._entry(entry, os.path.join(path, entry.name)))
        except ValueError:
            raise FileNotFoundError(path) from None
        return sorted(shown, key=lambda entry: (entry.name.lower(), entry.name))

    def _entry(self, entry: os.DirEntry[str], path: str) -> Entry:
        status = None
        is_link = entry.is_symlink()
        with contextlib.suppress(OSError):  # a link that leads nowhere or out, or an entry that is gone
            # If a link has replaced the entry meanwhile, describe the link itself.
            status = status_of(path, self._bounds) if is_link else entry.stat(follow_symlinks=False)
        return Entry(entry.name, status, is_link)

    @property
    def _bounds(self) -> str | None:
        """The directory that links must not leave, if there is one."""
        return None if self.options.follow_outside else self.directory

    def index_page(self, directory: str) -> OpenFile | None:
        """The index page of a directory, if it has one. Raises OSError if it cannot be read."""
        for name in self.index_pages:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, LeadsOut):
                return self.open(os.path.join(directory, name))
        return None

    def fallback_for(self, path: str) -> OpenFile | None:
        """The page for a ``path`` that was not found."""
        fallback = self.options.fallback
        if fallback is None or "." in posixpath.basename(path.rstrip("/")):
            return None
        with contextlib.suppress(OSError):
            return self.open(os.path.join(self.directory, fallback))
        return None
