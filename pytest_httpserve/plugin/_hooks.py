"""The hooks around each test: run it as often as it asks for, fail it for failures of its servers, and stop the servers
that it has started."""

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

# The running test is the last; those before it have started a session of their own, in which it runs. A fixture that
# requested ``request`` instead would take two fifths more instructions: pytest inspects its signature each time.
ITEMS: list[pytest.Item] = []

_SERVING = {"httpserve", "httpserve_factory", "httpserve_session", "httpserve_client"}

_IS_CALLED: pytest.StashKey[bool] = pytest.StashKey()  # its function has been called
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
        # If it were imported while a fixture has replaced modules that it imports, it would keep the replacements for
        # all later tests.
        import pytest_httpserve.plugin._servers

        if "pyfakefs" in sys.modules:  # the same goes for the imports for the first directory, CA or client
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
    forget_sections(item)  # a rerun must not show its earlier runs
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
    """Explain a failing subtest, which is reported while its test still runs."""
    if call.excinfo is None or not item.stash.get(_IS_CALLED, False):
        return (yield)
    explain(item, call.excinfo.value, "call")
    try:
        return (yield)
    finally:
        forget_sections(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Report late failures of the test's servers, so that they do not fall to the next test."""
    try:
        result = yield
    except BaseException as error:
        __tracebackhide__ = True  # of that error, not of our own
        explain(item, error, "teardown")
        raise
    finally:
        while ITEMS and ITEMS.pop() is not item:
            pass  # items of an inner session that was aborted
    _end_forgotten(item)
    failures = take_failures(item)
    if failures:
        describe(item, "teardown")
    fail_late(failures, item)
    return result


def _end_forgotten(item: pytest.Item) -> None:
    """Stop the servers that the test itself has started and forgotten."""
    if _RUNNING not in item.stash:  # the test has never begun
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
    """Whether a fixture has started the server, and so must stop it, whenever the test requested the fixture."""
    from _pytest import fixtures

    setup = fixtures.call_fixture_func.__code__
    return not server.started_by or setup in server.started_by


def _hold(item: pytest.Item, error: BaseException | None) -> None:
    """Keep the servers of a failed test up for somebody to look at, if an option asks for it."""
    no_failure = isinstance(error, pytest.skip.Exception | pytest.xfail.Exception | KeyboardInterrupt)
    servers = servers_of(item) if is_holding(item.config) and not no_failure else []
    if not servers:
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)
    try:
        addresses = "".join(f"  {address(server)}\n" for server in servers)
        print(
            f"\n{item.nodeid} has failed. Its servers run on:\n{addresses}Press Enter to continue: ", end="", flush=True
        )
        sys.stdin.readline()
    finally:
        if capture is not None:
            capture.resume()
