"""dulwich's web daemon: git over HTTP, on wsgiref's server and handler, both subclassed."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

SETTINGS = ("user.name=Somebody", "user.email=somebody@example.org", "init.defaultBranch=main", "gc.auto=0")
LARGE = random.Random(7).randbytes(2_500_000)  # more than a push sends with a length: it goes in chunks


def prepare(site: Site) -> list[str]:
    git_init = ["from dulwich.repo import Repo", "Repo.init_bare('project.git', mkdir=True)"]
    daemon = ["import dulwich.web", "dulwich.web.main(['daemon', '-l', '127.0.0.1', '-p', '0', 'project.git'])"]
    return [str(site.write("daemon.py", "\n".join([*git_init, *daemon])))]


def git(visit: Visit, inside: str, *arguments: str | Path) -> str:
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    return visit.run("git", *options, *arguments, inside=visit.directory / inside)


def talk(visit: Visit) -> None:
    (visit.directory / "work").mkdir()
    work, copy = partial(git, visit, "work"), partial(git, visit, "copy")
    work("init", "--quiet")
    for number, content in enumerate((b"first\n", b"second\n", LARGE)):
        (visit.directory / "work" / "file").write_bytes(content)
        work("add", ".")
        work("commit", "--quiet", "--message", str(number))
        work("push", "--quiet", visit.url(), "main")
        visit.note("pushed", work("ls-remote", visit.url(), "main").split()[1:])
    git(visit, ".", "clone", "--quiet", visit.url(), "copy")
    visit.note("cloned", (visit.directory / "copy" / "file").read_bytes() == LARGE)
    visit.note("history", copy("log", "--format=%s"))
    work("tag", "v1")
    work("push", "--quiet", visit.url(), "v1")
    copy("fetch", "--quiet", "--tags")
    visit.note("tags", copy("tag"))
    copy("fsck", "--strict")
    visit.request("GET", "/info/refs")
    visit.request("GET", "/HEAD")
    visit.request("GET", "/none")
    visit.request("GET", "/info/refs?service=git-nothing")


PROGRAM = Program("dulwich", prepare, talk)
