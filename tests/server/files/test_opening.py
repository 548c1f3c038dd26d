"""Roots stay closed, whatever is put in the place of their files and directories while requests come."""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.server.files import opening
from pytest_httpserve.server.files.opening import LeadsOut
from pytest_httpserve.server.files.roots import FileOptions, Root

INSIDE, SECRET = b"inside", b"this is not for you"
OFTEN = 1000

by_descriptor = pytest.mark.skipif(
    not opening.BY_DESCRIPTOR, reason="names cannot be looked up in open directories, so roots are not closed"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a part that is swapped, and beside it one that has the same names."""
    for directory, content in (("root/d/e", INSIDE), ("outside/e", SECRET)):
        (tmp_path / directory).mkdir(parents=True)
        for name in ("a.txt", "index.html", "b.txt.gz"):
            (tmp_path / directory / name).write_bytes(content)
            (tmp_path / directory / ".." / name).write_bytes(content)
    (tmp_path / "outside" / "e" / "only-outside.txt").touch()
    (tmp_path / "outside" / "only-outside.txt").touch()
    (tmp_path / "root/d/b.txt").write_bytes(INSIDE)
    (tmp_path / "root/through").symlink_to("d")
    return tmp_path / "root"


@contextlib.contextmanager
def swapped(path: Path, target: Path) -> Iterator[None]:
    """All the time, what is at ``path`` is replaced by a link, and put back."""
    kept, link = path.with_name("kept"), path.with_name("link")
    link.symlink_to(target)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            path.rename(kept)
            link.rename(path)
            path.rename(link)
            kept.rename(path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


SWAPS = {
    "a directory": "d",
    "a directory further on": "d/e",
    "a file": "d/e/a.txt",
    "the page of a directory": "d/e/index.html",
    "a link": "through",
}


def swap(root: Path, name: str) -> contextlib.AbstractContextManager[None]:
    where = SWAPS[name]
    return swapped(root / where, root.parent / "outside" / where.removeprefix("d").removeprefix("through").lstrip("/"))


@by_descriptor
@pytest.mark.parametrize("name", SWAPS)
def test_no_file_from_outside_is_opened(root: Path, name: str) -> None:
    served = Root(str(root))
    careful = served._replace(scripts=((f"{root}/cgi-bin", True),))
    ways: list[Callable[[], IO[bytes] | None]] = [
        lambda: served.open(f"{root}/d/e/a.txt"),
        lambda: served.open(f"{root}/through/e/a.txt"),
        lambda: careful.open(f"{root}/d/e/a.txt"),
        lambda: served.index_page(f"{root}/d/e/"),
    ]
    seen = set()
    with swap(root, name):
        for _ in range(OFTEN):
            for way in ways:
                with contextlib.suppress(OSError):
                    file = way()
                    if file is not None:
                        seen.add(file.read())
                        file.close()

    assert seen == {INSIDE}


@by_descriptor
@pytest.mark.parametrize("name", SWAPS)
def test_nothing_from_outside_is_listed_or_described(root: Path, name: str) -> None:
    served = Root(str(root))
    described = 0
    with swap(root, name):
        for _ in range(OFTEN):
            for path in (f"{root}/d/", f"{root}/d/e/", f"{root}/through/e", str(root)):
                with contextlib.suppress(OSError):
                    for entry in served.entries(path):
                        described += 1
                        assert entry.name != "only-outside.txt"
                        assert entry.status is None or entry.status.st_size != len(SECRET)
            with contextlib.suppress(OSError):
                assert served.status(f"{root}/d/e/a.txt").st_size == len(INSIDE)

    assert described


@by_descriptor
@pytest.mark.parametrize("name", SWAPS)
def test_no_answer_is_from_outside(root: Path, name: str) -> None:
    with HTTPServe() as server, swap(root, name):
        server.serve_dir(root, precompressed=True)
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        statuses = set()
        for _ in range(100):
            for target in ("/d/e/a.txt", "/d/e/", "/d/", "/through/e/a.txt", "/d/b.txt"):
                client.request("GET", target, headers={"Accept-Encoding": "gzip"})
                response = client.getresponse()
                body = response.read()
                statuses.add(response.status)
                assert SECRET not in body and b"only-outside" not in body
        client.close()

    assert 200 in statuses and statuses <= {200, 403, 404}


# What links may do


@pytest.fixture
def served(root: Path) -> Root:
    return Root(str(root))


def content(root: Root, name: str) -> bytes:
    with root.open(f"{root.directory}/{name}") as file:
        return file.read()


def test_links_lead_anywhere_in_the_root(root: Path, served: Root) -> None:
    links: dict[str, str | Path] = {
        "l1": "d/e/a.txt",
        "l2": root / "d/e/a.txt",
        "l3": "./d/../d/e/../e/a.txt",
        "l4": "l1",
        "l5": "through/e/a.txt",
        "d/up": "..",
        "d/e/over": "../../d/up/l1",
        "l7": f"../{root.name}/d/e/a.txt",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)

    for name in ("l1", "l2", "l3", "l4", "l5", "d/up/l1", "d/e/over", "d/up/d/up/l4", "l7", "through/e/a.txt"):
        assert content(served, name) == INSIDE, name


def test_links_that_lead_out_are_refused(root: Path, served: Root) -> None:
    links: dict[str, str | Path] = {
        "o1": "../outside/a.txt",
        "o2": root.parent / "outside/a.txt",
        "o3": "d/../../outside/a.txt",
        "o4": "o1",
        "o5": "..",
        "o6": "../outside",
        "d/o7": "../o5",
        "o8": "/",
        "o9": f"../{root.name}-more/a.txt",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root.parent / f"{root.name}-more").mkdir()
    (root.parent / f"{root.name}-more/a.txt").touch()

    for name in (
        "o1",
        "o2",
        "o3",
        "o4",
        "o5/outside/a.txt",
        "o6/a.txt",
        "d/o7/outside/a.txt",
        "o8",
        "o9",
        "o5",
        "o6/e",
    ):
        for look in (served.open, served.status, served.entries):
            with pytest.raises(LeadsOut):
                look(f"{root}/{name}")


def test_links_are_followed_everywhere_if_that_is_asked_for(root: Path) -> None:
    (root / "out").symlink_to("../outside")
    served = Root(str(root), FileOptions(follow_outside=True))

    assert content(served, "out/a.txt") == content(served, "out/e/a.txt") == SECRET


def test_links_in_a_circle_lead_nowhere(root: Path, served: Root) -> None:
    (root / "one").symlink_to("other")
    (root / "other").symlink_to("one")

    for name in ("one", "one/a.txt"):
        with pytest.raises(OSError) as caught:
            served.open(f"{root}/{name}")
        assert not isinstance(caught.value, LeadsOut)


def test_a_listing_says_nothing_of_what_is_outside(root: Path, served: Root) -> None:
    (root / "in").symlink_to("d/e/a.txt")
    (root / "in-directory").symlink_to("d")
    (root / "out").symlink_to("../outside/a.txt")
    (root / "out-directory").symlink_to("../outside")
    (root / "nowhere").symlink_to("nothing")

    found = {entry.name: entry for entry in served.entries(str(root))}

    assert {name for name, entry in found.items() if entry.status is None} == {"out", "out-directory", "nowhere"}
    assert found["in"].status is not None and found["in"].status.st_size == len(INSIDE)
    assert found["in"].is_link and found["in-directory"].is_link and not found["d"].is_link


@pytest.mark.parametrize("spelling", ["{root}/", "{root}", "{root}/../root", "{root}/d/.."])
def test_a_root_may_be_spelt_in_any_way(root: Path, spelling: str) -> None:
    directory = spelling.format(root=root)
    (root / "link").symlink_to("d/e/a.txt")
    served = Root(directory)

    for name in ("d/e/a.txt", "link", "d/a.txt", "a.txt"):
        if name == "a.txt":
            (root / name).write_bytes(INSIDE)
        with served.open(os.path.join(directory, name)) as file:
            assert file.read() == INSIDE


def test_a_root_may_be_reached_by_a_link(root: Path) -> None:
    (root.parent / "alias").symlink_to("root")
    served = Root(str(root.parent / "alias"))

    assert content(served, "d/e/a.txt") == content(served, "through/e/a.txt") == INSIDE


def test_a_path_of_an_overrides_own_is_served_from_wherever_it_is(root: Path, served: Root) -> None:
    (root.parent / "root2").mkdir()
    (root.parent / "root2/a.txt").write_bytes(b"another")

    for path in (root.parent / "root2/a.txt", f"{root}/../root2/a.txt"):
        with served.open(str(path)) as file:
            assert file.read() == b"another"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_told_from_what_can(root: Path, served: Root) -> None:
    (root / "d/e/index.html").chmod(0)
    (root / "d").chmod(0o111)
    try:
        assert content(served, "d/e/a.txt") == INSIDE
        with pytest.raises(IsADirectoryError):
            served.open(f"{root}/d")
        with pytest.raises(PermissionError):
            served.index_page(f"{root}/d/e")
        with pytest.raises(OSError):
            served.entries(f"{root}/d")
    finally:
        (root / "d").chmod(0o755)


@pytest.mark.needs("/proc/self/fd")
def test_what_is_found_is_closed_by_its_reader_alone(root: Path, served: Root) -> None:
    (root / "out").symlink_to("../outside/a.txt")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("d/e/a.txt", "through/e/a.txt", "out", "nothing", "d", "d/nothing/x", "a\0b", "\ud800"):
        with contextlib.suppress(OSError), served.open(f"{root}/{name}"):
            pass
        with contextlib.suppress(OSError):
            served.entries(f"{root}/{name}")
        with contextlib.suppress(OSError):
            served.status(f"{root}/{name}")
    found = served.index_page(f"{root}/d")
    assert found is not None
    found.close()

    assert len(os.listdir("/proc/self/fd")) == before
