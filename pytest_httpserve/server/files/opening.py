"""Opens files in a directory and never outside it, even if somebody replaces files and links at the same time.

A name is looked up in an open directory that was found to be in the root: by descriptor, not by path, which may lead
elsewhere the next moment. Opening never follows a link: its text is read, and the directory where it leads is checked
in the same way.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from pytest_httpserve.net.system import check_files
from pytest_httpserve.server.files.paths import names_below

Result = TypeVar("Result")

# Script directories, each with whether its subdirectories count, too
Scripts = Sequence[tuple[str, bool]]

# Whether names can be looked up in an open directory. If not, the way to a file is checked before the file is opened,
# and may change in between.
BY_DESCRIPTOR = (
    {os.open, os.stat, os.readlink} <= os.supports_dir_fd
    and os.scandir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
)

# A FIFO would keep a blocking open waiting for its writer.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NOT_A_LINK = getattr(os, "O_NOFOLLOW", 0)
# A directory on the way need not be readable.
_ENTERING = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
# How systems report a link where O_NOFOLLOW forbids it.
_IS_A_LINK = {errno.ELOOP, errno.EMLINK, getattr(errno, "EFTYPE", errno.ELOOP)}
# As many as Linux follows.
_MOST_LINKS = 40
_UNKNOWN = -1
# How many directories to go up at once: every system accepts paths of 1,024 bytes.
_DEEPEST_LOOK = 300


class LeadsOut(PermissionError):
    """A symbolic link on the way leaves the directory."""


class OpenFile(io.FileIO):
    """A regular file, open for reading: its ``path``, and its ``status`` when it was opened."""

    path: str
    status: os.stat_result


def open_file(path: str, directory: str | None, scripts: Scripts = ()) -> OpenFile:
    """Open the regular file at ``path``. Links may lead into ``directory``, or anywhere if that is None.

    Files in a directory of ``scripts`` are refused. Raises OSError if there is no readable file: LeadsOut if it is
    outside, IsADirectoryError for a directory.
    """
    descriptor = _open(path, directory, scripts)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise (IsADirectoryError if stat.S_ISDIR(status.st_mode) else FileNotFoundError)(path)
    file = OpenFile(descriptor)
    file.name = file.path = path
    file.status = status
    return file


@contextlib.contextmanager
def entries_of(path: str, directory: str | None) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of the directory at ``path``. Raises OSError if it cannot be read, like ``open_file``."""
    if not BY_DESCRIPTOR:
        _check_way(path, directory)
        with os.scandir(path) as entries:
            yield entries
        return
    descriptor = _open(path, directory)
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def status_of(path: str, directory: str | None) -> os.stat_result:
    """The status of what is at ``path``, which need not be readable. Raises OSError, like ``open_file``."""
    if BY_DESCRIPTOR:
        return _look_up(path, directory, _status_of_name)
    _check_way(path, directory)
    return os.stat(path)


def _open(path: str, directory: str | None, scripts: Scripts = ()) -> int:
    check_files()
    if not BY_DESCRIPTOR:
        return _open_by_path(path, directory, scripts)
    if scripts:
        return _look_up(path, directory, partial(_open_no_script, scripts))
    # A file in the root itself takes a single step.
    if path.rpartition("/")[0] == directory and (opened := _open_name(path, None)) is not None:
        return opened
    return _look_up(path, directory, _open_name)


def _names_in(directory: str | None, path: str) -> tuple[str, ...]:
    """The names from ``directory``, which the path must not leave, to ``path``; empty if it may lead anywhere.

    A path that does not even begin with ``directory`` may: an override has chosen it.
    """
    names = names_below(directory, path) if directory is not None else ()
    return () if os.pardir in names else names


# By descriptor


