"""Processes that scripts have left in sessions of their own, as daemons are: no group leads to them any more.

On Linux, this process adopts them while a server lives that runs scripts (prctl(2), PR_SET_CHILD_SUBREAPER), and so
finds them among its children; a variable in their environment tells them from those of other code.
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
_servers = 0  # that want orphans to be adopted
_before = 0  # what this process did until then


class Process(NamedTuple):
    """A process; numbers are given out again, and ``began`` tells two of them apart."""

    pid: int
    began: bytes

    def status(self) -> bytes | None:
        """The letter of its state; None if it is gone."""
        fields = _fields_of(self.pid)
        return fields[0] if fields and fields[_BEGAN] == self.began else None

    def end(self) -> None:
        """Kill it, and take leave of it, if it is a child of this process by now."""
        if sys.platform != "linux":
            return
        if self.status() is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # another's, who sees to it
                os.waitpid(self.pid, 0)


_BEGAN = 19  # of the fields after the name, see proc(5)


def adopt() -> None:
    """From here on, have orphans become children of this process; see ``leave``."""
    global _servers, _before
    with _lock:
        _servers += 1
        if _servers == 1:
            _before = _is_subreaper()
        _be_subreaper(1)  # each time: a fork of the process is none


def leave() -> None:
    """One server less wants that."""
    global _servers
    with _lock:
        _servers -= 1
        if _servers == 0:
            _be_subreaper(_before)


def orphans(mark: str) -> list[Process]:
    """The children of this process, and theirs, that have this mark in their environment."""
    if sys.platform != "linux":
        return []
    return list(_marked(os.getpid(), f"{MARK}={mark}".encode()))


def _marked(parent: int, variable: bytes) -> Iterator[Process]:
    for pid in _children_of(parent):
        with contextlib.suppress(OSError):  # it is gone, or another user's
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
    """What the system says of a process, from its state on; nothing if it is gone."""
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
    """An old Linux refuses: then orphans are nobody's, as elsewhere."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, value, 0, 0, 0)
