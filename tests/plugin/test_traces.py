"""Traces of tests: --httpserve-trace."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pytest_httpserve.scripting.reports.trace.document
import pytest_httpserve.scripting.reports.trace.page  # noqa: F401  as in conftest.py
from pytest_httpserve.plugin._trace import names_of

Suite = Callable[..., pytest.RunResult]

SOURCE = """
    import pytest
    from client import fetch
    from pytest_httpserve import HTTPServe

    @pytest.fixture(scope="module")
    def own():
        with HTTPServe() as server:
            server.on("GET", "/{name}").respond(text="mine")
            yield server

    def test_passes(httpserve, own):
        httpserve.on("GET", "/users/7").respond(text="Ada")
        fetch(httpserve.url_for("/users/7"))
        fetch(own.url_for("/first"))

    @pytest.mark.parametrize("name", ["a", "a/b"])
    def test_fails(httpserve, name):
        fetch(httpserve.url_for(f"/{name}"))

    def test_of_its_own(httpserve, httpserve_factory):
        httpserve_factory(host="127.0.0.1")
        assert httpserve.port == 0, "no port"

    class TestThem:
        def test_late(self, httpserve):
            httpserve.on("GET", "/never").respond().expect()

    @pytest.mark.xfail
    def test_is_known_to_fail(httpserve):
        assert False

    def test_without():
        assert False

    def test_last(own):
        fetch(own.url_for("/last"))
"""
FAILING = [
    "TestThem.test_late",
    "test_fails[a-b]-HASH",
    "test_fails[a]",
    "test_of_its_own",
]


def traced(folder: Path) -> list[str]:
    """The names of the tests that have left a trace."""
    files = sorted(folder.rglob("*.*"))
    assert {file.suffix for file in files} <= {".har", ".html"}
    pages = [file.with_suffix("") for file in files if file.suffix == ".html"]
    assert pages == [file.with_suffix("") for file in files if file.suffix == ".har"]
    return sorted(f"{name[:-8]}HASH" if name[-9:-8] == "-" else name for name in (page.name for page in pages))


def log_of(folder: Path, name: str) -> dict[str, Any]:
    [file] = folder.rglob(f"{name}.har")
    log: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["log"]
    return log


def paths_of(log: dict[str, Any]) -> list[str]:
    return [entry["request"]["url"].partition("//")[2].partition("/")[2] for entry in log["entries"]]


def test_each_test_that_has_a_server_leaves_a_trace(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite(SOURCE, "--httpserve-trace=traces")

    result.assert_outcomes(passed=2, failed=5, xfailed=1)
    folder = pytester.path / "traces"
    assert traced(folder) == sorted([*FAILING, "test_is_known_to_fail", "test_last", "test_passes"])
    passed = log_of(folder, "test_passes")
    assert (passed["_outcome"], passed["_failures"], paths_of(passed)) == ("passed", [], ["users/7", "first"])
    assert paths_of(log_of(folder, "test_last")) == ["last"]
    assert log_of(folder, "test_is_known_to_fail")["_outcome"] == "xfailed"
    own = log_of(folder, "test_of_its_own")
    assert own["_outcome"] == "failed"
    assert len({server["name"] for server in own["_servers"]}) == 2
    assert own["_failures"][0].startswith("AssertionError: no port")
    assert log_of(folder, "TestThem.test_late")["_failures"][0].startswith("the route GET /never")


def test_those_that_fail_name_the_file(suite: Suite, pytester: pytest.Pytester) -> None:
    folder = pytester.path / "traces" / "test_it"
    folder.mkdir(parents=True)
    for suffix in ("har", "html"):
        (folder / f"test_passes.{suffix}").write_text("of an earlier run")
    pytester.makeini("[pytest]\nhttpserve_trace = traces\nhttpserve_trace_mode = retain-on-failure\n")
    result = suite(SOURCE)

    assert traced(folder) == FAILING
    named = [line.removeprefix("the trace is in ") for line in result.outlines if line.startswith("the trace is in ")]
    assert sorted(named) == sorted(str(file) for file in folder.glob("*.html"))
    assert len(named) == 4


@pytest.mark.same_everywhere
def test_workers_write_theirs(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(SOURCE, "-p", "xdist", "-n", "2", "--httpserve-trace=traces", "--httpserve-trace-mode=retain-on-failure",
          apart=True)  # fmt: skip

    assert traced(pytester.path / "traces") == FAILING


def test_what_comes_up_after_the_test_is_in_its_trace(suite: Suite, pytester: pytest.Pytester) -> None:
    source = """
        import pytest
        from client import fetch

        @pytest.fixture
        def leaves(httpserve):
            yield
            fetch(httpserve.url_for("/late"))

        def test_it(leaves):
            pass
    """
    suite(source, "--httpserve-trace=traces", "--httpserve-trace-mode=retain-on-failure").assert_outcomes(
        passed=1, errors=1
    )

    log = log_of(pytester.path, "test_it")
    assert (paths_of(log), log["_outcome"]) == (["late"], "failed")
    assert log["_failures"][0].startswith("after the test: nothing answers GET /late")


def test_the_runs_of_a_test_that_is_run_again_are_in_one_trace(suite: Suite, pytester: pytest.Pytester) -> None:
    source = """
        from client import fetch

        runs = []

        def test_it(httpserve):
            runs.append(httpserve.on("GET", "/{name}").respond())
            fetch(httpserve.url_for(f"/{len(runs)}"))
            assert len(runs) == 2
    """
    options = ("-p", "pytest_rerunfailures", "--reruns=1", "--httpserve-trace-mode=retain-on-failure")
    suite(source, "--httpserve-trace=traces", *options).assert_outcomes(passed=1)

    log = log_of(pytester.path, "test_it")
    assert (paths_of(log), log["_outcome"], len(log["_failures"])) == (["1", "2"], "passed", 1)


def test_a_test_that_is_interrupted_has_a_trace(suite: Suite, pytester: pytest.Pytester) -> None:
    source = """
        import pytest
        from client import fetch

        def test_it(httpserve, httpserve_factory):
            httpserve.on("GET", "/before").respond()
            fetch(httpserve.url_for("/before"))
            pytest.exit("nobody waits for ever")

        def test_never(httpserve):
            pass
    """
    suite(source, "--httpserve-trace=traces", "--httpserve-trace-mode=retain-on-failure")

    assert traced(pytester.path / "traces") == ["test_it"]
    log = log_of(pytester.path, "test_it")
    assert (paths_of(log), log["_outcome"]) == (["before"], "failed")
    assert log["_failures"] == ["nobody waits for ever"]


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")
def test_a_test_with_a_failed_subtest_has_failed(suite: Suite, pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        def test_fails(httpserve, subtests):
            with subtests.test("one"):
                assert False
            with subtests.test("two"):
                pytest.skip("not here")

        def test_passes(httpserve, subtests):
            with subtests.test("one"):
                pytest.skip("not here")
    """
    suite(source, "--httpserve-trace=traces")

    assert log_of(pytester.path, "test_fails")["_outcome"] == "failed"
    assert log_of(pytester.path, "test_passes")["_outcome"] == "passed"


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced on Windows")
def test_nobody_reads_half_a_trace(suite: Suite, pytester: pytest.Pytester) -> None:
    suite("def test_it(httpserve):\n    pass\n", "--httpserve-trace=traces")
    [page] = (pytester.path / "traces").rglob("*.html")
    before = page.read_text(encoding="utf-8")

    with page.open(encoding="utf-8") as opened:
        suite("def test_it(httpserve):\n    assert False\n", "--httpserve-trace=traces")
        assert opened.read() == before
    assert page.read_text(encoding="utf-8") != before
    assert sorted(file.suffix for file in page.parent.iterdir()) == [".har", ".html"]


