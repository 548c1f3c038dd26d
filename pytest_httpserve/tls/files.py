"""PEM files: in a folder of their own, which only their owner can read, and gone when the process ends.

They are the system's, whatever file system a test has in its place (as pyfakefs has): OpenSSL reads them, and so do
other processes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pytest_httpserve import clock

PREFIX = "pytest-httpserve-"
# What is older, and ours, is left of a run that was killed; in seconds.
FORGOTTEN_SECONDS = 3 * 86_400.0
# How long somebody else may take to put a whole file where an empty one claims its place, and between two looks.
_PATIENCE = 1.0
_PAUSE = 0.01

# Objects of their own: pyfakefs replaces whatever in any module is one of the functions of ``os``.
_close, _mkdir, _open, _replace = partial(os.close), partial(os.mkdir), partial(os.open), partial(os.replace)
_read, _scandir, _status, _write = partial(os.read), partial(os.scandir), partial(os.lstat), partial(os.write)
_followed, _remove = partial(os.stat), partial(os.unlink)
_link = partial(os.link) if hasattr(os, "link") else None
_remove_tree = partial(shutil.rmtree, ignore_errors=True)
_PATH = (type(Path()),)  # what is made of it outlives a file system that a test has in its place
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_PIECE_BYTES = 1 << 16


def make_folder() -> Path:
    """A new folder of this process, which whoever has asked for it removes. What killed runs have left goes now."""
    _sweep()
    folder = _PATH[0](tempfile.gettempdir(), PREFIX + secrets.token_hex(8))
    _mkdir(folder, 0o700)
    return folder


@functools.cache
def private_folder(process: int) -> Path:
    """The folder of this process, whose id is to be given: a fork makes one of its own, and does not remove ours."""
    import atexit

    folder = make_folder()

    def remove() -> None:
        if os.getpid() == process:
            _remove_tree(folder)

    atexit.register(remove)
    return folder


def _sweep() -> None:
    with contextlib.suppress(OSError), _scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    _sweep_one(entry.path, entry.stat(follow_symlinks=False))


def _sweep_one(path: str, status: os.stat_result) -> None:
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if own and clock.now() - status.st_mtime > FORGOTTEN_SECONDS:
        if stat.S_ISDIR(status.st_mode):
            _remove_tree(path)
        else:
            _remove(path)


def keep(folder: Path | None, stem: str, data: bytes) -> Path:
    """The file with this content in ``folder``, or in one of this process; written when it is first asked for."""
    import hashlib

    if folder is None:
        folder = private_folder(os.getpid())
    # Named by its content: whoever shares the folder, another process included, would write the same.
    path = folder / f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.pem"
    put(path, data)
    return path


@contextlib.contextmanager
def passing(data: bytes) -> Iterator[str]:
    """The path of a file with this content, for those who read nothing but files; it is gone afterwards."""
    path = os.path.join(tempfile.gettempdir(), PREFIX + secrets.token_hex(8))
    _make(path, data)
    try:
        yield path
    finally:
        _remove(path)


def put(path: Path, data: bytes) -> bool:
    """Make a file that only its owner can read, whole from its first moment; False if there is one already."""
    if _is_whole(path):
        return False
    draft = os.path.join(path.parent, f".{path.name}-{secrets.token_hex(8)}")
    _make(draft, data)
    try:
        return _take_place(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has become the file
            _remove(draft)


def status_of(path: Path) -> os.stat_result:
    """What the system says of a file."""
    return _followed(path)


def read(path: Path) -> bytes:
    """The whole file."""
    number = _open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return b"".join(iter(partial(_read, number, _PIECE_BYTES), b""))
    finally:
        _close(number)


def _make(path: str, data: bytes) -> None:
    number = _open(path, _NEW, 0o600)
    try:
        while data:
            data = data[_write(number, data) :]
    finally:
        _close(number)


def _take_place(draft: str, path: Path) -> bool:
    """Have the draft be the file, unless there is one: unlike a rename, this takes nobody's place."""
    try:
        if _link is not None:
            with contextlib.suppress(FileExistsError):
                _link(draft, path)
                return True
            return _wait_until_whole(path)
    except OSError:
        pass  # there are no hard links in this file system
    try:
        _close(_open(path, _NEW, 0o600))  # claims the place, for a moment
    except FileExistsError:
        return _wait_until_whole(path)
    _replace(draft, path)
    return True


def _wait_until_whole(path: Path) -> bool:
    """Somebody else is about to put the file there: False, when they have."""
    expiry = clock.monotonic() + _PATIENCE
    while not _is_whole(path) and clock.monotonic() < expiry:
        clock.sleep(_PAUSE)
    return False


def _is_whole(path: Path) -> bool:
    """Whether there is something: an empty file claims the place of one."""
    try:
        status = _status(path)
    except FileNotFoundError:
        return False
    return status.st_size > 0 or not stat.S_ISREG(status.st_mode)
