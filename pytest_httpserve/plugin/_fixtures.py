"""The fixtures. Their classes are imported when a test asks for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_httpserve.plugin._hooks import ITEMS
from pytest_httpserve.plugin._options import ca_path, given_ca, settings
from pytest_httpserve.plugin._outcomes import ENVIRONMENT, SERVERS, fail_late

if TYPE_CHECKING:
    from pytest_httpserve.scripting.client import Client
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.tls import CertificateAuthority


@pytest.fixture(scope="session")
def httpserve_config(pytestconfig: pytest.Config) -> Mapping[str, Any]:
    """The settings of servers, for you to override: def httpserve_config(): return {"host": "::1", "strict": True}.

    The command line and the configuration file decide what an override leaves out. The settings are host, port (for
    httpserve alone), strict, ignore, redact, record, tls, http2, timeout, grace, max_exchanges, max_journal_bytes,
    keep_threads, and client_timeout (for httpserve_client). Markers and arguments of httpserve_factory override them.
    For httpserve_session, an override must be session-scoped.
    """
    return MappingProxyType(settings(pytestconfig))


@pytest.fixture
def _httpserve_faults(request: pytest.FixtureRequest) -> object:
    """The faults of this run of a test, from its marker serve_faults."""
    return request.param


@pytest.fixture
def httpserve() -> Generator[HTTPServe]:
    """A new HTTP server for this test: httpserve.on("GET", "/a").respond(text="hi"), then httpserve.url_for("/a").

    With the marker serve_dir("site") it serves a directory, with serve_cgi("scripts") it runs the CGI scripts in one,
    and with serve_tls it is an HTTPS server. A request without an answer fails the test.
    """
    from pytest_httpserve.plugin._servers import end, start_marked

    node = ITEMS[-1]
    server = start_marked(node)
    try:
        yield server
    finally:
        end(node, [server])


@pytest.fixture
def httpserve_factory() -> Generator[Callable[..., HTTPServe]]:
    """Makes and starts more servers: other = httpserve_factory(); each is stopped and checked when the test ends.

    ``httpserve_factory(host="::1", port=8080, strict=True, ignore=["unanswered"])`` says where to listen and which
    failures to ignore, ``tls=True``, ``tls="expired"`` or ``tls=TLS(...)`` asks for HTTPS, ``http2=True`` for HTTP/2;
    all are optional.
    """
    from pytest_httpserve.plugin._servers import end, start_another

    node = ITEMS[-1]
    made: list[HTTPServe] = []

    def make(**settings: Any) -> HTTPServe:
        made.append(server := start_another(node, settings))
        return server

    try:
        yield make
    finally:
        end(node, made)


@pytest.fixture(scope="session")
def httpserve_session(request: pytest.FixtureRequest, httpserve_config: object) -> Generator[HTTPServe]:
    """One started HTTP server for the whole session; a failure on it fails the test that is running at the time."""
    from pytest_httpserve.plugin._servers import start_for_session

    server = start_for_session(request)
    try:
        yield server
    finally:
        server.stop()
    server.check_expectations()
    fail_late(server.take_failures(), request.node)


@pytest.fixture(scope="session")
def httpserve_ca(request: pytest.FixtureRequest) -> CertificateAuthority:
    """The test CA of this run: clients must trust the file httpserve_ca.pem_path. It also issues certificates."""
    from pytest_httpserve.errors import UsageError
    from pytest_httpserve.plugin._xdist import folder_of_run
    from pytest_httpserve.tls import CertificateAuthority

    config = request.config
    folder = folder_of_run(config)
    try:
        return CertificateAuthority.at(ca_path(config) or folder / "run-ca.pem", folder=folder)
    except UsageError as error:
        wrong = f"{given_ca(config)[0]}{error}"
    pytest.fail(wrong, pytrace=False)


@pytest.fixture
def httpserve_env(httpserve_ca: CertificateAuthority) -> dict[str, str]:
    """Environment variables that make programs trust httpserve_ca: subprocess.run(..., env=os.environ | httpserve_env).

    If the environment has a proxy, NO_PROXY excepts the servers from it. If a server of the test has an origin, made by
    httpserve.origin("https://api.example.com"), the variables lead programs there.
    """
    from pytest_httpserve.plugin._configuration import configuration
    from pytest_httpserve.tls.trust import past_proxies

    node = ITEMS[-1]
    variables = {**httpserve_ca.env(), **past_proxies(os.environ, configuration(node)["host"])}
    node.stash[ENVIRONMENT] = variables
    for server in node.stash.get(SERVERS, ()):
        server.lead(variables)
    return variables


@pytest.fixture
def httpserve_client(httpserve: HTTPServe) -> Generator[Client]:
    """A requests.Session that knows the URL of httpserve and trusts its CA: httpserve_client.get("/users/7")."""
    from pytest_httpserve.plugin._configuration import configuration
    from pytest_httpserve.scripting.client import TIMEOUT, Client

    with Client(httpserve, configuration(ITEMS[-1]).get("client_timeout", TIMEOUT)) as client:
        yield client
