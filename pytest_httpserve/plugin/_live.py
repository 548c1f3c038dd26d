"""``--httpserve-live``: a line for each exchange as soon as it is over, while the test still runs.

Servers answer in threads of their own. To suspend pytest's capture from there, as its live log does, would be to
suspend or resume it beneath the test. So the lines go out over a descriptor of their own, which nobody captures.
"""

from __future__ import annotations

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
        """Before anything is captured, and when pytest has its terminal, if it has one."""
        if session.config.pluginmanager.hasplugin("terminalreporter"):
            self._lines = LiveLines(session.config)
            journal.TOLD.append(self._lines.show)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        if self._lines is not None:
            self._lines.begin_test(nodeid)

    def pytest_sessionfinish(self) -> None:
        """The summary follows."""
        if self._lines is not None:
            journal.TOLD.remove(self._lines.show)
            self._lines.close()


class LiveLines:
    """What shows them, at the terminal of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self._writer: Any = config.get_terminal_writer()  # pytest has no public name for its type
        self._root = os.path.join(config.rootpath, "")
        self._names_tests = config.get_verbosity() < 1  # else pytest itself does
        self._file, self._is_ours = _uncaptured(self._writer._file)
        self._lock = threading.Lock()
        self._is_over = False
        self.begin_test("")

    def begin_test(self, nodeid: str) -> None:
        """What is shown from here on belongs to this test."""
        with self._lock:
            self._test, self._began, self._has_title = nodeid, clock.monotonic(), False

    def show(self, exchange: Exchange) -> None:
        """Write the line of an exchange that is over; the first of a test has the test above it."""
        text = self._line(exchange)
        with self._lock:
            if self._is_over:
                return
            if not self._has_title:
                text = f"\n{line(self._test)}\n{text}" if self._names_tests else f"\n{text}"
                self._has_title = True
            self._file.write(text)
            self._file.flush()

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
        """Show nothing any more."""
        with self._lock:
            self._is_over = True
            if self._is_ours:
                self._file.close()


def _uncaptured(file: TextIO) -> tuple[TextIO, bool]:
    """Where the terminal is that the file leads to now, before any capture begins, and whether we have opened that."""
    try:
        descriptor = os.dup(file.fileno())
    except (OSError, ValueError):  # it is in memory, and so is not what a capture takes the place of
        return file, False
    return open(descriptor, "w", encoding=file.encoding, errors="backslashreplace"), True
