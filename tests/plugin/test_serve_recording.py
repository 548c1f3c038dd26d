"""The marker serve_recording: where its file is, whom it answers, and what is wrong with it in one sentence."""

import json
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

HAR = json.dumps(
    {
        "log": {
            "entries": [
                {
                    "startedDateTime": "2026-01-02T03:04:05.678Z",
                    "request": {"method": "GET", "url": f"https://{host}.test/", "headers": []},
                    "response": {"status": 200, "headers": [], "content": {"text": f"this is {host}"}},
                }
                for host in ("a", "b")
            ]
        }
    }
)


def write_har(pytester: pytest.Pytester, name: str) -> None:
    path = pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HAR)


FETCH = """
import subprocess, sys
import pytest
import urllib.error, urllib.request
from pytest_httpserve.faults import Close

def fetch(url):
    return urllib.request.urlopen(url, timeout=10).read()
"""


def test_programs_and_the_process_itself_are_answered(suite: Suite, pytester: pytest.Pytester) -> None:
    write_har(pytester, "cassettes/a.har")
    write_har(pytester, "cassettes/test_it/test_by_its_name[1].har")
    write_har(pytester, "cassettes/test_it/TestClass.test_it.har")
    result = suite(
        FETCH
        + """
@pytest.mark.serve_recording("cassettes/a.har")
def test_program(httpserve, httpserve_env):
    code = "import urllib.request as u; print(u.urlopen('https://b.test/', timeout=10).read().decode())"
    assert subprocess.check_output([sys.executable, "-c", code], env=httpserve_env, text=True) == "this is b\\n"

@pytest.mark.serve_origins
@pytest.mark.serve_recording("cassettes/a.har", strict=True)
def test_process(httpserve):
    assert fetch("https://a.test/") == b"this is a"
    assert fetch("https://b.test/") == b"this is b"

class TestClass:
    @pytest.mark.serve_recording
    def test_it(self, httpserve): pass

@pytest.mark.serve_origins
@pytest.mark.serve_recording
@pytest.mark.parametrize("number", [1, 2])
def test_by_its_name(httpserve, number):
    assert fetch("https://a.test/") == b"this is a"
"""
    )
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*/cassettes/test_it/test_by_its_name[[]2[]].har. --httpserve-record=missing *"])


def test_what_fails_the_test(suite: Suite, pytester: pytest.Pytester) -> None:
    write_har(pytester, "a.har")
    result = suite(
        FETCH
        + """
@pytest.mark.serve_origins
@pytest.mark.serve_recording("a.har", strict=True)
def test_unused(httpserve):
    assert fetch("https://a.test/") == b"this is a"

@pytest.mark.serve_origins
@pytest.mark.serve_recording("a.har")
def test_unrecorded(httpserve):
    with pytest.raises(urllib.error.HTTPError) as raised:
        fetch("https://a.test/other")
    raised.value.close()
""",
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "the route GET / (*a.har:1) was never called, expected at least once",
            "nothing answers GET /other at https://a.test*",
            "  the route GET / (*a.har:1)",
        ]
    )


def test_faults_happen_on_the_first_host(suite: Suite, pytester: pytest.Pytester) -> None:
    write_har(pytester, "a.har")
    result = suite(
        FETCH
        + """
@pytest.mark.serve_origins
@pytest.mark.serve_faults([Close(phase="response_head"), Close(after=3)])
@pytest.mark.serve_recording("a.har")
def test_it(httpserve):
    assert fetch("https://b.test/") == b"this is b"
    with pytest.raises(Exception):
        fetch("https://a.test/")
"""
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'no.har'", "*serve_recording: serve_recording('no.har'): there is no such file; tried *"),
        ("'a.har', pace='slow'", "*serve_recording: pace= must be 'fast' or 'recorded', not 'slow'"),
        ("'a.har', at='/'", "*serve_recording: *unexpected keyword argument 'at'*"),
        ("'test_it.py'", "*serve_recording: *test_it.py is not a HAR file: *"),
    ],
)
def test_a_wrong_marker_is_one_sentence(suite: Suite, pytester: pytest.Pytester, arguments: str, message: str) -> None:
    write_har(pytester, "a.har")
    result = suite(f"import pytest\n@pytest.mark.serve_recording({arguments})\ndef test_it(httpserve): pass\n")

    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str()
