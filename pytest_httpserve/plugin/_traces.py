"""``--httpserve-trace``: each test leaves its trace."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from pytest_httpserve.plugin._outcomes import SERVERS, TRACE, running
from pytest_httpserve.plugin._trace import Trace


class Traces:
    """The plugin that gives each test of a session its trace; ``shows_all`` is whether a test that passes has one."""

    def __init__(self, folder: Path, *, shows_all: bool) -> None:
        self._folder = folder
        self._shows_all = shows_all

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test, with everything before and after it, and again if it is run again."""
        trace = item.stash[TRACE] = Trace(item.nodeid, self._folder, is_shown=self._shows_all)
        try:
            return (yield)
        finally:
            del item.stash[TRACE]
            trace.write()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A part of the test is over: whether it has failed is known when all others have had their say."""
        report = yield
        if report.failed:
            text = call.excinfo.exconly() if call.excinfo is not None else report.longreprtext
            item.stash[TRACE].fail(text.removeprefix("Failed: "))
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Servers of a module or a class may end with the last of its tests; the test's own are kept by their end."""
        own = item.stash.get(SERVERS, [])
        for server in running().difference(own):
            item.stash[TRACE].keep(server, is_own=False)
        return (yield)
