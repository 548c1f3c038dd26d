"""Paths of CGI scripts: decoding, normalising, and whether a file is executable."""

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
    """``collapsed`` under the name and with the results of ``http.server``, whose tests call it.

    The result is directory, slash, last segment; the root is a directory like any other, so ``/a`` becomes ``//a``.
    Raises IndexError for a path that leads above the root.
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


def decoded(path: str) -> str:
    """A percent-encoded path as ``os.environ`` would spell its bytes."""
    return os.fsdecode(urllib.parse.unquote_to_bytes(path))


def executable(path: str) -> bool:
    """Whether the file ``path`` may be executed by the server."""
    return os.access(path, os.X_OK)
