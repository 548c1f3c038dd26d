"""Imports point strictly downward: _version <- clock <- errors <- wire <- net <- protocol <- server <- scripting <-
plugin; tls knows only clock and errors. The public names of faults come between scripting and plugin. Beside the plugin
are the commands ``check``, ``migrate`` and ``show``: none of them knows another.

And they are lazy: the plugin is imported by every pytest run of a project, so it brings nothing heavy with it.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pytest_httpserve

PACKAGE = Path(pytest_httpserve.__file__).parent
ORDER = [
    "_version",
    "clock",
    "errors",
    "elsewhere",
    "arguments",
    "wire",
    "net",
    "protocol",
    "server",
    "scripting",
    "faults",
    "plugin",
]

MAY_IMPORT = {layer: set(ORDER[: place + 1]) for place, layer in enumerate(ORDER)}
MAY_IMPORT["net"] = {"clock", "errors", "arguments", "net"}  # it knows no HTTP
MAY_IMPORT["tls"] = {"clock", "errors", "arguments", "tls"}
MAY_IMPORT["check"] = {*MAY_IMPORT["faults"], "tls", "check"}
MAY_IMPORT["migrate"] = {"migrate"}
MAY_IMPORT["show"] = {"errors", "scripting", "show"}
MAY_IMPORT["scripting"].add("tls")
MAY_IMPORT["plugin"].add("tls")

HEAVY = ["ssl", "trustme", "requests", "email", "http.client", "socketserver", "cryptography"]


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_layers(source: str, path: Path) -> Iterator[tuple[int, str]]:
    """Line and layer of every import of the package's own modules, wherever in the module it stands.

    An import of a name from the package itself counts as layer ``__init__``: going through the front door would make
    every layer depend on all of them.
    """
    package = ["pytest_httpserve", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif not isinstance(node, ast.ImportFrom):
            continue
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*base, alias.name] for alias in node.names]
        for name in names:
            if name[0] == "pytest_httpserve":
                layer = name[1] if len(name) > 1 else "__init__"
                yield node.lineno, layer if layer in MAY_IMPORT else "__init__"


def modules(*layers: str) -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if layer_of(path) in layers]


def test_every_module_has_a_layer() -> None:
    known = {*MAY_IMPORT, "__init__", "__main__"}
    assert [str(path) for path in sorted(PACKAGE.rglob("*.py")) if layer_of(path) not in known] == []


def test_imports_point_downward() -> None:
    upward = [
        f"{path.relative_to(PACKAGE)}:{line} imports {layer}, but {layer_of(path)} stands beneath it"
        for path in modules(*MAY_IMPORT)
        for line, layer in imported_layers(path.read_text(encoding="utf-8"), path)
        if layer not in MAY_IMPORT[layer_of(path)]
    ]
    assert upward == []


@pytest.mark.parametrize(
    ("statement", "layer"),
    [
        ("import pytest_httpserve.plugin", "plugin"),
        ("from pytest_httpserve.scripting.routing.route import Route", "scripting"),
        ("from pytest_httpserve import wire", "wire"),
        ("from pytest_httpserve import HTTPServe", "__init__"),
        ("from .. import errors", "errors"),
        ("from ..scripting import httpserve", "scripting"),
        ("from .base import BaseHTTPRequestHandler", "server"),
        ("def later():\n    import pytest_httpserve.tls", "tls"),
    ],
)
def test_every_spelling_of_an_import_is_seen(statement: str, layer: str) -> None:
    assert [found for _, found in imported_layers(statement, PACKAGE / "server" / "static.py")] == [layer]


# The rooms of a package, each of which may use those before it; BESIDE stands for the modules that are in none. In
# scripting the order follows what they hold: the journal has faults, a response says what the journal has of it, a
# route has responses and gates; ``script`` puts them together.
BESIDE = ""
ROOMS = {
    "server": [BESIDE, "files", "cgi", "cli"],
    "scripting": [
        "live",
        "faults",
        "record",
        "answers",
        "routing",
        "websockets",
        "mounts",
        "origins",
        "recordings",
        "script",
        "reports",
        BESIDE,
    ],
}


def short(module: str) -> str:
    """A module's name without what those of the package, and those of scripting, have in common."""
    return module.removeprefix("pytest_httpserve.").removeprefix("scripting.")


