"""PEM files, in a folder that only their owner can read and that is removed when the process ends.

They are always on the real file system, even if a test has replaced it (with pyfakefs, for example): OpenSSL and other
processes read them.
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
# A folder of ours that is older was left by a run that was killed; in seconds.
FORGOTTEN_SECONDS = 3 * 86_400.0
# How long another process may take to replace the empty file that claims the place, and the pause between two looks
_PATIENCE = 1.0
_PAUSE = 0.01

# Wrapped, because pyfakefs replaces the functions of ``os`` in every module where it finds them.
_close, _mkdir, _open, _replace = partial(os.close), partial(os.mkdir), partial(os.open), partial(os.replace)
_read, _scandir, _status, _write = partial(os.read), partial(os.scandir), partial(os.lstat), partial(os.write)
_followed, _remove = partial(os.stat), partial(os.unlink)
_link = partial(os.link) if hasattr(os, "link") else None
_remove_tree = partial(shutil.rmtree, ignore_errors=True)
_PATH = (type(Path()),)  # its paths outlive a test's fake file system
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_PIECE_BYTES = 1 << 16


def make_folder() -> Path:
    """A new folder of this process, which the caller removes. Removes what killed runs have left."""
    _sweep()
    folder = _PATH[0](tempfile.gettempdir(), PREFIX + secrets.token_hex(8))
    _mkdir(folder, 0o700)
    return folder


@functools.cache
def private_folder(process: int) -> Path:
    """The folder of this process, by its id: a forked child makes its own folder, and does not remove ours."""
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
    """The file with this content, in ``folder`` or in this process's own; written when first asked for."""
    import hashlib

    if folder is None:
        folder = private_folder(os.getpid())
    # Named after its content, so any process that shares the folder writes the same file.
    path = folder / f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.pem"
    put(path, data)
    return path


@contextlib.contextmanager
def passing(data: bytes) -> Iterator[str]:
    """The path of a temporary file with this content, for functions that read nothing but files."""
    path = os.path.join(tempfile.gettempdir(), PREFIX + secrets.token_hex(8))
    _make(path, data)
    try:
        yield path
    finally:
        _remove(path)


def put(path: Path, data: bytes) -> bool:
    """Make a file that only its owner can read, never seen half-written; False if it exists already."""
    if _is_whole(path):
        return False
    draft = os.path.join(path.parent, f".{path.name}-{secrets.token_hex(8)}")
    _make(draft, data)
    try:
        return _take_place(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it was renamed to the file
            _remove(draft)


def status_of(path: Path) -> os.stat_result:
    """The status of a file, as ``os.stat`` returns it."""
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
    """Turn the draft into the file, unless it exists: unlike a rename, this replaces nothing."""
    try:
        if _link is not None:
            with contextlib.suppress(FileExistsError):
                _link(draft, path)
                return True
            return _wait_until_whole(path)
    except OSError:
        pass  # this file system has no hard links
    try:
        _close(_open(path, _NEW, 0o600))  # claims the place until the rename
    except FileExistsError:
        return _wait_until_whole(path)
    _replace(draft, path)
    return True


def _wait_until_whole(path: Path) -> bool:
    """Wait for another process that is about to put the file there. Always False: the file is not ours."""
    expiry = clock.monotonic() + _PATIENCE
    while not _is_whole(path) and clock.monotonic() < expiry:
        clock.sleep(_PAUSE)
    return False


def _is_whole(path: Path) -> bool:
    """Whether the file has content: an empty one only claims the place."""
    try:
        status = _status(path)
    except FileNotFoundError:
        return False
    return status.st_size > 0 or not stat.S_ISREG(status.st_mode)
