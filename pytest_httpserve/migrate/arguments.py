"""The arguments of a call: the present ones by their names in the signature, and new ones as text."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pytest_httpserve.migrate.source import CannotRewrite, Source


def bound(call: ast.Call, names: Sequence[str]) -> dict[str, ast.expr]:
    """The arguments by name; ``names`` are those of the positional ones."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        raise CannotRewrite("its arguments are unpacked from a sequence")
    if any(keyword.arg is None for keyword in call.keywords):
        raise CannotRewrite("its arguments are unpacked from a mapping")
    found = dict(zip(names, call.args, strict=False))
    found.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None})
    if unknown := sorted(found.keys() - set(names)):
        raise CannotRewrite(f"it has an argument {unknown[0]}=")
    return found


def only(call: ast.Call, name: str) -> ast.expr:
    """The only argument of a call."""
    found = bound(call, [name])
    if not found:
        raise CannotRewrite(f"it has no argument {name}")
    return found[name]


def laid_out(source: Source, call: ast.Call, arguments: Sequence[str]) -> str:
    """New arguments in parentheses: each on a separate line if the old ones were."""
    old = source.original(source.arguments_span(call))
    first = old[1:].lstrip(" \t")
    if not first.startswith(("\n", "\r\n")) or not arguments:
        return f"({', '.join(arguments)})"
    indentation = first[: len(first) - len(first.lstrip())]
    closing = old[:-1].rpartition("\n")[2]
    newline = "\r\n" if "\r\n" in indentation else "\n"
    if closing.strip():  # the parenthesis is at the end of the last argument's line
        return f"({indentation}{f',{indentation}'.join(arguments)})"
    return f"({indentation}{f',{indentation}'.join(arguments)},{newline}{closing})"


def is_text(node: ast.expr | None, value: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == value
