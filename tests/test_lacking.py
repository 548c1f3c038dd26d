"""``python -m tests.lacking`` takes away what it says, and there are servers without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lacking.sitecustomize import LACKS

ROOT = Path(__file__).parents[1]

PROGRAM = """
import http.client
import pkgutil
import sys

from pytest_httpserve import HTTPServe

left = []
for name in sys.argv[1:]:
    try:
        left.append(pkgutil.resolve_name(name.replace("_socket", "socket")))
    except AttributeError:
        pass
with HTTPServe() as server:
    server.on("POST", "/a").respond(text="well")
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(2):
        connection.request("POST", "/a", body=b"late")
        print(connection.getresponse().read().decode(), left)
    connection.close()
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# What Python makes anew where the system has none is not missing.
@pytest.mark.parametrize("name", [*LACKS, ",".join(LACKS)])
def test_it_is_not_there_and_servers_are(name: str) -> None:
    gone = [place for one in name.split(",") for place in LACKS[one] if place != "_socket.socketpair"]
    result = run("-c", PROGRAM, *gone, PYTHONPATH=str(ROOT / "tests" / "lacking"), HTTPSERVE_LACKING=name)
    assert (result.stdout, result.stderr) == ("well []\nwell []\n", "")


def test_the_command_hands_it_on_to_pytest() -> None:
    result = run("-m", "tests.lacking", "poll,fork", "--collect-only", "-q", "tests/test_lacking.py")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("without select.poll, select.epoll, select.kqueue, os.fork, os.forkpty\n")


@pytest.mark.parametrize("arguments", [[], ["pol"], ["poll,", "-q"]])
def test_a_wrong_name_is_refused_with_those_that_there_are(arguments: list[str]) -> None:
    result = run("-m", "tests.lacking", *arguments)
    assert result.returncode == 1
    assert "a name is one of: epoll, poll, sendfile" in result.stderr
