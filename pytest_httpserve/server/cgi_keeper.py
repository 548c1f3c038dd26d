"""What kills the scripts of a process that was killed itself, and could not: SIGKILL leaves nobody a last word.

One small shell beside this process is told of every script that begins and ends. Its input ends with this process,
however that does; then it kills what is left.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

# Lines of "+ pid" and "- pid". A script leads a session of its own: all of that is killed.
_PROGRAM = """\
left=
while read -r what pid; do
  case $what in
    +) left="$left $pid" ;;
    -) others=; for one in $left; do [ "$one" = "$pid" ] || others="$others $one"; done; left=$others ;;
  esac
done
for one in $left; do kill -s KILL -- "-$one"; done
"""

_lock = threading.Lock()
_keeper: tuple[int, subprocess.Popen[bytes]] | None = None  # with the process that has it, which may have been forked


def begin() -> None:
    """Be ready, before the first script begins."""
    with _lock, contextlib.suppress(OSError):
        _shell()


def keep(pid: int) -> None:
    """From here on, kill the session of this process when our own ends."""
    _tell(f"+ {pid}\n")


def let_go(pid: int) -> None:
    """The process has ended."""
    _tell(f"- {pid}\n")


def _tell(line: str) -> None:
    with _lock, contextlib.suppress(OSError):  # without a shell, or with one that was killed, nothing is kept
        stdin = _shell().stdin
        if stdin is not None:
            os.write(stdin.fileno(), line.encode("ascii"))


def _shell() -> subprocess.Popen[bytes]:
    global _keeper
    me = os.getpid()
    if _keeper is None or _keeper[0] != me:
        import subprocess

        shell = subprocess.Popen(
            ["/bin/sh", "-c", _PROGRAM],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",  # no directory is kept from being removed
            start_new_session=True,  # Ctrl-C is not for it
        )
        _keeper = me, shell
        atexit.register(_end, shell)
    return _keeper[1]


def _end(shell: subprocess.Popen[bytes]) -> None:
    if _keeper is not None and _keeper[0] == os.getpid() and shell.stdin is not None:
        shell.stdin.close()
        shell.wait()
