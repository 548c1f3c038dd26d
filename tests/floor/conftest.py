"""Sessions in which something happens to the whole process, and what comes after it in the same one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_httpserve

SECONDS = 45.0

BEFORE = """
import http.client, os, socket, sys, threading, time, urllib.parse
from unittest import mock

import pytest


def fetch(url, method="GET", body=None, headers={}):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


"""

AFTER = """


def test_ordinary(httpserve):
    httpserve.on("GET", "/ordinary").respond(text="as ever")
    assert fetch(httpserve.url_for("/ordinary")) == (200, "as ever")
    assert fetch(httpserve.url_for("/ordinary")) == (200, "as ever")
"""

Floor = Callable[..., pytest.RunResult]


@pytest.fixture
def floor(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Floor:
    """``floor(source, failed=1)`` runs tests in a process of their own, and an ordinary one after them.

    All must end as it is said: the last one passes. ``plugins`` are those of other packages. What is left of a session
    that hangs is killed after a while, and that is a failure.
    """
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    package = str(Path(pytest_httpserve.__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])))

    def run(
        source: str,
        *options: str,
        passed: int = 1,
        failed: int = 0,
        plugins: tuple[str, ...] = (),
        first: str = "",
        last: str = AFTER,
    ) -> pytest.RunResult:
        monkeypatch.setenv("PYTEST_PLUGINS", ",".join(["pytest_httpserve.plugin", *plugins]))
        pytester.makepyfile(test_it=first + BEFORE + source + last)
        result = pytester.runpytest_subprocess("-W", "error", *options, timeout=SECONDS)
        result.assert_outcomes(passed=passed + bool(last), failed=failed)
        assert "::test_ordinary" not in result.stdout.str()
        return result

    return run
