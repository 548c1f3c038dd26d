"""How a run of tests records. Its workers and tests may write the same files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pytest_httpserve import clock
from pytest_httpserve.errors import HTTPServeError, UsageError

# Ask real hosts for: nothing; what a recording lacks; everything, replacing the recording; everything that was used of
# the recording, to compare.
MODES = ("none", "missing", "all", "compare")
_PATIENCE = 60.0  # seconds to wait for another worker that writes the same file
_GLANCE = 0.01


class Run:
    """A run in one of the MODES. ``folder`` is shared by its processes; None if there is only one."""

    def __init__(self, mode: str = "none", folder: Path | None = None) -> None:
        self.mode: str = check_mode("record=", mode)
        self._folder = folder
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, given: str | Run) -> Run:
        """The run for ``record=``, which is a mode or a run."""
        return given if isinstance(given, Run) else cls(given)

    @property
    def records(self) -> bool:
        """Whether requests that nothing else answers go to real hosts, and their answers are kept."""
        return self.mode in ("missing", "all")

    @contextlib.contextmanager
    def alone(self, path: Path) -> Iterator[None]:
        """Keep all others in the run from writing the file meanwhile."""
        if self._folder is None:
            with self._lock:
                yield
            return
        lock = self._folder / f"{_name(path)}.lock"
        expiry = clock.monotonic() + _PATIENCE
        while True:
            try:
                lock.mkdir()
                break
            except FileExistsError:
                if clock.monotonic() > expiry:
                    raise HTTPServeError(f"another worker has been writing {path} for {_PATIENCE:.0f} s") from None
                clock.sleep(_GLANCE)
        try:
            yield
        finally:
            os.rmdir(lock)

    def begins(self, path: Path) -> bool:
        """Whether this is the first time in the run that the file is written. True only once."""
        name = _name(path)
        if self._folder is None:
            is_new = name not in self._begun
            self._begun.add(name)
            return is_new
        try:
            os.close(os.open(self._folder / f"{name}.begun", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def check_mode(given: str, mode: object) -> str:
    """Check that ``mode`` is one of the MODES."""
    if not isinstance(mode, str) or mode not in MODES:
        raise UsageError(f"{given} must be one of {', '.join(MODES)}, not {mode!r}")
    return mode


def _name(path: Path) -> str:
    import hashlib

    return f"recording-{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]}"
