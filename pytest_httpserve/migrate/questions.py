"""Rewrites what a test asks its server: which requests it got, and the URL of a path."""

from __future__ import annotations

import ast
import re

from pytest_httpserve.migrate import matching
from pytest_httpserve.migrate.arguments import bound, only
from pytest_httpserve.migrate.kinds import Kinds
from pytest_httpserve.migrate.names import Names
from pytest_httpserve.migrate.source import CannotRewrite, Source


def rewrite_question(source: Source, kinds: Kinds, names: Names, call: ast.Call, function: ast.Attribute) -> None:
    """Rewrite what asks for the requests that match."""
    given = bound(call, ["matcher", "count"])
    matcher = given.get("matcher")
    if matcher is None:
        raise CannotRewrite("it has no argument matcher")
    asked = source.text(matcher)
    if isinstance(matcher, ast.Call) and names.original(matcher.func) == "match":
        asked = ", ".join(matching.criteria(source, kinds, bound(matcher, matching.NAMES)))
    server = source.text(function.value)
    if function.attr == "assert_request_made":
        count = source.text(given["count"]) if "count" in given else "1"
        new = f"assert_not_requested({asked})" if count == "0" else f"assert_requested({asked}, times={count})"
        source.replace(source.name_span(function)._replace(end=source.span(call).end), new)
    elif function.attr == "get_matching_requests_count":
        source.replace(source.span(call), f"len({server}.requested({asked}))")
    else:
        pairs = f"((exchange.request, exchange.response) for exchange in {server}.requested({asked}))"
        source.replace(source.span(call), pairs)


def rewrite_url(source: Source, call: ast.Call) -> None:
    """Rewrite ``url_for``: theirs adds a missing slash before the path."""
    path = only(call, "suffix")
    match path:
        case ast.Constant(value=str(text)) if not text.startswith("/"):
            _put_slash(source, path)
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]) if not text.startswith("/"):
            _put_slash(source, path)
        case ast.JoinedStr(values=[ast.FormattedValue(), *_]):
            text = source.text(path)
            source.replace(source.span(path), f'"/" + {text}.lstrip("/")')


def _put_slash(source: Source, path: ast.Constant | ast.JoinedStr) -> None:
    opening, quote, rest = re.split(r"(\"\"\"|'''|\"|')", source.text(path), maxsplit=1)
    source.replace(source.span(path), f"{opening}{quote}/{rest}")
