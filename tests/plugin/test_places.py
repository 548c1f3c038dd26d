"""A failure points to the line that a reader is to look at: the test's, or its route's."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

Suite = Callable[..., pytest.RunResult]

SOURCE = """
    from client import fetch


    def test_unanswered(httpserve):
        fetch(httpserve.url_for("/a"))

    class TestIt:
        def test_unmet(self, httpserve):
            httpserve.on("GET", "/a").respond()
            httpserve.on("GET", "/b").respond().expect()

        def test_without_response(self, httpserve):
            httpserve.on("GET", "/a")
            fetch(httpserve.url_for("/a"))

    def test_handler(httpserve):
        @httpserve.on("GET", "/a")
        def a(request):
            raise ValueError("no")
        fetch(httpserve.url_for("/a"))
"""

LINES = {"test_unanswered": 4, "test_unmet": 10, "test_without_response": 13, "test_handler": 17}


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_failure_is_where_the_test_or_its_route_is_written(suite: Suite, options: tuple[str, ...]) -> None:
    result = suite(SOURCE, "--tb=line", *options)

    result.assert_outcomes(failed=4)
    shown = result.stdout.str()
    for name, line in LINES.items():
        assert f"test_it.py:{line}: " in shown, name
    assert "pytest_httpserve/plugin" not in shown


def test_a_failure_of_the_teardown_is_where_the_test_is_written(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        def pytest_runtest_logreport(report):
            if report.failed:
                print("crashed at", report.longrepr.reprcrash.path, report.longrepr.reprcrash.lineno)
    """)
    result = suite(
        """
        import pytest
        from client import fetch

        @pytest.fixture
        def late(httpserve):
            yield
            fetch(httpserve.url_for("/a"))

        def test_it(late):
            pass
        """,
        "-s",
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*crashed at */test_it.py 9"])


@pytest.mark.parametrize(
    "wrong",
    [
        'httpserve.on("get")',
        'httpserve.on("GET", "/a").respond(text=5)',
        'httpserve_factory(port="a")',
        'httpserve.assert_requested("GET", "/a", times=-1)',
        "httpserve.wait_for('GET', '/a', timeout='x')",
    ],
)
@pytest.mark.parametrize("style", ["auto", "short", "long"])
def test_a_wrong_value_is_shown_in_the_line_of_the_test(suite: Suite, wrong: str, style: str, tmp_path: Path) -> None:
    result = suite(
        f"def test_it(httpserve, httpserve_factory):\n    {wrong}\n",
        f"--tb={style}",
        f"--junitxml={tmp_path / 'r.xml'}",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["test_it.py:2: *"])
    (failure,) = ET.parse(tmp_path / "r.xml").findall(".//failure")
    for told in (result.stdout.str(), failure.text or ""):
        assert "/pytest_httpserve/" not in told.replace("_pytest_httpserve", "")
        assert "UsageError" in told
