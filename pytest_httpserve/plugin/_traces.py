"""``--httpserve-trace``: writes a trace for each test."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from traceback import format_exception_only

import pytest

from pytest_httpserve.plugin._beginning import running
from pytest_httpserve.plugin._outcomes import SERVERS, TRACE, address
from pytest_httpserve.plugin._trace import Trace


class Traces:
    """The plugin that writes a trace for each test of a session; ``shows_all`` is whether passing tests get one."""

    def __init__(self, folder: Path, *, shows_all: bool) -> None:
        self._folder = folder
        self._shows_all = shows_all

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Trace a test, with its setup and teardown. If it is rerun, its trace has all of its runs."""
        item.stash[TRACE] = Trace(item.nodeid, self._folder, is_shown=self._shows_all)
        try:
            return (yield)
        finally:
            del item.stash[TRACE]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """After the setup or the test itself, note the outcome, once all other plugins have decided on it."""
        report = yield
        trace = item.stash[TRACE]
        if report.failed and report.when != "teardown":
            trace.fail(call.excinfo.exconly() if call.excinfo is not None else report.longreprtext)
        elif report.when == "setup" and report.passed:
            trace.outcome = "passed"  # so far; a rerun has another setup
        elif trace.outcome == "failed":
            pass  # in a subtest
        elif report.skipped:
            trace.outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call":
            trace.outcome = "passed"
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep the servers of a module or a class, which may end with the test; the test's own keep themselves."""
        trace = item.stash[TRACE]
        own = item.stash.get(SERVERS, [])
        for server in running().difference(own):
            trace.keep(server, address(server), is_own=False)
        try:
            return (yield)
        except BaseException as error:
            trace.fail("".join(format_exception_only(error)))
            raise
        finally:
            _write(trace)


def _write(trace: Trace) -> None:
    try:
        trace.write()
    except OSError as error:
        pytest.fail(f"the trace cannot be written: {error}", pytrace=False)
