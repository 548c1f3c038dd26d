"""Mutants: copies of a source with one small mistake in each, of the kinds that people make."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OTHER_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OTHER_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
# What only a type checker reads, or what only saves memory: no test can tell a mutant of it.
_NAMES_OF_NO_EFFECT = {"__slots__", "TYPE_CHECKING"}
# Nobody gives them their arguments the wrong way round without hearing of it at once.
_CALLS_OF_NO_INTEREST = {"isinstance", "issubclass", "getattr", "hasattr", "setattr"}


@dataclass(frozen=True)
class Mutant:
    """A source with ``new`` in the place of ``old``, from ``start`` to ``end`` (in bytes), on a line of the source."""

    kind: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied_to(self, source: str) -> str:
        """The source with the mistake."""
        data = source.encode()
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()

    def __str__(self) -> str:
        return f"line {self.line}, {self.kind}: {_brief(self.old)} -> {_brief(self.new)}"


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a source, in the order of its lines."""
    starts = [0]
    for text in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    found = []
    for node in _nodes(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        old = source.encode()[begin:end].decode()
        for kind, new in _changes(node, old):
            found.append(Mutant(kind, node.lineno, begin, end, old, new))
    return sorted(found, key=lambda one: (one.start, one.kind, one.new))


def _nodes(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """All that has a place in the source, without what has no effect: annotations, docstrings, blocks for checkers."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _has_no_effect(child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            if not isinstance(child, ast.JoinedStr):  # Python 3.11 does not know where its parts are
                yield from _nodes(child)


def _has_no_effect(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _NAMES_OF_NO_EFFECT or isinstance(node.value, ast.Subscript)  # an alias of a type
        case ast.Call(func=ast.Name(id="TypeVar" | "cast")):
            return True
    return False


def _changes(node: ast.AST, old: str) -> Iterator[tuple[str, str]]:
    change = _CHANGES.get(type(node))
    if change is not None:
        yield from change(node, old)


def _compare(node: ast.Compare, old: str) -> Iterator[tuple[str, str]]:
    for at, operator in enumerate(node.ops):
        for other in _OTHER_COMPARISONS[type(operator)]:
            operators = [*node.ops[:at], other(), *node.ops[at + 1 :]]
            yield "comparison", _written(ast.Compare(node.left, operators, node.comparators))


def _bool_op(node: ast.BoolOp, old: str) -> Iterator[tuple[str, str]]:
    yield "and/or", _written(ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))


def _unary(node: ast.UnaryOp, old: str) -> Iterator[tuple[str, str]]:
    yield "sign or not", _written(node.operand)


def _bin_op(node: ast.BinOp, old: str) -> Iterator[tuple[str, str]]:
    if (other := _OTHER_OPERATORS.get(type(node.op))) is not None:
        yield "operator", _written(ast.BinOp(node.left, other(), node.right))


def _constant(node: ast.Constant, old: str) -> Iterator[tuple[str, str]]:
    match node.value:
        case bool():
            yield "constant", str(not node.value)
        case int() | float():
            yield "constant", f"({node.value + 1})"
        case str() if node.value and not _is_name(node.value):
            yield "text's beginning", f'("X" + {old})'
            yield "text's end", f'({old} + "X")'


def _joined(node: ast.JoinedStr, old: str) -> Iterator[tuple[str, str]]:
    yield "text's beginning", f'("X" + ({old}))'
    yield "text's end", f'(({old}) + "X")'


def _return(node: ast.Return, old: str) -> Iterator[tuple[str, str]]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "result", "return None"


def _statement(node: ast.Expr, old: str) -> Iterator[tuple[str, str]]:
    if isinstance(node.value, ast.Call):
        yield "dropped call", "pass"


def _assignment(node: ast.AugAssign, old: str) -> Iterator[tuple[str, str]]:
    yield "dropped assignment", "pass"


def _call(node: ast.Call, old: str) -> Iterator[tuple[str, str]]:
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS_OF_NO_INTEREST:
        return
    if len(node.args) >= 2 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        first, second, *rest = node.args
        yield "swapped arguments", _written(ast.Call(node.func, [second, first, *rest], node.keywords))


def _condition(node: ast.IfExp, old: str) -> Iterator[tuple[str, str]]:
    yield "branches", _written(ast.IfExp(node.test, node.orelse, node.body))


_CHANGES: dict[type[ast.AST], Callable[..., Iterator[tuple[str, str]]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.UnaryOp: _unary,
    ast.BinOp: _bin_op,
    ast.Constant: _constant,
    ast.JoinedStr: _joined,
    ast.Return: _return,
    ast.Expr: _statement,
    ast.AugAssign: _assignment,
    ast.Call: _call,
    ast.IfExp: _condition,
}


def _written(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def _is_name(text: str) -> bool:
    """Whether a text is the name of something in Python: of a type in quotation marks, of an attribute."""
    return text.isidentifier()


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:48]} ... {line[-48:]}"
