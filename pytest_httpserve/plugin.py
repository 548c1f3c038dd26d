"""The pytest plugin: options, markers, fixtures, and failures that fail the test they belong to.

Nothing but pytest is imported until a test asks for a server.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Generator, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_httpserve import clock

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserve.net.loop import Loop
    from pytest_httpserve.scripting.client import Client
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.tls import CertificateAuthority

T = TypeVar("T")

DEFAULT_HOST = "127.0.0.1"

_LATE = "after the test: "  # what came up when it had been checked

# The kinds of failures, as scripting.record.journal has them; that is not imported before it is needed.
_KINDS = ("unanswered", "errors", "expectations")

_SERVERS = pytest.StashKey["list[HTTPServe]"]()
_BEGAN = pytest.StashKey[float]()
_RUNNING = pytest.StashKey["set[HTTPServe]"]()  # the servers that ran when the test began
# The test that runs, behind those within which its session runs. A fixture that asked for ``request`` instead would
# take two fifths more instructions: pytest looks at signatures for it each time.
_ITEMS: list[pytest.Item] = []
_LOOP = pytest.StashKey["Loop"]()
_LOOP_ERRORS = pytest.StashKey[list[BaseException]]()
_SETTINGS = pytest.StashKey[dict[str, Any]]()
_FOLDER = pytest.StashKey["Path"]()
_OVERRIDE = pytest.StashKey["pytest.FixtureDef[Any] | None"]()

# Markers that mount something on the httpserve fixture, with the prefix where they do so if they do not say.
_MOUNTING = {"serve_dir": "/", "serve_cgi": "/cgi-bin"}

_MARKERS = (
    'serve_dir(path, *, at="/", index=None, listing=True, headers=None, ...): the httpserve fixture serves the '
    "directory `path` (relative to the test file, then to the rootdir) beneath the prefix `at`; can be given several "
    "times",
    'serve_cgi(path, *, at="/cgi-bin", env=None, timeout=30.0): the httpserve fixture runs the CGI scripts of the '
    "directory `path` (found as that of serve_dir) beneath the prefix `at`, with the variables `env` beside those of "
    "CGI; can be given several times",
    "serve_tls(fault=None, *, names=(), tls_versions=('1.2', '1.3'), client_cert=None, ...): the httpserve fixture "
    "serves HTTPS with a certificate of the httpserve_ca; `fault` names what is wrong with it, such as 'expired'",
    'serve_faults("every_phase" | "cut" | faults, *, effects=, every=, upto=, effect=): runs the test once for each '
    "fault, which happens on the first connection to the httpserve fixture; the id of the test names it",
    "serve_checks(*, ignore=(), strict=None): which failures of its servers are none in this test, of unanswered, "
    "errors and expectations; strict fails the test for a route that nobody calls",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("httpserve", "HTTP servers for tests")
    text = f"IP address that the servers of the httpserve fixtures listen on (default: {DEFAULT_HOST})"
    group.addoption("--httpserve-host", metavar="ADDRESS", default=None, help=text)
    parser.addini("httpserve_host", help=text, default=None)
    text = "fail a test whose httpserve has a route that nobody calls and that is not optional()"
    group.addoption("--httpserve-strict", action="store_true", default=None, help=text)
    parser.addini("httpserve_strict", help=text, type="bool", default=False)
    text = "kind of failure that fails no test: unanswered, errors or expectations (can be given several times)"
    group.addoption("--httpserve-ignore", metavar="KIND", action="append", default=None, help=text)
    parser.addini("httpserve_ignore", help=text, type="args", default=[])
    text = "keep the servers of a test that fails up, show where they listen, and wait for Enter"
    group.addoption("--httpserve-hold", action="store_true", default=None, help=text)
    parser.addini("httpserve_hold", help=text, type="bool", default=False)
    text = "PEM file with the test CA and its key, made if there is none (default: a CA of its own for each run)"
    group.addoption("--httpserve-ca", metavar="PATH", default=None, help=text)
    parser.addini("httpserve_ca", help=text, default=None)


def pytest_configure(config: pytest.Config) -> None:
    pytest.register_assert_rewrite("pytest_httpserve.scripting.reports.assertions")
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    # A wrong value ends the run before it begins.
    _host(config)
    if config.getoption("--httpserve-hold") and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--httpserve-hold waits for Enter, which workers of pytest-xdist do not get: add -n 0")
    for given, kinds in _ignored_by(config):
        for kind in kinds:
            if kind not in _KINDS:
                raise pytest.UsageError(f"{given}{kind!r} is none of {', '.join(_KINDS)}")


def _ignored_by(config: pytest.Config) -> list[tuple[str, list[str]]]:
    """What is ignored, and where that is said: by the option or, without it, by its ini twin."""
    option = config.getoption("--httpserve-ignore")
    if option is not None:
        return [("--httpserve-ignore=", option)]
    return [("httpserve_ignore = ", config.getini("httpserve_ignore"))]


def _settings(config: pytest.Config) -> dict[str, Any]:
    """``host``, ``strict`` and ``ignore`` for the servers of a session, by option or ini."""
    if _SETTINGS not in config.stash:
        strict = config.getoption("--httpserve-strict")
        config.stash[_SETTINGS] = {
            "host": _host(config),
            "strict": config.getini("httpserve_strict") if strict is None else strict,
            "ignore": tuple(kind for _, kinds in _ignored_by(config) for kind in kinds),
        }
    return config.stash[_SETTINGS]


def _checks(node: pytest.Item, markers: Mapping[str, pytest.Mark]) -> dict[str, Any]:
    """What the servers of a test are made with: its configuration, and what its marker says of ``strict`` and more."""
    settings = _configuration(node)
    marker = markers.get("serve_checks")
    if marker is None:
        return settings
    unknown = marker.kwargs.keys() - {"strict", "ignore"}
    ignore = marker.kwargs.get("ignore", ())
    ignore = tuple(ignore) if isinstance(ignore, list | tuple | set | frozenset) else (ignore,)
    if marker.args or unknown or any(kind not in _KINDS for kind in ignore):
        pytest.fail(
            f"@pytest.mark.serve_checks takes ignore=, of {', '.join(_KINDS)}, and strict=; it was given "
            f"{', '.join([*map(repr, marker.args), *(f'{name}={value!r}' for name, value in marker.kwargs.items())])}",
            pytrace=False,
        )
    strict = marker.kwargs.get("strict")
    return {
        **settings,
        "strict": settings["strict"] if strict is None else strict,
        "ignore": settings["ignore"] + ignore,
    }


def _given_hosts(config: pytest.Config) -> tuple[tuple[str, str | None], ...]:
    return (
        ("--httpserve-host=", config.getoption("--httpserve-host")),
        ("httpserve_host = ", config.getini("httpserve_host")),
    )


def _host(config: pytest.Config) -> str:
    """The address to listen on: the option, else its ini twin, else the default."""
    for given, value in _given_hosts(config):
        if value:
            from pytest_httpserve.errors import UsageError
            from pytest_httpserve.scripting.live.addresses import check_host

            try:
                return check_host(value, given)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None
    return DEFAULT_HOST


# Sweeps


@pytest.hookimpl(trylast=True)  # the fault stands last in the id of a test
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each parameter of its httpserve_config, and for each fault of its marker serve_faults."""
    _vary_configuration(metafunc)
    marker = metafunc.definition.get_closest_marker("serve_faults")
    if marker is None or "httpserve" not in metafunc.fixturenames:
        return
    from pytest_httpserve.scripting.faults.sweeps import run_name, sweep

    runs = _obey(marker, sweep, *marker.args, **marker.kwargs)
    metafunc.fixturenames.append("_httpserve_faults")
    metafunc.parametrize("_httpserve_faults", runs, ids=[run_name(run) for run in runs], indirect=True)


