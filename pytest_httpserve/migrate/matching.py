"""Turns the arguments of ``expect_request`` into arguments of ``on``."""

from __future__ import annotations

import ast
import json
import re

from pytest_httpserve.migrate.arguments import is_text
from pytest_httpserve.migrate.kinds import Kinds
from pytest_httpserve.migrate.source import CannotRewrite, Source

NAMES = [
    "uri",
    "method",
    "data",
    "data_encoding",
    "headers",
    "query_string",
    "header_value_matcher",
    "json",
]
# expect_request alone has handler_type, where the others have json.
NAMES_OF_EXPECT_REQUEST = [*NAMES[:-1], "handler_type", "json"]


def criteria(source: Source, kinds: Kinds, given: dict[str, ast.expr]) -> list[str]:
    """The arguments for ``on``, as text."""
    if "uri" not in given:
        raise CannotRewrite("it has no path")
    if "data_encoding" in given and not is_text(given["data_encoding"], "utf-8"):
        raise CannotRewrite("it has a data_encoding: here text is UTF-8, and body= takes bytes")
    path, where = _path(source, kinds, given["uri"])
    compare = given.get("header_value_matcher")
    if compare is not None and not _is_none(compare) and "headers" in given:
        if where:
            raise CannotRewrite("it has a header_value_matcher, and a path that is compared by a function, too")
        where = [_headers(source, compare, given["headers"])]
        given = {name: node for name, node in given.items() if name != "headers"}
    found = [_method(source, given.get("method")), path, *where]
    if "query_string" in given and not _is_none(given["query_string"]):
        found.append(_query(source, kinds, given["query_string"]))
    for theirs, ours in (("headers", "headers"), ("json", "json"), ("data", "body")):
        if theirs in given and not (theirs != "json" and _is_none(given[theirs])):
            found.append(f"{ours}={source.text(given[theirs])}")
    return found


def _headers(source: Source, compare: ast.expr, headers: ast.expr) -> str:
    """Rewrite a matcher, which is called with the name of each field, its value, and the expected value."""
    each = f"{source.text(compare)}(name, request.headers.get(name), value)"
    return f"where=lambda request: all({each} for name, value in {source.text(headers)}.items())"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _method(source: Source, node: ast.expr | None) -> str:
    if node is None or (isinstance(node, ast.Name | ast.Attribute) and source.text(node).endswith("METHOD_ALL")):
        return '"*"'
    if is_text(node, "__ALL"):
        return '"*"'
    return source.text(node).upper() if isinstance(node, ast.Constant) else source.text(node)


def _path(source: Source, kinds: Kinds, node: ast.expr) -> tuple[str, list[str]]:
    """The path, and any further arguments. They use ``re.match``, to which the beginning of a path is enough."""
    if isinstance(node, ast.Constant):
        if node.value == "":
            return '"*"', []
        if not isinstance(node.value, str) or "{" in node.value or "?" in node.value or node.value[0] != "/":
            raise CannotRewrite("its path is not one that a request can have, or has a brace in it")
        return source.text(node), []
    if source.text(node).endswith("URI_DEFAULT"):
        return '"*"', []
    match node:
        case ast.Call(
            func=ast.Attribute(attr="compile") | ast.Name(id="compile"), args=[ast.Constant() as pattern, *_]
        ):
            return _whole(source, node, pattern), []
    if kinds.of(node) == "pattern":
        return '"*"', [f"where=lambda request: {source.text(node)}.match(request.path)"]
    if isinstance(node, ast.Call) and source.text(node.func)[:1].isupper():  # a URIPattern
        return '"*"', [f"where=lambda request: {source.text(node)}.match(request.path)"]
    return source.text(node), []


def _whole(source: Source, call: ast.Call, pattern: ast.Constant) -> str:
    text = source.text(call)
    if not isinstance(pattern.value, str) or pattern.value.endswith(("$", ".*", r"\Z")):
        return text
    literal = source.original(source.span(pattern))
    quoted = re.fullmatch(r"""([rR]?)(['"])(?!\2)(.*)\2""", literal, re.DOTALL)
    if quoted is None:
        raise CannotRewrite("here a pattern must match the whole path: add .* to its end")
    prefix, quote, inner = quoted.groups()
    whole = f"(?:{inner})" if "|" in inner else inner
    return text.replace(literal, f"{prefix}{quote}{whole}.*{quote}", 1)


def _query(source: Source, kinds: Kinds, node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        if not node.value.isascii():
            raise CannotRewrite("its query_string is not ASCII: here it is text, as it is sent")
        return f"query={json.dumps(node.value.decode())}"
    kind = kinds.of(node)
    if kind == "text":
        return f"query={source.text(node)}"
    if kind == "mapping":
        return f"query_exact={source.text(node)}"
    raise CannotRewrite("its query_string may be a text or a mapping: here they are query= and query_exact=")
