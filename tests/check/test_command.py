"""Runs of a command: what they end with, what is kept of their output, and that nothing of them is left."""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

import pytest

from pytest_httpserve.check.command import Command, Ended

CLIENTS = Path(__file__).parent / "clients"


def run(script: str, timeout: float = 60.0, expected: int = 0) -> Ended:
    command = Command([sys.executable, "-c", script, "{url}", "--ca={ca}"], os.environ)
    return command.run("http://127.0.0.1:1/check", "/tmp/ca.pem", timeout, expected)


def test_url_and_certificate_stand_in_the_place_of_their_names() -> None:
    ended = run("import sys; print(*sys.argv[1:]); sys.exit(3)")
    assert (ended.exit_status, ended.output.split()) == (3, [b"http://127.0.0.1:1/check", b"--ca=/tmp/ca.pem"])


def test_the_environment_is_the_one_that_was_given() -> None:
    command = Command(
        [sys.executable, "-c", "import os; print(os.environ['MARK'])", "{url}"], os.environ | {"MARK": "x"}
    )
    assert command.run("", "", 60, 0).output.split() == [b"x"]


def test_a_command_that_prints_without_an_end_is_not_kept_whole() -> None:
    ended = run("import sys\nfor _ in range(100): sys.stdout.write('x' * 10_000)", expected=1_000)
    assert ended.exit_status == 0
    assert 1_000 < len(ended.output) < 1_000_000


def test_a_command_is_ended_at_its_deadline() -> None:
    assert run("import time; time.sleep(300)", timeout=0.1).exit_status is None


@pytest.mark.needs("os.killpg", "os.fork")
def test_what_a_command_has_started_ends_with_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    words = [sys.executable, str(CLIENTS / "careless.py"), "never_ends", "{url}", str(tmp_path / "held")]
    command = Command(words, os.environ)
    running = threading.Thread(target=command.run, args=("http://127.0.0.1:1/", "", 60.0, 0))
    running.start()
    assert select.select([held], [], [], 60)[0]
    assert os.read(held, 1) == b"."  # from the process that the command has started

    command.end()

    running.join(60)
    assert select.select([held], [], [], 60)[0]
    assert os.read(held, 1) == b""  # nobody holds the other end
    os.close(held)
    with pytest.raises(KeyboardInterrupt):
        command.run("", "", 1.0, 0)


@pytest.mark.needs("os.killpg", "os.fork")
@pytest.mark.skipif(sys.platform != "linux", reason="a process adopts orphans only on Linux")
def test_a_daemon_ends_with_the_command_that_started_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    words = [sys.executable, str(CLIENTS / "careless.py"), "leaves_a_daemon", "{url}", str(tmp_path / "held")]

    ended = Command(words, os.environ).run("http://127.0.0.1:1/", "", 60.0, 0)

    assert (ended.exit_status, ended.output) == (0, b"")
    assert select.select([held], [], [], 60)[0]
    assert os.read(held, 2) == b"."
    assert os.read(held, 1) == b""  # nobody holds the other end
    os.close(held)
