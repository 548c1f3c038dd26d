"""Programs that others wrote for CGI: git's own server, and scripts in Perl and shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe


def needed(program: str, package: str) -> str:
    """Where the program is. A test without it proves nothing, so that it must not pass, nor be passed over."""
    path = shutil.which(
        program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/lib/git-core", "/usr/libexec"])
    )
    assert path is not None, f"{program} is missing on this machine: install the package {package}"
    return path


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


# git


class Git:
    """git, with a configuration of its own."""

    def __init__(self, home: Path) -> None:
        self._program = needed("git", "git")
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.test",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.test",
        }

    def __call__(self, *arguments: str | Path, ok: bool = True) -> str:
        done = subprocess.run(
            [self._program, *map(str, arguments)], env=self._env, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode == 0) == ok, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def git(tmp_path: Path) -> Git:
    (tmp_path / "home").mkdir()
    return Git(tmp_path / "home")


@pytest.fixture
def remote(tmp_path: Path, git: Git, httpserve: HTTPServe) -> str:
    """The URL of a repository, served by git http-backend."""
    repositories = tmp_path / "repositories"
    git("init", "--quiet", "--bare", "--initial-branch=main", repositories / "tales.git")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    backend = scripts / "git"
    backend.write_text(f"#!/bin/sh\nexec {needed('git-http-backend', 'git')}\n")
    backend.chmod(0o755)
    httpserve.serve_cgi(
        scripts, env={"GIT_PROJECT_ROOT": str(repositories), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "ada"}
    )
    return httpserve.url_for("/cgi-bin/git/tales.git")


def test_git_clones_and_pushes(git: Git, remote: str, tmp_path: Path, httpserve: HTTPServe) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    git("clone", "--quiet", remote, first)
    (first / "tale.txt").write_text("Once upon a time\n")
    git("-C", first, "add", "tale.txt")
    git("-C", first, "commit", "--quiet", "-m", "Begin")
    git("-C", first, "push", "--quiet", "origin", "HEAD:main")

    git("clone", "--quiet", remote, second)
    assert (second / "tale.txt").read_text() == "Once upon a time\n"

    (second / "tale.txt").write_text("Once upon a time there was\n")
    git("-C", second, "commit", "--quiet", "--all", "-m", "Go on")
    git("-C", second, "push", "--quiet")
    git("-C", first, "fetch", "--quiet", "origin")
    assert "Go on" in git("-C", first, "log", "--format=%s", "origin/main")
    assert {one.response.status for one in httpserve.exchanges if one.response} == {200}


def test_git_pushes_more_than_its_buffer_in_chunks(git: Git, remote: str, tmp_path: Path, httpserve: HTTPServe) -> None:
    """What is larger than http.postBuffer comes chunked; and large, so that it would fill every pipe on its way."""
    work, again = tmp_path / "work", tmp_path / "again"
    git("clone", "--quiet", remote, work)
    (work / "noise").write_bytes(os.urandom(5_000_000))
    git("-C", work, "add", "noise")
    git("-C", work, "commit", "--quiet", "-m", "Noise")
    git("-C", work, "-c", "http.postBuffer=65536", "push", "--quiet", "origin", "HEAD:main")

    git("clone", "--quiet", remote, again)
    assert (again / "noise").read_bytes() == (work / "noise").read_bytes()
    assert "chunked" in [one.request.headers.get("Transfer-Encoding") for one in httpserve.exchanges]


def test_git_is_told_that_there_is_no_such_repository(git: Git, remote: str, tmp_path: Path) -> None:
    said = git("clone", remote.replace("tales", "songs"), tmp_path / "songs", ok=False)

    assert "not found" in said


# Scripts


def script(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)


def test_a_perl_script(httpserve: HTTPServe, tmp_path: Path) -> None:
    script(
        tmp_path,
        "form.pl",
        f"#!{needed('perl', 'perl')}\n"
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
