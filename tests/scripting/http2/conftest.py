"""Servers that speak HTTP/2, plain and over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING


@pytest.fixture(params=[pytest.param(False, id="plain"), pytest.param(True, id="tls")])
def server(request: pytest.FixtureRequest) -> Iterator[HTTPServe]:
    """Started; what goes wrong on it is in ``failures`` and fails no test by itself."""
    server = HTTPServe(http2=True, tls=request.param).start()
    RUNNING.discard(server)  # else the plugin, which looks at all that run, would fail the test
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def plain() -> Iterator[HTTPServe]:
    """The same, without TLS."""
    server = HTTPServe(http2=True).start()
    RUNNING.discard(server)
    try:
        yield server
    finally:
        server.stop()
