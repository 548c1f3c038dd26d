"""The fixtures. What they give is imported when a test asks for it."""

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
    """What servers are made with, to be overridden: def httpserve_config(): return {"host": "::1", "strict": True}.

    What an override leaves out is as command line and configuration file say. It knows host, port (of httpserve alone),
    strict, ignore, redact, record, tls, http2, timeout, grace, max_exchanges, max_journal_bytes, keep_threads, and
    client_timeout (of httpserve_client). A marker, and an argument of httpserve_factory, count for more. For
    httpserve_session it is to be session-scoped.
    """
    return MappingProxyType(settings(pytestconfig))


@pytest.fixture
def _httpserve_faults(request: pytest.FixtureRequest) -> object:
    """The faults of this run of a test, as serve_faults has them."""
    return request.param


@pytest.fixture
def httpserve() -> Generator[HTTPServe]:
    """A fresh HTTP server for this test: httpserve.on("GET", "/a").respond(text="hi"), then httpserve.url_for("/a").

    With the marker serve_dir("site") it serves a directory, with serve_cgi("scripts") it runs the CGI scripts in one,
    and with serve_tls it is an HTTPS server. A request that nothing answers fails the test.
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
    """Makes further servers, started: other = httpserve_factory(); each is stopped and checked with the test.

    ``httpserve_factory(host="::1", port=8080, strict=True, ignore=["unanswered"])`` says where to listen and what is no
    failure, ``tls=True``, ``tls="expired"`` or ``tls=TLS(...)`` asks for HTTPS, ``http2=True`` for HTTP/2; all may be
    left out.
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
    """One HTTP server for the whole session, started; what goes wrong on it fails the test that runs meanwhile."""
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
    """The test CA of this run: what a client is to trust is at httpserve_ca.pem_path; it issues certificates, too."""
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
    """Variables by which programs trust httpserve_ca: subprocess.run(..., env=os.environ | httpserve_env).

    If the environment has a proxy, NO_PROXY excepts the servers from it. When a server of the test has an origin, they
    lead there: httpserve.origin("https://api.example.com").
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