def test_a_trace_that_cannot_be_written_fails_the_test(suite: Suite, pytester: pytest.Pytester) -> None:
    (pytester.path / "traces").mkdir()
    (pytester.path / "traces" / "test_it").write_text("a file in the way of the folder")
    result = suite("def test_it(httpserve):\n    pass\n", "--httpserve-trace=traces")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["the trace cannot be written: *test_it*"])


def test_no_trace_is_left_that_was_not_asked_for(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(SOURCE)
    assert list(pytester.path.rglob("*.har")) == []


def test_a_mode_that_there_is_not_ends_the_run(suite: Suite) -> None:
    result = suite("", "--httpserve-trace=traces", "--httpserve-trace-mode=off")
    result.stderr.fnmatch_lines(["ERROR: --httpserve-trace-mode='off' is not one of on, retain-on-failure"])


def test_a_folder_that_cannot_be_made_ends_the_run(suite: Suite, pytester: pytest.Pytester) -> None:
    (pytester.path / "file").write_text("")
    result = suite("", "--httpserve-trace=file/traces")
    result.stderr.fnmatch_lines(["ERROR: --httpserve-trace=file/traces: the folder cannot be made: *"])


@pytest.mark.parametrize(
    ("nodeid", "path"),
    [
        ("test_a.py::test_it", "test_a/test_it"),
        ("tests/sub/test_a.py::TestIt::test_it[1-x]", "tests/sub/test_a/TestIt.test_it[1-x]"),
        ("../test_a.py::test_it", "-/test_a/test_it"),
        ("/test_a.py::test_it", "-/test_a/test_it"),
        ("test_a.py::test_it[../../x]", "test_a/test_it[..-..-x]-HASH"),
        ("test_a.py::" + "x" * 300, "test_a/" + "x" * 120 + "-HASH"),
        ("test_a.py::test_it[1.5]", "test_a/test_it[1.5]"),
        ("docs/a.md", "docs/a/a"),
    ],
)
def test_files_are_named_after_their_tests(nodeid: str, path: str) -> None:
    *folders, name = names_of(nodeid)
    *others, wanted = path.split("/")
    assert folders == others
    assert name == wanted if not wanted.endswith("HASH") else name[:-8] == wanted[:-4]


def test_no_two_tests_have_the_same_file() -> None:
    ids = [f"test_a.py::test_it[{value}]" for value in ("a/b", "a:b", "a b", "é", "a-b", "a::b", "a.b")]
    assert len({tuple(names_of(nodeid)) for nodeid in ids}) == len(ids)
