"""The option --httpserve-record and its twin: who is asked, and which files are there afterwards."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

# The real host of a session within, where no look-up finds it.
REAL = """
import pytest
from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.origins.upstream import ADDRESSES

@pytest.fixture(scope="session", autouse=True)
def real():
    with HTTPServe() as real:
        real.on("GET", "/{path}").handle(lambda request: "this is " + request.path)
        ADDRESSES["api.test", 80] = real.host, real.port
        yield real
"""
TESTS = """
import urllib.request
import pytest

def fetch(url):
    return urllib.request.urlopen(url, timeout=10).read()

@pytest.mark.serve_origins
@pytest.mark.serve_recording
@pytest.mark.parametrize("path", ["a", "b"])
def test_own(httpserve, path):
    assert fetch(f"http://api.test/{path}") == f"this is /{path}".encode()

@pytest.mark.serve_origins
@pytest.mark.serve_recording("shared.har")
@pytest.mark.parametrize("path", "abcdef")
def test_shared(httpserve, path):
    assert fetch(f"http://api.test/{path}") == f"this is /{path}".encode()
"""


def test_what_is_missing_is_recorded_and_nobody_is_asked_again(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(TESTS).assert_outcomes(errors=8)

    pytester.makeconftest(REAL)
    suite(TESTS, "--httpserve-record=missing").assert_outcomes(passed=8)
    recordings = sorted(str(path.relative_to(pytester.path)) for path in pytester.path.rglob("*.har"))
    assert recordings == ["cassettes/test_it/test_own[a].har", "cassettes/test_it/test_own[b].har", "shared.har"]

    pytester.makeconftest("")
    suite(TESTS, "-k", "own or shared").assert_outcomes(passed=8)


@pytest.mark.same_everywhere
def test_workers_record_into_one_file(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(REAL)
    pytester.makeini("[pytest]\nhttpserve_record = all")
    (pytester.path / "shared.har").write_text("what was there goes")
    suite(TESTS, "-p", "xdist", "-n", "2", apart=True).assert_outcomes(passed=8)

    pytester.makeconftest("")
    suite(TESTS, "-o", "httpserve_record=none").assert_outcomes(passed=8)
    assert (pytester.path / "shared.har").read_text().count('"startedDateTime"') == 6


def test_a_secret_fails_the_test_and_a_fixture_records_what_it_asks_when_it_ends(
    suite: Suite, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(REAL)
    monkeypatch.setenv("SHOP_TOKEN", "swordfish-4711")
    result = suite(
        """
        import urllib.request
        import pytest

        def fetch(url):
            return urllib.request.urlopen(url, timeout=10).read()

        @pytest.mark.serve_origins
        @pytest.mark.serve_recording("secret.har")
        def test_secret(httpserve):
            fetch("http://api.test/swordfish-4711")

        @pytest.fixture
        def account(httpserve):
            yield
            fetch("http://api.test/gone")

        @pytest.mark.serve_origins
        @pytest.mark.serve_recording("account.har")
        def test_account(httpserve, account):
            fetch("http://api.test/there")
        """.replace("\n        ", "\n"),
        "--httpserve-record=all",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*secret.har was not written: the value of the environment variable SHOP_TOKEN is in *"]
    )
    assert not (pytester.path / "secret.har").exists()
    recorded = (pytester.path / "account.har").read_text()
    assert "http://api.test/there" in recorded
    assert "http://api.test/gone" in recorded


@pytest.mark.parametrize(
    ("options", "ini", "message"),
    [
        (["--httpserve-record=once"], "", "*--httpserve-record='once' is not one of none, missing, all, compare"),
        ([], "[pytest]\nhttpserve_record = new", "*httpserve_record = 'new' is not one of none, missing, all, *"),
    ],
)
def test_a_wrong_mode_ends_the_run(
    suite: Suite, pytester: pytest.Pytester, options: list[str], ini: str, message: str
) -> None:
    pytester.makeini(ini)
    suite("def test_it(): pass", *options).stderr.fnmatch_lines([message])


@pytest.mark.same_everywhere
def test_a_fixture_may_say_it(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(REAL)
    config = """
@pytest.fixture
def httpserve_config():
    return {"record": "missing"}
"""
    suite(TESTS + config).assert_outcomes(passed=8)
    assert (pytester.path / "shared.har").exists()
    suite(TESTS + config.replace("missing", "once"), "-k", "own").stdout.fnmatch_lines(
        ["*httpserve_config (*): record= must be one of none, missing, all, compare, not 'once'"]
    )
