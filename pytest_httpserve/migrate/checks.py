"""Removes the calls that check a server: here a failure of a server fails its test without them."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.source import Source

CHECKS = {"check", "check_assertions", "check_handler_errors"}


def is_removed(source: Source, node: ast.Attribute) -> bool:
    """Whether a check is a separate statement, and nothing catches its failure."""
    call = source.parent(node)
    statement = source.parent(call) if call is not None else None
    if not isinstance(statement, ast.Expr) or not source.is_alone_on_its_lines(statement):
        return False
    return not any(
        isinstance(above, ast.Try)
        or (isinstance(above, ast.With) and any("raises" in ast.dump(item.context_expr) for item in above.items))
        for above in source.ancestors(statement)
    )


def remove_check(source: Source, statement: ast.Expr) -> None:
    assert isinstance(statement.value, ast.Call)
    assert isinstance(statement.value.func, ast.Attribute)
    if not is_removed(source, statement.value.func):
        return
    above = source.parent(statement)
    block = next(
        statements
        for name in ("body", "orelse", "finalbody")
        if isinstance(statements := getattr(above, name, None), list) and statement in statements
    )
    if len(block) == 1:
        source.replace(source.span(statement), "pass")
    else:
        source.remove_lines(statement)
