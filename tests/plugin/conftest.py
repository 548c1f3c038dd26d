"""Whole pytest sessions inside a test."""

import re
import sys
from collections.abc import Callable

import pytest
import requests  # noqa: F401  for the same reason as the next
import trustme  # noqa: F401  a session within forgets what it imported, and cryptography cannot be imported twice

import pytest_httpserve.plugin._servers  # noqa: F401  nor may it leave names of a forgotten module in the package

CLIENT = '''
"""A client that takes every status for an answer."""

import http.client
import socket
import urllib.parse


def say(server, data):
    """Sends the bytes as they are; the first that come back."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(65536)


def fetch(url, method="GET", body=None, headers={}):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, url[url.index(parts.netloc) + len(parts.netloc) :], body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
'''

Suite = Callable[..., pytest.RunResult]
Shown = Callable[..., str]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions within know nothing of the one without, and load no plugin but ours: that takes a tenth of the time."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CI", "BUILD_NUMBER"):  # where pytest finds them, its diffs are longer
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_httpserve.plugin")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """``suite(source, *options)`` runs a module of tests, which finds ``client``, with warnings as errors.

    ``apart`` runs it in a process of its own.
    """
    pytester.makepyfile(client=CLIENT)

    def run(source: str, *options: str, apart: bool = False) -> pytest.RunResult:
        pytester.makepyfile(test_it=source)
        return (pytester.runpytest_subprocess if apart else pytester.runpytest)("-W", "error", *options)

    return run


@pytest.fixture
def shown(pytester: pytest.Pytester) -> Shown:
    """``shown(result, "test_it")``: what the report says of a test, in full, beneath its headline.

    What differs from run to run is written as ``PORT``, ``0.1 ms``, ``99 bytes`` (of an error, whose text has paths)
    and ``/project/test_it.py``. Frames of the standard library and of our own are left out, and marks beneath a line.
    """

    def of(result: pytest.RunResult, headline: str) -> str:
        text = settle(result.stdout.str(), str(pytester.path))
        found = re.search(rf"^_+ {re.escape(headline)} _+\n(.*?)(?=^_{{3,}} .* _{{3,}}$|^=)", text, re.M | re.S)
        assert found is not None, f"no {headline!r} in the report:\n{text}"
        return found[1]

    return of


def settle(text: str, folder: str) -> str:
    """The text of a report without what differs from run to run."""
    library = f'{re.escape(sys.base_prefix)}|[^"]*/pytest_httpserve'
    for pattern, by in (
        (re.escape(folder), "/project"),
        (rf'  File "(?:{library})/[^"]*", line .*\n(?:    .*\n)+', ""),
        (r"(127\.0\.0\.1|\[::1\]):\d+", r"\1:PORT"),
        (r"\b\d+\.\d ms", "0.1 ms"),
        (r"(-> [45]\d\d .*) \d+ bytes", r"\1 99 bytes"),
        (r"^ +[~^]+\n", ""),
        (r" +$", ""),
        (r"\n\n(?=-+ Captured )", "\n"),  # pytest 8.0 leaves no empty line there, later ones after some failures
    ):
        text = re.sub(pattern, by, text, flags=re.MULTILINE)
    return text
