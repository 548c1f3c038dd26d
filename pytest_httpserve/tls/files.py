"""PEM files: in a folder of their own, which only their owner can read, and gone when the process ends."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def private_folder(process: int) -> Path:
    """The folder of this process, whose id is to be given: a fork makes one of its own, and does not remove ours."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pytest-httpserve-"))

    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def keep(folder: Path | None, stem: str, data: bytes) -> Path:
    """The file with this content in ``folder``, or in one of this process; written when it is first asked for."""
    import hashlib

    if folder is None:
        folder = private_folder(os.getpid())
    # Named by its content: whoever shares the folder, another process included, would write the same.
    path = folder / f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.pem"
    if not path.exists():
        put(path, data)
    return path


@contextlib.contextmanager
def passing(data: bytes) -> Iterator[str]:
    """The path of a file with this content, for those who read nothing but files; it is gone afterwards."""
    import tempfile

    number, path = tempfile.mkstemp(prefix="pytest-httpserve-")  # with mode 0600
    try:
        with open(number, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)


def put(path: Path, data: bytes) -> bool:
    """Make a file that only its owner can read, whole from its first moment; False if there is one already."""
    import tempfile

    number, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # with mode 0600
    try:
        with open(number, "wb") as file:
            file.write(data)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, this takes nobody's place
            return True
        return False
    finally:
        os.unlink(draft)
