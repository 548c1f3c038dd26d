"""The failures of a test's servers, and their section in its report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_httpserve.plugin._beginning import Beginning, running

if TYPE_CHECKING:
    from pytest_httpserve.net.loop import Loop
    from pytest_httpserve.plugin._trace import Trace
    from pytest_httpserve.scripting.httpserve import HTTPServe

# Types are in annotations, since evaluating StashKey[float]() would cost every run a tenth of a millisecond.
SERVERS: pytest.StashKey[list[HTTPServe]] = pytest.StashKey()
ENVIRONMENT: pytest.StashKey[dict[str, str]] = pytest.StashKey()  # what httpserve_env has returned
LOOP: pytest.StashKey[Loop] = pytest.StashKey()  # which serves all of them
LOOP_ERRORS: pytest.StashKey[list[BaseException]] = pytest.StashKey()
BEGAN: pytest.StashKey[Beginning] = pytest.StashKey()
TRACE: pytest.StashKey[Trace] = pytest.StashKey()  # if there is one

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")

_LATE = "after the test: "  # for failures after the check


def servers_of(item: pytest.Item) -> list[HTTPServe]:
    """The servers of this test, and those that outlive it: of a module, a session, or without a fixture."""
    httpserve = sys.modules.get("pytest_httpserve.scripting.httpserve")
    own = item.stash.get(SERVERS, [])
    others = httpserve.RUNNING.difference(own) if httpserve is not None else ()
    return [*own, *sorted(others, key=lambda server: server.port)]


def address(server: HTTPServe) -> str:
    """Where a running server listens: its URL, or its Unix socket."""
    return str(server.socket_path or server.base_url)


def begin() -> None:
    """Tell the servers that are running already that a test begins."""
    for server in running():
        server.begin_test()


def check(item: pytest.Item) -> None:
    """After a test: let its servers settle, and check what its routes expect."""
    for server in servers_of(item):
        server.settle()
    for server in item.stash.get(SERVERS, ()):
        server.check_expectations()


def take_failures(item: pytest.Item) -> list[str]:
    failures = [failure for server in servers_of(item) for failure in server.take_failures()]
    return [*_take_failures_of_loop(item.config), *failures]


def _take_failures_of_loop(config: pytest.Config) -> list[str]:
    """The failures of the loop that serves all servers: it goes on, but the running test must report them."""
    loop = config.stash.get(LOOP, None)
    if loop is None:
        return []
    from pytest_httpserve.net.loop import describe_error

    loop.check()
    errors = config.stash[LOOP_ERRORS]
    if not errors:
        return []
    from pytest_httpserve.scripting.record.readable import readable_text

    return [readable_text(describe_error(errors.pop(0))) for _ in range(len(errors))]


def fail(failures: Sequence[str], node: object, said_before: str = "") -> None:
    """Fail the test for these failures, if there are any: at the line of the first failure's route, or of the test."""
    if failures:
        from pytest_httpserve.scripting.record.readable import joined

        failure = pytest.fail.Exception(said_before + joined(failures), pytrace=False)
        _raise_at(getattr(failures[0], "place", "") or _place_of(node), failure)


def fail_late(failures: Sequence[str], node: object) -> None:
    """Report failures that came after the test's check, as an error of the teardown."""
    fail(failures, node, _LATE)


def _place_of(node: object) -> str:
    """``file:line`` of a test; empty for anything else."""
    if not isinstance(node, pytest.Item):
        return ""
    path, line, _ = node.reportinfo()
    return f"{path}:{line + 1}" if line is not None else ""


def _raise_at(place: str, error: BaseException) -> NoReturn:
    """Raise the error in a frame at that place, which pytest and the readers of its reports take for its origin."""
    file, _, line = place.rpartition(":")
    if not file:
        raise error
    exec(compile("\n" * (int(line) - 1) + "raise error", file, "exec"), {"error": error})
    raise error  # for the type checker


def explain(item: pytest.Item, error: BaseException, when: str) -> None:
    """Add the servers' failures to a test's own error. A test that skips or xfails itself stays so."""
    _hide_own_frames(error)
    said = str(error)
    failures = [failure for failure in take_failures(item) if failure.strip() not in said]
    if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
        return
    describe(item, when)
    if not failures:
        return
    from pytest_httpserve.scripting.record.readable import joined

    if isinstance(error, pytest.fail.Exception) and not error.pytrace:
        error.msg = f"{error.msg}\n{joined(failures)}"  # pytest does not show its notes
    else:
        error.add_note(joined(failures))


def forget_sections(item: pytest.Item) -> None:
    """Remove what ``describe`` has added to the report of a test."""
    if item._report_sections:
        item._report_sections[:] = [section for section in item._report_sections if section[1] != "httpserve"]


def _hide_own_frames(error: BaseException) -> None:
    """Hide our own frames: the error was raised in our code, but the mistake is in the test."""
    from pytest_httpserve.errors import HTTPServeError

    if not isinstance(error, HTTPServeError):
        return
    last = trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


def describe(item: pytest.Item, when: str) -> None:
    """Show the exchanges of a failing test in a section of its report; with -v, their bytes, too."""
    servers = servers_of(item)
    if not servers:
        return
    from pytest_httpserve.scripting.record.readable import MOST_JOINED_BYTES, readable
    from pytest_httpserve.scripting.reports.report import exchanges_section

    whole = item.config.get_verbosity() > 0
    began = item.stash[BEGAN]
    lines = []
    for server in servers:
        seen = began.seen_by(server)
        exchanges = [exchange for exchange in seen.exchanges if exchange.times.request_begun >= began.moment]
        connections = [record for record in seen.connections if record.opened >= began.moment]
        if exchanges or seen.fault_events or server in item.stash.get(SERVERS, ()):
            lines += exchanges_section(
                address(server),
                exchanges,
                seen.fault_events,
                connections,
                whole=whole,
                redacted=seen.redacted,
                dropped_exchanges=seen.dropped_exchanges,
                dropped_fault_events=seen.dropped_fault_events,
            )
    if lines:
        if (trace := item.stash.get(TRACE, None)) is not None:
            lines.append(f"the trace is in {trace.path}")
        item.add_report_section(when, "httpserve", readable(lines, MOST_JOINED_BYTES))
