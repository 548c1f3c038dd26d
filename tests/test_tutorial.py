"""docs/tutorial.md, followed to the letter from an empty folder: its files are written, its commands are run, and what
they print is compared with what the page shows.

A block of code shows what is new in its file: a definition replaces the one of the same name, and the rest is added.
Of what a command printed, the page shows lines, in their order; "..." is what it leaves out.
"""

import ast
import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks_of

PAGE = ROOT / "docs" / "tutorial.md"
# What is different each time, or goes by where the reader has put the lines.
_VARIES = re.compile(
    r"\d+\.\d+ ms|(?<= )\d+ bytes|(?<= in )\d+\.\d+s"
    r"|(?<=127\.0\.0\.1:)\d+|/[^ ()]*/(?=\w+\.py:)|(?<=\.py:)\d+|[-=_]{3,}"
)


class _Definitions:
    """Where the definitions of a text are, each with its decorators: from the first line to the last one."""

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines()
        self.tree = ast.parse(source)

    def text(self, node: ast.stmt) -> list[str]:
        return self.lines[self.span(node)]

    @staticmethod
    def span(node: ast.stmt) -> slice:
        first = min([node.lineno, *(by.lineno for by in getattr(node, "decorator_list", []))])
        return slice(first - 1, node.end_lineno)


def _named(body: list[ast.stmt], name: str) -> ast.stmt | None:
    return next((node for node in body if getattr(node, "name", None) == name), None)


def merged(source: str, block: str) -> str:
    """The source with what is new in the block."""
    new = _Definitions(block)
    for node in new.tree.body:
        source = _with(source, new, node)
    return source


def _with(source: str, new: _Definitions, node: ast.stmt) -> str:
    old = _Definitions(source)
    lines, text = old.lines, new.text(node)
    there = _named(old.tree.body, getattr(node, "name", ""))
    if isinstance(node, ast.Import | ast.ImportFrom):
        lines = [*text, *lines] if text[0] not in lines else lines
    elif isinstance(there, ast.ClassDef) and isinstance(node, ast.ClassDef):
        for method in node.body:
            of_class = _named(_Definitions("\n".join(lines)).tree.body, node.name)
            assert isinstance(of_class, ast.ClassDef) and of_class.end_lineno is not None
            replaced = _named(of_class.body, getattr(method, "name", ""))
            if replaced is None:
                lines[of_class.end_lineno : of_class.end_lineno] = ["", *new.text(method)]
            else:
                lines[old.span(replaced)] = new.text(method)
    elif there is not None:
        lines[old.span(there)] = text
    else:
        lines = [*lines, "", "", *text]
    return "\n".join(lines) + "\n"


def shown(text: str) -> list[str]:
    lines = (line.strip() for line in _VARIES.sub("#", text).splitlines())
    return [line for line in lines if line not in ("", "...")]


def first_missing(expected: str, output: str) -> str | None:
    """The first line of the page that the output does not have below that of the line before."""
    printed = iter(shown(output))
    return next((line for line in shown(expected) if not any(line in other for other in printed)), None)


class Reader:
    """Follows the page, from an empty folder on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        # Other plugins of this environment are not a reader's.
        self.environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_httpserve.plugin"}
        self.environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1", "PYTHONUTF8": "1"}

    def write(self, name: str, block: str) -> None:
        path = self.folder / name
        source = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(merged(source, block), encoding="utf-8")

    def run(self, commands: str) -> None:
        self.output = ""
        for command in commands.splitlines():
            verb, _, argument = command.partition(" ")
            if verb == "mkdir":
                (self.folder / argument).mkdir()
            elif verb == "cd":
                self.folder /= argument
            elif verb == ".":
                assert argument == ".venv/bin/activate"
                self._activate(self.folder / ".venv")
            else:
                # pip finds all packages there, and so writes no program that starts pytest.
                start = {"python3": [sys.executable], "pytest": ["python", "-m", "pytest"]}.get(verb, [verb])
                words = [*start, *argument.split()]
                done = subprocess.run(
                    words, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8", timeout=120
                )
                assert done.returncode in (0, 1), done.stdout + done.stderr
                self.output += done.stdout

    def _activate(self, venv: Path) -> None:
        """The packages of this environment are in that one, too, so that pip need not fetch them."""
        self.environment["PATH"] = os.pathsep.join([str(venv / "bin"), self.environment["PATH"]])
        (library,) = venv.glob("lib/python*/site-packages")
        ours = "".join(f"site.addsitedir({path!a});" for path in site.getsitepackages())
        (library / "ours.pth").write_text(f"import site; {ours}")


@pytest.mark.same_everywhere
@pytest.mark.needs("sh")
def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks_of(PAGE):
        if block.language == "python":
            assert block.file is not None, f"{block.where} is in no file"
            reader.write(block.file, block.text)
        elif block.language == "sh":
            reader.run(block.text)
        elif block.language == "text":
            missing = first_missing(block.text, reader.output)
            assert missing is None, f"{block.where} shows {missing!r}, but this was printed:\n{reader.output}"
    assert " failed" not in reader.output


def test_a_definition_replaces_the_one_of_its_name_and_the_rest_is_added() -> None:
    source = "import a\n\n\nclass C:\n    def f(self): ...\n\n\n@a.b\ndef g(): ...\n"
    block = "import z\n\n\nclass C:\n    def f(self, x): ...\n\n    def h(self): ...\n\n\ndef g(y): ...\n"

    assert merged(source, block) == (
        "import z\nimport a\n\n\nclass C:\n    def f(self, x): ...\n\n    def h(self): ...\n\n\ndef g(y): ...\n"
    )


def test_a_line_that_was_not_printed_is_found() -> None:
    output = "http://127.0.0.1:4711\n  GET / -> 200 4 bytes 0.3 ms\n1 passed in 0.31s\n"

    assert first_missing("http://127.0.0.1:80\n...\n1 passed in 9.00s\n", output) is None
    assert first_missing("2 passed", output) == "2 passed"
    assert first_missing("1 passed\nhttp://127.0.0.1:80", output) == "http://127.0.0.1:#"
