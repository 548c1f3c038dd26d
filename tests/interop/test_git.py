"""git, over HTTP from a bare repository that is a served directory (the "dumb" protocol)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe

pytestmark = pytest.mark.needs("git")

Run = Callable[..., str]
Git = Callable[..., str]


@pytest.fixture
def git(run: Run) -> Git:
    """``git(directory, *arguments)``"""
    settings = ["user.name=Somebody", "user.email=somebody@example.org", "init.defaultBranch=main", "gc.auto=0"]
    options = [word for setting in settings for word in ("-c", setting)]

    def git(directory: Path, *arguments: str | Path) -> str:
        return run("git", *options, "-C", directory, *arguments)

    return git


@pytest.fixture
def work(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit, and the bare one beside it that ``publish`` makes."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet")
    (work / "read me.txt").write_text("first\n")
    (work / "large").write_bytes(bytes(range(256)) * 4_000)
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "first")
    git(work, "tag", "v1")
    git(tmp_path, "clone", "--quiet", "--bare", "work", "served/project.git")
    return work


def publish(git: Git, work: Path) -> None:
    bare = work.parent / "served" / "project.git"
    git(work, "push", "--quiet", "--tags", bare, "main")
    git(bare, "update-server-info")


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "loose"])
def test_a_served_repository_can_be_cloned(
    httpserve: HTTPServe, tmp_path: Path, git: Git, work: Path, packed: bool
) -> None:
    if packed:
        git(tmp_path / "served" / "project.git", "repack", "-a", "-d", "--quiet")
    publish(git, work)
    httpserve.serve_dir(tmp_path / "served", at="/git")
    git(tmp_path, "clone", "--quiet", httpserve.url_for("/git/project.git"), "copy")

    copy = tmp_path / "copy"
    assert (copy / "read me.txt").read_text() == "first\n"
    assert git(copy, "rev-parse", "HEAD", "v1") == git(work, "rev-parse", "HEAD", "v1")
    git(copy, "fsck", "--strict")
    assert str(httpserve.exchanges[0].request) == "GET /git/project.git/info/refs?service=git-upload-pack"


def test_a_clone_can_fetch_what_came_later(httpserve: HTTPServe, tmp_path: Path, git: Git, work: Path) -> None:
    publish(git, work)
    httpserve.serve_dir(tmp_path / "served")
    git(tmp_path, "clone", "--quiet", httpserve.url_for("/project.git"), "copy")
    (work / "read me.txt").write_text("second\n")
    git(work, "commit", "--quiet", "--all", "--message", "second")
    publish(git, work)
    git(tmp_path / "copy", "pull", "--quiet", "--ff-only")

    assert (tmp_path / "copy" / "read me.txt").read_text() == "second\n"


def test_a_repository_that_is_not_there_is_an_error_of_git(httpserve: HTTPServe, tmp_path: Path, run: Run) -> None:
    (tmp_path / "served").mkdir()
    httpserve.serve_dir(tmp_path / "served")

    run("git", "clone", "--quiet", httpserve.url_for("/nothing.git"), tmp_path / "copy", status=128)
