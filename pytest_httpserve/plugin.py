"""The pytest plugin: options, markers, fixtures, and failures that fail the test they belong to.

Nothing but pytest is imported until a test asks for a server.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.server.listening import Workers

DEFAULT_HOST = "127.0.0.1"

_SERVERS = pytest.StashKey["list[HTTPServe]"]()

_MARKERS = (
    'serve_dir(path, *, at="/", index=None, listing=True, headers=None, ...): the httpserve fixture serves the '
    "directory `path` (relative to the test file, then to the rootdir) beneath the prefix `at`; can be given several times",
    'serve_cgi(path, *, at="/cgi-bin", env=None, timeout=30.0): the httpserve fixture runs the CGI scripts of the '
    "directory `path` (found as that of serve_dir) beneath the prefix `at`, with the variables `env` beside those of "
    "CGI; can be given several times",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("httpserve", "HTTP servers for tests")
    text = f"IP address that the servers of the httpserve fixtures listen on (default: {DEFAULT_HOST})"
    group.addoption("--httpserve-host", metavar="ADDRESS", default=None, help=text)
    parser.addini("httpserve_host", help=text, default=None)


def pytest_configure(config: pytest.Config) -> None:
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    _host(config)  # a wrong value ends the run before it begins


def _host(config: pytest.Config) -> str:
    """The address to listen on: the option, else its ini twin, else the default."""
    for given, value in (
        ("--httpserve-host=", config.getoption("--httpserve-host")),
        ("httpserve_host = ", config.getini("httpserve_host")),
    ):
        if value:
            from pytest_httpserve.errors import UsageError
            from pytest_httpserve.scripting.addresses import check_host

            try:
                return check_host(value, given)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None
    return DEFAULT_HOST


# Fixtures


@pytest.fixture(scope="session")
def _httpserve_workers() -> Generator[Workers]:
    """Threads that the servers of all tests share: to start two for every test would cost more than the test."""
    from pytest_httpserve.server.listening import Workers

    workers = Workers("httpserve", daemon=True, idle=1.0)
    yield workers
    workers.close(timeout=1.0)


@pytest.fixture
def httpserve(request: pytest.FixtureRequest, _httpserve_workers: Workers) -> Generator[HTTPServe]:
    """A fresh HTTP server for this test: httpserve.on("GET", "/a").respond(text="hi"), then httpserve.url_for("/a").

    The marker serve_dir("site") has it serve a directory, serve_cgi("scripts") run one's CGI scripts. A request that
    nothing answers fails the test.
    """
    server = _make(request.node, _host(request.config), 0, _httpserve_workers)
    for marker in reversed(list(request.node.iter_markers())):
        if marker.name in ("serve_dir", "serve_cgi"):
            _apply(server, marker)
    _start(server, request.node)
    try:
        yield server
    finally:
        _end(request.node, [server])


@pytest.fixture
def httpserve_factory(
    request: pytest.FixtureRequest, _httpserve_workers: Workers
) -> Generator[Callable[..., HTTPServe]]:
    """Makes further servers, started: other = httpserve_factory(); each is stopped and checked with the test.

    ``httpserve_factory(host="::1", port=8080)`` chooses where to listen; both may be left out.
    """
    made: list[HTTPServe] = []

    def make(*, host: str | None = None, port: int = 0) -> HTTPServe:
        host = _host(request.config) if host is None else host
        server = _start(_make(request.node, host, port, _httpserve_workers), request.node)
        made.append(server)
        return server

    try:
        yield make
    finally:
        _end(request.node, made)


def _make(node: pytest.Item, host: str, port: int, workers: Workers) -> HTTPServe:
    from pytest_httpserve.scripting.httpserve import HTTPServe

    roots = [node.path.parent, node.config.rootpath]
    return HTTPServe(host=host, port=port, roots=list(dict.fromkeys(roots)), workers=workers)


def _start(server: HTTPServe, node: pytest.Item) -> HTTPServe:
    server.start()
    node.stash.setdefault(_SERVERS, []).append(server)
    return server


def _apply(server: HTTPServe, marker: pytest.Mark) -> None:
    """Do what a marker says. A wrong one is one sentence, not a traceback through the plugin."""
    from pytest_httpserve.errors import UsageError

    try:
        getattr(server, marker.name)(*marker.args, **marker.kwargs)
        return
    except (UsageError, TypeError) as error:
        wrong = f"@pytest.mark.{marker.name}: {error}"
    pytest.fail(wrong, pytrace=False)  # not in the except, whose error would be shown as well


def _end(node: pytest.Item, servers: list[HTTPServe]) -> None:
    """Stop the servers. What came up after the test's own check is not lost: it is an error of the teardown."""
    for server in servers:
        server.stop()
        node.stash[_SERVERS].remove(server)  # the node lives as long as the session, the server need not
        for exchange in server.exchanges:
            exchange.request.content.close()
    late = [failure for server in servers for failure in server.take_failures()]
    if late:
        pytest.fail("after the test: " + "\n".join(late), pytrace=False)


# Checks


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        result = yield
    except BaseException as error:
        _explain(item, error)
        raise
    # A unittest.TestCase does not raise: its item keeps the errors until they are reported.
    if kept := getattr(item, "_excinfo", None):
        _explain(item, kept[0].value)
        return result
    failures = _take_failures(item)
    if failures:
        _describe(item)
        pytest.fail("\n".join(failures), pytrace=False)
    return result


def _explain(item: pytest.Item, error: BaseException) -> None:
    """Put what the servers say beneath a test's own error. A test that says it is skipped, or xfails, stays so."""
    failures = _take_failures(item)
    if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
        return
    _describe(item)
    if isinstance(error, pytest.fail.Exception) and not error.pytrace:
        error.msg = "\n".join([str(error.msg), *failures])  # shown without its notes
        return
    for failure in failures:
        error.add_note(failure)


def _take_failures(item: pytest.Item) -> list[str]:
    return [failure for server in item.stash.get(_SERVERS, ()) for failure in server.take_failures()]


def _describe(item: pytest.Item) -> None:
    """Show the exchanges of a failing test in a section of its report."""
    lines = []
    for server in item.stash.get(_SERVERS, ()):
        lines.append(f"{server.base_url}")
        for exchange in server.exchanges:
            lines += [f"  {exchange}", *(f"    {note}" for note in exchange.notes)]
        if not server.exchanges:
            lines.append("  no requests")
    if lines:
        item.add_report_section("call", "httpserve", "\n".join(lines))