def _look_up(path: str, directory: str | None, step: Callable[[str, int], Result | None]) -> Result:
    """Call ``step`` with the last name of ``path`` and its directory's descriptor, and return the result. If it returns
    None, the name is a link, and the same is done with its target."""
    depth = len(_names_in(directory, path)) - 1
    root = os.stat(directory or os.curdir) if depth >= 0 else None
    parent: int | None = None
    try:
        for _ in range(_MOST_LINKS):
            above, name = os.path.split(path.rstrip("/") or "/")
            if name in ("", os.curdir, os.pardir):
                above, name = path, os.curdir
            entered = os.open(above or os.curdir, _ENTERING, dir_fd=parent)
            if parent is not None:
                os.close(parent)
            parent = entered
            if root is not None and not _lies_in(parent, root, depth):
                raise LeadsOut(path)
            found = step(name, parent)
            if found is not None:
                return found
            path, depth = os.readlink(name, dir_fd=parent), _UNKNOWN
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    finally:
        if parent is not None:
            os.close(parent)


def _open_name(name: str, parent: int | None) -> int | None:
    try:
        return os.open(name, _READING | _NOT_A_LINK, dir_fd=parent)
    except PermissionError:
        with contextlib.suppress(NotADirectoryError):
            return os.open(name, _ENTERING | _NOT_A_LINK, dir_fd=parent)
        raise
    except OSError as error:
        if error.errno in _IS_A_LINK:
            return None
        raise


def _open_no_script(scripts: Scripts, name: str, parent: int) -> int | None:
    opened = _open_name(name, parent)
    if opened is None or stat.S_ISDIR(os.fstat(opened).st_mode) or not _has_scripts(parent, scripts):
        return opened
    os.close(opened)
    raise PermissionError(name)


def _status_of_name(name: str, parent: int) -> os.stat_result | None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return None if stat.S_ISLNK(status.st_mode) else status


def _has_scripts(descriptor: int, scripts: Scripts) -> bool:
    for directory, nested in scripts:
        with contextlib.suppress(OSError, ValueError):  # there is no such directory
            wanted = os.stat(directory)
            if os.path.samestat(os.fstat(descriptor), wanted) or (nested and _lies_in(descriptor, wanted, _UNKNOWN)):
                return True
    return False


def _lies_in(descriptor: int, wanted: os.stat_result, depth: int) -> bool:
    """Whether a directory is ``wanted`` or in it, presumably ``depth`` levels down."""
    if 0 <= depth <= _DEEPEST_LOOK:
        look = "/".join([os.pardir] * depth) or os.curdir
        if os.path.samestat(os.stat(look, dir_fd=descriptor), wanted):
            return True
    return any(os.path.samestat(status, wanted) for status in _upwards(descriptor))


def _upwards(descriptor: int) -> Iterator[os.stat_result]:
    """The status of a directory, of its parent, and so on."""
    last, status = None, os.fstat(descriptor)
    at = os.dup(descriptor)
    try:
        while last is None or not os.path.samestat(status, last):
            yield status
            above = os.open(os.pardir, _ENTERING, dir_fd=at)
            os.close(at)
            at = above
            last, status = status, os.fstat(at)
    finally:
        os.close(at)


# By path, on systems that have no other way


def _open_by_path(path: str, directory: str | None, scripts: Scripts) -> int:
    _check_way(path, directory)
    if os.path.isdir(path):  # some systems do not open one
        raise IsADirectoryError(path)
    if any(_is_beneath(path, one, nested=nested) for one, nested in scripts):
        raise PermissionError(path)
    return os.open(path, _READING)


def _check_way(path: str, directory: str | None) -> None:
    """Raise LeadsOut if a symbolic link on the way to ``path`` leaves the directory."""
    names = _names_in(directory, path)
    if directory is None or not _has_links(directory, names):
        return
    root = os.path.realpath(directory)
    if not os.path.join(os.path.realpath(path), "").startswith(os.path.join(root, "")):
        raise LeadsOut(path)


def _has_links(directory: str, names: Sequence[str]) -> bool:
    """Whether one of the names on the way from ``directory`` is a link."""
    step = directory
    for name in names:
        step = os.path.join(step, name)
        if os.path.islink(step):
            return True
        if not os.path.lexists(step):
            return False
    return False


def _is_beneath(path: str, directory: str, *, nested: bool) -> bool:
    """Whether ``path``, with its links followed, is in ``directory`` or, if ``nested``, in a subdirectory."""
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
