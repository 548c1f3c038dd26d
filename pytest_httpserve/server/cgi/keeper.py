"""What kills the scripts of a process that was killed itself, and could not: SIGKILL leaves nobody a last word.

One small shell beside this process can read in a file, whenever it must, which scripts run: it need not wake for each.
Its input ends with this process, however that does; then it kills what is left.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from typing import TYPE_CHECKING

from pytest_httpserve.net.forks import ForkedLock

if TYPE_CHECKING:
    import subprocess

# Its output is the file, which it reads: a line for each script, or an empty one. A script leads a session of its own:
# all of that is killed.
_PROGRAM = """\
read -r nothing
while read -r one; do
  [ -z "$one" ] || kill -s KILL -- "-$one"
done <&1
"""
_DIGITS = 19


class Keeper:
    """The shell, and the file that it shares with this process. Raises OSError if there cannot be one."""

    def __init__(self) -> None:
        import subprocess
        import tempfile

        self.owner: int = os.getpid()  # which may be forked
        self._lines: dict[int, int] = {}  # of which process, which one
        self._empty: list[int] = []
        with tempfile.TemporaryFile() as file:
            self._shell: subprocess.Popen[bytes] = subprocess.Popen(
                ["/bin/sh", "-c", _PROGRAM],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.DEVNULL,
                cwd="/",  # no directory is kept from being removed
                start_new_session=True,  # Ctrl-C is not for it
            )
            self._file = os.dup(file.fileno())  # open as long as this process lives
        atexit.register(self.end)

    def keep(self, pid: int) -> None:
        """Note a script."""
        line = self._lines[pid] = self._empty.pop() if self._empty else len(self._lines)
        self._write(line, str(pid))

    def let_go(self, pid: int) -> None:
        """It need not be killed any more."""
        if (line := self._lines.pop(pid, None)) is not None:
            self._write(line, "")
            self._empty.append(line)

    def _write(self, line: int, text: str) -> None:
        if hasattr(os, "pwrite"):
            os.pwrite(self._file, f"{text:{_DIGITS}}\n".encode("ascii"), line * (_DIGITS + 1))

    def end(self) -> None:
        """Have it kill what is left now."""
        if self.owner == os.getpid() and self._shell.stdin is not None:
            self._shell.stdin.close()
            self._shell.wait()


_lock = ForkedLock()
_keeper: Keeper | None = None


def begin() -> None:
    """Be ready, before the first script begins."""
    global _keeper
    with _lock, contextlib.suppress(OSError):
        if _own() is None:
            _keeper = Keeper()


def keep(pid: int) -> None:
    """From here on, kill the session of this process when our own ends."""
    with _lock, contextlib.suppress(OSError):
        if (keeper := _own()) is not None:
            keeper.keep(pid)


def let_go(pid: int) -> None:
    """The process has ended."""
    with _lock, contextlib.suppress(OSError):
        if (keeper := _own()) is not None:
            keeper.let_go(pid)


def _own() -> Keeper | None:
    """That of this process: another one's, of which this is a fork, is not ours to tell."""
    return _keeper if _keeper is not None and _keeper.owner == os.getpid() else None
