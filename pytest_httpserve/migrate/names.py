"""The names in a module that come from pytest-httpserver: servers, classes, functions that answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

EXPECTATIONS = {"expect_ordered_request": "ordered", "expect_oneshot_request": "oneshot", "expect_request": "permanent"}
FIXTURES = {"httpserver": "httpserve", "httpserver_ipv4": "httpserve", "make_httpserver": "httpserve_session"}
# The attributes of a server of pytest-localserver, whose fixture has the same name.
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
    """Knows the imports, which names are servers, and which functions answer requests."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self.ours: dict[str, str] = {}  # what to import from this package, by its name in the module

    @cached_property
    def imported(self) -> dict[str, str]:
        """The module's names for classes that this package has, under the same name or another."""
        found: dict[str, str] = {}
        for statement, known in self.imports():
            for alias in statement.names:
                if alias.name == "*":
                    found |= known
                elif alias.name in known:
                    found[alias.asname or alias.name] = known[alias.name]
        own = self._imported_from_us()
        return {name: ours for name, ours in found.items() if name not in own}

    def _imported_from_us(self) -> set[str]:
        """Our names in a module that has been rewritten before, and that a ``*`` may import from them, too."""
        return {
            alias.asname or alias.name
            for node in ast.walk(self._tree)
            if isinstance(node, ast.ImportFrom) and node.module == "pytest_httpserve"
            for alias in node.names
        }

    def use(self, ours: str) -> str:
        """The name in the module for something of ours, which is to be imported: another one, if that name is taken."""
        local = f"HTTPServe{ours[0].upper()}{ours[1:]}" if ours in self._taken else ours
        self.ours[local] = ours
        return local

    @cached_property
    def _taken(self) -> set[str]:
        """The names that mean something in the module that is not theirs."""
        theirs = {id(statement) for statement, _ in self.imports()}
        found = set()
        for node in ast.walk(self._tree):
            match node:
                case ast.ImportFrom(module=module, names=aliases) if id(node) not in theirs:
                    found |= {each.asname or each.name for each in aliases if module != "pytest_httpserve"}
                case ast.Import(names=aliases):
                    found |= {each.asname or each.name.partition(".")[0] for each in aliases}
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                    found.add(name)
        return found

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module's names for other modules, and for what it imports from theirs."""
        found: dict[str, str] = {}
        for node in ast.walk(self._tree):
            match node:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        top = alias.name.partition(".")[0]
                        found[alias.asname or top] = alias.name if alias.asname else top
                case ast.ImportFrom(module=str(module), names=aliases, level=0) if package_of(module):
                    found |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in aliases}
        return found

    def imports(self) -> Iterator[tuple[ast.ImportFrom, dict[str, str]]]:
        """The statements that import names which differ here, with the names."""
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, _, rest = node.module.partition(".")
            if "conftest" in (package, rest.rpartition(".")[2]):  # conftest may pass on its own imports
                yield node, CLASSES
            elif not node.level and package in ("pytest_httpserver", "werkzeug"):
                yield node, CLASSES if package == "pytest_httpserver" else WERKZEUG

    def whole_imports(self) -> Iterator[ast.Import]:
        """The statements that import one of these packages, or a module in it."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import) and any(package_of(alias.name) for alias in node.names):
                yield node

    def original(self, node: ast.expr | None) -> str | None:
        """Our name for a name or a dotted name, if it is one of theirs."""
        match node:
            case ast.Name(id=name):
                return self.imported.get(name)
            case ast.Attribute(value=module, attr=name):
                return package_of(self._module(module)).get(name)
            case ast.Constant(value=str(name)):
                return self.imported.get(name)
        return None

    def delay_of(self, hook: ast.expr) -> ast.expr | None:
        """The seconds, if the hook is a Delay of theirs."""
        match hook:
            case (
                ast.Call(func=made, args=[seconds], keywords=[])
                | ast.Call(func=made, args=[], keywords=[ast.keyword(arg="seconds", value=seconds)])
            ) if self._module(made) == "pytest_httpserver.hooks.Delay":
                return seconds
        return None

    def _module(self, node: ast.expr) -> str:
        """The module that a name or a dotted name means; empty if it is another value."""
        match node:
            case ast.Name(id=name):
                return self._modules.get(name, "")
            case ast.Attribute(value=above, attr=name) if module := self._module(above):
                return f"{module}.{name}"
        return ""

    @cached_property
    def servers(self) -> set[str]:
        return {*FIXTURES, "httpserver_ipv6", *self._servers()}

    def of_localserver(self) -> ast.Attribute | None:
        """A use of pytest-localserver's ``httpserver`` in the module, if there is one."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Attribute(value=ast.Name(id="httpserver"), attr=attr) if attr in _LOCALSERVER:
                    return node
        return None

    def is_server(self, node: ast.expr, *, renamed: bool = False) -> bool:
        """Whether it is one of their servers, or one that has our name by now."""
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
        return name in self.servers or (renamed and name in FIXTURES.values())

    def is_method_of_server(self, function: ast.Attribute) -> bool:
        """Whether a call is of theirs, and not of a function in the module with the same name."""
        return self.is_server(function.value) or not self._defines(function.attr)

    def _defines(self, name: str) -> bool:
        return any(getattr(node, "name", None) == name for node in ast.walk(self._tree))

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

    @cached_property
    def kept_requests(self) -> set[str]:
        """The lists to which answering functions append their requests."""
        found = set()
        for node in ast.walk(self._tree):
            match node:
                case (
                    ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Subscript(slice=kind))
                    | ast.arg(arg=name, annotation=ast.Subscript(slice=kind))
                ):
                    if self.original(kind) == "Request":
                        found.add(name)
        for function, request in self.answering.items():
            for node in ast.walk(function):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[ast.Name(id=added)]
                    ) if added == request:
                        found.add(name)
        return found

    @staticmethod
    def _gives_a_server(function: ast.FunctionDef) -> bool:
        """Whether a function is a fixture that passes a server on, so that its name means the server, too."""
        return any(
            isinstance(node, ast.Return | ast.Yield) and isinstance(node.value, ast.Name) and node.value.id in FIXTURES
            for node in ast.walk(function)
        )

    @cached_property
    def answering(self) -> dict[ast.AST, str]:
        """The functions that answer requests, each with its name for the request."""
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
        """Whether a handler is a function in this module."""
        if isinstance(handler, ast.Lambda):
            return True
        return self._defines(_name_of(handler))


def package_of(module: str) -> dict[str, str]:
    """The names of a module of theirs that differ here; none for any other module."""
    return {"pytest_httpserver": CLASSES, "werkzeug": WERKZEUG}.get(module.partition(".")[0], {})


def _name_of(handler: ast.expr) -> str:
    if isinstance(handler, ast.Call):
        called = _name_of(handler.func)
        return _name_of(handler.args[0]) if called == "partial" and handler.args else called
    return handler.attr if isinstance(handler, ast.Attribute) else getattr(handler, "id", "")
