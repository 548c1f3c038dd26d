"""How many mistakes the tests would notice: ``python -m tests.mutation [--count 200] [--seed 1] [--module NAME] ...``.

Mutants of matching, journal, reports and checks are drawn by the seed. Each is put into a copy of the checkout, in a
temporary folder, and the tests that reach its line are run there, the quickest first, until one fails; a first run of
all tests of its part finds out which these are. Mutants that no test fails for are printed: either they are equivalent
to what was there (then say so where the result is noted), or a test is missing. It needs Python 3.12 or later.
"""

from __future__ import annotations

import argparse
import ast
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.reach import FILE, Reached

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_httpserve"
_COPIED = ("pytest_httpserve", "tests", "docs", "conftest.py", "pyproject.toml", "README.md")
# A mutant that goes on for ever has been noticed, too: after so many times what the tests take without it, in seconds.
_PATIENCE, _LEAST_SECONDS = 5, 30
_FIRST = 30


@dataclass(frozen=True)
class Part:
    """A part of the package, and the tests that concern it."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]

    def files(self) -> list[Path]:
        """The modules of the part."""
        found = [path for source in self.sources for path in sorted((PACKAGE / source).rglob("*.py"))]
        return found + [PACKAGE / source for source in self.sources if source.endswith(".py")]


_SERVER_TESTS = (
    "tests/scripting/test_answering.py",
    "tests/scripting/test_handler.py",
    "tests/scripting/test_httpserve.py",
)
_REPORT_TESTS = (
    "tests/plugin/test_failure_reports.py",
    "tests/plugin/test_bounded_reports.py",
    "tests/plugin/test_docs_failures.py",
)
PARTS = {
    "routing": Part(
        ("scripting/routing",),
        ("tests/scripting/routing", "tests/scripting/record", "tests/scripting/reports", "tests/test_elsewhere.py",
         *_SERVER_TESTS),
    ),
    "record": Part(
        ("scripting/record",),
        ("tests/scripting/record", "tests/scripting/reports", "tests/scripting/answers", *_SERVER_TESTS,
         "tests/scripting/mounts/test_mounts.py", "tests/plugin/test_redaction.py", "tests/test_elsewhere.py",
         *_REPORT_TESTS),
    ),
    "reports": Part(
        ("scripting/reports",),
        ("tests/scripting/reports", "tests/scripting/record/test_connections.py", *_SERVER_TESTS,
         "tests/plugin/test_redaction.py", "tests/scripting/test_secure_server.py",
         "tests/plugin/test_tls.py", *_REPORT_TESTS),
    ),
    "checks": Part(
        ("plugin/_outcomes.py",),
        ("tests/plugin/test_failures.py", "tests/plugin/test_checks.py", "tests/plugin/test_subtests.py",
         "tests/plugin/test_places.py", "tests/plugin/test_endings.py", "tests/floor/test_descriptors.py",
         *_REPORT_TESTS),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """A mutant that is to be tried."""

    part: str
    file: Path
    mutant: Mutant

    def tests(self, reached: Reached) -> list[str]:
        """Those that reach its line; if that is only reached when the module is loaded, those of its function, of its
        module, or of its part."""
        name = self.file.relative_to(PACKAGE).as_posix()
        found = (reached.tests(name, lines) for lines in self._around())
        return next(filter(None, found), list(reached.lines))

    def _around(self) -> Iterator[range]:
        line, source = self.mutant.line, self.file.read_text(encoding="utf-8")
        yield range(line, line + 1)
        for node in reversed(list(ast.walk(ast.parse(source)))):  # the inner ones first
            if isinstance(node, ast.FunctionDef) and node.end_lineno and node.lineno <= line <= node.end_lineno:
                yield range(node.lineno, node.end_lineno + 1)
        yield range(source.count("\n") + 1)

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}, {self.mutant}"


def draw(parts: list[str], count: int, seed: int) -> list[Draw]:
    """So many mutants of these parts: with the same seed and the same sources, the same ones."""
    every = [
        Draw(name, file, mutant)
        for name in parts
        for file in PARTS[name].files()
        for mutant in mutants_of(file.read_text(encoding="utf-8"))
    ]
    return random.Random(seed).sample(every, min(count, len(every)))


class Trial:
    """A copy of the checkout, where one mutant after another is tried."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
            else:
                shutil.copy(source, folder / name)

    def reached_by(self, tests: Sequence[str]) -> Reached | None:
        """What those of the tests reach that pass; None if they cannot be run by their names."""
        self.passes(["-p", "tests.mutation.reach", "--maxfail=0", *tests])
        reached = Reached.read(self._folder / FILE)
        return reached if self.passes(["--collect-only", *reached.lines]) else None

    def passes(self, tests: Sequence[str], timeout: float | None = None) -> bool:
        """Whether these tests pass, in time."""
        # The copy goes before the package that is installed, in the processes that the tests start, too.
        environment = {**os.environ, "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": ""}
        in_order = ("-p", "no:randomly")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *in_order, *tests]
        try:
            done = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def survives(self, drawn: Draw, tests: Sequence[str], timeout: float) -> bool:
        """Whether none of the tests fails for this mutant."""
        copy = self._folder / drawn.file.relative_to(ROOT)
        source = copy.read_text(encoding="utf-8")  # the checkout may have changed since
        copy.write_text(drawn.mutant.applied_to(source), encoding="utf-8")
        try:
            first, rest = tests[:_FIRST], tests[_FIRST:]  # to collect many takes longer than to run few
            return self.passes(first, timeout) and (not rest or self.passes(rest, timeout))
        finally:
            copy.write_text(source, encoding="utf-8")


