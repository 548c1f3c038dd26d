"""The marker ``needs``: a skip with its reason where something is missing, a failure where all is required."""

import socket
from pathlib import Path

import pytest

from tests.needs import lacking, program, there

ROOT = Path(__file__).parents[1]

MISSING = "no-such-program"
TESTS = f"""
import pytest

@pytest.mark.needs("os.getcwd", "{MISSING}")
def test_of_a_program(httpserve):
    raise AssertionError("it runs without")

@pytest.mark.parametrize("name", ["a", pytest.param("b", marks=pytest.mark.needs("os.no_such_name"))])
def test_of_two(name):
    assert name == "a"
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Two tests, with the conftest of this suite."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("HTTPSERVE_REQUIRE", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_httpserve.plugin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    return pytester


def test_a_test_is_skipped_without_what_it_needs(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--strict-markers", "-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines_random(
        [
            f"SKIPPED*: {MISSING} is not installed (on Debian: apt-get install {MISSING})",
            "SKIPPED*: this system has no os.no_such_name",
        ]
    )


def test_a_test_fails_without_it_where_all_is_required(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPSERVE_REQUIRE", "all")

    result = project.runpytest_subprocess("--strict-markers")

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*this system has no os.no_such_name, and HTTPSERVE_REQUIRE=all is set"])


def test_what_is_required_is_all_or_not_said(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPSERVE_REQUIRE", "everything")

    result = project.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*HTTPSERVE_REQUIRE is 'everything': it can be 'all', or be left out"])


@pytest.mark.parametrize("need", ["os.getcwd", "socket.AF_INET", "/", "sh"])
def test_what_is_there_is_not_lacking(need: str) -> None:
    assert lacking(need) is None


@pytest.mark.parametrize("need", ["os.no_such_name", "no_such_module.name", "/no/such/path", "no-such-program"])
def test_what_is_missing_is_named(need: str) -> None:
    assert need in (lacking(need) or "")


def test_ipv6_is_lacking_where_its_loopback_cannot_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("Cannot assign requested address")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert lacking.__wrapped__("IPv6") == "this machine has no IPv6"


def test_a_program_that_has_not_been_asked_for_by_the_marker() -> None:
    assert program("no-such-program") is None
    with pytest.raises(AssertionError, match=r"@pytest\.mark\.needs\('no-such-program'\) is missing"):
        there("no-such-program")
