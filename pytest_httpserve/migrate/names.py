"""The names of a module that mean something of pytest-httpserver's: servers, classes, functions that answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

EXPECTATIONS = {"expect_ordered_request": "ordered", "expect_oneshot_request": "oneshot", "expect_request": "permanent"}
FIXTURES = {"httpserver": "httpserve", "httpserver_ipv4": "httpserve", "make_httpserver": "httpserve_session"}
# What a server of pytest-localserver has, whose fixture has the same name.
_LOCALSERVER = {"serve_content", "url", "requests", "code", "content", "show_post_vars"}
CLASSES = {
    "HTTPServer": "HTTPServe",
    "PluginHTTPServer": "HTTPServe",
    "RequestHandler": "Route",
    "RequestMatcher": "match",
}
WERKZEUG = {"Request": "Request", "Response": "Response"}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Names:
    """What is imported, which names are servers, and which functions answer requests."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self.ours: set[str] = set()  # what is to be imported from here

    @cached_property
    def imported(self) -> dict[str, str]:
        """The module's names of classes that have another name here, or are ours by the same name."""
        return {
            alias.asname or alias.name: known[alias.name]
            for statement, known in self.imports()
            for alias in statement.names
            if alias.name in known
        }

    def imports(self) -> Iterator[tuple[ast.ImportFrom, dict[str, str]]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                package = node.module.partition(".")[0]
                if package in ("pytest_httpserver", "werkzeug"):
                    yield node, CLASSES if package == "pytest_httpserver" else WERKZEUG

    def original(self, node: ast.expr | None) -> str | None:
        """What a name or a dotted name is called here, if it is one of theirs."""
        match node:
            case ast.Name(id=name):
                return self.imported.get(name)
            case ast.Attribute(value=ast.Name(id="pytest_httpserver"), attr=name):
                return CLASSES.get(name)
            case ast.Constant(value=str(name)):
                return self.imported.get(name)
        return None

    @cached_property
    def servers(self) -> set[str]:
        return {*FIXTURES, "httpserver_ipv6", *self._servers()}

    def of_localserver(self) -> ast.Attribute | None:
        """Where the module uses the ``httpserver`` of pytest-localserver."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Attribute(value=ast.Name(id="httpserver"), attr=attr) if attr in _LOCALSERVER:
                    return node
        return None

    def is_server(self, node: ast.expr) -> bool:
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
        return name in self.servers

    def _servers(self) -> Iterator[str]:
        for node in ast.walk(self._tree):
            match node:
                case ast.arg(arg=name, annotation=annotation) if self.original(annotation) == "HTTPServe":
                    yield name
                case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=ast.Call(func=called)):
                    if self.original(called) == "HTTPServe":
                        yield name
                case ast.withitem(context_expr=ast.Call(func=called), optional_vars=ast.Name(id=name)):
                    if self.original(called) == "HTTPServe":
                        yield name
                case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method):
                    if method in EXPECTATIONS:
                        yield name
                case ast.FunctionDef(name=name) if self._gives_a_server(node):
                    yield name

    @staticmethod
    def _gives_a_server(function: ast.FunctionDef) -> bool:
        """Whether it is a fixture that hands on that of a server, whose name is then one of the server, too."""
        return any(
            isinstance(node, ast.Return | ast.Yield) and isinstance(node.value, ast.Name) and node.value.id in FIXTURES
            for node in ast.walk(function)
        )

    @cached_property
    def answering(self) -> dict[ast.AST, str]:
        """Functions that answer requests, and what they call the request."""
        found: dict[ast.AST, str] = {}
        for function in self._answering():
            parameters = [parameter.arg for parameter in function.args.args if parameter.arg not in ("self", "cls")]
            if parameters:
                found[function] = parameters[0]
        return found

    def _answering(self) -> Iterator[Function]:
        names = set()
        for node in ast.walk(self._tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="respond_with_handler"), args=[ast.Lambda() as function]):
                    yield function
                case ast.Call(func=ast.Attribute(attr="respond_with_handler"), args=[handler]):
                    names.add(_name_of(handler))
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if self._takes_a_request(node):
                yield node
            elif node.name in names:
                made = [inner for inner in ast.walk(node) if isinstance(inner, Function) and inner is not node]
                yield from made or [node]

    def _takes_a_request(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        parameters = [each for each in function.args.args if each.arg not in ("self", "cls")]
        return bool(parameters) and self.original(parameters[0].annotation) == "Request"

    def knows(self, handler: ast.expr) -> bool:
        """Whether a function that is to answer is in this module."""
        if isinstance(handler, ast.Lambda):
            return True
        name = _name_of(handler)
        return any(getattr(node, "name", None) == name for node in ast.walk(self._tree))


def _name_of(handler: ast.expr) -> str:
    if isinstance(handler, ast.Call):
        called = _name_of(handler.func)
        return _name_of(handler.args[0]) if called == "partial" and handler.args else called
    return handler.attr if isinstance(handler, ast.Attribute) else getattr(handler, "id", "")
