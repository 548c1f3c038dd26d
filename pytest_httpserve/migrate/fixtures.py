"""Rewrites the names of fixtures and classes, the ends of fixtures, and the imports."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.names import FIXTURES, Names, package_of
from pytest_httpserve.migrate.overrides import fixture_name
from pytest_httpserve.migrate.source import Source, Span

_ASKED_FOR = {"usefixtures", "getfixturevalue"}
_ELSEWHERE = {
    "httpserver_ipv6": 'a fixture httpserve_config that returns {"host": "::1"}',
    "make_httpserver_ipv4": "httpserve_session",
    "make_httpserver_ipv6": 'a fixture httpserve_config that returns {"host": "::1"}',
}
_EACH_ITS_OWN = ("httpserver", "httpserver_ipv4")  # each test has its own


def rewrite_name(source: Source, names: Names, node: ast.Name | ast.arg | ast.keyword | ast.Constant) -> None:
    """Rewrite the name of a fixture or a class, wherever it is used by itself."""
    match node:
        case ast.Name(id=name):
            if name in FIXTURES:
                source.replace(source.span(node), FIXTURES[name])
            else:
                rewrite_class(source, names, node)
        case ast.arg(arg=name):
            start = source.span(node).start
            if name in FIXTURES:
                source.replace(Span(start, start + len(name)), FIXTURES[name])
            elif name in _ELSEWHERE:
                source.leave(node, f"{name}: {_ELSEWHERE[name]}")
        case ast.keyword(arg=str(name)) if name in FIXTURES:
            start = source.span(node).start
            source.replace(Span(start, start + len(name)), FIXTURES[name])
        case ast.Constant(value=str(name)):
            _rewrite_text(source, names, node, name)


def rewrite_class(source: Source, names: Names, node: ast.Name | ast.Attribute) -> None:
    """Rewrite a class by its name, which may be dotted. Here a function makes matchers."""
    ours, above = names.original(node), source.parent(node)
    if ours == "match" and isinstance(above, ast.ClassDef):
        source.leave(node, f"{source.text(node)}: a class derived from Matcher has other methods; or use where=")
        return
    if ours == "match" and not (isinstance(above, ast.Call) and above.func is node):
        ours = "Matcher"
    if ours is not None:
        source.replace(source.span(node), names.use(ours))


def _rewrite_text(source: Source, names: Names, node: ast.Constant, name: str) -> None:
    """Rewrite a fixture's name in a string, or a quoted annotation."""
    above = source.parent(node)
    literal = source.original(source.span(node))
    called = getattr(above.func, "attr", "") if isinstance(above, ast.Call) else ""
    if called in _ASKED_FOR and name in FIXTURES:
        source.replace(source.span(node), literal.replace(name, FIXTURES[name]))
    elif isinstance(above, ast.arg) and (ours := names.original(node)) is not None:
        ours = "Matcher" if ours == "match" else ours
        source.replace(source.span(node), literal.replace(name, names.use(ours)))
    elif name in FIXTURES and not (isinstance(above, ast.keyword) and above.arg == "name"):
        source.leave(node, f"{literal}: if this is the name of the fixture, it is {FIXTURES[name]} now")


