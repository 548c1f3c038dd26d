"""System calls of the engine, as they were when this module was imported, which is usually before any test.

A test may replace the file system (pyfakefs) or functions (gevent), or pretend to run on another system
(``sys.platform``). Servers need the real ones all the same, since their sockets are real.
"""

from __future__ import annotations

import _thread
import os
import sys
from functools import partial
from typing import Final

from pytest_httpserve.errors import NoMoreThreads, UsageError

PLATFORM: str = sys.platform

# Wrapped, because pyfakefs replaces the functions of ``os`` in every module where it finds them.
close: Final = partial(os.close)
fstat: Final = partial(os.fstat)
getpid: Final = partial(os.getpid)
pipe: Final = partial(os.pipe)
read: Final = partial(os.read)
set_blocking: Final = partial(os.set_blocking) if hasattr(os, "set_blocking") else None  # not on Windows for pipes
sendfile: Final = partial(os.sendfile) if hasattr(os, "sendfile") else None
write: Final = partial(os.write)

_OPEN = (os.open,)
_START_THREAD = (_thread.start_new_thread,)


def check_files() -> None:
    """Raise UsageError if the file system is a fake, whose descriptors are not valid in the real system."""
    if os.open is not _OPEN[0]:
        raise UsageError(
            "directories are served from the real disk, and this test has replaced the file system (pyfakefs does "
            "this); respond(file=...) accepts files of the replacement"
        )


def check_threads() -> None:
    """Raise NoMoreThreads if somebody has replaced threads: the serving threads could not wait for new ones."""
    if _thread.start_new_thread is not _START_THREAD[0]:
        raise NoMoreThreads(
            "threads were replaced after the first server of the run, as gevent's monkey.patch_all() does: call it "
            "before, in the first lines of conftest.py, and servers work with it"
        )
