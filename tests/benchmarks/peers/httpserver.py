"""pytest-httpserver as its users get it: one thread, no keep-alive. In a suite, one server that all tests share."""

from __future__ import annotations

import logging
import ssl
import time

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from . import BODY, HTTPSERVER, USER, Peer, Suite


def quiet() -> None:
    """It prints a line per request otherwise."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


def plain() -> HTTPServer:
    quiet()
    return started(HTTPServer(host="127.0.0.1", port=0))


def secure(certificate: str) -> HTTPServer:
    quiet()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return started(HTTPServer(host="127.0.0.1", port=0, ssl_context=context))


def started(server: HTTPServer) -> HTTPServer:
    server.expect_request("/").respond_with_data(BODY, content_type="text/plain")
    server.start()
    return server


def handler(seconds: str) -> HTTPServer:
    quiet()
    delay = float(seconds)

    def answer(request: Request) -> Response:
        if delay:
            time.sleep(delay)
        return Response(BODY, content_type="text/plain")

    server = HTTPServer(host="127.0.0.1", port=0)
    server.expect_request("/").respond_with_handler(answer)
    server.start()
    return server


def routes(count: str) -> HTTPServer:
    """The oldest route goes first, so the one that answers is made after the others."""
    quiet()
    server = HTTPServer(host="127.0.0.1", port=0)
    for number in range(int(count) - 1):
        server.expect_request(f"/items/{number}", method="GET").respond_with_json({})
    server.expect_request("/users/7", method="GET").respond_with_json(USER)
    server.start()
    return server


# "localhost" would cost each client a refused connection to ::1.
_CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def httpserver_listen_address():
    return ("127.0.0.1", 0)
"""

_SECURE_CONFTEST = f"""{_CONFTEST}
import ssl

@pytest.fixture(scope="session")
def httpserver_ssl_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
"""

_PREPARE = f"httpserver.expect_request('/').respond_with_data({BODY!r})"

PEER = Peer(
    HTTPSERVER,
    {"plain": plain, "secure": secure, "handler": handler, "routes": routes},
    plugin="pytest_httpserver.pytest_plugin",
    suite=Suite("httpserver", _PREPARE, conftest=_CONFTEST),
    secure_suite=Suite("httpserver", _PREPARE, conftest=_SECURE_CONFTEST),
)
