"""A run that ends before its time leaves nothing: by Ctrl-C, by pytest-timeout, by SIGKILL."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..lifeline import Lifeline

WITHIN = 60.0  # seconds, for what takes one

# The test is in the middle of everything: a script runs, a request is held, another one is slow, a client waits.
pytestmark = pytest.mark.needs("select.poll", "socket.AF_UNIX")

BUSY = """
    import socket, threading
    import pytest

    def ask(server, path):
        client = socket.create_connection((server.host, server.port), timeout=60)
        client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
        return client

    @pytest.mark.serve_cgi("scripts")
    def test_busy(httpserve, httpserve_factory):
        other = httpserve_factory(unix=True)
        gate = httpserve.on("GET", "/held").respond().hold()
        httpserve.on("GET", "/slow").respond(delay=60)
        clients = [ask(httpserve, path) for path in ("/held", "/slow", "/cgi-bin/script")]
        gate.arrived()
        httpserve.wait_for("GET", "/cgi-bin/script")
        clients[2].recv(1)  # the script has begun
        print(f"PORT={httpserve.port} SOCKET={other.socket_path}", flush=True)
        threading.Event().wait(60)
"""


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    lifeline = Lifeline(tmp_path / "lifeline")
    yield lifeline
    lifeline.close()


@pytest.fixture(autouse=True)
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a killed run leaves; its path is short, as that of a socket must be."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield


class Run:
    """A run of pytest in a process of its own, and what it is in the middle of."""

    def __init__(self, pytester: pytest.Pytester, lifeline: Lifeline, *options: str) -> None:
        scripts = pytester.mkdir("scripts")
        script = scripts / "script"
        script.write_text(f"#!/bin/sh\n{lifeline.hold}\nprintf 'Content-Type: text/plain\\n\\n'\nsleep 600\n")
        script.chmod(0o755)
        pytester.makepyfile(test_it=BUSY)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=pytester.path,
            text=True,
            env={**os.environ, "PYTEST_PLUGINS": "pytest_httpserve.plugin"},
        )
        assert self.process.stdout is not None
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if "PORT=" in line:
                port, path = line[line.index("PORT=") :].split()
                self.port, self.path = int(port.removeprefix("PORT=")), Path(path.removeprefix("SOCKET="))
                break
        else:
            pytest.fail(self.output)
        lifeline.wait_for_the_start()

    def end(self) -> int:
        """Its exit status."""
        self.output += self.process.communicate(timeout=WITHIN)[0]
        return self.process.returncode

    def assert_nothing_listens(self) -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), timeout=10)


def test_ctrl_c_in_the_middle_of_a_test(pytester: pytest.Pytester, lifeline: Lifeline) -> None:
    run = Run(pytester, lifeline)
    run.process.send_signal(signal.SIGINT)

    assert run.end() == pytest.ExitCode.INTERRUPTED, run.output
    lifeline.wait_for_the_end()
    run.assert_nothing_listens()
    assert not run.path.parent.exists()
    assert "KeyboardInterrupt" in run.output
    assert "did not end" not in run.output


@pytest.mark.same_everywhere
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout_in_the_middle_of_a_test(pytester: pytest.Pytester, lifeline: Lifeline, method: str) -> None:
    run = Run(pytester, lifeline, "-p", "pytest_timeout", "--timeout=8", f"--timeout-method={method}")

    assert run.end() == pytest.ExitCode.TESTS_FAILED, run.output
    assert "Timeout" in run.output
    lifeline.wait_for_the_end()
    run.assert_nothing_listens()
    if method == "signal":  # the other one ends the process on the spot
        assert not run.path.parent.exists()


def test_a_run_that_is_killed_leaves_no_script(pytester: pytest.Pytester, lifeline: Lifeline) -> None:
    run = Run(pytester, lifeline)
    run.process.kill()
    run.end()

    lifeline.wait_for_the_end()
    run.assert_nothing_listens()


def test_a_worker_of_xdist_that_is_killed_leaves_no_script(pytester: pytest.Pytester, lifeline: Lifeline) -> None:
    pytester.makeconftest("""
        import os

        def pytest_runtest_setup(item):
            with open("worker", "w") as file:
                file.write(str(os.getpid()))
    """)
    os.mkfifo(pytester.path / "ready")  # what a worker prints is not shown
    ready = os.open(pytester.path / "ready", os.O_RDONLY | os.O_NONBLOCK)
    source = BUSY.replace("print(f", "open('ready', 'w').write('now\\n'); print(f")
    scripts = pytester.mkdir("scripts")
    (scripts / "script").write_text(f"#!/bin/sh\n{lifeline.hold}\nprintf 'Content-Type: text/plain\\n\\n'\nsleep 600\n")
    (scripts / "script").chmod(0o755)
    pytester.makepyfile(test_it=source)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "1", "--max-worker-restart=0", "-p", "no:cacheprovider"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=pytester.path,
        text=True,
        env={**os.environ, "PYTEST_PLUGINS": "pytest_httpserve.plugin"},
    ) as process:
        assert select.select([ready], [], [], WITHIN)[0], "the test has not begun"
        os.close(ready)
        lifeline.wait_for_the_start()
        os.kill(int((pytester.path / "worker").read_text()), signal.SIGKILL)
        output = process.communicate(timeout=WITHIN)[0]

    lifeline.wait_for_the_end()
    assert "crashed" in output
