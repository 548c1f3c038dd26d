"""The command to check: started anew for each run, with a deadline, and killed with every process it has started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from pytest_httpserve.clock import monotonic
from pytest_httpserve.errors import UsageError
from pytest_httpserve.server.cgi import keeper
from pytest_httpserve.server.cgi.orphans import MARK
from pytest_httpserve.server.cgi.survivors import Survivors

URL, CA = "{url}", "{ca}"
_PIECE = 65_536
# How many bytes of output to keep beyond the body's length: enough to see that it is not the body.
_MARGIN = 65_536
# How long to wait for output that processes left running keep open.
_AFTERMATH = 1.0


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended: ``exit_status`` is None if it was still running at its deadline, and below 0 if a
    signal ended it."""

    exit_status: int | None
    output: bytes
    errors: bytes
    seconds: float


@dataclass
class _Stream:
    """The output from a pipe, up to a limit; the rest is read and dropped, so that the command is not held up."""

    pipe: IO[bytes]
    bound: int
    kept: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self.pipe:
            while piece := os.read(self.pipe.fileno(), _PIECE):
                self.kept += piece[: self.bound - len(self.kept)]

    def all(self) -> bytes:
        self._thread.join(_AFTERMATH)
        return bytes(self.kept)


class Command:
    """The words of a command, which can be run several times at once."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Raises UsageError for a command without a place for the URL, or one that cannot be found."""
        if not words:
            raise UsageError(f"there is no command to check: write it after --, as in -- curl -sSf {URL}")
        if not any(URL in word for word in words):
            raise UsageError(f"the command has no {URL}, which is replaced by the URL to request: {' '.join(words)}")
        if shutil.which(words[0]) is None:
            raise UsageError(f"the command {words[0]!r} cannot be found or executed")
        self._words = tuple(words)
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, url: str, ca: str, timeout: float, expected: int) -> Ended:
        """Run the command with this URL until it ends, or for ``timeout`` seconds; keep ``expected`` bytes of output
        and a margin."""
        begun = monotonic()
        survivors = Survivors()
        process = self._start([word.replace(URL, url).replace(CA, ca) for word in self._words], survivors.mark)
        assert process.stdout is not None and process.stderr is not None
        output = _Stream(process.stdout, expected + _MARGIN)
        errors = _Stream(process.stderr, _MARGIN)
        status: int | None = None
        try:
            survivors.adopt()  # even what leaves its session, as daemons do
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout)
            seconds = monotonic() - begun
        finally:
            _kill(process)
            process.wait()
            keeper.let_go(process.pid)
            survivors.end()
            with self._lock:
                self._running.discard(process)
        return Ended(status, output.all(), errors.all(), seconds)

    def end(self) -> None:
        """Kill the current runs, and start no others."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)

    def _start(self, words: Sequence[str], mark: str) -> subprocess.Popen[bytes]:
        keeper.begin()  # it kills what is left if this process is killed
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            try:
                process = subprocess.Popen(
                    words,
                    env={**self._environment, MARK: mark},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # so that it can be killed with every process it has started
                )
            except OSError as error:
                raise UsageError(f"the command {words[0]!r} cannot be started: {error.strerror}") from None
            keeper.keep(process.pid)
            self._running.add(process)
            return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and, on systems with process groups, those that it has started."""
    with contextlib.suppress(OSError):  # all have ended
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
