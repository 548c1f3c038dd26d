"""The names of fixtures and classes, the fixtures that configure a server, and the imports."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.names import FIXTURES, Names
from pytest_httpserve.migrate.source import Source, Span

_ASKED_FOR = {"usefixtures", "getfixturevalue"}
_ELSEWHERE = {
    "httpserver_ipv6": 'a fixture httpserve_config that returns {"host": "::1"}',
    "httpserver_ssl_context": "@pytest.mark.serve_tls, or a fixture httpserve_config that returns tls=",
    "make_httpserver_ipv4": "httpserve_session",
    "make_httpserver_ipv6": 'a fixture httpserve_config that returns {"host": "::1"}',
}
_LISTENING = "httpserver_listen_address"


def rewrite_name(source: Source, names: Names, node: ast.Name | ast.arg | ast.keyword | ast.Constant) -> None:
    """A name of a fixture or a class, wherever it stands for itself."""
    match node:
        case ast.Name(id=name):
            if (ours := FIXTURES.get(name) or names.original(node)) is not None:
                source.replace(source.span(node), _ours(names, name, ours))
        case ast.arg(arg=name):
            start = source.span(node).start
            if name in FIXTURES:
                source.replace(Span(start, start + len(name)), FIXTURES[name])
            elif name in _ELSEWHERE or name == _LISTENING:
                source.leave(node, f"{name}: {_ELSEWHERE.get(name, 'httpserve.host and httpserve.port')}")
        case ast.keyword(arg=str(name)) if name in FIXTURES:
            start = source.span(node).start
            source.replace(Span(start, start + len(name)), FIXTURES[name])
        case ast.Constant(value=str(name)):
            _rewrite_text(source, names, node, name)


def _ours(names: Names, name: str, ours: str) -> str:
    """What a name is called in the module; one that it was imported as is kept."""
    if name in FIXTURES:
        return ours
    names.ours.add(ours)
    return ours


def _rewrite_text(source: Source, names: Names, node: ast.Constant, name: str) -> None:
    """A fixture asked for by its name, or an annotation in quotes."""
    above = source.parent(node)
    literal = source.original(source.span(node))
    called = getattr(above.func, "attr", "") if isinstance(above, ast.Call) else ""
    if called in _ASKED_FOR and name in FIXTURES:
        source.replace(source.span(node), literal.replace(name, FIXTURES[name]))
    elif isinstance(above, ast.arg) and (ours := names.original(node)) is not None:
        source.replace(source.span(node), literal.replace(name, ours))
        names.ours.add(ours)


def rewrite_fixture(source: Source, function: ast.FunctionDef) -> None:
    """A fixture that says where a server listens; others of theirs that are overridden."""
    name_at = source.original(source.span(function)).index(function.name)
    start = source.span(function).start + len(source.original(source.span(function))[:name_at].encode())
    span = Span(start, start + len(function.name.encode()))
    if function.name in FIXTURES:
        source.replace(span, FIXTURES[function.name])
    elif function.name == "httpserver_ssl_context":
        source.leave(function, f"{function.name}: {_ELSEWHERE[function.name]}")
    elif function.name == _LISTENING:
        match function.body[-1]:
            case ast.Return(value=ast.Tuple(elts=[host, port]) as address) if not function.args.args:
                said = {"host": host, "port": port}
                texts = [
                    f'"{name}": {source.text(node)}'
                    for name, node in said.items()
                    if not (isinstance(node, ast.Constant) and not node.value)
                ]
                source.replace(span, "httpserve_config")
                source.replace(source.span(address), f"{{{', '.join(texts)}}}")
                if function.returns is not None:
                    source.replace(source.span(function.returns), "dict[str, object]")
            case _:
                source.leave(function, f'{function.name}: httpserve_config, which returns {{"host": ..., "port": ...}}')


def rewrite_imports(source: Source, names: Names) -> None:
    """The imports of what is used by another name, or from here; the others stay."""
    statements = [*names.imports()]
    used = _used(ast.parse(source.result()))
    wanted = names.ours & used
    for place, (statement, known) in enumerate(statements):
        kept = [alias for alias in statement.names if alias.name not in known]
        still = [_written(alias) for alias in kept if (alias.asname or alias.name) in used]
        lines = [f"from {statement.module} import {', '.join(still)}"] if still else []
        if wanted and (place == len(statements) - 1 or known.get("HTTPServer")):
            lines.append(f"from pytest_httpserve import {', '.join(sorted(wanted, key=str.lower))}")
            wanted = set()
        _put(source, statement, lines)


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _used(tree: ast.Module) -> set[str]:
    """The names that a module uses, those in quoted annotations included."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    quoted = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return names | quoted


def _put(source: Source, statement: ast.ImportFrom, lines: list[str]) -> None:
    if lines:
        source.replace(source.span(statement), f"\n{' ' * statement.col_offset}".join(lines))
    elif source.is_alone_on_its_lines(statement):
        above = source.parent(statement)
        if [statement] == getattr(above, "body", []):
            source.replace(source.span(statement), "pass")
        else:
            source.remove_lines(statement)
