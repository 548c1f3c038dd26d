"""Rewrites uses of ``log``: theirs has pairs of request and response, ours has exchanges."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.names import Names
from pytest_httpserve.migrate.source import Source

_PAIRS = {"log", "iter_matching_requests"}


class Exchanged:
    """Knows which names are requests and responses in the current functions."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._requests: list[set[str]] = [set()]
        self._responses: list[set[str]] = [set()]

    def enter(self, node: ast.AST) -> None:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        own = {self._names.answering[node]} if node in self._names.answering else set()
        parameters = {each.arg for each in node.args.args}
        requests, responses = own, set()
        for inner in ast.walk(node):
            for request, response in self._pairs(inner):
                requests.add(request)
                responses.add(response)
        self._requests.append((self._requests[-1] - parameters) | requests)
        self._responses.append((self._responses[-1] - parameters) | responses)

    def leave(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._requests.pop()
            self._responses.pop()

    def is_request(self, node: ast.expr) -> bool:
        return self._is(node, self._requests[-1], 0)

    def is_response(self, node: ast.expr) -> bool:
        return self._is(node, self._responses[-1], 1)

    def _is(self, node: ast.expr, names: set[str], place: int) -> bool:
        match node:
            case ast.Name(id=name):
                return name != "_" and name in names
            case ast.Subscript(value=ast.Subscript(value=entries), slice=ast.Constant(value=number)):
                return number == place and self._is_log(entries)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant() | ast.UnaryOp() | ast.Name()):
                return place == 0 and name in self._names.kept_requests
        return False

    def _is_log(self, node: ast.expr) -> bool:
        match node:
            case (
                ast.Attribute(value=server, attr="log")
                | ast.Call(func=ast.Attribute(value=server, attr="iter_matching_requests"))
            ):
                return self._names.is_server(server)
            case ast.Call(func=ast.Name(id="list"), args=[inner]):
                return self._is_log(inner)
        return False

    def _pairs(self, node: ast.AST) -> list[tuple[str, str]]:
        """The names that a statement gives to the request and the response of an exchange."""
        match node:
            case (
                ast.For(target=ast.Name(id=name), iter=ast.Name(id=entries))
                | ast.comprehension(target=ast.Name(id=name), iter=ast.Name(id=entries))
                | ast.Assign(targets=[ast.List(elts=[ast.Name(id=name)])], value=ast.Name(id=entries))
                | ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name)])], value=ast.Name(id=entries))
            ) if entries in self._names.kept_requests:
                return [(name, "_")]
            case ast.Assign(targets=[target], value=ast.Subscript(value=entries)) if self._is_log(entries):
                return _named(target)
            case ast.Assign(targets=[ast.List(elts=[target]) | ast.Tuple(elts=[target])], value=entries):
                return _named(target) if self._is_log(entries) else []
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() as value):
                return (
                    [(name, "_")] if self._is(value, set(), 0) else [("_", name)] if self._is(value, set(), 1) else []
                )
            case ast.For(target=target, iter=entries) | ast.comprehension(target=target, iter=entries):
                return _named(target) if self._is_log(entries) else []
        return []


def _named(target: ast.expr) -> list[tuple[str, str]]:
    match target:
        case ast.Tuple(elts=[ast.Name(id=request), ast.Name(id=response)]):
            return [(request, response)]
    return []


def rewrite_log(source: Source, node: ast.Attribute) -> None:
    """Rewrite ``log``; without pairs if only its length or one half of the entries is used."""
    above = source.parent(node)
    outer = source.parent(above) if above is not None else None
    match above, outer:
        case ast.Subscript(value=inside), ast.Subscript(slice=ast.Constant(value=0 | 1 as half)) if inside is node:
            source.replace(source.name_span(node), "exchanges")
            entry = source.text(above)
            source.replace(source.span(outer), f"{entry}.{'response' if half else 'request'}")
            return
        case ast.Subscript(value=inside), ast.Assign(targets=[ast.Tuple(elts=[request, response]) as target]) if (
            inside is node
        ):
            for name, other, attribute in ((request, response, "request"), (response, request, "response")):
                if isinstance(name, ast.Name) and isinstance(other, ast.Name) and other.id == "_":
                    source.replace(source.span(target), name.id)
                    source.replace(source.name_span(node), "exchanges")
                    source.replace(source.span(above), f"{source.text(above)}.{attribute}")
                    return
        case ast.Call(func=ast.Name(id="len" | "bool")), _:
            source.replace(source.name_span(node), "exchanges")
            return
        case ((ast.Assert() | ast.UnaryOp() | ast.BoolOp() | ast.If() | ast.While()), _):
            source.replace(source.name_span(node), "exchanges")
            return
    server = source.text(node.value)
    if (named := _half(node, above)) is not None:
        pair, attribute, only = named
        source.replace(source.span(pair), only)
        source.replace(source.span(node), f"[exchange.{attribute} for exchange in {server}.exchanges]")
        return
    source.replace(source.span(node), f"[(exchange.request, exchange.response) for exchange in {server}.exchanges]")


def _half(node: ast.Attribute, above: ast.AST | None) -> tuple[ast.expr, str, str] | None:
    """If only one half of each pair gets a name: the assignment's target, which half it is, and the name."""
    match above:
        case ast.For(target=target) | ast.comprehension(target=target):
            pass
        case ast.Assign(targets=[ast.List(elts=[target]) | ast.Tuple(elts=[target])]):
            pass
        case _:
            return None
    match target:
        case ast.Tuple(elts=[ast.Name(id=name), ast.Name(id="_")]) if name != "_":
            return target, "request", name
        case ast.Tuple(elts=[ast.Name(id="_"), ast.Name(id=name)]):
            return target, "response", name
    return None