def _vary_configuration(metafunc: pytest.Metafunc) -> None:
    """Parameters of an override are the test's own, though nothing in its signature leads to them."""
    names = metafunc.fixturenames
    if "httpserve_config" in names or not ("httpserve" in names or "httpserve_factory" in names):
        return
    override = _override(metafunc.definition)
    if override is not None and override.params is not None:
        names.append("httpserve_config")
        metafunc.parametrize("httpserve_config", override.params, ids=override.ids, scope=override.scope, indirect=True)


@pytest.fixture
def _httpserve_faults(request: pytest.FixtureRequest) -> object:
    """The faults of this run."""
    return request.param


def _faults_of_run(node: pytest.Item, marker: pytest.Mark) -> Any:  # as sweep gave them
    callspec = getattr(node, "callspec", None)
    if callspec is None or "_httpserve_faults" not in callspec.params:
        pytest.fail(
            f"@pytest.mark.{marker.name}: this test cannot be run once for each fault: it must be a function, or a "
            "method of a class that is no unittest.TestCase, with the argument httpserve",
            pytrace=False,
        )
    return callspec.params["_httpserve_faults"]


# Fixtures


@pytest.fixture(scope="session")
def httpserve_config(pytestconfig: pytest.Config) -> Mapping[str, Any]:
    """What servers are made with, to be overridden: def httpserve_config(): return {"host": "::1", "strict": True}.

    What an override leaves out is as command line and configuration file say. It knows host, port (of httpserve alone),
    strict, ignore, tls, timeout, grace, max_exchanges, max_journal_bytes, and client_timeout (of httpserve_client). A
    marker, and an argument of httpserve_factory, count for more. For httpserve_session it is to be session-scoped.
    """
    return MappingProxyType(_settings(pytestconfig))


