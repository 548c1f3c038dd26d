"""Makes, starts and stops the servers of a test, and collects their failures.

This module is imported when a test asks for a server, and so may import what a server needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_httpserve.arguments import check_switch
from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.net.loop import Loop
from pytest_httpserve.net.workers import Workers
from pytest_httpserve.plugin._configuration import configured, override, with_checks
from pytest_httpserve.plugin._markers import HAS_HTTPSERVE, MOUNTING, closest_markers, mounting_markers, obey
from pytest_httpserve.plugin._options import given_hosts
from pytest_httpserve.plugin._outcomes import (
    ENVIRONMENT,
    LOOP,
    LOOP_ERRORS,
    SERVERS,
    TRACE,
    address,
    describe,
    fail_late,
)
from pytest_httpserve.plugin._sweeps import faults_of_run
from pytest_httpserve.plugin._xdist import folder_of_run
from pytest_httpserve.scripting.httpserve import HTTPServe
from pytest_httpserve.scripting.recordings.run import Run

if TYPE_CHECKING:
    from pytest_httpserve.scripting.recording import Recording


_RUNS: pytest.StashKey[dict[str, Run]] = pytest.StashKey()


def start_marked(node: pytest.Item) -> HTTPServe:
    """Start the server of a test, with the settings of its markers."""
    node.stash[HAS_HTTPSERVE] = True
    markers = closest_markers(node)
    marker = markers.get("serve_tls")
    server = obey(marker, _make, node, markers, marker=marker)
    for mounting in () if markers.keys().isdisjoint(MOUNTING) else mounting_markers(node):
        obey(mounting, getattr(server, mounting.name), *mounting.args, **mounting.kwargs)
    recordings: list[Recording] = []
    if "serve_recording" in markers:
        for recording in reversed(list(node.iter_markers("serve_recording"))):
            args = recording.args if recording.args or "path" in recording.kwargs else (_path_of_test(node),)
            recordings.append(obey(recording, server.serve_recording, *args, **recording.kwargs))
    if (sweep := markers.get("serve_faults")) is not None:
        from pytest_httpserve.scripting.faults.sweeps import connections_of

        faulty = next((origin for recording in recordings for origin in recording.origins), server)
        faults = faults_of_run(node, sweep)
        faulty.fault(faults, expected=True, **connections_of(faults))
    obey(marker, _start_as_configured, server, node)
    if (leading := markers.get("serve_origins")) is not None:

        def serve_origins(*, allow: str | Sequence[str] = ()) -> None:  # errors show its name
            server.allow(*((allow,) if isinstance(allow, str) else allow))
            server.take_over()

        obey(leading, serve_origins, *leading.args, **leading.kwargs)
    return server


def _path_of_test(node: pytest.Item) -> str:
    """The path of a test's recording, if it does not name one."""
    of_class: type | None = getattr(node, "cls", None)
    name = node.name if of_class is None else f"{of_class.__name__}.{node.name}"
    plain = re.sub(r"[^\w.\[\]-]+", "-", name)
    return f"cassettes/{node.path.stem}/{plain}.har"


def start_another(node: pytest.Item, settings: Mapping[str, Any]) -> HTTPServe:
    """Start another server of a test. Ignores the configured port, which belongs to the first."""
    return _start(obey(None, _make, node, closest_markers(node), **{"port": 0, **settings}), node)


def start_for_session(request: pytest.FixtureRequest) -> HTTPServe:
    """Start the server of a session."""
    config = request.config
    settings = {**configured(request), "port": 0}
    settings.pop("client_timeout", None)
    settings["record"] = _run(config, settings["record"])
    keep = settings.pop("keep_threads", True)
    return HTTPServe(
        **settings,
        roots=[config.rootpath],
        loop=_loop(config) if keep else None,
        ca=lambda: request.getfixturevalue("httpserve_ca"),
    ).start()


