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
    """What each of the tests reaches: ``lines`` has them for each line of a file, those that took least first.

    ``names`` are all of them, but for those that ``failed``: these tell nothing of a mutant.
    """

    names: list[str]
    failed: list[str]
    lines: dict[str, dict[int, list[str]]]

    @classmethod
    def read(cls, path: Path) -> Reached:
        """What a run has written."""
        lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        tests, failed = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(tests, key=lambda name: tests[name][0])
        for test in names:
            for file, numbers in tests[test][1].items():
                for number in numbers:
                    lines[file][number].append(test)
        return cls(names, failed, lines)

    def tests(self, file: str, line: int) -> list[str]:
        """The tests that reach a line; none for one that is only reached when its module is loaded."""
        return self.lines.get(file, {}).get(line, [])


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
