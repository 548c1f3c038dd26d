"""Finds out whether an expression is text or bytes, as far as its module shows."""

from __future__ import annotations

import ast
from functools import cached_property

_TEXT_CALLS = {
    "str",
    "dumps",
    "dedent",
    "read_text",
    "decode",
    "model_dump_json",
    "hexdigest",
    "urlencode",
    "getsource",
}
_BYTES_CALLS = {"bytes", "encode", "read_bytes", "compress", "b64encode", "urandom", "token_bytes", "tobytes"}
_SAME_KIND = {"format", "strip", "lstrip", "rstrip", "replace", "join", "lower", "upper", "title", "removesuffix"}
_ANNOTATIONS = {"str": "text", "bytes": "bytes", "dict": "mapping", "Mapping": "mapping", "Dict": "mapping"}


class Kinds:
    """The kinds of values that a module's names have: ``text``, ``bytes``, ``mapping``, ``pattern``, or None."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree

    def of(self, node: ast.expr | None, depth: int = 4) -> str | None:
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr():
                return "text"
            case ast.Constant(value=bytes()):
                return "bytes"
            case ast.Dict() | ast.DictComp():
                return "mapping"
            case ast.BinOp(left=left, right=right):
                return self.of(left, depth) or self.of(right, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return self._common([self.of(body, depth), self.of(orelse, depth)])
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self.of(value, depth)
            case ast.Call(func=function):
                return self._of_call(function, depth)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._of_name(name, depth)
        return None

    def _of_call(self, function: ast.expr, depth: int) -> str | None:
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _TEXT_CALLS:
            return "text"
        if name in _BYTES_CALLS:
            return "bytes"
        if name == "dict":
            return "mapping"
        if name == "compile":
            return "pattern"
        if name in _SAME_KIND and isinstance(function, ast.Attribute):
            return self.of(function.value, depth)
        return self._common([_annotated(each) for each in self._returned.get(name, [])])

    def _of_name(self, name: str, depth: int) -> str | None:
        values = [self.of(value, depth - 1) for value in self._values.get(name, [])]
        return self._common([*values, *[_annotated(each) for each in self._annotations.get(name, [])]])

    @staticmethod
    def _common(kinds: list[str | None]) -> str | None:
        return kinds[0] if len(set(kinds)) == 1 else None

    @cached_property
    def _values(self) -> dict[str, list[ast.expr]]:
        found: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    found.setdefault(_target(target), []).append(node.value)
            elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
                found.setdefault(_target(node.target), []).append(node.value)
            elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, []).append(node.iter)
        return found

    @cached_property
    def _annotations(self) -> dict[str, list[ast.expr | None]]:
        found: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.arg):
                found.setdefault(node.arg, []).append(node.annotation)
        return found

    @cached_property
    def _returned(self) -> dict[str, list[ast.expr | None]]:
        found: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node.returns)
        return found


def _target(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _annotated(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Subscript):
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return _ANNOTATIONS.get(str(name))
