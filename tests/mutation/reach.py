"""A plugin for pytest that notes which lines of the package each test reaches, as ``tests.mutation`` loads it.

A line that only a program reaches which a test starts is noted for none.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest

FILE = "tests.mutation.reach.json"
_TOOL = 4  # of those that are free for anybody
_PACKAGE = str(Path(__file__).parents[2] / "pytest_httpserve") + "/"


class Reached(NamedTuple):
    """What each of the tests reaches, by its name: those that took least come first.

    Those that ``failed`` are not among them: they tell nothing of a mutant.
    """

    lines: dict[str, dict[str, list[int]]]
    seconds: dict[str, float]
    failed: list[str]

    @classmethod
    def read(cls, path: Path) -> Reached:
        """What a run has written."""
        tests, failed = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(tests, key=lambda name: tests[name][0])
        return cls({name: tests[name][1] for name in names}, {name: tests[name][0] for name in names}, failed)

    def tests(self, file: str, lines: range) -> list[str]:
        """The tests that reach one of these lines."""
        wanted = set(lines)
        return [name for name, reached in self.lines.items() if not wanted.isdisjoint(reached.get(file, ()))]


class Watch:
    """Notes the lines that are reached while each test runs, in whatever thread."""

    def __init__(self) -> None:
        # Only to be made where there is sys.monitoring, which came with Python 3.12.
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._tests: dict[str, tuple[float, dict[str, list[int]]]] = {}
        self._failed: set[str] = set()
        self._reached: dict[str, set[int]] = defaultdict(set)
        events, monitoring = self._monitoring.events, self._monitoring
        monitoring.use_tool_id(_TOOL, "tests.mutation")
        monitoring.register_callback(_TOOL, events.PY_START, self._begins)
        monitoring.register_callback(_TOOL, events.LINE, self._reaches)
        monitoring.set_events(_TOOL, events.PY_START)

    def _begins(self, code: CodeType, offset: int) -> object:
        if code.co_filename.startswith(_PACKAGE) and code.co_name != "<module>":
            self._monitoring.set_local_events(_TOOL, code, self._monitoring.events.LINE)
        return self._monitoring.DISABLE

    def _reaches(self, code: CodeType, line: int) -> object:
        self._reached[code.co_filename.removeprefix(_PACKAGE)].add(line)
        return self._monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._reached.clear()
        self._monitoring.restart_events()
        begun = time.monotonic()
        result = yield
        seconds = time.monotonic() - begun
        self._tests[item.nodeid] = seconds, {file: sorted(lines) for file, lines in self._reached.items()}
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._monitoring.register_callback(_TOOL, self._monitoring.events.PY_START, None)
        passed = {name: one for name, one in self._tests.items() if name not in self._failed}
        session.config.rootpath.joinpath(FILE).write_text(json.dumps([passed, sorted(self._failed)]), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watch())
