"""``python -m pytest_httpserve migrate``: a diff, or the files themselves, and what was left."""

import codecs
import errno
import os
import sys
from pathlib import Path

import pytest

from pytest_httpserve.__main__ import main

SUITE = """
import json
import threading
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver.hooks import Delay
from werkzeug import Response


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
    asked = httpserver.log[0][0]
    assert asked.url == httpserver.url_for("one") and asked.url.endswith("/one")
    assert asked.full_path == "/one?" and "Python-urllib" in str(asked.user_agent)
    assert [request.path for request, _ in httpserver.log] == ["/one", "/two", "/next", "/next"]



def test_what_is_asked_later_is_waited_for(httpserver):
    def answer(request):
        assert urlsplit(request.url).path == "/later" and parse_qs(urlsplit(request.url).query) == {"é": ["b c"]}
        return Response("later", content_type="text/plain; charset=utf-8")

    httpserver.expect_oneshot_request("/later", query_string={"é": "b c"}).respond_with_handler(answer)
    httpserver.expect_oneshot_request("/slow").with_post_hook(Delay(0.01)).respond_with_data("slow")
    url = httpserver.url_for("/later?%C3%A9=b+c")
    urls = [httpserver.url_for("/slow"), url]
    thread = threading.Thread(target=lambda: [urllib.request.urlopen(url, timeout=60) for url in urls])
    with httpserver.wait(timeout=60) as waiting:
        thread.start()
    assert waiting.result
    thread.join()
    assert [request.path for request, _ in httpserver.log] == ["/slow", "/later"]
"""


@pytest.mark.same_everywhere
def test_a_suite_passes_before_and_after(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(test_suite=SUITE)
    before = pytester.runpytest_subprocess()
    assert main(["migrate", str(path), "--write"]) == 0
    after = pytester.runpytest_subprocess("-p", "no:pytest_httpserver")

    before.assert_outcomes(passed=3)
    after.assert_outcomes(passed=3)
    assert "httpserver" not in path.read_text(encoding="utf-8")


def test_without_write_there_is_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_a.py"
    path.write_text('def test(httpserver):\n    httpserver.expect_request("/a")\n', encoding="utf-8")

    assert main(["migrate", str(tmp_path)]) == 0

    output = capsys.readouterr()
    assert '-    httpserver.expect_request("/a")\n' in output.out
    assert '+    httpserve.on("*", "/a")\n' in output.out
    assert output.err == "1 expectation in 1 file to be rewritten, 0 places to change by hand\n"
    assert "httpserve.on" not in path.read_text(encoding="utf-8")


def test_what_is_left_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_a.py"
    path.write_text("def test(httpserver):\n    httpserver.add_assertion('x')\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("httpserver = (", encoding="utf-8")

    assert main(["migrate", str(tmp_path), "--write"]) == 1

    error = capsys.readouterr().err
    assert f"{path}:2: add_assertion: raise AssertionError in the function: it fails the test\n" in error
    assert f"{tmp_path / 'broken.py'}:1: cannot be read: " in error


def test_a_path_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "tests")]) == 2
    assert (
        capsys.readouterr().err == f"python -m pytest_httpserve migrate: {str(tmp_path / 'tests')!r} does not exist\n"
    )


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


BODY = 'def test(httpserver):\n    httpserver.expect_request("/a")\n'
REWRITTEN = 'def test(httpserve):\n    httpserve.on("*", "/a")\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (codecs.BOM_UTF8 + BODY.encode(), codecs.BOM_UTF8 + REWRITTEN.encode()),
        (b"# coding: latin-1\n# caf\xe9\n" + BODY.encode(), b"# coding: latin-1\n# caf\xe9\n" + REWRITTEN.encode()),
        (BODY.replace("\n", "\r\n").encode(), REWRITTEN.replace("\n", "\r\n").encode()),
        (BODY.replace("    ", "\t").encode(), REWRITTEN.replace("    ", "\t").encode()),
        (BODY.rstrip().encode(), REWRITTEN.rstrip().encode()),
    ],
    ids=["byte-order mark", "latin-1", "CRLF", "tabs", "no last newline"],
)
def test_a_file_keeps_its_encoding_and_its_line_ends(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / "test_a.py"
    path.write_bytes(before)

    assert main(["migrate", "--write", str(path)]) == 0
    assert path.read_bytes() == after
    assert main(["migrate", "--write", str(path)]) == 0  # again
    assert path.read_bytes() == after
    assert [*tmp_path.iterdir()] == [path]


def test_the_diff_of_a_file_is_in_its_encoding(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "test_a.py"
    path.write_bytes(b"# coding: latin-1\n# caf\xe9\n" + BODY.rstrip().encode())

    assert main(["migrate", str(path)]) == 0

    sys.stdout.flush()
    assert capfdbinary.readouterr().out.partition(b"@@\n")[2] == (
        b" # coding: latin-1\n # caf\xe9\n"
        b'-def test(httpserver):\n-    httpserver.expect_request("/a")\n\\ No newline at end of file\n'
        b'+def test(httpserve):\n+    httpserve.on("*", "/a")\n\\ No newline at end of file\n'
    )


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "deep.py",
            f"{BODY}x = {'+'.join(['1'] * 20_000)}\n",
            ": cannot be read: its expressions are nested too deeply\n",
        ),
        ("nul.py", f"{BODY}x = '\0'\n", "cannot be read: "),
        ("unknown.py", f"# coding: klingon\n{BODY}", ": cannot be read: unknown encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, content: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "zz_last.py").write_text(BODY, encoding="utf-8")

    assert main(["migrate", "--write", str(tmp_path)]) == 1

    told = capsys.readouterr().err
    assert told.startswith(str(tmp_path / name))
    assert why in told
    assert (tmp_path / name).read_text(encoding="utf-8") == content
    assert (tmp_path / "zz_last.py").read_text(encoding="utf-8") == REWRITTEN


def test_a_file_that_cannot_be_written_stays_as_it_is_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(BODY, encoding="utf-8")

    def replace(source: str, target: Path) -> None:
        if target.name == "a.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    rename = os.rename
    monkeypatch.setattr(os, "replace", replace)
    assert main(["migrate", "--write", str(tmp_path)]) == 1

    assert capsys.readouterr().err == (
        f"{tmp_path / 'a.py'}: cannot be written: No space left on device\n"
        "1 expectation in 1 file rewritten, 1 place to change by hand\n"
    )
    assert sorted(tmp_path.iterdir()) == [tmp_path / "a.py", tmp_path / "b.py"]
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == BODY


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any file")
def test_a_read_only_file_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_a.py"
    path.write_text(BODY, encoding="utf-8")
    path.chmod(0o444)

    assert main(["migrate", "--write", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}: cannot be written: Permission denied\n")
    assert path.read_text(encoding="utf-8") == BODY


@pytest.mark.needs("os.symlink")
def test_a_link_stays_a_link_and_its_file_keeps_its_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "test_a.py"
    file.write_text(BODY, encoding="utf-8")
    file.chmod(0o754)
    link.symlink_to(file)

    assert main(["migrate", "--write", str(link), str(link)]) == 0

    assert link.is_symlink()
    assert (file.read_text(encoding="utf-8"), file.stat().st_mode & 0o777) == (REWRITTEN, 0o754)


@pytest.mark.needs("os.mkfifo")
def test_what_cannot_be_opened_at_once_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "test_a.py")

    assert main(["migrate", str(tmp_path)]) == 0
