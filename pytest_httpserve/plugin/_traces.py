"""``--httpserve-trace``: writes a trace for each test."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from pathlib import Path
from traceback import format_exception_only
from typing import TYPE_CHECKING

import pytest

from pytest_httpserve.plugin._beginning import running
from pytest_httpserve.plugin._outcomes import SERVERS, TRACE, address
from pytest_httpserve.plugin._trace import Trace

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe


class Traces:
    """The plugin that writes a trace for each test of a session; ``shows_all`` is whether passing tests get one."""

    def __init__(self, folder: Path, *, shows_all: bool) -> None:
        self._folder = folder
        self._shows_all = shows_all

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Trace a test, with its setup and teardown. If it is rerun, its trace has all of its runs."""
        trace = item.stash[TRACE] = Trace(item.nodeid, self._folder, is_shown=self._shows_all)
        try:
            return (yield)
        except (KeyboardInterrupt, pytest.exit.Exception) as error:  # without a teardown: that is for later
            trace.fail(str(error) or "the run was interrupted")
            own = item.stash.get(SERVERS, [])
            _keep(trace, own, is_own=True)
            _keep(trace, running().difference(own), is_own=False)
            with contextlib.suppress(OSError):
                trace.write()
            raise
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
        _keep(trace, running().difference(own), is_own=False)
        try:
            return (yield)
        except BaseException as error:
            trace.fail("".join(format_exception_only(error)))
            raise
        finally:
            _write(trace)


def _keep(trace: Trace, servers: Iterable[HTTPServe], *, is_own: bool) -> None:
    for server in servers:
        trace.keep(server, address(server), is_own=is_own)


def _write(trace: Trace) -> None:
    try:
        trace.write()
    except OSError as error:
        pytest.fail(f"the trace cannot be written: {error}", pytrace=False)
