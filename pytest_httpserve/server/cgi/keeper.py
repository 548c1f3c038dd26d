"""Kills the scripts of a process that was itself killed by SIGKILL, and so had no chance to clean up.

A small shell runs beside this process, and a file lists the running scripts, so the shell need not wake for each. Its
input ends when this process ends in any way; then it reads the file, and kills the scripts that are left.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from typing import TYPE_CHECKING

from pytest_httpserve.net.forks import ForkedLock

if TYPE_CHECKING:
    import subprocess

# The shell's output is the file, which it reads: a line for each script, or an empty one. Each script leads its own
# session, and the whole session is killed.
_PROGRAM = """\
read -r nothing
while read -r one; do
  [ -z "$one" ] || kill -s KILL -- "-$one"
done <&1
"""
_DIGITS = 19


class Keeper:
    """The shell, and the file that it shares with this process. Raises OSError if the system cannot provide them."""

    def __init__(self) -> None:
        import subprocess
        import tempfile

        self.owner: int = os.getpid()  # a fork of it is not the owner
        self._lines: dict[int, int] = {}  # by process id
        self._empty: list[int] = []
        with tempfile.TemporaryFile() as file:
            self._shell: subprocess.Popen[bytes] = subprocess.Popen(
                ["/bin/sh", "-c", _PROGRAM],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.DEVNULL,
                cwd="/",  # so that any other directory can be removed
                start_new_session=True,  # so that it does not get Ctrl-C
            )
            self._file = os.dup(file.fileno())  # open as long as this process lives
        atexit.register(self.end)

    def keep(self, pid: int) -> None:
        """Add a script to the list."""
        line = self._lines[pid] = self._empty.pop() if self._empty else len(self._lines)
        self._write(line, str(pid))

    def let_go(self, pid: int) -> None:
        """Remove a script from the list."""
        if (line := self._lines.pop(pid, None)) is not None:
            self._write(line, "")
            self._empty.append(line)

    def _write(self, line: int, text: str) -> None:
        if hasattr(os, "pwrite"):
            os.pwrite(self._file, f"{text:{_DIGITS}}\n".encode("ascii"), line * (_DIGITS + 1))

    def end(self) -> None:
        """Make the shell kill the scripts that are left, now."""
        if self.owner == os.getpid() and self._shell.stdin is not None:
            self._shell.stdin.close()
            self._shell.wait()


_lock = ForkedLock()
_keeper: Keeper | None = None


def begin() -> None:
    """Start the shell before the first script starts."""
    global _keeper
    with _lock, contextlib.suppress(OSError):
        if _own() is None:
            _keeper = Keeper()


def keep(pid: int) -> None:
    """From here on, the shell kills the session of this script when our own process ends."""
    with _lock, contextlib.suppress(OSError):
        if (keeper := _own()) is not None:
            keeper.keep(pid)


def let_go(pid: int) -> None:
    """Note that a script has ended."""
    with _lock, contextlib.suppress(OSError):
        if (keeper := _own()) is not None:
            keeper.let_go(pid)


def _own() -> Keeper | None:
    """This process's keeper; None in a fork, since the keeper belongs to the parent."""
    return _keeper if _keeper is not None and _keeper.owner == os.getpid() else None
