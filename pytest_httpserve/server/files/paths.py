"""Finds the file that a target names, and the names on the way to it."""

from __future__ import annotations

import io
import os
import posixpath
import sys
import urllib.parse
from typing import IO, Any

from pytest_httpserve.wire.memory import remembered
from pytest_httpserve.wire.target import target_of


def decoded_path(target: str) -> str:
    """The path in a target, decoded. Octets that are not valid text become U+FFFD."""
    path = target_of(target).path
    try:
        return urllib.parse.unquote(path, errors="surrogatepass")
    except UnicodeDecodeError:
        return urllib.parse.unquote(path)


def file_beneath(directory: str, target: str) -> str:
    """The file that a target names: decoded, normalised, and always in ``directory``."""
    files = _files_beneath(directory, target)
    return files[0] if len(files) == 1 else next(filter(os.path.lexists, files), files[0])


@remembered(256)
def _files_beneath(directory: str, target: str) -> tuple[str, ...]:
    """The files that a target may name: octets that are not valid text stand for themselves, or for U+FFFD."""
    path = target_of(target).path
    try:
        return (_beneath(directory, urllib.parse.unquote(path, errors="surrogatepass")),)
    except UnicodeDecodeError:
        spellings = (urllib.parse.unquote(path, errors=errors) for errors in ("surrogateescape", "replace"))
        return tuple(_beneath(directory, spelling) for spelling in spellings)


def _beneath(directory: str, path: str) -> str:
    words = posixpath.normpath(path).split("/")
    # Drop words that the system would read as more than one name, or as a drive.
    names = [word for word in words if word not in ("", os.curdir, os.pardir) and not os.path.dirname(word)]
    file = os.path.join(directory, *names)
    return file + "/" if path.endswith("/") else file


@remembered(256)
def names_below(directory: str, path: str) -> tuple[str, ...]:
    """The names on the way from ``directory`` to ``path``; empty if that is elsewhere."""
    below = path[len(directory) :] if path.startswith(directory) else ""
    # "/site" does not contain "/site2/a".
    if directory and not directory.endswith(("/", os.sep)) and not below.startswith(("/", os.sep)):
        return ()
    return tuple(name for name in below.replace(os.sep, "/").split("/") if name)


def place_in(file: Any) -> int | None:  # anything that send_head returned
    """The position in a regular file; None for anything else, such as a pipe or a member of an archive."""
    if not isinstance(file, io.FileIO) and not isinstance(getattr(file, "raw", None), io.FileIO):
        return None
    try:
        return int(file.tell())
    except OSError:
        return None


def read_at(file: IO[bytes], start: int, size: int) -> bytes:
    """Read up to ``size`` bytes from the offset ``start``."""
    if sys.platform != "win32":
        return os.pread(file.fileno(), size, start)
    file.seek(start)
    return file.read(size)


def encoded(path: str) -> str:
    """A decoded path, percent-encoded."""
    return urllib.parse.quote(path, errors="surrogateescape")
