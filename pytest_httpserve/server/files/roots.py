"""A directory whose files are served: what of it is shown, and how a file in it is opened."""

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

    - ``listing``: whether a directory without an index page is listed; else it is refused with 403.
    - ``hidden``: whether names that begin with a dot are found, and listed.
    - ``follow_outside``: whether symbolic links are followed wherever they lead.
    - ``response_headers``: headers for all that is found, in place of those of the same name; ``headers_for``: the same
      by pattern, as in ``{"*.js": {"Cache-Control": "no-cache"}}``. A pattern (``fnmatch``) is for whole paths beneath
      the directory, and its asterisk takes slashes, too.
    - ``precompressed``: whether ``app.js.br``, ``.zst`` or ``.gz`` goes out for ``app.js`` to a client that takes it.
    - ``fallback``: the page for a path that is not found and whose last name has no dot (single-page applications).
    - ``cors``: True for any origin, or one origin; preflight requests are answered, too.
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
    """What is in a directory: its ``status``, or that of what the link leads to; None if there is nothing to show."""

    name: str
    status: os.stat_result | None
    is_link: bool


class Root(NamedTuple):
    """A directory, and how it is served.

    ``index_pages`` are the names of files that stand for the directory they are in. ``scripts`` are directories of
    scripts, and whether those beneath them count, too: what is in one of them is never sent.
    """

    directory: str
    options: FileOptions = DEFAULT_OPTIONS
    index_pages: Sequence[str] = INDEX_PAGES
    scripts: tuple[tuple[str, bool], ...] = ()

    def shows(self, path: str) -> bool:
        """Whether the names on the way to ``path`` may be seen."""
        return self.options.hidden or not any(name.startswith(".") for name in names_below(self.directory, path))

    def open(self, path: str) -> OpenFile:
        """The regular file at ``path``.

        Raises OSError if there is none that may be shown and read: LeadsOut if a link on the way to it leaves the
        directory, IsADirectoryError for a directory that may be shown.
        """
        if not self.shows(path):
            raise FileNotFoundError(path)
        try:
            file = open_file(path, self._bounds, self.scripts)
        except ValueError:  # NUL, or what the system cannot spell
            raise FileNotFoundError(path) from None
        if path.endswith("/"):  # some systems open "file/" as the file; as a URL it is another one
            file.close()
            raise FileNotFoundError(path)
        return file

    def status(self, path: str) -> os.stat_result:
        """What the system says of what is at ``path``. Raises OSError as ``open`` does."""
        if not self.shows(path):
            raise FileNotFoundError(path)
        try:
            return status_of(path, self._bounds)
        except ValueError:
            raise FileNotFoundError(path) from None

    def entries(self, path: str) -> list[Entry]:
        """What the directory at ``path`` shows, in that order. Raises OSError as ``open`` does."""
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
        with contextlib.suppress(OSError):  # it leads nowhere, or out, or is gone meanwhile
            # A link that has come meanwhile is described as it is.
            status = status_of(path, self._bounds) if is_link else entry.stat(follow_symlinks=False)
        return Entry(entry.name, status, is_link)

    @property
    def _bounds(self) -> str | None:
        """The directory that links must not leave, if there is one."""
        return None if self.options.follow_outside else self.directory

    def index_page(self, directory: str) -> OpenFile | None:
        """The page that stands for a directory. Raises OSError if there is one, and it cannot be read."""
        for name in self.index_pages:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError, LeadsOut):
                return self.open(os.path.join(directory, name))
        return None

    def fallback_for(self, path: str) -> OpenFile | None:
        """The page for ``path``, which is not there."""
        fallback = self.options.fallback
        if fallback is None or "." in posixpath.basename(path.rstrip("/")):
            return None
        with contextlib.suppress(OSError):
            return self.open(os.path.join(self.directory, fallback))
        return None