def _configuration(node: pytest.Item) -> dict[str, Any]:
    """The settings of a test: those of the session, unless httpserve_config is overridden, or is a parameter.

    It is asked for only then: each fixture that a fixture asks for has its price in every test.
    """
    if _override(node) or "httpserve_config" in getattr(node, "fixturenames", ()):
        return _configured(node._request)  # type: ignore[attr-defined]  # of each item that has fixtures
    return _settings(node.config)


def _override(node: pytest.Item) -> pytest.FixtureDef[Any] | None:
    """The httpserve_config that a test sees, if that is not ours: looked up once for all tests that stand together."""
    together = node.parent or node
    if _OVERRIDE not in together.stash:
        where: Any = together if pytest.version_tuple >= (8, 1) else together.nodeid  # as pytest 8.0 has it
        found = node.session._fixturemanager.getfixturedefs("httpserve_config", where) or ()
        together.stash[_OVERRIDE] = found[-1] if len(found) > 1 else None
    return together.stash[_OVERRIDE]


def _configured(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings as httpserve_config has them. A wrong one is one sentence, with the place of the override."""
    from pytest_httpserve.errors import UsageError
    from pytest_httpserve.scripting.settings import check_settings

    given = request.getfixturevalue("httpserve_config")
    try:
        return {**_settings(request.config), **check_settings(given)}
    except UsageError as error:
        function = inspect.unwrap(request._get_active_fixturedef("httpserve_config").func)
        place = f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno}"
        wrong = f"httpserve_config ({place}): {error}"
    pytest.fail(wrong, pytrace=False)


# Servers


def _loop(config: pytest.Config) -> Loop:
    """What the servers of all tests are served by: to start a thread for every test would cost more than the test.

    No fixture: each that a fixture asks for has its price in every test.
    """
    if _LOOP not in config.stash:
        from pytest_httpserve.net.loop import Loop
        from pytest_httpserve.net.workers import Workers

        loop = config.stash[_LOOP] = Loop(Workers("httpserve", daemon=True, idle=1.0), stays=True)
        loop.report = config.stash.setdefault(_LOOP_ERRORS, []).append

        def close() -> None:
            loop.close()
            loop.workers.close(timeout=1.0)

        config.add_cleanup(close)
    return config.stash[_LOOP]


@pytest.fixture
def httpserve() -> Generator[HTTPServe]:
    """A fresh HTTP server for this test: httpserve.on("GET", "/a").respond(text="hi"), then httpserve.url_for("/a").

    The marker serve_dir("site") has it serve a directory, serve_cgi("scripts") run one's CGI scripts; serve_tls makes
    it an HTTPS server. A request that nothing answers fails the test.
    """
    node = _ITEMS[-1]
    markers = _closest_markers(node)
    marker = markers.get("serve_tls")
    server = _obey(marker, _make, node, markers, marker=marker)
    for mounting in () if markers.keys().isdisjoint(_MOUNTING) else _mounting_markers(node):
        _obey(mounting, getattr(server, mounting.name), *mounting.args, **mounting.kwargs)
    if (sweep := markers.get("serve_faults")) is not None:
        server.fault(_faults_of_run(node, sweep), expected=True)
    _obey(marker, _start_as_configured, server, node)
    try:
        yield server
    finally:
        _end(node, [server])


@pytest.fixture
def httpserve_factory() -> Generator[Callable[..., HTTPServe]]:
    """Makes further servers, started: other = httpserve_factory(); each is stopped and checked with the test.

    ``httpserve_factory(host="::1", port=8080, strict=True, ignore=["unanswered"])`` says where to listen and what is no
    failure, ``tls=True``, ``tls="expired"`` or ``tls=TLS(...)`` asks for HTTPS; all may be left out.
    """
    node = _ITEMS[-1]
    made: list[HTTPServe] = []

    def make(**settings: Any) -> HTTPServe:
        # The port that is configured is httpserve's.
        server = _start(_obey(None, _make, node, _closest_markers(node), **{"port": 0, **settings}), node)
        made.append(server)
        return server

    try:
        yield make
    finally:
        _end(node, made)


@pytest.fixture(scope="session")
def httpserve_session(request: pytest.FixtureRequest, httpserve_config: object) -> Generator[HTTPServe]:
    """One HTTP server for the whole session, started; what goes wrong on it fails the test that runs meanwhile."""
    from pytest_httpserve.scripting.httpserve import HTTPServe

    config = request.config
    settings = {**_configured(request), "port": 0}
    settings.pop("client_timeout", None)
    server = HTTPServe(
        **settings,
        roots=[config.rootpath],
        loop=_loop(config),
        ca=lambda: request.getfixturevalue("httpserve_ca"),
    ).start()
    try:
        yield server
    finally:
        server.stop()
    server.check_expectations()
    if late := server.take_failures():
        pytest.fail(_LATE + "\n".join(late), pytrace=False)


@pytest.fixture(scope="session")
def httpserve_ca(request: pytest.FixtureRequest) -> CertificateAuthority:
    """The test CA of this run: what a client is to trust is at httpserve_ca.pem_path; it issues certificates, too."""
    from pytest_httpserve.errors import UsageError
    from pytest_httpserve.tls import CertificateAuthority

    config = request.config
    folder = _folder(config)
    try:
        return CertificateAuthority.at(_ca_path(config) or folder / "run-ca.pem", folder=folder)
    except UsageError as error:
        wrong = f"{_given_ca(config)[0]}{error}"
    pytest.fail(wrong, pytrace=False)


@pytest.fixture
def httpserve_env(httpserve_ca: CertificateAuthority) -> dict[str, str]:
    """Variables by which programs trust httpserve_ca: subprocess.run(..., env=os.environ | httpserve_env)."""
    return httpserve_ca.env()


@pytest.fixture
def httpserve_client(httpserve: HTTPServe) -> Generator[Client]:
    """A requests.Session that knows the URL of httpserve and trusts its CA: httpserve_client.get("/users/7")."""
    from pytest_httpserve.scripting.client import TIMEOUT, Client

    with Client(httpserve, _configuration(_ITEMS[-1]).get("client_timeout", TIMEOUT)) as client:
        yield client


def _closest_markers(node: pytest.Item) -> dict[str, pytest.Mark]:
    """The closest marker of each name: looked for together, since pytest goes through them all for each."""
    markers: dict[str, pytest.Mark] = {}
    for marker in node.iter_markers():
        markers.setdefault(marker.name, marker)
    return markers


def _make(
    node: pytest.Item, markers: Mapping[str, pytest.Mark], *, marker: pytest.Mark | None = None, **settings: Any
) -> HTTPServe:
    """A server with these settings; ``marker`` is one that asks for TLS."""
    from pytest_httpserve.scripting.httpserve import HTTPServe

    given = {
        "ca": lambda: _fixture(node, "httpserve_ca"),
        "setenv": lambda name, value: _fixture(node, "monkeypatch").setenv(name, value),
        **_checks(node, markers),
        **settings,
    }
    given.pop("client_timeout", None)
    if settings.get("unix", False) is not False and "host" not in settings:
        del given["host"]
    if marker is not None:
        from pytest_httpserve.tls import TLS

        given["tls"] = _obey(marker, TLS, *marker.args, **marker.kwargs)
    return HTTPServe(roots=_roots(node.path, node.config.rootpath), loop=_loop(node.config), **given)


def _fixture(node: pytest.Item, name: str) -> Any:  # whatever the fixture gives
    request: pytest.FixtureRequest = node._request  # type: ignore[attr-defined]  # of each item that has fixtures
    return request.getfixturevalue(name)


@cache
def _roots(file: Path, rootpath: Path) -> tuple[Path, ...]:
    """Where the directories that a test names are looked for: beside its file, then in the rootdir."""
    return tuple(dict.fromkeys([file.parent, rootpath]))


def _start(server: HTTPServe, node: pytest.Item) -> HTTPServe:
    _obey(None, server.start)
    node.stash.setdefault(_SERVERS, []).append(server)
    return server


def _start_as_configured(server: HTTPServe, node: pytest.Item) -> HTTPServe:
    """Start the server of the fixture. An address that it cannot listen on is one sentence, with where it was given."""
    from pytest_httpserve.errors import HTTPServeError, UsageError

    try:
        return _start(server, node)
    except UsageError:
        raise
    except HTTPServeError as error:
        given = [f" ({given}{value})" for given, value in _given_hosts(node.config) if value]
        wrong = f"{error}{' (httpserve_config)' if _override(node) else ''.join(given[:1])}"
    pytest.fail(wrong, pytrace=False)


def _mounting_markers(node: pytest.Item) -> list[pytest.Mark]:
    """The markers of a test that mount something, the closest last; for each prefix those of the closest node alone."""
    owners: dict[str, object] = {}
    markers = []
    for owner, marker in node.iter_markers_with_node():
        if marker.name in _MOUNTING:
            at = marker.args[1] if len(marker.args) > 1 else marker.kwargs.get("at", _MOUNTING[marker.name])
            if owners.setdefault(str(at).rstrip("/"), owner) is owner:
                markers.append(marker)
    return markers[::-1]


def _obey(marker: pytest.Mark | None, act: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Do what a marker says. A wrong one is one sentence, not a traceback through the plugin; what this machine cannot
    do is a skip."""
    from pytest_httpserve.errors import UnsupportedError, UsageError

    try:
        return act(*args, **kwargs)
    except UnsupportedError as error:
        missing, wrong = str(error), ""
    except (UsageError, TypeError) as error:
        if marker is None or (isinstance(error, TypeError) and _takes(act, *args, **kwargs)):
            raise
        missing, wrong = "", f"@pytest.mark.{marker.name}: {error}"
    # Not in the except, whose error would be shown as well.
    if missing:
        pytest.skip(missing)
    pytest.fail(wrong, pytrace=False)


def _takes(act: Callable[..., object], /, *args: object, **kwargs: object) -> bool:
    """Whether these are arguments for it, so that a TypeError comes from within."""
    try:
        inspect.signature(act).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _end(node: pytest.Item, servers: list[HTTPServe]) -> None:
    """Stop the servers. What came up after the test's own check is not lost: it is an error of the teardown."""
    for server in servers:
        server.stop()
    late = [failure for server in servers for failure in server.take_failures()]
    if late:
        _describe(node, "teardown")
    for server in servers:
        node.stash[_SERVERS].remove(server)  # the node lives as long as the session, the server need not
        server.close_bodies()
    if late:
        pytest.fail(_LATE + "\n".join(late), pytrace=False)


# The test CA, and where its files are: in a folder of the run, which is not the project's and goes with the run.


def _given_ca(config: pytest.Config) -> tuple[str, str | None]:
    """The file of the CA as it was given, and by what."""
    option = config.getoption("--httpserve-ca")
    return ("--httpserve-ca: ", option) if option else ("httpserve_ca: ", config.getini("httpserve_ca"))


def _ca_path(config: pytest.Config) -> Path | None:
    """The file of the CA, relative to where pytest was started, or to its configuration file."""
    given, path = _given_ca(config)
    if not path:
        return None
    from_option = given.startswith("--")
    base = config.invocation_params.dir if from_option or config.inipath is None else config.inipath.parent
    return base / path


def _folder(config: pytest.Config) -> Path:
    """The run's folder; the workers of pytest-xdist are told by their controller."""
    from pathlib import Path

    told = getattr(config, "workerinput", {}).get("httpserve_folder")
    if told and os.path.isdir(told):  # not on another machine
        return Path(told)
    if _FOLDER not in config.stash:
        import shutil
        import tempfile

        folder = config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="pytest-httpserve-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return config.stash[_FOLDER]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # a WorkerController of pytest-xdist
    node.workerinput["httpserve_folder"] = str(_folder(node.config))


# Checks


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    _ITEMS.append(item)
    item.stash[_BEGAN] = clock.monotonic()
    if item._report_sections:  # a test that is run again does not show what its earlier runs did
        item._report_sections[:] = [section for section in item._report_sections if section[1] != "httpserve"]
    try:
        result = yield
        _check_markers(item)
        return result
    except BaseException as error:
        __tracebackhide__ = True  # of that error, not of our own
        _explain(item, error, "setup")
        raise


def _check_markers(item: pytest.Item) -> None:
    """Refuse a marker on a test function that would do nothing, as the test has no server."""
    for marker in item.own_markers:
        if marker.name in (*_MOUNTING, "serve_tls", "serve_faults") and "httpserve" not in getattr(
            item, "fixturenames", ()
        ):
            pytest.fail(
                f"@pytest.mark.{marker.name}: this is for the server of the httpserve fixture, which the test does not "
                'ask for: give it the argument httpserve, or mark it with @pytest.mark.usefixtures("httpserve")',
                pytrace=False,
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_RUNNING] = _running()
    try:
        result = yield
    except BaseException as error:
        _check_expectations(item)
        _explain(item, error, "call")
        _hold(item, error)
        raise
    _check_expectations(item)
    # A unittest.TestCase does not raise: its item keeps the errors until they are reported.
    if kept := getattr(item, "_excinfo", None):
        _explain(item, kept[0].value, "call")
        _hold(item, kept[0].value)
        return result
    failures = _take_failures(item)
    if failures:
        _describe(item, "call")
        _hold(item, None)
        pytest.fail("\n".join(failures), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """The servers of the test have ended; what came up on those that run on is not left to the next test."""
    try:
        result = yield
    except BaseException as error:
        __tracebackhide__ = True  # of that error, not of our own
        _explain(item, error, "teardown")
        raise
    finally:
        while _ITEMS and _ITEMS.pop() is not item:
            pass  # of a session within this one that broke off
    _end_forgotten(item)
    failures = _take_failures(item)
    if failures:
        _describe(item, "teardown")
        pytest.fail(_LATE + "\n".join(failures), pytrace=False)
    return result


def _is_of_a_fixture(server: HTTPServe) -> bool:
    """Whether a fixture has started the server: then it is the fixture's to stop, whenever the test asked for it."""
    from _pytest import fixtures

    setup = fixtures.call_fixture_func.__code__
    return not server.started_by or setup in server.started_by


def _end_forgotten(item: pytest.Item) -> None:
    """A server that the test itself has started must not outlive it."""
    if _RUNNING not in item.stash:  # it has never begun
        return
    before = item.stash[_RUNNING]
    del item.stash[_RUNNING]
    for server in _running() - before:
        if _is_of_a_fixture(server):
            continue
        server.record_forgotten()
        item.stash.setdefault(_SERVERS, []).append(server)  # its failures are the test's
        server.stop()


def _hold(item: pytest.Item, error: BaseException | None) -> None:
    """Let somebody look at the servers of a test that has failed, if that was asked for."""
    option = item.config.getoption("--httpserve-hold")
    wanted = item.config.getini("httpserve_hold") if option is None else option
    no_failure = isinstance(error, pytest.skip.Exception | pytest.xfail.Exception | KeyboardInterrupt)
    servers = [] if no_failure or not wanted or hasattr(item.config, "workerinput") else _servers(item)
    if not servers:
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)
    try:
        addresses = "".join(f"  {server.socket_path or server.base_url}\n" for server in servers)
        print(f"\n{item.nodeid} has failed. Its servers run on:\n{addresses}Press Enter to go on: ", end="", flush=True)
        sys.stdin.readline()
    finally:
        if capture is not None:
            capture.resume()


def _running() -> set[HTTPServe]:
    """The servers that run now; nothing is imported to find that there are none."""
    httpserve = sys.modules.get("pytest_httpserve.scripting.httpserve")
    return set(httpserve.RUNNING) if httpserve is not None else set()


def _check_expectations(item: pytest.Item) -> None:
    for server in item.stash.get(_SERVERS, ()):
        server.check_expectations()


def _explain(item: pytest.Item, error: BaseException, when: str) -> None:
    """Put what the servers say beneath a test's own error. A test that says it is skipped, or xfails, stays so."""
    said = str(error)
    failures = [failure for failure in _take_failures(item) if failure.strip() not in said]
    if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
        return
    _describe(item, when)
    if isinstance(error, pytest.fail.Exception) and not error.pytrace:
        error.msg = "\n".join([str(error.msg), *failures])  # shown without its notes
        return
    for failure in failures:
        error.add_note(failure)


def _servers(item: pytest.Item) -> list[HTTPServe]:
    """The servers of this test, and those that run for longer: of a module, a session, or without a fixture."""
    httpserve = sys.modules.get("pytest_httpserve.scripting.httpserve")
    own = item.stash.get(_SERVERS, [])
    others = httpserve.RUNNING.difference(own) if httpserve is not None else ()
    return [*own, *sorted(others, key=lambda server: server.port)]


def _take_failures(item: pytest.Item) -> list[str]:
    failures = [failure for server in _servers(item) for failure in server.take_failures()]
    return [*_take_failures_of_loop(item.config), *failures]


def _take_failures_of_loop(config: pytest.Config) -> list[str]:
    """What has gone wrong with what serves all: it goes on, but the test that runs is to know."""
    loop = config.stash.get(_LOOP, None)
    if loop is None:
        return []
    from pytest_httpserve.net.loop import describe_error

    loop.check()
    errors = config.stash[_LOOP_ERRORS]
    return [describe_error(errors.pop(0)) for _ in range(len(errors))]


def _describe(item: pytest.Item, when: str) -> None:
    """Show the exchanges of a failing test in a section of its report; with -v, their bytes, too."""
    servers = _servers(item)
    if not servers:
        return
    from pytest_httpserve.scripting.reports.report import exchanges_section

    whole = item.config.get_verbosity() > 0
    began = item.stash.get(_BEGAN, 0.0)  # a server that runs for longer has seen other tests
    lines = []
    for server in servers:
        exchanges = [exchange for exchange in server.exchanges if exchange.times.request_begun >= began]
        connections = [record for record in server.connections if record.opened >= began]
        if exchanges or server in item.stash.get(_SERVERS, ()):
            lines += exchanges_section(
                server.socket_path or server.base_url,
                exchanges,
                server.fault_events,
                connections,
                whole=whole,
                dropped_exchanges=server.dropped_exchanges,
            )
    if lines:
        item.add_report_section(when, "httpserve", "\n".join(lines))
