"""Turns the attributes of werkzeug's requests and responses into ours."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.source import Source

_REQUEST = {
    "data": "body",
    "args": "query",
    "json": "json()",
    "content_type": 'headers.get("Content-Type")',
    "host": 'headers["Host"]',
    "remote_addr": "client_address[0]",
}
_REQUEST_CALLS = {"get_json": "json()", "get_data": "body"}
_RESPONSE = {"status_code": "status", "data": "body", "json": "json()"}
_RESPONSE_CALLS = {"get_json": "json()", "get_data": "body"}
_SAME_IN_REQUEST = {"method", "path", "headers", "cookies", "form", "query_string", "text", "body", "query"}
_SAME_IN_RESPONSE = {"headers", "status", "text", "body"}
_VALUES = {"args", "form", "headers", "values", "cookies"}
_VALUES_CALLS = {"getlist": "get_all", "get_all": "get_all"}


def rewrite_request(source: Source, node: ast.Attribute) -> None:
    """Rewrite an attribute of a request, and the expression around it."""
    outer = source.parent(node)
    call = source.parent(outer) if isinstance(outer, ast.Attribute) and node.attr in _VALUES else None
    if node.attr == "query_string":
        _rewrite_query_string(source, node, outer)
    elif node.attr == "headers" and (taken := _all_of_them(source, node, outer)) is not None:
        # Theirs spells the names of fields its own way, ours as the client has sent them.
        headers = f"{source.text(node)}.items()"
        source.replace(source.span(taken), f"{{name.title(): value for name, value in {headers}}}")
    elif isinstance(outer, ast.Attribute) and isinstance(call, ast.Call) and outer.attr in _VALUES_CALLS:
        source.replace(source.name_span(outer), _VALUES_CALLS[outer.attr])
        _rewrite(source, node, _REQUEST, _SAME_IN_REQUEST)
    elif isinstance(outer, ast.Attribute) and outer.attr == "to_dict" and isinstance(call, ast.Call):
        name = _REQUEST.get(node.attr, node.attr)
        source.replace(source.span(call), f"dict({source.text(node.value)}.{name})")
    elif isinstance(outer, ast.Call) and outer.func is node and node.attr in _REQUEST_CALLS:
        _rewrite_call(source, node, outer, _REQUEST_CALLS)
    else:
        _rewrite(source, node, _REQUEST, _SAME_IN_REQUEST)


def _all_of_them(source: Source, headers: ast.Attribute, outer: ast.AST | None) -> ast.Call | None:
    """The call that makes a dict of all fields of a request."""
    match outer:
        case ast.Call(func=ast.Name(id="dict"), args=[argument], keywords=[]) if argument is headers:
            return outer
        case ast.Attribute(attr="items"):
            call = source.parent(outer)
            above = source.parent(call) if isinstance(call, ast.Call) else None
            match above:
                case ast.Call(func=ast.Name(id="dict"), args=[argument], keywords=[]) if argument is call:
                    return above
    return None


def rewrite_response(source: Source, node: ast.Attribute) -> None:
    outer = source.parent(node)
    if isinstance(outer, ast.Call) and outer.func is node and node.attr in _RESPONSE_CALLS:
        _rewrite_call(source, node, outer, _RESPONSE_CALLS)
    else:
        _rewrite(source, node, _RESPONSE, _SAME_IN_RESPONSE)


def _rewrite(source: Source, node: ast.Attribute, known: dict[str, str], same: set[str]) -> None:
    if node.attr in known:
        source.replace(source.name_span(node), known[node.attr])
    elif node.attr not in same:
        source.leave(node, f"{source.text(node)}: no attribute of ours is certain to be the same")


def _rewrite_call(source: Source, node: ast.Attribute, call: ast.Call, known: dict[str, str]) -> None:
    as_text = any(keyword.arg == "as_text" for keyword in call.keywords)
    span = source.name_span(node)
    source.replace(span._replace(end=source.span(call).end), "text" if as_text else known[node.attr])


def _rewrite_query_string(source: Source, node: ast.Attribute, outer: ast.AST | None) -> None:
    """Rewrite ``query_string``: theirs is bytes, ours is text."""
    call = source.parent(outer) if isinstance(outer, ast.Attribute) and outer.attr == "decode" else None
    if isinstance(call, ast.Call):
        source.replace(source.span(call), source.text(node))
    else:
        source.replace(source.span(node), f"{source.text(node)}.encode()")