def _run(config: pytest.Config, mode: Any) -> Any:  # as it was given
    """The run that makes recordings: its workers share a folder, through which they coordinate."""
    if mode in (None, "none") or not isinstance(mode, str):
        return mode
    runs = config.stash.setdefault(_RUNS, {})
    if mode not in runs:
        runs[mode] = Run(mode, folder_of_run(config))
    return runs[mode]


def _loop(config: pytest.Config) -> Loop:
    """The loop that serves the servers of all tests: starting a thread for every test would cost more than the test.

    It is not a fixture, since every fixture that a fixture requests makes each test slower.
    """
    if LOOP not in config.stash:
        loop = config.stash[LOOP] = Loop(Workers("httpserve", daemon=True, idle=1.0), stays=True)
        loop.report = config.stash.setdefault(LOOP_ERRORS, []).append

        def close() -> None:
            loop.close()
            loop.workers.close(timeout=1.0)

        config.add_cleanup(close)
    return config.stash[LOOP]


def _make(
    node: pytest.Item, markers: Mapping[str, pytest.Mark], *, marker: pytest.Mark | None = None, **settings: Any
) -> HTTPServe:
    """A server with these settings; ``marker`` is a serve_tls marker."""
    given = {
        "ca": lambda: _fixture(node, "httpserve_ca"),
        "setenv": lambda name, value: _fixture(node, "monkeypatch").setenv(name, value),
        **with_checks(node, markers),
        **settings,
    }
    given.pop("client_timeout", None)
    given["record"] = _run(node.config, given["record"])
    # Without keep_threads, the server has its own threads, which end with it.
    loop = _loop(node.config) if check_switch("keep_threads=", given.pop("keep_threads", True)) else None
    if settings.get("unix", False) is not False and "host" not in settings:
        del given["host"]
    if marker is not None:
        from pytest_httpserve.tls import TLS

        said = dict(marker.kwargs)
        if "http2" in said:
            given["http2"] = said.pop("http2")
        given["tls"] = obey(marker, TLS, *marker.args, **said)
    return HTTPServe(roots=_roots(node.path, node.config.rootpath), loop=loop, **given)


def _fixture(node: pytest.Item, name: str) -> Any:  # the fixture's value, of any type
    request: pytest.FixtureRequest = node._request  # type: ignore[attr-defined]  # of each item that has fixtures
    return request.getfixturevalue(name)


@cache
def _roots(file: Path, rootpath: Path) -> tuple[Path, ...]:
    """Where to look for the directories that a test names: beside its file, then in the rootdir."""
    return tuple(dict.fromkeys([file.parent, rootpath]))


def _start(server: HTTPServe, node: pytest.Item) -> HTTPServe:
    obey(None, server.start)
    node.stash.setdefault(SERVERS, []).append(server)
    if ENVIRONMENT in node.stash:
        server.lead(node.stash[ENVIRONMENT])
    return server


def _start_as_configured(server: HTTPServe, node: pytest.Item) -> HTTPServe:
    """Start the fixture's server. If it cannot listen on its address, say so in one sentence, with the setting."""
    try:
        return _start(server, node)
    except UsageError:
        raise
    except HTTPServeError as error:
        given = [f" ({given}{value})" for given, value in given_hosts(node.config) if value]
        wrong = f"{error}{' (httpserve_config)' if override(node) else ''.join(given[:1])}"
    pytest.fail(wrong, pytrace=False)


def end(node: pytest.Item, servers: list[HTTPServe]) -> None:
    """Stop the servers. Reports failures that came after the test's check, as an error of the teardown."""
    trace = node.stash.get(TRACE, None)
    names = [] if trace is None else list(map(address, servers))  # now, since a stopped server has no address
    for server in servers:
        server.stop()
    late = [failure for server in servers for failure in server.take_failures()]
    if late:
        describe(node, "teardown")
    if trace is not None:
        if late:
            trace.show()
        for server, name in zip(servers, names, strict=True):
            trace.keep(server, name, is_own=True)
    for server in servers:
        node.stash[SERVERS].remove(server)  # so that the server does not live as long as the node: a whole session
        server.close_bodies()
    fail_late(late, node)
