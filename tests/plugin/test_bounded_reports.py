"""A report stays short and harmless, whatever came over the wire."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

Suite = Callable[..., pytest.RunResult]

MOST_BYTES = 64 << 10

LARGE_UPLOAD = """
    from client import fetch

    JSON = {"Content-Type": "application/json"}

    def test_it(httpserve):
        for number in range(3):
            httpserve.on("POST", "/a", json={"n": number, "data": "x" * 5_000_000}).respond().expect()
        fetch(httpserve.url_for("/a"), "POST", b'{"n": 7, "data": "' + b"y" * 5_000_000 + b'"}', JSON)
"""

LARGE_ASSERTION = """
    from client import fetch

    JSON = {"Content-Type": "application/json"}

    def test_it(httpserve):
        httpserve.on("*").respond()
        for number in range(200):
            fetch(httpserve.url_for("/" + str(number) * 500), "POST", "y" * 100_000, JSON)
        httpserve.assert_requested("POST", "/a", json=["x"] * 1_000_000, body="x" * 1_000_000)
"""

MANY_UNANSWERED = """
    import http.client

    def test_it(httpserve):
        connection = http.client.HTTPConnection("127.0.0.1", httpserve.port)
        for number in range(1_500):
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
        connection.close()
        assert False
"""

LONG_EXCEPTION = """
    from client import fetch

    def test_it(httpserve):
        @httpserve.on("GET", "/a")
        def a(request):
            raise ValueError("long\\\\n" * 1_000_000 + "x" * 1_000_000)
        fetch(httpserve.url_for("/a"))
"""


@pytest.mark.same_everywhere
@pytest.mark.parametrize("options", [(), ("-v",), ("-p", "xdist", "-n", "1")], ids=["alone", "verbose", "xdist"])
@pytest.mark.parametrize(
    "source",
    [LARGE_UPLOAD, LARGE_ASSERTION, MANY_UNANSWERED, LONG_EXCEPTION],
    ids=["upload", "assertion", "unanswered", "exception"],
)
def test_a_report_stays_under_64_kib(suite: Suite, source: str, options: tuple[str, ...], tmp_path: Path) -> None:
    result = suite(source, *options, f"--junitxml={tmp_path / 'report.xml'}")

    result.assert_outcomes(failed=1)
    assert len(result.stdout.str().encode()) < MOST_BYTES
    assert (tmp_path / "report.xml").stat().st_size < MOST_BYTES


def test_of_many_failures_the_first_and_the_last_are_shown(suite: Suite) -> None:
    result = suite(MANY_UNANSWERED)

    result.stdout.fnmatch_lines(
        [
            "*nothing answers GET /0",
            "*nothing answers GET /1",
            "*... * more failures ...",
            "*nothing answers GET /999",
            "*500 more failures came after these and were not kept",
            "  GET /0 -> 404 *",
            "  ... 1460 more exchanges ...",
            "  GET /1499 -> 404 *",
        ]
    )


HOSTILE = r"""
    import pytest
    from client import fetch

    @pytest.mark.parametrize("body", ['"\\ud800"', '"\\u001b[31m"', '"\\u0000"', '"a\\u2028b"'])
    @pytest.mark.parametrize("cause", ["handler", "where", "json", "assertion"])
    def test_it(httpserve, body, cause):
        @httpserve.on("POST", "/handler")
        def handler(request):
            raise ValueError(request.json())

        def where(request):
            raise ValueError(request.json())

        httpserve.on("POST", "/where", where=where).respond()
        httpserve.on("POST", "/json", json={"a": 1}).respond()
        httpserve.on("POST", "/assertion").respond()
        fetch(httpserve.url_for(f"/{cause}?%0a%1b"), "POST", body, {"Content-Type": "application/json"})
        if cause == "assertion":
            httpserve.assert_requested("POST", "/assertion", json={"a": 1})
"""


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_what_a_request_brings_does_no_harm(suite: Suite, options: tuple[str, ...], tmp_path: Path) -> None:
    result = suite(HOSTILE, *options, f"--junitxml={tmp_path / 'report.xml'}")

    result.assert_outcomes(failed=16)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    for told in (result.stdout.str(), (tmp_path / "report.xml").read_text(encoding="utf-8")):
        assert not set(told) & {"\x1b", "\0", "\ud800", "\u2028"}
    assert len(ET.parse(tmp_path / "report.xml").findall(".//failure")) == 16
