"""Servers that speak HTTP/2, plain and over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_httpserve import HTTPServe
from tests.scripting.alone import alone


@pytest.fixture(params=[pytest.param(False, id="plain"), pytest.param(True, id="tls")])
def server(request: pytest.FixtureRequest) -> Iterator[HTTPServe]:
    """Started; what goes wrong on it is in ``failures`` and fails no test by itself."""
    with alone(http2=True, tls=request.param) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[HTTPServe]:
    """The same, without TLS."""
    with alone(http2=True) as server:
        yield server
