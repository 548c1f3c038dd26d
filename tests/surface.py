"""The public surface, line by line: what can be imported, with its parameters and its members.

``python -m tests.surface`` writes it to ``tests/surface.txt``, so that a change of it is seen in review.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

FILE = Path(__file__).with_name("surface.txt")
MODULES = ("pytest_httpserve", "pytest_httpserve.faults", "pytest_httpserve.server")


def surface() -> Iterator[str]:
    """Its lines."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        yield module_name
        for name in sorted(module.__all__):
            yield from _described(name, getattr(module, name))


def _described(name: str, thing: object) -> Iterator[str]:
    if not isinstance(thing, type):
        yield f"  {name}{_parameters(thing) if callable(thing) else f': {type(thing).__name__}'}"
        return
    yield f"  class {name}{_parameters(thing)}"
    for member, value in sorted(_members(thing).items()):
        is_method = inspect.isfunction(value) or isinstance(value, classmethod | staticmethod)
        yield f"    {member}{_parameters(value) if is_method else ''}"


def _members(of: type) -> dict[str, object]:
    """Its public members that are written in this package, by it or by a base of it."""
    found: dict[str, object] = {}
    for base in reversed(of.__mro__):
        # By its name: a test in the same process may have taken the module out of sys.modules.
        if base.__module__.partition(".")[0] != "pytest_httpserve" or issubclass(of, enum.Enum):
            continue
        annotations = vars(base).get("__annotations__", {})
        found |= {name: None for name in annotations if not name.startswith("_")}
        found |= {name: value for name, value in vars(base).items() if not name.startswith("_")}
    return found


def _parameters(thing: object) -> str:
    function = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    assert callable(function)
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a class that is written in C, or has none of its own
        return "(...)"
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return re.sub(r"<[\w.]+ object at 0x\w+>", "...", text)


def text() -> str:
    """All of it."""
    return "".join(f"{line}\n" for line in surface())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