def rewrite_fixture(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Rename an override of one of their fixtures."""
    name = fixture_name(function)
    if name in FIXTURES:
        source.replace(source.fixture_name_span(function), FIXTURES[name])


def rewrite_ending(source: Source, names: Names, node: ast.stmt) -> bool:
    """Rewrite what a fixture does with a server after the test: our ``stop()`` may be called twice, no other test uses
    a server that a test has stopped, and forgetting the routes means ``reset()``."""
    match node:
        case ast.If(
            test=ast.Call(func=ast.Attribute(value=server, attr="is_running"), args=[]),
            body=[ast.Expr(value=ast.Call(func=ast.Attribute(value=stopped, attr="stop"))) as stop],
            orelse=[],
        ) if names.is_server(server) and ast.dump(server) == ast.dump(stopped):
            source.replace(source.span(node), source.text(stop))
            return True
        case ast.If(
            test=ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=ast.Attribute(value=ast.Name(id=name)) as asked)),
            body=[ast.Expr(value=ast.Call(func=ast.Attribute(attr="start")))],
            orelse=[],
        ) if asked.attr == "is_running" and name in _EACH_ITS_OWN and is_after_yield(source, node):
            source.remove_lines(node)
            return True
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=server, attr="clear_all_handlers") as function, args=[])
        ) if names.is_server(server) and is_after_yield(source, node):
            source.replace(source.name_span(function), "reset")
            return True
    return False


def is_asked_for(source: Source, node: ast.Attribute) -> bool:
    """Whether the attribute is that of a fixture's server, which a test asks for, and not of one that is made there."""
    name = getattr(node.value, "id", None)
    tests = [each for each in source.ancestors(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return name in FIXTURES and any(
        each.name.startswith("test") and any(parameter.arg == name for parameter in each.args.args) for each in tests
    )


def is_after_yield(source: Source, node: ast.stmt) -> bool:
    """Whether a statement of a fixture runs after the test."""
    yields = [each for each in ast.walk(source.function(node)) if isinstance(each, ast.Yield)]
    return bool(yields) and all(each.lineno < node.lineno for each in yields)


def rewrite_imports(source: Source, names: Names) -> None:
    """The imports of what is used by another name, or from here; the others stay."""
    used = _used(ast.parse(source.result()))
    wanted = {local: ours for local, ours in names.ours.items() if local in used}
    blocks: dict[ast.AST | None, list[tuple[ast.ImportFrom | ast.Import, dict[str, str]]]] = {}
    for statement, known in names.imports():
        blocks.setdefault(source.parent(statement), []).append((statement, known))
    for whole in names.whole_imports():
        blocks.setdefault(source.parent(whole), []).append((whole, {}))
    own = {
        block: {local: ours for local, ours in wanted.items() if _imports(found, ours)}
        for block, found in blocks.items()
    }
    elsewhere = {local for mine in own.values() for local in mine}
    further = {local: ours for local, ours in wanted.items() if local not in elsewhere}
    if source.tree in blocks:
        own[source.tree] |= further
    elif further and blocks:
        outermost = next(iter(blocks))
        while outermost is not None and source.parent(outermost) is not source.tree:
            outermost = source.parent(outermost)
        if isinstance(outermost, ast.If):
            source.insert(source.span(outermost).start, f"{_import(further)}\n\n")
        else:
            own[next(iter(blocks))] |= further
    elif further:
        _import_anew(source, further)
    for block, found in blocks.items():
        _rewrite_block(source, found, own[block], used)


def _imports(found: list[tuple[ast.ImportFrom | ast.Import, dict[str, str]]], ours: str) -> bool:
    return any(known.get(alias.name) == ours for statement, known in found for alias in statement.names)


def _rewrite_block(
    source: Source,
    found: list[tuple[ast.ImportFrom | ast.Import, dict[str, str]]],
    wanted: dict[str, str],
    used: set[str],
) -> None:
    """Rewrite the imports of one block, where ours replace theirs. A ``*`` before ours must not hide them."""
    stars = any(alias.name == "*" for statement, _ in found for alias in statement.names)
    for place, (statement, known) in enumerate(found):
        if isinstance(statement, ast.Import):
            lines = _whole(source, statement, used)
        else:
            kept = [
                alias
                for alias in statement.names
                if known.get(alias.name) in (None, "match") and (alias.asname or alias.name) != known.get(alias.name)
            ]
            names = [_written(alias) for alias in kept if alias.name == "*" or (alias.asname or alias.name) in used]
            module = "." * statement.level + str(statement.module)
            if names and (module.startswith("pytest_httpserver") or names == ["*"]):
                source.leave(statement, f"{', '.join(names)}: still imported from {module}")
            lines = [f"from {module} import {', '.join(names)}"] if names else []
        if wanted and (place == len(found) - 1 or (known.get("HTTPServer") and not stars)):
            lines.append(_import(wanted))
            wanted = {}
        _put(source, statement, lines)


def _whole(source: Source, statement: ast.Import, used: set[str]) -> list[str]:
    """What is left of an import of modules."""
    kept = [
        alias
        for alias in statement.names
        if not package_of(alias.name) or (alias.asname or alias.name.partition(".")[0]) in used
    ]
    for alias in kept:
        if alias.name.partition(".")[0] == "pytest_httpserver":
            source.leave(statement, f"{alias.name}: still imported")
    if kept == statement.names:
        return [source.original(source.span(statement))]
    return [f"import {', '.join(map(_written, kept))}"] if kept else []


def _import_anew(source: Source, names: dict[str, str]) -> None:
    """Add our imports to a module without theirs, after its other imports."""
    assert isinstance(source.tree, ast.Module)
    imports = [each for each in source.tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    if imports:
        source.insert(source.span(imports[-1]).end, f"\n{_import(names)}")
    else:
        source.insert(0, f"{_import(names)}\n")


def _import(names: dict[str, str]) -> str:
    written = [ours if local == ours else f"{ours} as {local}" for local, ours in names.items()]
    return f"from pytest_httpserve import {', '.join(sorted(written, key=str.lower))}"


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _used(tree: ast.Module) -> set[str]:
    """The names that a module uses, including those in quoted annotations."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    quoted = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return names | quoted


def _put(source: Source, statement: ast.ImportFrom | ast.Import, lines: list[str]) -> None:
    if lines:
        source.replace(source.span(statement), f"\n{' ' * statement.col_offset}".join(lines))
    elif source.is_alone_on_its_lines(statement):
        above = source.parent(statement)
        if [statement] == getattr(above, "body", []):
            source.replace(source.span(statement), "pass")
        else:
            source.remove_lines(statement)
