"""docs/reference.md names what there is, each thing once: its entries are held against the code.

An entry is a name in the first column of a table, or at the head of a definition.
"""

import ast
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

import pytest_httpserve
from pytest_httpserve import Exchange, HTTPServe, Origin, Request, Response, Route, faults
from pytest_httpserve.plugin import _fixtures, _markers, _options
from pytest_httpserve.scripting.answers.limits import Guard

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"

# Public in the code for other rooms of it, not for tests.
INTERNAL: dict[type, set[str]] = {
    HTTPServe: {"begin_anew", "close_bodies", "lead", "mark", "record_forgotten", "seen", "started_by"},
    Origin: {"passage", "pattern", "script", "to"},
    Route: {
        *(
            "checks",
            "describe_calls",
            "expectation",
            "further",
            "gates",
            "has_further_paths",
            "is_missed",
            "is_optional",
        ),
        *(
            "join",
            "key",
            "matcher",
            "method",
            "pattern",
            "place",
            "rank",
            "has_early_faults",
            "take",
            "takes",
        ),
    },
    Exchange: {
        "break_off",
        "answer",
        "answered",
        "close",
        "carried",
        "entry",
        "guard",
        "log",
        "number",
        "of",
        "shown",
        "size",
    },
    Request: {"carrier", "content", "sought", "sought_as"},
    Response: {"whole"},
    Guard: {"meet"},
}

# Types of the standard library, and names that stand for the type of a value.
ELSEWHERE = {"Any", "None", "Path", "SSLContext", "Self", "ValueT"}


def sections() -> dict[str, str]:
    """The page by its headings, without its blocks of code."""
    source = re.sub(r"^```.*?^```$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^#+ (.+)$", source, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(*headings: str, column: int = 1) -> Counter[str]:
    """The names that have entries in these sections, and how many."""
    found: Counter[str] = Counter()
    for heading in headings:
        text = sections()[heading]
        cells = [row.split(" | ")[column - 1] for row in re.findall(r"^\| (`.+) \|$", text, re.MULTILINE)]
        heads = re.findall(r"^(`.+`)\n: ", text, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", " ".join([*cells, *heads])):
            name = re.match(r"(?:@pytest\.mark\.)?([\w-]+)", code)
            assert name is not None, f"{code!r} begins with no name"
            found[name[1]] += 1
    return found


def once(names: set[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


def public(of: type) -> set[str]:
    """The attributes of a class, those that it gets when it is made included."""
    made = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(of)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    return {name for name in made | set(dir(of)) if not name.startswith("_")} - INTERNAL[of]


def calls(name: str) -> set[str]:
    """The first arguments of all calls of this method in the plugin."""
    tree = ast.parse(Path(_options.__file__).read_text(encoding="utf-8"))
    return {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    }


def fixtures() -> set[str]:
    tree = ast.parse(Path(_fixtures.__file__).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    made = {one.name for one in functions if any("pytest.fixture" in ast.unparse(by) for by in one.decorator_list)}
    return {name for name in made if not name.startswith("_")}


def test_fixtures() -> None:
    assert entries("Fixtures") == once(fixtures())


def test_markers() -> None:
    assert entries("Markers") == once({line.partition("(")[0] for line in _markers.DESCRIPTIONS})


def test_options_and_their_twins() -> None:
    options, settings = calls("addoption"), calls("addini")

    assert {option.removeprefix("--").replace("-", "_") for option in options} == settings
    assert entries("Options") == once(options)
    assert entries("Options", column=2) == once(settings)


def test_settings_of_the_fixture() -> None:
    from pytest_httpserve.scripting.settings import _CHECKS

    assert entries("Configuration") == once(set(_CHECKS))


def test_public_names() -> None:
    assert entries("Names", "HTTPServe") == once(set(pytest_httpserve.__all__))


def test_public_names_of_faults() -> None:
    assert entries("Names of faults") == once(set(faults.__all__))


def returned(of: type) -> dict[str, str]:
    """What the public members of a class give, as it is written there."""
    found = {}
    for name in dir(of):
        if name.startswith("_") or any(name in INTERNAL.get(base, ()) for base in of.__mro__):
            continue
        member = inspect.getattr_static(of, name)
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        found[name] = str(getattr(function, "__annotations__", {}).get("return", ""))
    return found


def test_every_type_that_a_user_is_handed_can_be_imported() -> None:
    given = {
        (word, f"{of.__name__}.{name}")
        for of in [getattr(pytest_httpserve, name) for name in pytest_httpserve.__all__]
        if isinstance(of, type)
        for name, annotation in returned(of).items()
        for word in re.findall(r"\b[A-Z]\w+", annotation)
    }
    known = {*pytest_httpserve.__all__, *faults.__all__, *ELSEWHERE}
    assert {one for one in given if one[0] not in known} == set()


@pytest.mark.parametrize(
    ("classes", "headings"),
    [
        ([HTTPServe], ["Set up responses", "Look at what happened", "Assertions", "Start and stop", "Failures"]),
        ([Route], ["A route"]),
        ([Exchange, Request], ["Exchanges and requests"]),
    ],
    ids=["HTTPServe", "Route", "Exchange and Request"],
)
def test_attributes(classes: list[type], headings: list[str]) -> None:
    assert entries(*headings) == once(set().union(*map(public, classes)))
