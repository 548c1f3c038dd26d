"""Puts a file in its place whole, or not at all, whoever reads or writes it at the same time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def put_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file atomically: write another one, and put that in its place. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "wb") as file:
            write(file)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    """The umask of the process. There is no way to read it without setting it."""
    found = os.umask(0o022)
    os.umask(found)
    return found
