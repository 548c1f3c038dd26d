"""Finds the processes that scripts have left in other sessions, like daemons: no process group leads to them any more.

On Linux, this process adopts them while a server that runs scripts is alive (prctl(2), PR_SET_CHILD_SUBREAPER), and so
finds them among its children; a variable in their environment tells them from the children of other code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_httpserve.net.forks import ForkedLock

MARK = "HTTPSERVE_RUNS_IN"
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_PROCESS = Path("/proc")

_lock = ForkedLock()
_servers = 0  # how many want orphans to be adopted
_before = 0  # whether this process was a subreaper before


class Process(NamedTuple):
    """A process; ids are reused, and ``began`` tells two processes with the same id apart."""

    pid: int
    began: bytes

    def status(self) -> bytes | None:
        """The letter of the process's state; None if it is gone."""
        fields = _fields_of(self.pid)
        return fields[0] if fields and fields[_BEGAN] == self.began else None

    def end(self) -> None:
        """Kill the process, and reap it if it is a child of this process by now."""
        if sys.platform != "linux":
            return
        if self.status() is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # its parent is another process, which reaps it
                os.waitpid(self.pid, 0)


_BEGAN = 19  # index among the fields after the name, see proc(5)


def adopt() -> None:
    """From here on, orphans become children of this process; see ``leave``."""
    global _servers, _before
    with _lock:
        _servers += 1
        if _servers == 1:
            _before = _is_subreaper()
        _be_subreaper(1)  # each time, since a fork of the process does not inherit it


def leave() -> None:
    """Undo one call of ``adopt``."""
    global _servers
    with _lock:
        _servers -= 1
        if _servers == 0:
            _be_subreaper(_before)


def orphans(mark: str) -> list[Process]:
    """The descendants of this process that have this mark in their environment."""
    if sys.platform != "linux":
        return []
    return list(_marked(os.getpid(), f"{MARK}={mark}".encode()))


def _marked(parent: int, variable: bytes) -> Iterator[Process]:
    for pid in _children_of(parent):
        with contextlib.suppress(OSError):  # it is gone, or belongs to another user
            fields = _fields_of(pid)
            if fields and variable in Path(_PROCESS, str(pid), "environ").read_bytes().split(b"\0"):
                yield Process(pid, fields[_BEGAN])
                yield from _marked(pid, variable)


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(_PROCESS, str(pid), "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, thread.read_bytes().split())
    return found


def _fields_of(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the state on; empty if the process is gone."""
    try:
        return Path(_PROCESS, str(pid), "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _is_subreaper() -> int:
    if sys.platform != "linux":
        return 0
    import ctypes

    value = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return value.value


def _be_subreaper(value: int) -> None:
    """Become a subreaper, or stop being one. An old Linux refuses: then nobody adopts orphans, as on other systems."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, value, 0, 0, 0)
