"""What the engine asks of the system, as it was when this was imported: before a test, as a rule.

A test may put a file system of its own in the place of the real one (pyfakefs), take functions away (gevent), or say
that this is another system (``sys.platform``). What servers wait by is real all the same: their sockets are, too.
"""

from __future__ import annotations

import _thread
import os
import sys
from functools import partial
from typing import Final

from pytest_httpserve.errors import NoMoreThreads, UsageError

PLATFORM: str = sys.platform

# Objects of their own: pyfakefs replaces whatever in any module is one of the functions of ``os``.
close: Final = partial(os.close)
fstat: Final = partial(os.fstat)
getpid: Final = partial(os.getpid)
pipe: Final = partial(os.pipe)
read: Final = partial(os.read)
set_blocking: Final = partial(os.set_blocking) if hasattr(os, "set_blocking") else None  # Windows has pipes without it
sendfile: Final = partial(os.sendfile) if hasattr(os, "sendfile") else None
write: Final = partial(os.write)

_OPEN = (os.open,)
_START_THREAD = (_thread.start_new_thread,)


def check_files() -> None:
    """Raise UsageError if files are not the system's: to it, descriptors of others are nothing, or other files."""
    if os.open is not _OPEN[0]:
        raise UsageError(
            "directories are served from the system's own disk, and this test has another file system in its place "
            "(as pyfakefs has); respond(file=...) takes files of that"
        )


def check_threads() -> None:
    """Raise NoMoreThreads if threads are others than they were: those that serve could not wait for new ones."""
    if _thread.start_new_thread is not _START_THREAD[0]:
        raise NoMoreThreads(
            "threads were replaced after the first server of the run, as gevent's monkey.patch_all() does: call it "
            "before, in the first lines of conftest.py, and servers work with it"
        )
