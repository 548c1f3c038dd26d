"""What the documentation shows is true: every Python block in README.md and docs/*.md is run.

A block that holds tests is run by pytest, any other as a script, with warnings as errors, in a directory with copies of
the folders that docs/examples serves. A block below the comment ``<!-- this test fails -->`` must fail, and one below
``<!-- needs: curl -->`` runs where curl is. Below ``<!-- stand-in: docker -->``, the program docker is tests/docker.py.
One below a line with the name of a file belongs to the tutorial, which tests/test_tutorial.py follows as a whole.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needs import BROWSER_DRIVERS, there

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FAILS = "<!-- this test fails -->"
# A block whose first line names another plugin, as a comment, is for that one.
PLUGINS = {
    "# pytest-httpserver": "pytest_httpserver.pytest_plugin",
    "# pytest-localserver": "pytest_localserver.plugin",
    "# pytest-recording": "pytest_recording.plugin",
    "# pytest_httpx": "pytest_httpx",
    "# requests-mock": "requests_mock.contrib._pytest_plugin",
    "# respx": "respx.plugin",
}

# Where a reader has a browser that Playwright has brought, this is the one that is there.
PLAYWRIGHT = """
import pytest

@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {{**browser_type_launch_args, "executable_path": {browser!r}, "args": ["--no-sandbox"]}}
"""
# What pytest says of a fixture of pytest-playwright.
OF_PLAYWRIGHT = "ignore:Session-scoped fixtures defined as instance methods"

_NEEDS = re.compile(r"<!-- needs: (.+) -->\s*\Z")
_STAND_IN = re.compile(r"<!-- stand-in: (\w+) -->\s*\Z")
_FILE = re.compile(r"^`(\w+\.py)`\n\n\Z", re.MULTILINE)
_FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})(?P<language>.*)\n(?P<text>(?s:.*?))^(?P=fence)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    fails: bool
    needs: tuple[str, ...] = ()
    stand_in: str | None = None
    file: str | None = None

    @property
    def plugin(self) -> str:
        return PLUGINS.get(self.text.partition("\n")[0], "pytest_httpserve.plugin")

    @property
    def size(self) -> tuple[int, int]:
        """How many lines of code it has, and how many characters stand on them, without those of the indentation."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip() and line not in PLUGINS]
        return len(lines), sum(map(len, lines))

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    source = page.read_text(encoding="utf-8")
    return [
        Block(
            page=page,
            line=source.count("\n", 0, match.start()) + 1,
            language=match["language"].strip(),
            text=match["text"],
            fails=source[: match.start()].rstrip().endswith(FAILS),
            needs=tuple(above[1].split()) if (above := _NEEDS.search(source, 0, match.start())) else (),
            stand_in=above[1] if (above := _STAND_IN.search(source, 0, match.start())) else None,
            file=above[1] if (above := _FILE.search(source, 0, match.start())) else None,
        )
        for match in _FENCE.finditer(source)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.same_everywhere
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.where, marks=pytest.mark.needs(*block.needs))
        for block in BLOCKS
        if block.language == "python" and block.file is None
    ],
)
def test_block_runs(block: Block, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("site", "downloads", "scripts", "cassettes"):
        shutil.copytree(ROOT / "docs" / "examples" / folder, pytester.path / folder)
    if "def test_" in block.text:
        # Other plugins of this environment are not a reader's, and take longer to load than the test to run.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        pytester.makepyfile(test_block=block.text)
        options = ["-p", block.plugin, "-W", "error", "--strict-markers"]
        if {"playwright", "selenium"} & {*block.needs} and BROWSER_DRIVERS in os.environ:
            monkeypatch.setenv("PYTHONPATH", os.environ[BROWSER_DRIVERS])
        if block.stand_in is not None:
            program = pytester.mkdir("bin") / block.stand_in
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/{block.stand_in}.py" "$@"\n')
            program.chmod(0o755)
            monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        if "playwright" in block.needs:
            pytester.makeconftest(PLAYWRIGHT.format(browser=there("chromium")))
            options += ["-p", "pytest_playwright.pytest_playwright", "-W", OF_PLAYWRIGHT]
        result = pytester.runpytest_subprocess(*options, timeout=120)
        outcomes = result.parseoutcomes()
        assert set(outcomes) == ({"failed"} if block.fails else {"passed"}), f"{block.where} ended with {outcomes}"
    else:
        script = pytester.makepyfile(block=block.text)
        result = pytester.run(sys.executable, "-W", "error", script, timeout=60)
        assert result.ret == 0, f"{block.where} ended with status {result.ret}"


def test_every_python_block_is_marked_as_such() -> None:
    """A block in another spelling (py, python3, {code-block}) would be shown and never run."""
    known = {"python", "sh", "text", "toml", "{toctree}", "{literalinclude}", "{contents}", "{note}"}
    strange = [f"{block.where}: {block.language!r}" for block in BLOCKS if block.language.split(" ")[0] not in known]
    assert not strange


def test_the_index_has_every_page_and_so_has_its_form_for_programs() -> None:
    """docs/llms.txt says what docs/index.md says, in the format of llmstxt.org."""
    docs = ROOT / "docs"
    entries = re.findall(r"^\[(.+)\]\((.+)\)\n: (.+)$", (docs / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    listed = re.findall(r"^- \[(.+)\]\((.+)\): (.+)$", (docs / "llms.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == entries
    assert sorted(page for _, page, _ in listed) == sorted({page.name for page in docs.glob("*.md")} - {"index.md"})


def test_the_migration_page_counts_what_stands_on_it() -> None:
    page = ROOT / "docs" / "migration.md"
    source = page.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", source, re.MULTILINE)
    said = {name: tuple(map(int, counts)) for name, *counts in rows}
    sizes: dict[str, list[int]] = {}
    for block in blocks_of(page):
        heading = re.findall(r"^##+ (.+)$", "\n".join(source.split("\n")[: block.line]), re.MULTILINE)[-1]
        sizes.setdefault(heading, []).extend(block.size)
    counted = {name: (sizes[name][0], sizes[name][2], sizes[name][1], sizes[name][3]) for name in said}
    assert said == counted
    assert len(said) >= 20
    assert all(ours < theirs and our_text < their_text for theirs, ours, their_text, our_text in said.values())


def test_the_readme_has_exactly_two_commands() -> None:
    """.ci/run takes its first two steps from the README, by these markers."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    markers = re.findall(r"^<!-- command: (.+) -->\n```sh\n(.+)\n```$", readme, re.MULTILINE)
    assert [name for name, _ in markers] == ["main job", "whole suite"]
    assert len([block for block in BLOCKS if block.page.name == "README.md" and block.language == "sh"]) == 2
