"""Imports point strictly downward: errors <- wire <- net <- protocol <- server <- scripting <- plugin; tls knows only
errors. The public names of faults stand between scripting and plugin.

And they are lazy: the plugin is imported by every pytest run of a project, so it brings nothing heavy with it.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_httpserve

PACKAGE = Path(pytest_httpserve.__file__).parent
ORDER = ["errors", "arguments", "wire", "net", "protocol", "server", "scripting", "faults", "plugin"]

MAY_IMPORT = {layer: set(ORDER[: place + 1]) for place, layer in enumerate(ORDER)}
MAY_IMPORT["net"] = {"errors", "arguments", "net"}  # it knows no HTTP
MAY_IMPORT["tls"] = {"errors", "arguments", "tls"}
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
        ("from pytest_httpserve.scripting.routing.routes import Route", "scripting"),
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
