"""The mutants themselves: they are what they say, and the same seed draws the same ones."""

import ast
import json
from pathlib import Path

import pytest

from tests.mutation.__main__ import PACKAGE, PARTS, ROOT, Draw, draw
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.reach import Reached

pytestmark = pytest.mark.same_everywhere


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a < b", {"(a <= b)", "(a >= b)"}),
        ("a and b", {"(a or b)"}),
        ("not a", {"(a)"}),
        ("a + b", {"(a - b)"}),
        ("a = 5", {"a = (6)"}),
        ("a = True", {"a = False"}),
        ("a = 'é ü'", {"a = (\"X\" + 'é ü')", "a = ('é ü' + \"X\")"}),
        ("a = f'{b} c'", {"a = (\"X\" + (f'{b} c'))", "a = ((f'{b} c') + \"X\")"}),
        ("def f(): return 'a'", {"def f(): return None"}),
        ("f()", {"pass"}),
        ("a += b", {"pass"}),
        ("a = f(b, c, *d)", {"a = (f(c, b, *d))"}),
        ("a = b if c else d", {"a = (d if c else b)"}),
    ],
)
def test_what_becomes_of_a_source(source: str, changed: set[str]) -> None:
    assert {mutant.applied_to(source) for mutant in mutants_of(source)} == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of two words."""',
        "a: Literal['b c'] = d",
        "if TYPE_CHECKING:\n    a = 5",
        "__slots__ = ('a b',)",
        "def f(a: 'b c') -> 'd e': ...",
        "import a.b",
        "a = isinstance(b, c)",
    ],
)
def test_what_has_no_effect_is_left_alone(source: str) -> None:
    assert mutants_of(source) == []


def test_a_seed_draws_the_same_mutants_again() -> None:
    drawn = draw(sorted(PARTS), 50, seed=7)

    assert drawn == draw(sorted(PARTS), 50, seed=7)
    assert drawn != draw(sorted(PARTS), 50, seed=8)
    for one in drawn:
        source = one.file.read_text(encoding="utf-8")
        assert ast.dump(ast.parse(one.mutant.applied_to(source))) != ast.dump(ast.parse(source))


def test_the_tests_of_each_part_are_there() -> None:
    assert [test for part in PARTS.values() for test in part.tests if not (ROOT / test).exists()] == []
    assert all(part.files() for part in PARTS.values())


def test_the_tests_that_reach_a_line_are_known_and_the_quickest_comes_first(tmp_path: Path) -> None:
    tests = {"slow": (2.0, {"a.py": [1, 2]}), "quick": (0.1, {"a.py": [2], "b.py": [7]}), "other": (0.2, {})}
    (tmp_path / "reached.json").write_text(json.dumps([tests, ["broken"]]))
    reached = Reached.read(tmp_path / "reached.json")

    assert list(reached.lines) == ["quick", "other", "slow"]
    assert (reached.seconds["slow"], reached.failed) == (2.0, ["broken"])
    assert reached.tests("a.py", range(2, 3)) == ["quick", "slow"]
    assert reached.tests("a.py", range(1, 2)) == ["slow"]
    assert reached.tests("a.py", range(3, 9)) == reached.tests("c.py", range(9)) == []


def test_a_mutant_that_is_reached_with_its_module_alone_is_tried_by_what_is_around_it(tmp_path: Path) -> None:
    names = PACKAGE / "scripting/record/words.py"
    source = names.read_text(encoding="utf-8")
    line = source[: source.index("def dropped")].count("\n") + 1  # with a default
    drawn = Draw("record", names, Mutant("constant", line, 0, 0, "", ""))
    file = "scripting/record/words.py"
    tests: dict[str, dict[str, list[int]]] = {"a": {}, "b": {file: [1]}, "c": {file: [line + 2]}, "d": {file: [line]}}
    seconds = dict.fromkeys(tests, 0.0)

    for around in ("d", "c", "b"):
        assert drawn.tests(Reached(tests, seconds, [])) == [around]
        del tests[around]
    assert drawn.tests(Reached(tests, seconds, [])) == ["a"]
