"""``python -m pytest_httpserve migrate``: a diff, or the files themselves, and what was left."""

from pathlib import Path

import pytest

from pytest_httpserve.__main__ import main

SUITE = """
import json
import urllib.request

import pytest


@pytest.fixture
def api(httpserver):
    httpserver.expect_request("/users").respond_with_json([{"id": 7}])
    return httpserver


def test_a_list(api):
    with urllib.request.urlopen(api.url_for("/users"), timeout=5) as answer:
        assert json.load(answer) == [{"id": 7}]
    api.check()


def test_an_answer_for_each_request(httpserver):
    for text in ("one", "two"):
        httpserver.expect_request(f"/{text}").respond_with_data(str(text))
    httpserver.expect_oneshot_request("/next").respond_with_data("first")
    httpserver.expect_oneshot_request("/next").respond_with_data("second")

    urls = map(httpserver.url_for, ["/one", "/two", "/next", "/next"])
    answers = [urllib.request.urlopen(url, timeout=5).read().decode() for url in urls]

    assert answers == ["one", "two", "first", "second"]
    assert [request.path for request, _ in httpserver.log] == ["/one", "/two", "/next", "/next"]
"""


@pytest.mark.same_everywhere
def test_a_suite_passes_before_and_after(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(test_suite=SUITE)
    before = pytester.runpytest_subprocess()
    assert main(["migrate", str(path), "--write"]) == 0
    after = pytester.runpytest_subprocess("-p", "no:pytest_httpserver")

    before.assert_outcomes(passed=2)
    after.assert_outcomes(passed=2)
    assert "httpserver" not in path.read_text(encoding="utf-8")


def test_without_write_there_is_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_a.py"
    path.write_text('def test(httpserver):\n    httpserver.expect_request("/a")\n', encoding="utf-8")

    assert main(["migrate", str(tmp_path)]) == 0

    output = capsys.readouterr()
    assert '-    httpserver.expect_request("/a")\n' in output.out
    assert '+    httpserve.on("*", "/a")\n' in output.out
    assert output.err == "1 expectation in 1 file to be rewritten, 0 left as they are\n"
    assert "httpserve.on" not in path.read_text(encoding="utf-8")


def test_what_is_left_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_a.py"
    path.write_text("def test(httpserver):\n    httpserver.add_assertion('x')\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("httpserver = (", encoding="utf-8")

    assert main(["migrate", str(tmp_path), "--write"]) == 1

    error = capsys.readouterr().err
    assert f"{path}:2: add_assertion: raise AssertionError in the function: it fails the test\n" in error
    assert f"{tmp_path / 'broken.py'}: cannot be read: " in error


def test_a_path_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "tests")]) == 2
    assert capsys.readouterr().err == f"there is no {tmp_path / 'tests'}\n"


def test_other_files_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_a.py").write_text("def test():\n    pass\n", encoding="utf-8")

    assert main(["migrate", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_opened_holds_up_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a_folder.py").mkdir()
    path = tmp_path / "test_a.py"
    path.write_text(SUITE, encoding="utf-8")

    assert main(["migrate", str(tmp_path), "--write"]) == 1

    assert f"{tmp_path / 'a_folder.py'}: cannot be read: " in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") != SUITE


@pytest.mark.parametrize("folder", [".venv/lib", "env/lib/python3.11/site-packages"])
def test_what_is_installed_is_left_alone(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "test_a.py"
    path.parent.mkdir(parents=True)
    path.write_text(SUITE, encoding="utf-8")

    assert main(["migrate", str(tmp_path), "--write"]) == 0

    assert path.read_text(encoding="utf-8") == SUITE
