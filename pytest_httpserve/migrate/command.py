"""``python -m pytest_httpserve migrate PATH...``: shows the rewritten files as a diff, or writes them."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import shutil
import sys
import tempfile
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_httpserve.migrate.rewriting import rewrite

_PROGRAM = "python -m pytest_httpserve migrate"
_MARKS = ("httpserver", "pytest_httpserver", "expect_request", "expect_oneshot_request", "expect_ordered_request")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    missing = [path for path in given.paths if not os.path.exists(path)]
    if missing:
        print(f"{_PROGRAM}: {str(missing[0])!r} does not exist", file=sys.stderr)
        return 2
    return _migrate([*dict.fromkeys(_files(given.paths))], write=given.write)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Rewrite tests that use pytest-httpserver, and list what could not be rewritten.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory of tests")
    parser.add_argument("--write", action="store_true", help="write the files; without this, print a diff")
    return parser


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = (file for file in sorted(path.rglob("*.py")) if not file.is_fifo())  # opening one may never end
            yield from (file for file in files if _is_own(file.relative_to(path)))
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
            before = path.read_bytes()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(before).readline)
            text = before.decode(encoding)
            if not any(mark in text for mark in _MARKS):
                continue
            new = rewrite(text)
        except SyntaxError as error:
            place = path if error.lineno is None else f"{path}:{error.lineno}"
            left.append(f"{place}: cannot be read: {error.msg}")
            continue
        except (OSError, ValueError) as error:
            left.append(f"{path}: cannot be read: {error}")
            continue
        except RecursionError:
            left.append(f"{path}: cannot be read: its expressions are nested too deeply")
            continue
        if new.text != text:
            try:
                _show(path, before, new.text.encode(encoding), write=write)
            except OSError as error:
                if not write:
                    raise
                left.append(f"{path}: cannot be written: {error.strerror}")
                continue
            changed += 1
        expectations += new.expectations
        left += [f"{path}:{each.line}: {each.why}" for each in new.left]
    print(_summary(expectations, changed, left, write=write), file=sys.stderr)
    return 1 if left else 0


def _show(path: Path, before: bytes, after: bytes, *, write: bool) -> None:
    if write:
        _replace(path.resolve(), after)
        return
    name = os.fsencode(path)
    lines = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), name, name)
    sys.stdout.flush()
    for line in lines:  # in the encoding of the file, so that the diff can be applied
        end = b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        sys.stdout.buffer.write(line + end)


def _lines(content: bytes) -> list[bytes]:
    return io.BytesIO(content).readlines()


def _replace(path: Path, content: bytes) -> None:
    """Put another file in the place of this one, so that it is never half written. Raises OSError."""
    with open(path, "ab"):  # raises for a file that must not be written
        pass
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        shutil.copymode(path, name)
        if hasattr(os, "chown"):
            with contextlib.suppress(OSError):  # only root may give a file away
                os.chown(name, path.stat().st_uid, path.stat().st_gid)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _summary(expectations: int, changed: int, left: Sequence[str], *, write: bool) -> str:
    done = "rewritten" if write else "to be rewritten"
    counts = f"{_count(expectations, 'expectation')} in {_count(changed, 'file')} {done}"
    return "\n".join([*left, f"{counts}, {_count(len(left), 'place')} to change by hand"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
