"""``python -m pytest_httpserve migrate PATH...``: shows the rewritten files as a diff, or writes them."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_httpserve.migrate.rewriting import Rewritten, rewrite

_MARKS = ("httpserver", "pytest_httpserver", "expect_request", "expect_oneshot_request", "expect_ordered_request")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    missing = [path for path in given.paths if not path.exists()]
    if missing:
        print(f"there is no {missing[0]}", file=sys.stderr)
        return 2
    return _migrate([*_files(given.paths)], write=given.write)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_httpserve migrate",
        description="Rewrite tests that use pytest-httpserver, and list what could not be rewritten.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory of tests")
    parser.add_argument("--write", action="store_true", help="write the files; without this, print a diff")
    return parser


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*.py")) if _is_own(file.relative_to(path)))
        else:
            yield path


def _is_own(file: Path) -> bool:
    """Whether a file belongs to the project, not to its virtual environment or a tool's cache."""
    return not any(part == "site-packages" or part.startswith(".") for part in file.parts)


def _migrate(files: Sequence[Path], *, write: bool) -> int:
    expectations = changed = 0
    left: list[str] = []
    for path in files:
        try:
            text = path.read_bytes().decode()
            if not any(mark in text for mark in _MARKS):
                continue
            new = rewrite(text)
        except (OSError, SyntaxError, UnicodeDecodeError) as reason:
            left.append(f"{path}: cannot be read: {reason}")
            continue
        expectations += new.expectations
        changed += new.text != text
        left += [f"{path}:{each.line}: {each.why}" for each in new.left]
        _show(path, text, new, write=write)
    print(_summary(expectations, changed, left, write=write), file=sys.stderr)
    return 1 if left else 0


def _show(path: Path, text: str, new: Rewritten, *, write: bool) -> None:
    if write and new.text != text:
        path.write_bytes(new.text.encode())
    elif new.text != text:
        before, after = text.splitlines(keepends=True), new.text.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(before, after, str(path), str(path)))


def _summary(expectations: int, changed: int, left: Sequence[str], *, write: bool) -> str:
    done = "rewritten" if write else "to be rewritten"
    counts = f"{_count(expectations, 'expectation')} in {_count(changed, 'file')} {done}, {len(left)} left as they are"
    return "\n".join([*left, counts])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
