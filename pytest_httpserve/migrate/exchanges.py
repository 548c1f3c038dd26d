"""Turns the attributes of werkzeug's requests and responses into ours."""

from __future__ import annotations

import ast
import re

from pytest_httpserve.migrate.source import Source

_REQUEST = {
    "data": "body",
    "args": "query",
    "json": "json()",
    "content_type": 'headers.get("Content-Type")',
    "host": 'headers["Host"]',
    "remote_addr": "client_address[0]",
    "referrer": 'headers.get("Referer")',
    "origin": 'headers.get("Origin")',
    "content_encoding": 'headers.get("Content-Encoding")',
    "mimetype": 'headers.get("Content-Type", "").partition(";")[0].strip().lower()',
}
_REQUEST_CALLS = {"get_json": "json()", "get_data": "body"}
_RESPONSE = {"status_code": "status", "data": "body", "json": "json()"}
_RESPONSE_CALLS = {"get_json": "json()", "get_data": "body"}
_SAME_IN_REQUEST = {"method", "path", "headers", "cookies", "form", "query_string", "text", "body", "query"}
_SAME_IN_RESPONSE = {"headers", "status", "text", "body"}
_LEFT = {
    "url": "ours has no scheme and host: compare target, or url_for(request.target)",
    "user_agent": 'ours is a header: headers["User-Agent"]',
}
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
# What is only ever in the path or the query of a URL, and is never percent-encoded there.
_IN_TARGET = re.compile(r"/(?!l|1)[A-Za-z0-9/._~?&=-]+|[A-Za-z0-9/._~-]*[?&=][A-Za-z0-9/._~?&=-]*")
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
    elif node.attr == "full_path":
        request = source.text(node.value)
        source.replace(source.span(node), f'({request}.path + "?" + {request}.query_string)')
    elif node.attr == "user_agent" and (whole := _as_text(source, node, outer)) is not None:
        source.replace(source.span(whole), f'{source.text(node.value)}.headers.get("User-Agent", "")')
    elif node.attr == "url" and url_in_comparison(source, outer) is not None:
        pass  # rewritten with the other side
    elif node.attr == "url" and (path := _path_of_url(source, outer)) is not None:
        source.replace(source.span(path), f"{source.text(node.value)}.path")
    elif node.attr == "url" and _is_about_target(source, node, outer):
        source.replace(source.name_span(node), "target")
    else:
        _rewrite(source, node, _REQUEST, _SAME_IN_REQUEST)


def _as_text(source: Source, agent: ast.Attribute, outer: ast.AST | None) -> ast.expr | None:
    """The expression that makes text of a user agent, which is an object of werkzeug's."""
    match outer:
        case ast.Attribute(attr="string"):
            return outer
        case ast.Attribute(attr="to_header"):
            call = source.parent(outer)
            return call if isinstance(call, ast.Call) and call.func is outer else None
        case ast.Call(func=ast.Name(id="str"), args=[_], keywords=[]):
            return outer
        case ast.FormattedValue(conversion=-1 | 115, format_spec=None):
            return agent
    return None


def url_in_comparison(source: Source, node: ast.AST | None) -> tuple[ast.Attribute, ast.Call] | None:
    """The ``url`` and the ``url_for(...)`` of a comparison, if these are what is compared."""
    match node:
        case ast.Compare(left=one, ops=[ast.Eq() | ast.NotEq()], comparators=[other]):
            for url, made in ((one, other), (other, one)):
                match url, made:
                    case ast.Attribute(attr="url"), ast.Call(func=ast.Attribute(attr="url_for"), args=[_], keywords=[]):
                        return url, made
    return None


def rewrite_comparison(source: Source, url: ast.Attribute, made: ast.Call) -> None:
    """Compare all but the scheme of both URLs: it is that of the same server."""
    request = source.text(url.value)
    source.replace(source.span(url), f'{request}.headers["Host"] + {request}.target')
    source.replace(source.span(made), f'{source.text(made)}.partition("://")[2]')


def _path_of_url(source: Source, parsed: ast.AST | None) -> ast.Attribute | None:
    """The path of a URL that is compared with a plain one."""
    path = source.parent(parsed) if _is_parsed(parsed) and parsed is not None else None
    match path, source.parent(path) if path is not None else None:
        case (
            ast.Attribute(attr="path"),
            ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]),
        ):
            texts = [side.value for side in (left, right) if isinstance(side, ast.Constant)]
            if len(texts) == 1 and isinstance(texts[0], str) and _PLAIN_PATH.fullmatch(texts[0]):
                assert isinstance(path, ast.Attribute)
                return path
    return None


def _is_parsed(node: ast.AST | None) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[_], keywords=[]):
            return name in ("urlparse", "urlsplit")
    return False


def _is_about_target(source: Source, url: ast.Attribute, outer: ast.AST | None) -> bool:
    """Whether only what the target has of a URL matters."""
    above = source.parent(outer) if outer is not None else None
    further = source.parent(above) if above is not None else None
    match outer, above, further:
        case ast.Compare(left=ast.Constant(value=str(text)), ops=[ast.In() | ast.NotIn()], comparators=[where]), _, _:
            return where is url and _IN_TARGET.fullmatch(text) is not None
        case ast.Attribute(attr="endswith"), ast.Call(args=[ast.Constant(value=str(text))], keywords=[]), _:
            return text[:1] in ("/", "?") and _IN_TARGET.fullmatch(text) is not None
        case _, ast.Attribute(attr="query"), ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return _is_parsed(outer) and name in ("parse_qs", "parse_qsl")
    return False


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
        why = _LEFT.get(node.attr, "no attribute of ours is certain to be the same")
        source.leave(node, f"{source.text(node)}: {why}")


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
