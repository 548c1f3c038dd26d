"""Exchanges that are printed as soon as they are over: --httpserve-live."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve.plugin import _live

Suite = Callable[..., pytest.RunResult]

SOURCE = """
    import pytest
    from client import fetch
    from pytest_httpserve import HTTPServe
    from pytest_httpserve.faults import Reset

    @pytest.fixture(scope="module")
    def own():
        with HTTPServe() as server:
            server.on("GET", "/own").respond(text="mine")
            yield server

    def test_first(httpserve):
        print("captured")
        httpserve.on("GET", "/users/7").respond(text="Ada")
        fetch(httpserve.url_for("/users/7?%1b=1"))
        httpserve.assert_requested("GET", "/users/7")

    def test_second(httpserve, own):
        httpserve.on("GET", "/gone").respond(text="x" * 100, fault=Reset(after=10))
        fetch(own.url_for("/own"))
        own.settle()  # its connection is over, and the line has been printed
        with pytest.raises(OSError):
            fetch(httpserve.url_for("/gone"))

    def test_third(httpserve):
        fetch(httpserve.url_for("/nothing"))

    def test_without():
        pass
"""


LINES = [
    "GET /users/7?%1b=1 -> 200 3 bytes TIME by test_it.py:14",
    "GET /own -> 200 4 bytes TIME by test_it.py:9",
    "GET /gone -> 200 10 bytes TIME by test_it.py:19 fault Reset(after=10): response_body, after 10 bytes",
    "GET /nothing -> 404 80 bytes TIME",
]
TITLES = ["test_it.py::test_first", "test_it.py::test_second", "test_it.py::test_third"]


def shown_while(result: pytest.RunResult, tests: int) -> tuple[list[str], list[str]]:
    """The titles and the lines that were printed while the tests ran. Which dots of pytest's come between them is not
    said: an exchange may end when its client has gone on."""
    text = result.stdout.str().partition(f"collected {tests} item")[2].partition("= FAILURES")[0]
    lines = re.findall(r"^ +[0-9.]+ ms (.*)$", text, re.MULTILINE)
    return re.findall(r"^.*::.*$", text, re.MULTILINE), [re.sub(r"[0-9.]+ ms", "TIME", line) for line in lines]


@pytest.mark.parametrize("apart", [False, True], ids=["in memory", "a process"])
def test_each_exchange_is_a_line_beneath_its_test(suite: Suite, apart: bool) -> None:
    result = suite(SOURCE, "--httpserve-live", apart=apart)

    result.assert_outcomes(passed=3, failed=1)
    titles, lines = shown_while(result, 4)
    assert (titles, lines) == (TITLES, LINES)


ONE = """
    from client import fetch

    def test_it(httpserve):
        httpserve.on("GET", "/a").respond(302, headers={"Location": "/b"})
        fetch(httpserve.url_for("/a"))
"""


def test_the_setting_says_it_too_and_colours_are_those_of_pytest(pytester: pytest.Pytester, suite: Suite) -> None:
    pytester.makeini("[pytest]\nhttpserve_live = true\n")
    [line] = [line for line in suite(ONE, "--color=yes", "-v").outlines if "GET /a" in line]
    plain = [line for line in suite(ONE, "--color=no", "-v").outlines if "::test_it" in line or "GET /a" in line]

    assert "\x1b[1mGET /a\x1b[0m -> \x1b[36m302\x1b[0m no bytes" in line
    assert plain[0].startswith("test_it.py::test_it ")
    assert "GET /a -> 302 no bytes" in plain[1]
    assert len(plain) == 2  # the title is pytest's own


def test_nothing_is_shown_that_was_not_asked_for(suite: Suite) -> None:
    assert shown_while(suite(ONE), 1) == ([], [])


def test_without_a_terminal_nothing_is_shown(suite: Suite) -> None:
    assert suite(ONE, "--httpserve-live", "-p", "no:terminal").ret == pytest.ExitCode.OK


@pytest.mark.same_everywhere
def test_workers_do_not_print(suite: Suite) -> None:
    result = suite(ONE, "-p", "xdist", "-n", "2", "--httpserve-live", apart=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--httpserve-live needs a terminal*-n 0*"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_tests_go_on_if_the_lines_cannot_be_written(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115  the lines close it
    monkeypatch.setattr(_live, "_uncaptured", lambda file: (full, True))
    source = """
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/users/7").respond(text="Ada")
            for _ in range(2):
                assert fetch(httpserve.url_for("/users/7"))[0] == 200
    """
    suite(source, "--httpserve-live").assert_outcomes(passed=1)
