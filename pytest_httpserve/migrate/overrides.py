"""Rewrites the fixtures that say where a module's servers listen, and with which TLS context."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.names import Names
from pytest_httpserve.migrate.source import CannotRewrite, Source

ADDRESS, CONTEXT = "httpserver_listen_address", "httpserver_ssl_context"
_DEFAULTS = {"DEFAULT_LISTEN_HOST": '"127.0.0.1"', "DEFAULT_LISTEN_PORT": "0"}
_BY_HAND = {
    ADDRESS: 'a fixture httpserve_config that returns {"host": ..., "port": ...}',
    CONTEXT: "@pytest.mark.serve_tls, or a fixture httpserve_config that returns tls=",
}


class Overrides:
    """A module's overrides of the two fixtures, and its other uses of them."""

    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._fixtures = {
            name: node
            for node in ast.walk(source.tree)
            if isinstance(node, ast.FunctionDef) and (name := fixture_name(node)) in (ADDRESS, CONTEXT)
        }
        asked_for = {node.arg for node in ast.walk(source.tree) if isinstance(node, ast.arg)}
        # If others request the fixture, too, it stays, and one of ours requests it.
        self._stays = ADDRESS in asked_for or CONTEXT in self._fixtures
        self._certificate = _certificate(source, self._fixtures[CONTEXT]) if CONTEXT in self._fixtures else None

    def rewrite(self) -> None:
        """Rewrite each of them, after everything else has been rewritten."""
        address, context = self._fixtures.get(ADDRESS), self._fixtures.get(CONTEXT)
        if context is not None and self._certificate is None:
            self._leave(context, CONTEXT)
        elif context is not None:
            self._rewrite_context(context)
        if address is not None:
            self._rewrite_address(address)
        if (address is not None and self._stays) or self._certificate is not None:
            self._add_config()

    def rewrite_parameter(self, node: ast.arg) -> None:
        """Rewrite the parameter of a function that requests one of the two."""
        known = (node.arg == ADDRESS and ADDRESS in self._fixtures) or (node.arg == CONTEXT and self._certificate)
        if node.arg in _BY_HAND and not known:
            self._leave(node, node.arg)

    def rewrite_default(self, node: ast.Attribute) -> bool:
        """Rewrite a use of the default host or port. Returns whether it was one."""
        if node.attr not in _DEFAULTS or self._names.original(node.value) != "HTTPServe":
            return False
        if not isinstance(node.ctx, ast.Load):
            self._source.leave(node, f"{node.attr}: {_BY_HAND[ADDRESS]}")
            return True
        self._source.replace(self._source.span(node), _DEFAULTS[node.attr])
        return True

    def tls(self, node: ast.expr) -> str:
        """The argument for ``tls`` that replaces this one for ``ssl_context``."""
        match node:
            case ast.Constant(value=None):
                return ""
            case ast.Name(id=name) if name == CONTEXT and self._certificate is not None:
                return f"tls={name}"
        raise CannotRewrite("a server over TLS is made by @pytest.mark.serve_tls, or with tls=True")

    def _leave(self, node: ast.FunctionDef | ast.arg, name: str) -> None:
        self._source.leave(node, f"{name}: {_BY_HAND[name]}")

    def _rewrite_context(self, function: ast.FunctionDef) -> None:
        assert self._certificate is not None
        *others, last = function.body
        assert isinstance(last, ast.Return) and isinstance(last.value, ast.Name)
        for statement in others:
            if any(isinstance(node, ast.Name) and node.id == last.value.id for node in ast.walk(statement)):
                self._source.remove_lines(statement)
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(attr="issue_cert"), args=[ast.Constant(value="localhost") as name]):
                    # Our URLs have the address, so the certificate must include it as well as the name.
                    self._source.insert(self._source.span(name).end, ', "127.0.0.1"')
        self._source.replace(self._source.span(last.value), f"TLS(certificate={self._certificate})")
        self._names.ours |= {"TLS": "TLS", "Certificate": "Certificate"}
        if function.returns is not None:
            self._source.replace(self._source.span(function.returns), "TLS")

    def _rewrite_address(self, function: ast.FunctionDef) -> None:
        source = self._source
        match function.body[-1]:
            case ast.Return(value=ast.Tuple(elts=[host, port]) as address) if not function.args.args:
                if self._stays:
                    source.replace(source.span(host), _host(source, host) or '"127.0.0.1"')
                    return
                said = {"host": _host(source, host), "port": _unless_empty(source, port)}
                source.replace(source.fixture_name_span(function), "httpserve_config")
                texts = [f'"{name}": {text}' for name, text in said.items() if text]
                source.replace(source.span(address), f"{{{', '.join(texts)}}}")
                if function.returns is not None:
                    source.replace(source.span(function.returns), "dict[str, object]")
            case _ if not self._stays:
                self._leave(function, ADDRESS)

    def _add_config(self) -> None:
        """Add a fixture that passes the values of these two to our servers."""
        function = self._fixtures.get(CONTEXT, self._fixtures.get(ADDRESS))
        assert function is not None
        said = []
        if ADDRESS in self._fixtures:
            said += [f'"host": {ADDRESS}[0] or "127.0.0.1"', f'"port": {ADDRESS}[1] or 0']
        if self._certificate is not None:
            said.append(f'"tls": {CONTEXT}')
        asked = [name for name in (ADDRESS, CONTEXT) if any(name in text for text in said)]
        decorator = function.decorator_list[0]
        maker = self._source.text(decorator.func if isinstance(decorator, ast.Call) else decorator)
        self._source.insert(
            self._source.span(function).end,
            f'\n\n\n@{maker}(scope="session")\ndef httpserve_config({", ".join(asked)}):\n    return {{\n'
            + "".join(f"        {each},\n" for each in said)
            + "    }",
        )


def fixture_name(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The name of a fixture, as tests request it."""
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                        return str(keyword.value.value)
    return function.name


def _certificate(source: Source, function: ast.FunctionDef) -> str | None:
    """The certificate of a context that is made in a function, and gets a single certificate."""
    match function.body[-1]:
        case ast.Return(value=ast.Name(id=context)):
            pass
        case _:
            return None
    found = None
    for statement in function.body[:-1]:
        if not any(isinstance(node, ast.Name) and node.id == context for node in ast.walk(statement)):
            continue
        match statement:
            case ast.Assign(value=ast.Call(func=ast.Attribute(attr="SSLContext") | ast.Name(id="SSLContext"))):
                pass
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=leaf, attr="configure_cert"), args=[ast.Name()])):
                leaf_text = source.original(source.span(leaf))
                chain = f'b"".join(pem.bytes() for pem in {leaf_text}.cert_chain_pems)'
                found = f"Certificate({chain}, {leaf_text}.private_key_pem.bytes())"
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="load_cert_chain"), args=paths, keywords=[])):
                texts = [source.original(source.span(path)) for path in paths]
                found = f"({', '.join(texts)})" if len(texts) == 2 else texts[0]
            case _:
                return None
    return found


def _host(source: Source, node: ast.expr) -> str:
    """A host for our servers to listen on: an address, not a name that needs a lookup."""
    if isinstance(node, ast.Constant) and node.value == "localhost":
        return '"127.0.0.1"'
    return _unless_empty(source, node)


def _unless_empty(source: Source, node: ast.expr) -> str:
    return "" if isinstance(node, ast.Constant) and not node.value else source.text(node)
