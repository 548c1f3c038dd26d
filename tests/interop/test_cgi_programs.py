"""Programs that others wrote for CGI: git's own server, and scripts in Perl and shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from tests.needs import there

pytestmark = pytest.mark.needs("select.poll")

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


# git


@pytest.fixture
def git(run: Run) -> Run:
    """``git(directory, *arguments)``"""
    settings = ["user.name=Ada", "user.email=ada@example.org", "init.defaultBranch=main", "gc.auto=0"]
    options = [word for setting in settings for word in ("-c", setting)]

    def git(directory: Path, *arguments: str | Path, **more: Any) -> str:
        return run("git", *options, "-C", directory, *arguments, **more)

    return git


@pytest.fixture
def remote(tmp_path: Path, git: Run, httpserve: HTTPServe) -> str:
    """The URL of an empty repository, served by git http-backend."""
    repositories, scripts = tmp_path / "repositories", tmp_path / "scripts"
    repositories.mkdir()
    git(repositories, "init", "--quiet", "--bare", "tales.git")
    scripts.mkdir()
    script(scripts, "git", f"#!/bin/sh\nexec {there('git-http-backend')}\n")
    env = {"GIT_PROJECT_ROOT": str(repositories), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "ada"}
    httpserve.serve_cgi(scripts, env=env)
    return httpserve.url_for("/cgi-bin/git/tales.git")


@pytest.mark.needs("git", "git-http-backend")
def test_git_clones_and_pushes(git: Run, remote: str, tmp_path: Path, httpserve: HTTPServe) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    git(tmp_path, "clone", "--quiet", remote, first)
    (first / "tale.txt").write_text("Once upon a time\n")
    git(first, "add", "tale.txt")
    git(first, "commit", "--quiet", "--message", "Begin")
    git(first, "push", "--quiet", "origin", "HEAD:main")

    git(tmp_path, "clone", "--quiet", remote, second)
    assert (second / "tale.txt").read_text() == "Once upon a time\n"

    (second / "tale.txt").write_text("Once upon a time there was\n")
    git(second, "commit", "--quiet", "--all", "--message", "Go on")
    git(second, "push", "--quiet")
    git(first, "fetch", "--quiet", "origin")
    assert git(first, "log", "--format=%s", "origin/main") == "Go on\nBegin\n"
    assert {one.response.status for one in httpserve.exchanges if one.response} == {200}


@pytest.mark.needs("git", "git-http-backend")
def test_git_pushes_and_clones_more_than_all_pipes_hold(
    git: Run, remote: str, tmp_path: Path, httpserve: HTTPServe
) -> None:
    """What is larger than http.postBuffer comes chunked."""
    work, again = tmp_path / "work", tmp_path / "again"
    git(tmp_path, "clone", "--quiet", remote, work)
    (work / "noise").write_bytes(os.urandom(5_000_000))
    git(work, "add", "noise")
    git(work, "commit", "--quiet", "--message", "Noise")
    git(work, "-c", "http.postBuffer=65536", "push", "--quiet", "origin", "HEAD:main")

    git(tmp_path, "clone", "--quiet", remote, again)
    assert (again / "noise").read_bytes() == (work / "noise").read_bytes()
    assert "chunked" in [one.request.headers.get("Transfer-Encoding") for one in httpserve.exchanges]


@pytest.mark.needs("git", "git-http-backend")
def test_git_is_told_that_there_is_no_such_repository(
    git: Run, remote: str, tmp_path: Path, httpserve: HTTPServe
) -> None:
    git(tmp_path, "clone", "--quiet", remote.replace("tales", "songs"), status=128)

    assert [one.response and one.response.status for one in httpserve.exchanges] == [404]


# Scripts


def script(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)


@pytest.mark.needs("perl")
def test_a_perl_script(httpserve: HTTPServe, tmp_path: Path) -> None:
    script(
        tmp_path,
        "form.pl",
        f"#!{there('perl')}\n"
        + r"""
use strict;
use warnings;

read(STDIN, my $body, $ENV{CONTENT_LENGTH});
my %form = map { my ($name, $value) = split /=/, $_, 2; $value =~ tr/+/ /; ($name, $value) } split /&/, $body;
print "Status: 201 Created\r\n";
print "Content-Type: text/plain; charset=utf-8\r\n";
print "Set-Cookie: seen=$ENV{REQUEST_METHOD}\r\n\r\n";
print "$_: $form{$_}\n" for sort keys %form;
""",
    )
    httpserve.serve_cgi(tmp_path)

    answer = requests.post(httpserve.url_for("/cgi-bin/form.pl"), {"name": "Ada L", "year": "1815"}, timeout=10)

    assert (answer.status_code, answer.reason) == (201, "Created")
    assert answer.cookies["seen"] == "POST"
    assert answer.text == "name: Ada L\nyear: 1815\n"


def test_a_shell_script(httpserve: HTTPServe, tmp_path: Path) -> None:
    script(
        tmp_path,
        "count",
        """#!/bin/sh
# Counts the lines of what is put, and shows the last count.
case $REQUEST_METHOD in
    PUT) wc -l >count.txt; echo "Status: 204"; echo ;;
    GET) echo "Content-Type: text/plain"; echo; cat count.txt ;;
    *) echo "Status: 405"; echo "Allow: GET, PUT"; echo ;;
esac
""",
    )
    httpserve.serve_cgi(tmp_path)
    url = httpserve.url_for("/cgi-bin/count")

    assert requests.put(url, b"a\nb\nc\n", timeout=10).status_code == 204
    assert requests.get(url, timeout=10).text == "3\n"
    assert requests.delete(url, timeout=10).headers["Allow"] == "GET, PUT"
