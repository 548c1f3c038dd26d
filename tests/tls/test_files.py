"""PEM files: private, shared by content, and gone with their process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_httpserve.tls.files import keep, put


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