class Trials:
    """Several copies, of which each is free for one thing at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._count = count
        self._free: queue.Queue[Trial] = queue.Queue()
        for number in range(count):
            self._free.put(Trial(folder / str(number)))

    def each(self, function: Callable[[Trial, ItemT], ResultT], items: Sequence[ItemT]) -> Iterator[ResultT]:
        """``function`` of each of the items, and of a trial that is free."""

        def done(item: ItemT) -> ResultT:
            trial = self._free.get()
            try:
                return function(trial, item)
            finally:
                self._free.put(trial)

        with ThreadPoolExecutor(self._count) as threads:
            yield from threads.map(done, items)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="by which they are drawn")
    parser.add_argument("--module", choices=sorted(PARTS), action="append", help="of which parts; default: of all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--list", action="store_true", help="show them, and run nothing")
    given = parser.parse_args()
    parts = given.module or sorted(PARTS)
    drawn = draw(parts, given.count, given.seed)
    if given.list:
        print(*drawn, sep="\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), given.jobs)
        names = sorted({one.part for one in drawn})
        measured = dict(zip(names, trials.each(_measure, names), strict=True))
        survivors = _try_all(trials, drawn, measured)
    rate = len(survivors) / max(len(drawn), 1)
    print(f"{len(survivors)} of {len(drawn)} survived ({rate:.1%}), seed {given.seed}")


def _measure(trial: Trial, part: str) -> Reached:
    """What the tests of a part reach."""
    reached = trial.reached_by(PARTS[part].tests)
    if reached is None:
        sys.exit(f"the tests of {part} cannot be run by their names: python -m pytest {' '.join(PARTS[part].tests)}")
    if reached.failed:
        print(f"these fail without any mutant, and are left out: {' '.join(reached.failed)}", file=sys.stderr)
    return reached


def _try_all(trials: Trials, drawn: list[Draw], measured: dict[str, Reached]) -> list[Draw]:
    def survives(trial: Trial, one: Draw) -> bool:
        reached = measured[one.part]
        tests = one.tests(reached)
        timeout = _PATIENCE * sum(map(reached.seconds.__getitem__, tests)) + _LEAST_SECONDS
        return trial.survives(one, tests, timeout)

    survivors = []
    for number, (one, survived) in enumerate(zip(drawn, trials.each(survives, drawn), strict=True), 1):
        if survived:
            survivors.append(one)
            print(f"survived: {one}", flush=True)
        if number % 10 == 0:
            print(f"{number} tried, {len(survivors)} survived", file=sys.stderr, flush=True)
    return survivors


if __name__ == "__main__":
    main()
