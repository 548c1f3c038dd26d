"""The process of a CGI script: what is known of its end, and when."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from pytest_httpserve.net.connection import Connection
from pytest_httpserve.server.cgi.keeper import Keeper
from pytest_httpserve.server.cgi.process import Child
from pytest_httpserve.server.cgi.survivors import Survivors

pytestmark = pytest.mark.needs("select.poll")

PATIENCE = 5.0  # seconds


class AtOnce(Survivors):
    """Waits for scripts before anybody else goes on, as a thread may that is fast."""

    def see_off(self, script: Callable[[], object], kill: Callable[[], object]) -> None:
        script()


@contextlib.contextmanager
def running(commands: str, survivors: Survivors | None = None) -> Iterator[tuple[Child, int]]:
    """A shell with these commands, and a descriptor to write its input to."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stdin:
        child = Child(
            ["/bin/sh", "-c", commands],
            env={"PATH": os.defpath},
            stdin=stdin,
            cwd=None,
            user=None,
            timeout=PATIENCE,
            connection=None,
            survivors=survivors,
            log=print,
        )
    with child:
        try:
            yield child, write
        finally:
            os.close(write)


def end(child: Child, write: int) -> None:
    """Let it end, and wait until it has."""
    os.write(write, b"\n")
    os.waitid(os.P_PID, child._process.pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.needs("os.waitid")
def test_it_is_over_when_it_has_ended_and_all_is_read() -> None:
    with running("printf 1; read line; printf 2; exit 3") as (child, write):
        assert child.read() == b"1"
        assert not child.is_over()
        end(child, write)
        assert not child.is_over()
        assert child.read() == b"2"
        assert child.is_over()
        assert child.read() == b""
        assert child.wait() == 3


@pytest.mark.needs("os.waitid")
def test_it_is_not_over_when_it_has_closed_its_output() -> None:
    with running("printf 1; exec >&-; read line") as (child, write):
        assert child.read() == b"1"
        assert child.read() == b""
        assert not child.is_over()
        end(child, write)
        assert child.is_over()


def test_who_waits_for_its_end_may_be_faster_than_who_has_started_it() -> None:
    with running("printf 1; exec >&-; read line", AtOnce()) as (child, write):
        assert child.read() == b"1"
        assert child.read() == b""
        os.write(write, b"\n")
        child.go_on(print)
        file = os.dup(write)  # takes the lowest number that is free: that of one that was closed just now
    os.close(file)


@pytest.mark.needs("signal.SIGCHLD")
def test_children_may_be_nobodys_concern() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with running("printf 1; read line") as (child, write):
            assert child.read() == b"1"
            os.write(write, b"\n")
            assert child.read() == b""
            assert child.wait() == 0
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_what_runs_when_the_keeper_ends_is_killed_and_nothing_else() -> None:
    keeper = Keeper()
    names = ["gone", "left", "in the place of the first"]
    processes = {name: subprocess.Popen(["sleep", "600"], start_new_session=True) for name in names}
    try:
        keeper.keep(processes["gone"].pid)
        keeper.keep(processes["left"].pid)
        keeper.let_go(processes["gone"].pid)
        keeper.keep(processes["in the place of the first"].pid)
        keeper.end()
        for name in names[1:]:
            assert processes[name].wait(PATIENCE) == -signal.SIGKILL
        assert processes["gone"].poll() is None
    finally:
        for process in processes.values():
            process.kill()
            process.wait(PATIENCE)


class Crowded(Connection):
    """A connection of a process that may start no further thread."""

    @contextlib.contextmanager
    def waiting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        raise RuntimeError("can't start new thread")
        yield


def test_a_script_does_not_outlive_the_failure_to_wait_for_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = Child(
            ["/bin/sh", "-c", "exec sleep 60"],
            env={"PATH": os.defpath},
            stdin=None,
            cwd=None,
            user=None,
            timeout=PATIENCE,
            connection=Crowded(ours, None),
            log=print,
        )
        with pytest.raises(RuntimeError, match="can't start new thread"), child:
            pytest.fail("it is waited for")
    assert child._process.returncode == -signal.SIGKILL
    assert child._stdout.closed
