"""What happens to each test: it is run as often as it asks for, what its servers say fails it, and what it has started
does not outlive it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_httpserve.plugin._beginning import Beginning, running
from pytest_httpserve.plugin._markers import check_markers
from pytest_httpserve.plugin._options import is_holding
from pytest_httpserve.plugin._outcomes import (
    BEGAN,
    SERVERS,
    address,
    begin,
    check,
    describe,
    explain,
    fail,
    fail_late,
    forget_sections,
    servers_of,
    take_failures,
)

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe

# The running test is the last; before it come those whose own sessions this one runs in. A fixture that asked for
# ``request`` instead would take two fifths more instructions: pytest inspects its signature each time.
ITEMS: list[pytest.Item] = []

_SERVING = {"httpserve", "httpserve_factory", "httpserve_session", "httpserve_client"}

_IS_CALLED: pytest.StashKey[bool] = pytest.StashKey()  # its function runs
_RUNNING: pytest.StashKey[set[HTTPServe]] = pytest.StashKey()  # the servers that ran when the test began


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # a WorkerController of pytest-xdist
    from pytest_httpserve.plugin._xdist import tell_worker

    tell_worker(node)


@pytest.hookimpl(trylast=True)  # so that the fault comes last in the test's id
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "httpserve" in metafunc.fixturenames or "httpserve_factory" in metafunc.fixturenames:
        from pytest_httpserve.plugin._sweeps import vary

        vary(metafunc)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    ITEMS.append(item)
    if not _SERVING.isdisjoint(getattr(item, "fixturenames", ())):
        # Imported while another fixture has something else in the place of the modules that it imports, it would keep
        # that for all later tests.
        import pytest_httpserve.plugin._servers

        if "pyfakefs" in sys.modules:  # so it is with what is imported for the first directory, CA or client
            import pytest_httpserve.scripting.client
            import pytest_httpserve.scripting.mounts.cgi
            import pytest_httpserve.scripting.mounts.static
            import pytest_httpserve.scripting.recording
            import pytest_httpserve.scripting.recordings.saving
            import pytest_httpserve.scripting.secure_server
            import pytest_httpserve.tls.revocation
            import pytest_httpserve.tls.signing
            import pytest_httpserve.tls.stored  # noqa: F401
    begin()
    item.stash[BEGAN] = Beginning()
    forget_sections(item)  # a test that is run again does not show what its earlier runs did
    try:
        result = yield
        check_markers(item)
        return result
    except BaseException as error:
        __tracebackhide__ = True  # of that error, not of our own
        explain(item, error, "setup")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_RUNNING] = running()
    item.stash[_IS_CALLED] = True
    try:
        result = yield
    except BaseException as error:
        item.stash[_IS_CALLED] = False
        check(item)
        explain(item, error, "call")
        _hold(item, error)
        raise
    item.stash[_IS_CALLED] = False
    check(item)
    # A unittest.TestCase does not raise: its item keeps the errors until they are reported.
    if kept := getattr(item, "_excinfo", None):
        explain(item, kept[0].value, "call")
        _hold(item, kept[0].value)
        return result
    failures = take_failures(item)
    if failures:
        describe(item, "call")
        _hold(item, None)
        fail(failures, item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A subtest that fails is reported while its test still runs."""
    if call.excinfo is None or not item.stash.get(_IS_CALLED, False):
        return (yield)
    explain(item, call.excinfo.value, "call")
    try:
        return (yield)
    finally:
        forget_sections(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """The servers of the test have ended; what came up on those that run on is not left to the next test."""
    try:
        result = yield
    except BaseException as error:
        __tracebackhide__ = True  # of that error, not of our own
        explain(item, error, "teardown")
        raise
    finally:
        while ITEMS and ITEMS.pop() is not item:
            pass  # of a session within this one that broke off
    _end_forgotten(item)
    failures = take_failures(item)
    if failures:
        describe(item, "teardown")
    fail_late(failures, item)
    return result


def _end_forgotten(item: pytest.Item) -> None:
    """A server that the test itself has started must not outlive it."""
    if _RUNNING not in item.stash:  # it has never begun
        return
    before = item.stash[_RUNNING]
    del item.stash[_RUNNING]
    for server in running() - before:
        if _is_of_a_fixture(server):
            continue
        server.record_forgotten()
        item.stash.setdefault(SERVERS, []).append(server)  # its failures are the test's
        server.stop()


def _is_of_a_fixture(server: HTTPServe) -> bool:
    """Whether a fixture has started the server: then it is the fixture's to stop, whenever the test asked for it."""
    from _pytest import fixtures

    setup = fixtures.call_fixture_func.__code__
    return not server.started_by or setup in server.started_by


def _hold(item: pytest.Item, error: BaseException | None) -> None:
    """Let somebody look at the servers of a test that has failed, if that was asked for."""
    no_failure = isinstance(error, pytest.skip.Exception | pytest.xfail.Exception | KeyboardInterrupt)
    servers = servers_of(item) if is_holding(item.config) and not no_failure else []
    if not servers:
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)
    try:
        addresses = "".join(f"  {address(server)}\n" for server in servers)
        print(f"\n{item.nodeid} has failed. Its servers run on:\n{addresses}Press Enter to go on: ", end="", flush=True)
        sys.stdin.readline()
    finally:
        if capture is not None:
            capture.resume()
