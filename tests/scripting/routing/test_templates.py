"""Templates match what an expression would, in one pass."""

from __future__ import annotations

import random
import re

import pytest

from pytest_httpserve.scripting.routing.templates import Parameter, Template

EXPRESSIONS = {
    "str": r"[^/]+",
    "int": r"-?[0-9]+",
    "float": r"-?[0-9]+(?:\.[0-9]+)?",
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "path": r".+",
}
KEY = "0123abcd-0123-ABCD-0123-0123456789ab"


def by_expression(pieces: list[str | Parameter], path: str) -> dict[str, str] | None:
    """What a backtracking expression finds, whose parameters take as much as they can."""
    parts = (re.escape(one) if isinstance(one, str) else f"(?P<{one.name}>{EXPRESSIONS[one.kind]})" for one in pieces)
    match = re.fullmatch("".join(parts), path)
    return match.groupdict() if match else None


def a_template(chance: random.Random) -> list[str | Parameter]:
    pieces: list[str | Parameter] = ["/"]
    for index in range(chance.randint(1, 4)):
        if chance.random() < 0.6:
            pieces.append(chance.choice(["-", ".", "/", "a", "1", "-1", "0.", "/a", ".5"]))
        pieces.append(Parameter(f"p{index}", chance.choice(["str", "str", "int", "float", "path", "uuid"])))
    if chance.random() < 0.5:
        pieces.append(chance.choice(["-", ".", "/", "a", "1", ".x", "x/", "x/y"]))
    return pieces


@pytest.mark.parametrize("seed", range(8))
def test_a_template_finds_what_an_expression_finds(seed: int) -> None:
    chance = random.Random(seed)
    found = 0
    for _ in range(600):
        pieces = a_template(chance)
        template = Template(pieces)
        for _ in range(8):
            path = "/" + "".join(chance.choice("--./a01x1") for _ in range(chance.randint(0, 10)))
            if chance.random() < 0.2:
                path += KEY + chance.choice(["", "-1", KEY])
            expected = by_expression(pieces, path)
            assert template.match(path) == expected, (pieces, path)
            found += expected is not None
    assert found > 50


@pytest.mark.parametrize("path", ["/a-b-c", "/--a", "/a--", "/-----", "/a-b-c-d", "/a--b", "/a-b", "/---", "/-", "/"])
def test_the_first_parameters_take_as_much_as_they_can(path: str) -> None:
    pieces: list[str | Parameter] = ["/", Parameter("a", "str"), "-", Parameter("b", "str"), "-", Parameter("c", "str")]

    assert Template(pieces).match(path) == by_expression(pieces, path)


def test_parameters_may_touch() -> None:
    pieces: list[str | Parameter] = ["/", Parameter("a", "int"), Parameter("b", "int"), Parameter("c", "str")]

    assert Template(pieces).match("/1234x") == {"a": "123", "b": "4", "c": "x"}
    assert Template(pieces).match("/1x") is None
