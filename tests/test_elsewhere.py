"""Names that users of other tools try first are answered by what they are called here."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Response, UsageError, elsewhere, match
from pytest_httpserve.scripting.answers.responses import ResponseArguments
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.criteria import Criteria
from pytest_httpserve.scripting.routing.route import Route


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("httpserve.url", "url_for('/path'), or base_url"),
        ("httpserve.requests", "exchanges, each with its request"),
        ("httpserve.expect_request('/a')", "on('GET', '/path'), then respond(...)"),
        ("httpserve.clear()", "reset()"),
        ("httpserve.check()", "nothing to call"),
        ("httpserve.get('/a')", "on('GET', '/path')"),
        ("route.assert_called_once()", "assert_called(times=1)"),
        ("route.respond_with_json({})", "respond(json=...)"),
        ("route.calls[0].method", "request.method"),
        ("route.calls[0].status_code", "status"),
        ("route.calls[0].request.get_json()", "json()"),
    ],
)
def test_an_attribute_of_another_tool_is_answered(httpserve: HTTPServe, expression: str, named: str) -> None:
    route = httpserve.on("GET", "/a").respond()
    requests.get(httpserve.url_for("/a"), timeout=10)

    with pytest.raises(AttributeError, match=rf"object has no attribute '\w+'; here it is {re.escape(named)}"):
        eval(expression, {"httpserve": httpserve, "route": route})


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        (
            {"auth": ("a", "b")},
            "there is no criterion auth=; here it is a matcher, on(match('GET', '/path') & ",
        ),
        ({"data": b"a"}, "there is no criterion data=; here it is body= for bytes or a text, form= for"),
        ({"params": {"a": 1}}, "there is no criterion params=; here it is query="),
    ],
)
def test_a_criterion_of_another_tool_is_answered(httpserve: HTTPServe, criteria: Any, said: str) -> None:
    for ask in (httpserve.on, httpserve.assert_requested, match):
        with pytest.raises(UsageError, match="^" + re.escape(said)):
            ask("GET", "/a", **criteria)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"data": b"a"}, "a response has no data=; here it is body= for bytes, text= for a text"),
        ({"content_type": "a/b"}, "a response has no content_type=; here it is headers={'Content-Type': ...}"),
        ({"redirect": "/b"}, "a response has no redirect=; here it is redirect(location) of the route"),
        ({"status_code": 404}, "a response has no status_code=; here it is the first argument, respond(404)"),
        ({"fault": "reset"}, "not 'reset'; here it is Reset()"),
        ({"fault": "close"}, "not 'close'; here it is Close()"),
    ],
)
def test_an_argument_of_another_tool_is_answered(httpserve: HTTPServe, arguments: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        httpserve.on("GET", "/a").respond(**arguments)
    with pytest.raises(UsageError, match=re.escape(said)):
        httpserve.enqueue(**arguments)


def test_a_name_of_no_tool_is_not_there(httpserve: HTTPServe) -> None:
    with pytest.raises(AttributeError, match=r"^'HTTPServe' object has no attribute 'nothing'$"):
        _ = httpserve.nothing  # type: ignore[attr-defined]  # as it should be
    assert not hasattr(httpserve, "url")
    with pytest.raises(UsageError, match=r"not 'nothing'$"):
        Response(fault="nothing")  # type: ignore[arg-type]  # no fault


def names_of(kind: type) -> set[str]:
    return {*dir(kind), *getattr(kind, "__slots__", ())}


@pytest.mark.parametrize(
    ("names", "there"),
    [
        (elsewhere.SERVER, names_of(HTTPServe)),
        (elsewhere.ROUTE, names_of(Route) | vars(HTTPServe().on("GET", "/")).keys()),
        (elsewhere.EXCHANGE, names_of(Exchange)),
        (elsewhere.REQUEST, names_of(Request)),
        (elsewhere.CRITERIA, {*Criteria.__annotations__, "method", "path", "priority"}),
        (elsewhere.RESPONSE, {*ResponseArguments.__annotations__, "status", "times"}),
    ],
)
def test_a_name_that_is_there_needs_no_other(names: Mapping[str, str], there: set[str]) -> None:
    assert names.keys() & there == set()
