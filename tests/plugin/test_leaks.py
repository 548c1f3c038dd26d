"""Nothing of a test is left behind it; and servers of a failing test stay for who wants to look at them."""

import os
import pty
import re
import select
import subprocess
import sys
import urllib.request
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """``suite(source, *options)`` runs a module of tests in a process of its own."""

    def run(source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=source)
        return pytester.runpytest_subprocess("-W", "error", *options, timeout=120)

    return run


# What a test forgets


def test_a_server_that_a_test_forgets_fails_it(suite: Suite) -> None:
    result = suite("""
        import socket, pytest
        from pytest_httpserve import HTTPServe

        where = []

        def test_it():
            server = HTTPServe().start()
            where.append(server.port)

        def test_next():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", where[0]))
    """)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines([
        "*ERROR at teardown of test_it*",
        "after the test: the server on http://127.0.0.1:*, started at *test_it.py:7, was not stopped: use it as *",
    ])  # fmt: skip


@pytest.mark.needs("socket.AF_UNIX")
def test_a_server_that_nobody_knows_any_more_fails_the_test(suite: Suite) -> None:
    result = suite("""
        from pytest_httpserve import HTTPServe

        def test_it():
            HTTPServe(unix=True).start()
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["after the test: the server on /*/socket, started at *test_it.py:4, was not stopped*"])


def test_that_it_was_forgotten_may_be_ignored(suite: Suite) -> None:
    result = suite("""
        from pytest_httpserve import HTTPServe

        def test_it():
            HTTPServe(ignore=["errors"]).start()
    """)
    result.assert_outcomes(passed=1)


def test_the_servers_of_fixtures_are_theirs(suite: Suite) -> None:
    result = suite("""
        import unittest
        import pytest
        from pytest_httpserve import HTTPServe

        @pytest.fixture(scope="module")
        def module_server():
            with HTTPServe() as server:
                yield server

        def test_late(request):
            request.getfixturevalue("module_server")

        def test_late_session(request):
            request.getfixturevalue("httpserve_session")

        def test_late_own(request):
            request.getfixturevalue("httpserve_factory")()

        def test_again(module_server):
            assert module_server.exchanges == ()

        def test_within():
            with HTTPServe():
                pass

        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.server = HTTPServe().start()

            @classmethod
            def tearDownClass(cls):
                cls.server.stop()

            def setUp(self):
                self.own = HTTPServe().start()
                self.addCleanup(self.own.stop)

            def test_one(self):
                pass

            def test_two(self):
                pass
    """)
    result.assert_outcomes(passed=7)


def test_a_handler_that_hangs_is_named_with_its_route(suite: Suite) -> None:
    result = suite("""
        import socket, threading

        import pytest

        @pytest.fixture
        def client():
            with socket.socket() as client:
                yield client

        def test_it(client, httpserve):
            @httpserve.on("GET", "/a")
            def wait_for_ever(request):
                while True:
                    threading.Event().wait(3)

            client.connect((httpserve.host, httpserve.port))
            client.sendall(b"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            httpserve.wait_for("GET", "/a")
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([
        "*the handler of 'GET /a HTTP/1.1' did not end*",
        "*in wait_for_ever*",
        "*it was answering for the route GET /a (*test_it.py:*)*",
    ])  # fmt: skip


# What is there when all is over

EVERYTHING = """
    import os, socket, threading
    import pytest
    import requests
    from pytest_httpserve.faults import Close, Reset, Stall, Truncate

    FAULTS = [None, Reset(), Close(after=3), Truncate(2), Stall(after=1)]

    @pytest.mark.parametrize("number", range(40))
    def test_it(httpserve, httpserve_factory, number):
        fault = FAULTS[number % len(FAULTS)]
        for server in (httpserve, httpserve_factory(unix=number % 2 == 0)):
            server.on("GET", "/a").respond(text="well, well", fault=fault)
            server.on("GET", "/held").respond().hold()
            server.on("POST", "/a").respond(204)
        for _ in range(2):
            try:
                requests.get(httpserve.url_for("/a"), timeout=0.05)
            except requests.RequestException:
                pass
        requests.post(httpserve.url_for("/a"), data=bytes(2_000_000), timeout=10)
        with socket.create_connection((httpserve.host, httpserve.port)) as client:
            client.sendall(b"GET /held HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            httpserve.wait_for("GET", "/held")
        (httpserve.refuse, httpserve.hang, httpserve.restart, httpserve.resume)[number % 4]()

    def files():
        # Of the loop that all servers share, and of pytest, there are always the same.
        names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sorted(os.readlink(name) for name in names if os.path.lexists(name))

    @pytest.fixture(autouse=True)
    def nothing_is_left(tmp_path_factory, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path_factory.getbasetemp()))
        before = files()
        yield
        sockets = [file for file in files() if file.startswith("socket:") and file not in before]
        assert not sockets
        assert len(files()) <= len(before) + 6, "more than the loop itself has"
        assert len([thread for thread in threading.enumerate() if "httpserve" not in thread.name]) == 1
        assert threading.active_count() < 20
"""


# Without poll, what wakes the loop is sockets of its own.
@pytest.mark.needs("socket.AF_UNIX", "select.poll")
def test_after_every_test_nothing_is_left(suite: Suite) -> None:
    suite(EVERYTHING, "-p", "no:unraisableexception").assert_outcomes(passed=40)


# Held servers

FAILS = """
    def test_it(httpserve, httpserve_factory):
        httpserve.on("GET", "/a").respond(text="look at me")
        httpserve_factory(unix=True)
        assert False
"""


@pytest.mark.parametrize("how", ["option", "ini"])
@pytest.mark.needs("socket.AF_UNIX")
def test_a_failing_test_waits_for_enter(pytester: pytest.Pytester, how: str) -> None:
    pytester.makepyfile(test_it=FAILS + "\n    def test_next():\n        pass\n")
    options = ["--httpserve-hold"] if how == "option" else []
    if how == "ini":
        pytester.makeini("[pytest]\nhttpserve_hold = true\n")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=pytester.path,
    ) as process:
        assert process.stdout is not None
        output = ""
        while not output.endswith("Press Enter to continue: "):
            char = process.stdout.read(1)
            assert char, output
            output += char
        url = re.search(r"http://127\.0\.0\.1:\d+", output)
        assert url is not None, output
        assert re.search(r"test_it\.py::test_it has failed\. Its servers run on:\n  http.*\n  /.*/socket\n", output)
        with urllib.request.urlopen(f"{url[0]}/a", timeout=10) as answer:
            assert answer.read() == b"look at me"
        output, _ = process.communicate("\n", timeout=60)
    assert "1 failed, 1 passed" in output


@pytest.mark.needs("socket.AF_UNIX")
def test_at_a_terminal_the_servers_are_held_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=FAILS)
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--httpserve-hold"]
    with subprocess.Popen(command, stdin=its, stdout=its, cwd=pytester.path) as process:
        os.close(its)
        output = b""
        while b"Press Enter to continue: " not in output:
            assert select.select([ours], [], [], 60)[0], output
            output += os.read(ours, 1000)
        os.write(ours, b"\n")
        try:
            while piece := os.read(ours, 1000):
                output += piece
        except OSError:
            pass  # a terminal whose other end is closed
        os.close(ours)
        assert process.wait(60) == pytest.ExitCode.TESTS_FAILED
    assert b"1 failed" in output


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(httpserve):\n    pass",
        "import pytest\ndef test_it(httpserve):\n    pytest.skip()",
        "import pytest\n@pytest.mark.xfail\ndef test_it(httpserve):\n    pytest.xfail('so')",
        "def test_it():\n    assert False",
    ],
)
def test_nobody_waits_for_a_test_that_has_nothing_to_show(pytester: pytest.Pytester, source: str) -> None:
    pytester.makepyfile(test_it=source)
    result = pytester.runpytest_subprocess("--httpserve-hold", timeout=60)
    assert "Press Enter" not in result.stdout.str()


@pytest.mark.needs("socket.AF_UNIX")
def test_workers_cannot_wait(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=FAILS)
    result = pytester.runpytest_subprocess("-p", "xdist", "-n", "2", "--httpserve-hold", timeout=60)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--httpserve-hold needs a terminal*-n 0*"])
