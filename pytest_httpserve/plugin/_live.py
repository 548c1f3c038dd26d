"""``--httpserve-live``: a line for each exchange as soon as it is over, while the test still runs.

Servers answer in their own threads. Suspending pytest's capture from there, like its live log, would suspend or resume
it under the running test. So the lines are written to a separate descriptor, which nobody captures.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from pytest_httpserve import clock
from pytest_httpserve.scripting.record import journal
from pytest_httpserve.scripting.record.lines import request_line, where_asked
from pytest_httpserve.scripting.record.readable import line
from pytest_httpserve.scripting.record.words import count

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange

_COLOURS = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow"}


class Live:
    """The plugin that shows the exchanges of every server that is made in a session."""

    def __init__(self) -> None:
        self._lines: LiveLines | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the terminal: nothing is captured yet, and pytest has its terminal by now, if there is one."""
        if session.config.pluginmanager.hasplugin("terminalreporter"):
            self._lines = LiveLines(session.config)
            journal.TOLD.append(self._lines.show)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test begins."""
        if self._lines is not None:
            self._lines.begin_test(nodeid)

    def pytest_sessionfinish(self) -> None:
        """Stop before the summary."""
        if self._lines is not None:
            journal.TOLD.remove(self._lines.show)
            self._lines.close()


class LiveLines:
    """Writes the lines to the terminal of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self._writer: Any = config.get_terminal_writer()  # pytest has no public name for its type
        self._root = os.path.join(config.rootpath, "")
        self._names_tests = config.get_verbosity() < 1  # otherwise pytest does
        self._file, self._is_ours = _uncaptured(self._writer._file)
        self._lock = threading.Lock()
        self._is_over = False
        self.begin_test("")

    def begin_test(self, nodeid: str) -> None:
        """Note that the lines from here on belong to this test."""
        with self._lock:
            self._test, self._began, self._has_title = nodeid, clock.monotonic(), False

    def show(self, exchange: Exchange) -> None:
        """Write the line of a finished exchange; above the first one of a test, write the test's name."""
        text = self._line(exchange)
        with self._lock:
            if self._is_over:
                return
            if not self._has_title:
                text = f"\n{line(self._test)}\n{text}" if self._names_tests else f"\n{text}"
                self._has_title = True
            try:
                self._file.write(text)
                self._file.flush()
            except OSError:  # nobody reads it, or the disk is full: the server that called this goes on
                self._is_over = True

    def _line(self, exchange: Exchange) -> str:
        mark, times = self._writer.markup, exchange.times
        since = f"{(times.request_begun - self._began) * 1000:8.1f} ms"
        parts = [mark(since, light=True), mark(line(request_line(exchange.request)), bold=True)]
        parts += [*map(line, where_asked(exchange)), "->"]
        response, status = exchange.response, exchange.status
        if response is None or status is None:
            parts.append(mark("no answer", red=True))
        else:
            parts.append(mark(str(status), **{_COLOURS.get(status // 100, "red"): True}))
            parts.append(count(len(response.content) + exchange.raw.dropped_sent, "byte"))
        if times.duration is not None:
            parts.append(f"{times.duration * 1000:.1f} ms")
        if exchange.route is not None:
            parts.append(mark(f"by {line(exchange.route.place.removeprefix(self._root))}", light=True))
        if exchange.error:
            parts.append(mark(f"({'refused: ' if exchange.refused else ''}{line(exchange.error)})", red=True))
        parts += (mark(line(note), red=True) for note in exchange.notes)
        return f"  {' '.join(parts)}\n"

    def close(self) -> None:
        """Stop writing lines."""
        with self._lock:
            self._is_over = True
            if self._is_ours:
                with contextlib.suppress(OSError):
                    self._file.close()


def _uncaptured(file: TextIO) -> tuple[TextIO, bool]:
    """A file for the terminal of ``file``, found before any capture begins, and whether we opened it."""
    try:
        descriptor = os.dup(file.fileno())
    except (OSError, ValueError):  # a file in memory, which a capture does not replace
        return file, False
    return open(descriptor, "w", encoding=file.encoding, errors="backslashreplace"), True
