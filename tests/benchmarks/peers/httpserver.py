"""pytest-httpserver as its users get it: one thread, no keep-alive. In a suite, one server that all tests share."""

from __future__ import annotations

import logging

from pytest_httpserver import HTTPServer

from . import BODY, Peer, Suite


def start() -> HTTPServer:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it prints a line per request
    server = HTTPServer(host="127.0.0.1", port=0)
    server.expect_request("/").respond_with_data(BODY, content_type="text/plain")
    server.start()
    return server


_CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def httpserver_listen_address():
    return ("127.0.0.1", 0)  # "localhost" would cost each client a refused connection to ::1
"""

PEER = Peer(
    "pytest-httpserver",
    start,
    plugin="pytest_httpserver.pytest_plugin",
    suite=Suite("httpserver", f"httpserver.expect_request('/').respond_with_data({BODY!r})", _CONFTEST),
)
