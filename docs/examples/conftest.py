"""Shows what each example served (``-rP``)."""

from collections.abc import Generator

import pytest

from pytest_httpserve import HTTPServe


@pytest.fixture(autouse=True)
def served(request: pytest.FixtureRequest) -> Generator[None]:
    if "httpserve" not in request.fixturenames:
        yield
        return
    server: HTTPServe = request.getfixturevalue("httpserve")
    yield
    print(*server.exchanges, sep="\n")
