"""PEM files: private, shared by content, and gone with their process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_httpserve.tls import files
from pytest_httpserve.tls.files import FORGOTTEN_SECONDS, PREFIX, keep, make_folder, passing, put


def test_a_file_is_for_its_owner_alone_and_never_half_written(tmp_path: Path) -> None:
    path = keep(tmp_path, "leaf", b"content")

    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    assert keep(tmp_path, "leaf", b"one") == keep(tmp_path, "leaf", b"one")
    assert keep(tmp_path, "leaf", b"one") != keep(tmp_path, "leaf", b"two")


def test_a_file_takes_nobodys_place(tmp_path: Path) -> None:
    assert put(tmp_path / "ca.pem", b"first")
    assert not put(tmp_path / "ca.pem", b"second")
    assert (tmp_path / "ca.pem").read_bytes() == b"first"


FORK = """
import os
from pytest_httpserve.tls.files import keep
mine = keep(None, "a", b"a")
if not os.fork():
    theirs = keep(None, "a", b"a")
    assert theirs.parent != mine.parent
    print(theirs.parent, flush=True)
    raise SystemExit
assert os.wait()[1] == 0
assert mine.exists()
assert mine.parent.stat().st_mode & 0o777 == 0o700
print(mine.parent)
"""


@pytest.mark.needs("os.fork")
def test_the_folder_of_a_process_goes_with_it_and_not_with_its_fork() -> None:
    output = subprocess.check_output([sys.executable, "-c", FORK], text=True, timeout=60)

    folders = [Path(line) for line in output.split()]
    assert len(set(folders)) == 2
    assert not any(folder.exists() for folder in folders)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has no hard links."""

    def refuse(source: object, target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files, "_link", refuse)


@pytest.mark.usefixtures("no_links")
def test_where_there_are_no_hard_links_a_file_takes_nobodys_place_either(tmp_path: Path) -> None:
    assert put(tmp_path / "ca.pem", b"first")
    assert not put(tmp_path / "ca.pem", b"second")
    assert (tmp_path / "ca.pem").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [tmp_path / "ca.pem"]


@pytest.mark.usefixtures("no_links")
def test_of_several_at_once_one_makes_the_file_and_the_others_find_it_whole(tmp_path: Path) -> None:
    def make(number: int) -> tuple[bool, bytes]:
        return put(tmp_path / "ca.pem", b"%d" % number * 1000), (tmp_path / "ca.pem").read_bytes()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))

    assert sum(own for own, _ in made) == 1
    assert len({found for _, found in made}) == 1


def test_what_killed_runs_have_left_is_swept_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = time.time() - FORGOTTEN_SECONDS - 100
    for name in (f"{PREFIX}old", f"{PREFIX}new", "pytest-of-others"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key.pem").touch()
    (tmp_path / f"{PREFIX}file").touch()
    for name in (f"{PREFIX}old", "pytest-of-others", f"{PREFIX}file"):
        os.utime(tmp_path / name, (old, old))

    folder = make_folder()

    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}new", "pytest-of-others", folder.name}


@pytest.mark.needs("os.getuid")
def test_what_others_have_left_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}old").mkdir()
    os.utime(tmp_path / f"{PREFIX}old", (0, 0))
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)

    make_folder()

    assert (tmp_path / f"{PREFIX}old").exists()


def test_what_passes_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with passing(b"content") as path:
        assert Path(path).read_bytes() == b"content"
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())
