"""Turns the arguments of ``respond_with_...``, and of werkzeug's Response, into arguments of ``respond``."""

from __future__ import annotations

import ast

from pytest_httpserve.migrate.kinds import Kinds
from pytest_httpserve.migrate.source import CannotRewrite, Source

DATA = ["response_data", "status", "headers", "mimetype", "content_type"]
JSON = ["response_json", "status", "headers", "content_type"]
RESPONSE = ["response", "status", "headers", "mimetype", "content_type"]


class UnknownKind(CannotRewrite):
    """It is unknown whether the body is text or bytes; only a function's result may be either."""

    def __init__(self) -> None:
        super().__init__("it is unknown whether its body is text or bytes: here they are text= and body=")


def answer(source: Source, kinds: Kinds, given: dict[str, ast.expr]) -> list[str]:
    """The arguments for ``respond``, as text."""
    status = _status(source, given.get("status"))
    headers = _headers(source, given)
    return [
        *([status] if status else []),
        *_body(source, kinds, given),
        *([f"headers={headers}"] if headers else []),
    ]


def result(source: Source, given: dict[str, ast.expr]) -> str:
    """The same as the result of a function: a body alone, or with its status and headers."""
    body = source.text(given["response_data"] if "response_data" in given else given["response"])
    status, headers = _status(source, given.get("status")), _headers(source, given)
    if headers:
        return f"({status or '200'}, {body}, {headers})"
    return f"({status}, {body})" if status else body


def _status(source: Source, node: ast.expr | None) -> str:
    match node:
        case None | ast.Constant(value=200 | None):
            return ""
        case ast.Constant(value=str(text)):
            return text.partition(" ")[0]
    return source.text(node)


def _body(source: Source, kinds: Kinds, given: dict[str, ast.expr]) -> list[str]:
    if "response_json" in given:
        return [f"json={source.text(given['response_json'])}"]
    node = given.get("response_data", given.get("response"))
    match node:
        case None | ast.Constant(value="" | b"" | None):
            return []
        case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="dumps"), args=[value], keywords=[]):
            if _content_type(given) == "application/json":
                return [f"json={source.text(value)}"]
    kind = kinds.of(node)
    if kind == "text":
        return [f"text={source.text(node)}"]
    if kind == "bytes":
        return [f"body={source.text(node)}"]
    raise UnknownKind


def _content_type(given: dict[str, ast.expr]) -> object:
    node = given.get("content_type", given.get("mimetype"))
    return node.value if isinstance(node, ast.Constant) else None


def _headers(source: Source, given: dict[str, ast.expr]) -> str:
    headers = given.get("headers")
    if isinstance(headers, ast.Constant) and headers.value is None:
        headers = None
    kind = _kind_to_say(source, given)
    if kind is None:
        return source.text(headers) if headers is not None else ""
    if headers is None:
        return f'{{"Content-Type": {kind}}}'
    text = source.text(headers)
    if isinstance(headers, ast.List):
        return f'[("Content-Type", {kind}), {text[1:].lstrip()}' if headers.elts else f'[("Content-Type", {kind})]'
    if isinstance(headers, ast.Dict) and headers.keys and "\n" not in text:
        return f'{{"Content-Type": {kind}, {text[1:].lstrip()}'
    return f'{{"Content-Type": {kind}, **{text}}}'


def _kind_to_say(source: Source, given: dict[str, ast.expr]) -> str | None:
    """The media type, if it differs from the body's default."""
    said = _content_type(given)
    if "response_json" in given and said in ("application/json", None) and "content_type" not in given:
        return None
    if "response_json" in given and said == "application/json":
        return None
    node = given.get("response_data", given.get("response"))
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="dumps"), args=[_], keywords=[]):
            if said == "application/json":
                return None
    if "content_type" in given and not (said is None and isinstance(given["content_type"], ast.Constant)):
        return source.text(given["content_type"])
    if "mimetype" in given and not (said is None and isinstance(given["mimetype"], ast.Constant)):
        if isinstance(said, str) and said.startswith("text/"):  # werkzeug adds the charset to a mimetype
            return f'"{said}; charset=utf-8"'
        return source.text(given["mimetype"])
    return None
