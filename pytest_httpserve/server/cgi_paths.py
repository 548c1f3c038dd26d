"""Paths that lead to CGI scripts: how they are spelt, and what lies where."""

from __future__ import annotations

import os
import urllib.parse
from http import HTTPStatus

from pytest_httpserve.errors import RequestError


def collapsed(path: str) -> str:
    """A path without query, decoded, and without ``.``, ``..`` and empty segments.

    Raises RequestError (400) for a path that leads above the root.
    """
    try:
        return _url_collapse_path(path)
    except IndexError:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the path leads above the root: {path!r}") from None


def _url_collapse_path(path: str) -> str:
    """``collapsed``, by the name and with the ways of ``http.server``, whose tests ask for it.

    The result is directory, slash, last segment; the root is a directory like any other, so that ``/a`` becomes
    ``//a``. Raises IndexError for a path that leads above the root.
    """
    *directories, last = urllib.parse.unquote(path, errors="surrogateescape").split("/")
    if last in (".", ".."):
        directories.append(last)
        last = ""
    kept: list[str] = []
    for name in directories:
        if name == "..":
            kept.pop()
        elif name not in ("", "."):
            kept.append(name)
    return f"/{'/'.join(kept)}/{last}"


def encoded(path: str) -> str:
    """A decoded path, percent-encoded."""
    return urllib.parse.quote(path, errors="surrogateescape")


def decoded(path: str) -> str:
    """A percent-encoded path as ``os.environ`` would spell its bytes."""
    return os.fsdecode(urllib.parse.unquote_to_bytes(path))


def executable(path: str) -> bool:
    """Whether the file ``path`` may be executed by the server."""
    return os.access(path, os.X_OK)


def is_beneath(path: str, directory: str, *, nested: bool = True) -> bool:
    """Whether ``path``, followed to its end, is in ``directory`` or, if ``nested``, in a directory beneath that."""
    try:
        wanted = os.stat(directory)
        parent = os.path.dirname(os.path.realpath(path))
    except (OSError, ValueError):  # no such directory; NUL in the path
        return False
    while not _is_same(parent, wanted):
        if not nested or parent == os.path.dirname(parent):
            return False
        parent = os.path.dirname(parent)
    return True


def _is_same(path: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), wanted)
    except OSError:
        return False