@cache
def graph() -> dict[str, set[str]]:
    """Which module imports which others of the package, those for type checking included."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return {name: imported_modules(source, {*found}) - {name} for name, source in found.items()}


def imported_modules(source: str, known: set[str]) -> set[str]:
    """Which of the known modules are imported: what follows ``from x import`` is a module of it, or a name in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) | ({str(node.module)} if inner - known else set())
    return found & known


@pytest.mark.parametrize(
    ("statement", "modules"),
    [
        ("from a import b", {"a.b"}),
        ("from a import name", {"a"}),
        ("from a import b, name", {"a", "a.b"}),
        ("import a.b", {"a.b"}),
        ("if TYPE_CHECKING:\n    from a.b import Name", {"a.b"}),
        ("import socket", set()),
    ],
)
def test_every_spelling_of_an_imported_module_is_seen(statement: str, modules: set[str]) -> None:
    assert imported_modules(statement, {"a", "a.b"}) == modules


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """The largest sets of modules each of which imports, by way of others, all of the set."""
    reached = {name: reachable(edges, name) for name in edges}
    together = [{other for other in reached[name] if name in reached[other]} for name in edges]
    return [set(one) for one in {frozenset(circle) for circle in together if circle}]


def reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}
    assert circles(edges) == [{"a", "b", "c"}]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_modules_import_each_other_in_no_circle() -> None:
    assert [sorted(map(short, circle)) for circle in circles(graph())] == []


def room_of(module: str, package: str) -> int | None:
    """The place of its room in the order of the package; None outside the package, and for the package itself."""
    parts = module.split(".")
    if parts[:2] != ["pytest_httpserve", package] or len(parts) < 3:
        return None
    rooms = ROOMS[package]
    return rooms.index(parts[2] if parts[2] in rooms else BESIDE)


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_has_its_place(package: str) -> None:
    folders = {path.name for path in (PACKAGE / package).iterdir() if (path / "__init__.py").exists()}
    assert folders == {*ROOMS[package]} - {BESIDE, "script"}  # which is one module


def test_imports_point_downward_in_packages() -> None:
    upward = {
        (short(name), short(to))
        for package in ROOMS
        for name, imported in graph().items()
        for to in imported
        if (place := room_of(name, package)) is not None
        and (below := room_of(to, package)) is not None
        and below > place
    }
    assert upward == set()


def test_wire_does_no_input_or_output() -> None:
    forbidden = {"asyncio", "io", "os", "pathlib", "select", "selectors", "socket", "socketserver", "ssl", "threading"}
    for path in modules("wire"):
        imported = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert imported.isdisjoint(forbidden), f"{path.relative_to(PACKAGE)} imports {sorted(imported & forbidden)}"


def added_modules(before: str, statement: str) -> set[str]:
    """The names in ``sys.modules`` that ``statement`` adds in a fresh interpreter that ran ``before``."""
    program = f"import sys; {before}; seen = set(sys.modules); {statement}; print(*set(sys.modules) - seen)"
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    output = subprocess.check_output(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, text=True, timeout=60
    )
    return set(output.split())


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    added = added_modules("import pytest", "import pytest_httpserve.plugin")
    assert "pytest_httpserve.plugin" in added
    assert added.isdisjoint(HEAVY), f"the plugin imports {sorted(added.intersection(HEAVY))}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    added = added_modules("pass", "import pytest_httpserve")
    assert added.isdisjoint(HEAVY), f"the package imports {sorted(added.intersection(HEAVY))}"
