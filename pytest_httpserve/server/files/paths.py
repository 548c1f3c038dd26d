"""From a target to a file: which one it names, what lies on the way to it, and how it is opened."""

from __future__ import annotations

import io
import os
import posixpath
import stat
import sys
import urllib.parse
from functools import lru_cache
from typing import IO, Any

from pytest_httpserve.wire import grammar

# A FIFO would keep a blocking open waiting for its writer.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NOT_A_LINK = getattr(os, "O_NOFOLLOW", 0)


def path_of(target: str) -> str:
    """The path in a target of any form, still encoded."""
    path = target.partition("?")[0].partition("#")[0]
    if absolute := grammar.ABSOLUTE_FORM.fullmatch(path):
        return absolute[3] or "/"
    return path


def decoded_path(target: str) -> str:
    """The path in a target, decoded. Octets that are no text become U+FFFD."""
    path = path_of(target)
    try:
        return urllib.parse.unquote(path, errors="surrogatepass")
    except UnicodeDecodeError:
        return urllib.parse.unquote(path)


def file_beneath(directory: str, target: str) -> str:
    """The file that a target names: decoded, normalised, and always beneath ``directory``."""
    files = _files_beneath(directory, target)
    return files[0] if len(files) == 1 else next(filter(os.path.lexists, files), files[0])


@lru_cache(256)
def _files_beneath(directory: str, target: str) -> tuple[str, ...]:
    """The file that a target names. Octets that are no text name one by its bytes, or else one with U+FFFD for them."""
    path = path_of(target)
    try:
        return (_beneath(directory, urllib.parse.unquote(path, errors="surrogatepass")),)
    except UnicodeDecodeError:
        spellings = (urllib.parse.unquote(path, errors=errors) for errors in ("surrogateescape", "replace"))
        return tuple(_beneath(directory, spelling) for spelling in spellings)


def _beneath(directory: str, path: str) -> str:
    words = posixpath.normpath(path).split("/")
    # A word that the system would read as more than one name, a drive among them, stands for nothing here.
    names = [word for word in words if word not in ("", os.curdir, os.pardir) and not os.path.dirname(word)]
    file = os.path.join(directory, *names)
    return file + "/" if path.endswith("/") else file


@lru_cache(256)
def names_below(directory: str, path: str) -> tuple[str, ...]:
    """The names from ``directory`` on to ``path``; none if that lies elsewhere."""
    below = path[len(directory) :] if path.startswith(directory) else ""
    return tuple(name for name in below.replace(os.sep, "/").split("/") if name)


@lru_cache(256)
def _steps(directory: str, path: str) -> tuple[str, ...]:
    """Every directory that is entered on the way from ``directory`` to ``path``, and then ``path``."""
    names = names_below(directory, path)
    return tuple(os.path.join(directory, *names[: count + 1]) for count in range(len(names)))


def leads_out(directory: str, path: str) -> bool:
    """Whether a symbolic link on the way to ``path`` leaves ``directory``."""
    if not any(map(os.path.islink, _steps(directory, path))):
        return False
    root = os.path.realpath(directory)
    return not os.path.join(os.path.realpath(path), "").startswith(os.path.join(root, ""))


class OpenFile(io.FileIO):
    """A regular file, open to be read, and its ``status`` when it was opened."""

    status: os.stat_result


def open_file(path: str, flags: int = 0) -> OpenFile | None:
    """The regular file at ``path``; None if there is none that can be read."""
    try:
        descriptor = os.open(path, _READING | flags)
    except (OSError, ValueError):
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    file = OpenFile(descriptor)
    file.name = path
    file.status = status
    return file


def open_without_links(directory: str, path: str) -> OpenFile | None:
    """The same, if moreover no symbolic link is on the way to it from ``directory``."""
    steps = _steps(directory, path)
    # The last step is the system's: what it opens is what was looked at.
    if any(map(os.path.islink, steps[:-1] if _NOT_A_LINK else steps)):
        return None
    return open_file(path, _NOT_A_LINK)


def place_in(file: Any) -> int | None:  # whatever send_head gave
    """Where it stands, if it reads a regular file as it is: None for a pipe, or a member of an archive."""
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    try:
        return int(file.tell())
    except OSError:
        return None


def read_at(file: IO[bytes], start: int, size: int) -> bytes:
    """Up to ``size`` bytes from ``start`` on."""
    if sys.platform != "win32":
        return os.pread(file.fileno(), size, start)
    file.seek(start)
    return file.read(size)


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


def encoded(path: str) -> str:
    """A decoded path, percent-encoded."""
    return urllib.parse.quote(path, errors="surrogateescape")
