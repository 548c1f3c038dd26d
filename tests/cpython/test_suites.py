"""CPython's own tests of http.server, and of what is built on it, pass with our module in its place.

They run on the interpreter that runs these tests, if it has them, and as an ordinary user: some skip themselves for
root. What stands apart, and why, is in run_suite.py.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .interpreters import Interpreter, Readable, ordinary_user

pytestmark = pytest.mark.needs("CPython's tests")

RUNNER = Path(__file__).with_name("run_suite.py")
SUITES = (
    "test_docxmlrpc",
    "test_httpservers",
    "test_logging",
    "test_robotparser",
    "test_urllib2_localnet",
    "test_wsgiref",
    # Half a minute, for what the others have shown of this Python by then.
    pytest.param("test_xmlrpc", marks=pytest.mark.same_everywhere),
)


def run(readable: Readable, suite: str) -> str:
    """What the suite printed; it has passed."""
    done = readable.interpreter.run(str(readable.files[RUNNER]), suite, cwd=readable.home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readable]:
    """An ordinary user: whoever runs the tests, unless that is root."""
    if os.name == "posix" and os.geteuid() == 0:
        with ordinary_user(RUNNER) as readable:
            yield readable
    else:
        yield Readable(Interpreter(sys.executable), tmp_path_factory.mktemp("home"), {RUNNER: RUNNER})


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_passes_for_an_ordinary_user(user: Readable, suite: str) -> None:
    said = run(user, suite)

    assert re.search(r"^Ran [1-9]", said, re.MULTILINE)
    if suite == "test_httpservers":
        # On a Python whose http.server has no CGI any more, there are no tests of it.
        assert ("CGIHTTPServerTestCase.test_post) ... ok" in said) is (sys.version_info < (3, 15))


@pytest.mark.needs("root")
def test_the_suite_of_http_server_passes_for_root(tmp_path: Path) -> None:
    run(Readable(Interpreter(sys.executable), tmp_path, {RUNNER: RUNNER}), "test_httpservers")
