"""A directory whose files are served: what of it is shown, and how a file in it is opened."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_httpserve.server.files.paths import (
    OpenFile,
    is_beneath,
    leads_out,
    names_below,
    open_file,
    open_without_links,
)


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

    def leads_out(self, path: str) -> bool:
        """Whether a symbolic link on the way to ``path`` leaves the directory."""
        return not self.options.follow_outside and leads_out(self.directory, path)

    def open(self, path: str) -> OpenFile | None:
        """The regular file at ``path``; None if there is none that may be shown and read."""
        # Some systems open "file/" as the file; as a URL it is another one.
        if path.endswith("/") or not self.shows(path):
            return None
        # A second look, at the file itself: a link or a file system that ignores case gives a script other names.
        if self.scripts and any(is_beneath(path, directory, nested=nested) for directory, nested in self.scripts):
            return None
        if not self.options.follow_outside and (file := open_without_links(self.directory, path)) is not None:
            return file
        return None if self.leads_out(path) else open_file(path)

    def index_page(self, directory: str) -> str | None:
        """The page that stands for a directory."""
        for name in self.index_pages:
            page = os.path.join(directory, name)
            if os.path.isfile(page) and not self.leads_out(page):
                return page
        return None

    def fallback_for(self, path: str) -> str | None:
        """The page for ``path``, which is not there."""
        fallback = self.options.fallback
        if fallback is None or "." in posixpath.basename(path.rstrip("/")):
            return None
        return os.path.join(self.directory, fallback)
