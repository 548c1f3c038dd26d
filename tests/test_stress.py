"""``python -m tests.stress`` runs; what it is for, it is for a longer run by hand."""

import re
import subprocess
import sys
from pathlib import Path

from pytest_httpserve import HTTPServe
from tests import stress

ROOT = Path(__file__).parents[1]


def test_a_short_run_finds_nothing_wrong() -> None:
    command = [sys.executable, "-m", "tests.stress", "--seconds", "0.5", "--clients", "8", "--threads", "2"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    done = dict(re.findall(r"([a-z][a-z ]+): ([\d,]+)", result.stdout))
    assert set(done) == {"a client", "changing routes", "resetting", "looking", "a start and a stop"}
    assert all(count != "0" for count in done.values()), result.stdout


def test_an_answer_to_something_else_is_wrong() -> None:
    with HTTPServe() as server:
        server.on("GET", "*").respond(text="always the same")
        server.on("POST", "*").respond(text="always the same")
        run = stress.Stress(10.0)
        client = stress.Client(server, 7)
        run.add("a client", client.ask)
        run.run()
        client.close()
    assert run.wrong == ["a client, turn 0: AssertionError: 7-1 was answered with 200 b'always the same'"]
