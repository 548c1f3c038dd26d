"""Matchers: what each takes, what it says of a mismatch, and what is refused where it is written."""

import io
import json
import math
import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import requests
from dirty_equals import Contains, IsDict, IsInt, IsList, IsPartialDict, IsPositiveInt, IsStr

from pytest_httpserve import HTTPServe, Matcher, Request, basic_auth, bearer, match
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.request import Body
from pytest_httpserve.scripting.reports.report import describe_check
from pytest_httpserve.scripting.routing.matchers import Check
from pytest_httpserve.wire.headers import Headers

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class LooseOne:
    """Compares itself."""

    def __eq__(self, other: object) -> bool:
        return bool(other == 1)

    def __hash__(self) -> int:
        return 1


def request(target: str = "/a", body: bytes = b"", method: str = "GET", headers: Any = (), **fields: str) -> Request:
    given = Headers([*dict(headers).items(), *fields.items()])
    return Request(method, target, given, (1, 1), ("127.0.0.1", 50000), Body(io.BytesIO(body).read))


def failed(matcher: Matcher, seen: Request) -> list[Check]:
    return [check for check in matcher.checks(seen) if not check.passed]


def shown(matcher: Matcher, seen: Request) -> list[str]:
    return [line for check in failed(matcher, seen) for line in describe_check(check)]


# Query


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"a": "1"}, "/a?a=1"),
        ({"a": 1}, "/a?a=1"),
        ({"a": 1.5}, "/a?a=1.5"),
        ({"a": "1"}, "/a?b=2&a=1"),
        ({"a": ""}, "/a?a="),
        ({"a": ""}, "/a?a"),
        ({"a": "b c"}, "/a?a=b+c"),
        ({"a": "b c"}, "/a?a=b%20c"),
        ({"a": "b+c"}, "/a?a=b%2Bc"),
        ({"a": "é"}, "/a?a=%C3%A9"),
        ({"é b": "1"}, "/a?%c3%a9+b=1"),
        ({"a": "b=c"}, "/a?a=b=c"),
        ({"a": "1;b=2"}, "/a?a=1;b=2"),
        ({"a": "%"}, "/a?a=%"),
        ({"a": "\ufffd"}, "/a?a=%FF"),
        ({"a": ["1", "2"]}, "/a?a=1&a=2"),
        ({"a": (1, 2)}, "/a?a=1&b=0&a=2"),
        ({"a": ["1"]}, "/a?a=1"),
        ({"a": [mock.ANY, re.compile("2")]}, "/a?a=1&a=22"),
        ({"b": None}, "/a?a=1"),
        ({"a": mock.ANY}, "/a?a=1&a=2"),
        ({"a": re.compile(r"^\d+$")}, "/a?a=123"),
        ({"a": IsStr(regex=r"\d+")}, "/a?a=123"),
        ({"a": Contains("1")}, "/a?a=1&a=2"),
        ({}, "/a?a=1"),
        ("a=1&b=2", "/a?a=1&b=2"),
        ("?a=1", "/a?a=1"),
        ("a=%20", "/a?a=%20"),
        ("", "/a"),
    ],
)
def test_a_query_that_is_meant_is_taken(query: Any, target: str) -> None:
    assert match("GET", "/a", query=query).matches(request(target))


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"a": "1"}, "/a"),
        ({"a": "1"}, "/a?a=2"),
        ({"a": "1"}, "/a?A=1"),
        ({"a": "1"}, "/a?a=1&a=2"),
        ({"a": "1"}, "/a?a=1&a=1"),
        ({"a": ["1", "2"]}, "/a?a=2&a=1"),
        ({"a": ["1", "2"]}, "/a?a=1"),
        ({"a": None}, "/a?a"),
        ({"a": mock.ANY}, "/a?b"),
        ({"a": re.compile("^1$")}, "/a?a=12"),
        ({"a": "1", "b": "2"}, "/a?a=1"),
        ("a=1&b=2", "/a?b=2&a=1"),
        ("a=%20", "/a?a=+"),
        ("", "/a?a"),
    ],
)
def test_another_query_is_not_taken(query: Any, target: str) -> None:
    assert not match("GET", "/a", query=query).matches(request(target))


# Headers, cookies, forms


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "b"},
        {"X-A": re.compile("B", re.IGNORECASE)},
        {"X-Other": None},
        {"X-Two": ["1", "2"]},
        {"X-Two": [1, mock.ANY]},
        {"X-A": "b", "X-Two": mock.ANY},
    ],
)
def test_headers_are_found_by_name_in_any_spelling(headers: Any) -> None:
    seen = Request("GET", "/a", Headers([("X-A", "b"), ("X-Two", "1"), ("x-two", "2")]), (1, 1), ("127.0.0.1", 50000))

    assert match("GET", "/a", headers=headers).matches(seen)


@pytest.mark.parametrize("headers", [{"X-A": "B"}, {"X-A": None}, {"X-B": mock.ANY}, {"X-A": ["b", "b"]}])
def test_other_headers_are_not_taken(headers: Any) -> None:
    assert not match("GET", "/a", headers=headers).matches(request(headers={"X-A": "b"}))


@pytest.mark.parametrize(
    ("cookies", "sent", "taken"),
    [
        ({"a": "1"}, "a=1", True),
        ({"a": "1"}, "b=2; a=1", True),
        ({"a": "1"}, "b=2;a=1", True),
        ({"a": "1"}, 'a="1"', True),
        ({"a": "1=2"}, "a=1=2", True),
        ({"a": ["1", "2"]}, "a=1; a=2", True),
        ({"a": None}, "b=2", True),
        ({"a": "1"}, "A=1", False),
        ({"a": "1"}, "", False),
        ({"a": None}, "a=", False),
    ],
)
def test_cookies_are_found_by_name(cookies: Any, sent: str, taken: bool) -> None:
    assert match("GET", "/a", cookies=cookies).matches(request(headers={"Cookie": sent})) is taken


@pytest.mark.parametrize(
    ("form", "sent", "taken"),
    [
        ({"a": "1"}, b"a=1&b=2", True),
        ({"a": "b c"}, b"a=b+c", True),
        ({"a": "é"}, b"a=%C3%A9", True),
        ({"a": "é"}, "a=é".encode(), True),
        ({"a": ["1", "2"]}, b"a=1&a=2", True),
        ({"a": None}, b"b=2", True),
        ({"a": ""}, b"a=&b", True),
        ({"a": "1"}, b"a=2", False),
        ({"a": "1"}, b"", False),
    ],
)
def test_fields_of_a_form_are_found_by_name(form: Any, sent: bytes, taken: bool) -> None:
    assert match("POST", "/a", form=form).matches(request("/a", sent, "POST", FORM)) is taken


def test_a_form_is_one_only_if_its_type_says_so() -> None:
    assert not match("POST", "/a", form={"a": "1"}).matches(request("/a", b"a=1", "POST"))


# JSON and bodies


@pytest.mark.parametrize(
    ("expected", "sent"),
    [
        ({"a": 1}, '{"a": 1}'),
        ({"a": 1, "b": 2}, '{"b": 2, "a": 1}'),
        (None, "null"),
        (0, "0"),
        ("", '""'),
        ([1, {"a": [2]}], '[1, {"a": [2]}]'),
        ({"a": (1, 2)}, '{"a": [1, 2]}'),
        (mock.ANY, "[1]"),
        ({"a": mock.ANY}, '{"a": {"b": 1}}'),
        ({"a": {"b": [mock.ANY, 2]}}, '{"a": {"b": [1, 2]}}'),
        ({"a": {"b": [re.compile("^x"), 2]}}, '{"a": {"b": ["xyz", 2]}}'),
        ({"a": IsPositiveInt, "b": [{"c": IsStr(regex="x+")}]}, '{"a": 1, "b": [{"c": "xx"}]}'),
        (IsDict(a=IsInt), '{"a": 1}'),
        (IsPartialDict(a=1), '{"a": 1, "b": 2}'),
        (IsList(1, length=3), "[1, 2, 3]"),
        ({"a": "é"}, '{"a": "é"}'),
        ({"a": 1}, '{"a": 1.0}'),
        (math.nan, "NaN"),
        ({"a": [math.nan]}, '{"a": [NaN]}'),
        ({"a": [LooseOne()]}, '{"a": [true]}'),
        (OrderedDict(b=[mock.ANY], a=1), '{"a": 1, "b": [2]}'),
    ],
)
def test_json_is_compared_as_a_whole_and_at_any_depth(expected: Any, sent: str) -> None:
    assert match("POST", "/a", json=expected).matches(request("/a", sent.encode(), "POST", JSON))


@pytest.mark.parametrize(
    ("expected", "sent"),
    [
        ({"a": 1}, '{"a": 1, "b": 2}'),
        ({"a": 1}, '{"a": 2}'),
        ({}, "[]"),
        ([1, 2], "[2, 1]"),
        ([1], "[1, 1]"),
        ({"a": re.compile("x")}, '{"a": 5}'),
        ({"a": IsPositiveInt}, '{"a": -1}'),
        (None, ""),
        (mock.ANY, "no json"),
        (mock.ANY, "[" * 100_000),
        (mock.ANY, '"\udcff"'),
        (1, "true"),
        (True, "1"),
        (False, "0"),
        ({"a": [{"b": 1}]}, '{"a": [{"b": true}]}'),
        ({"a": (0, 1)}, '{"a": [false, 1]}'),
        (OrderedDict(a=1), '{"a": true}'),
        (math.nan, "1"),
        ({"a": 1}, '{"a": 2, "a": 1}'),
        ([{"a": 1}], '[{"a": 1, "a": 1}]'),
        (1, "\ufeff1"),
    ],
)
def test_other_json_is_not_taken(expected: Any, sent: str) -> None:
    body = sent.encode(errors="surrogateescape")

    assert not match("POST", "/a", json=expected).matches(request("/a", body, "POST", JSON))


@pytest.mark.parametrize(
    ("part", "sent", "taken"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
        ({"a": mock.ANY}, {"a": None}, True),
        ({"a": re.compile("x")}, {"a": "axa", "b": 1}, True),
        ({}, {"a": 1}, True),
        ({"a": None}, {"b": 1}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": 1}, [1], False),
        ({"a": 1}, 5, False),
        ({"a": 1}, None, False),
        ({"a": 1}, "a", False),
        ({"a": {"b": 1}}, {"a": 5}, False),
        ([1], 5, False),
        ({"a": 1}, {"a": True, "b": 1}, False),
        ({"a": [True]}, {"a": [1]}, False),
    ],
)
def test_json_contains_what_is_asked_for(part: Any, sent: Any, taken: bool) -> None:
    body = json.dumps(sent).encode()

    assert match("POST", "/a", json_contains=part).matches(request("/a", body, "POST", JSON)) is taken


@pytest.mark.parametrize(
    ("sent_as", "taken"),
    [
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json; charset=utf-8", True),
        ('application/json;charset="UTF-8"', True),
        ("application/problem+json", True),
        ("application/vnd.api+json; version=1", True),
        ("application/json; charset=latin-1", False),
        ("text/json", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonlines", False),
        ("json", False),
        ("+json", False),
        ("text/plain; a=application/json", False),
    ],
)
def test_json_is_sent_as_json(sent_as: str, taken: bool) -> None:
    seen = request("/a", b'{"a": 1}', "POST", {"Content-Type": sent_as})

    assert match(json={"a": 1}).matches(seen) is taken
    assert match(json_contains={}).matches(seen) is taken
    assert match(json={"a": 1}, content_type=None).matches(seen)
    assert match(json_contains={}, headers={"content-type": sent_as}).matches(seen)


def test_json_without_a_type_is_a_mismatch_that_says_so() -> None:
    (check,) = failed(match(json={"a": 1}), request("/a", b'{"a": 1}', "POST"))

    said = "not sent as application/json in UTF-8, but as no type: b'{\"a\": 1}'"
    assert repr(check.got) == said
    assert not match(json=1, headers={"X-A": None}).matches(request("/a", b"1"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_json_is_in_utf_8(encoding: str) -> None:
    assert not match(json="é").matches(request("/a", '"é"'.encode(encoding), "POST", JSON))


def test_a_key_that_is_there_twice_is_named() -> None:
    (check,) = failed(match(json=mock.ANY), request("/a", b'{"a": 1, "b": 2, "a": 1}', "POST", JSON))

    assert repr(check.got).startswith("not JSON (the key 'a' occurs more than once): ")


@pytest.mark.parametrize(
    ("expected", "sent_as", "taken"),
    [
        ("text/plain", "Text/Plain; charset=utf-8", True),
        ("Text/Plain", "text/plain", True),
        (re.compile("^image/"), "image/png", True),
        (IsStr, "a/b", True),
        ("text/plain", "text/html", False),
        (re.compile("^image/"), "text/plain", False),
    ],
)
def test_the_media_type_may_be_asked_for(expected: Any, sent_as: str, taken: bool) -> None:
    assert match(content_type=expected).matches(request("/a", b"x", "POST", {"Content-Type": sent_as})) is taken
    assert not match(content_type=expected).matches(request("/a", b"x", "POST"))


@pytest.mark.parametrize("sent", [5, 0, -1.5, True, None, "a", "", [], ["a"], [{"a": {"b": 1}}], {}])
@pytest.mark.parametrize("part", [{"a": {"b": 1}}, [{"b": 1}]])
def test_json_of_another_type_is_a_mismatch_at_any_depth(part: Any, sent: Any) -> None:
    for asked, came in (
        (part, sent),
        ({"deep": part}, {"deep": sent}),
        ([part], [sent]),
    ):
        matcher = match("POST", "/a", json_contains=asked)
        came_in = request("/a", json.dumps(came).encode(), "POST")
        assert not matcher.matches(came_in)
        assert [check.criterion for check in matcher.checks(came_in) if not check.passed] == ["json contains"]


@pytest.mark.parametrize(
    ("expected", "sent", "taken"),
    [
        (b"abc", b"abc", True),
        ("é", "é".encode(), True),
        (b"", b"", True),
        ("", b"", True),
        (re.compile("b"), b"abc", True),
        (re.compile(rb"\xff"), b"a\xffb", True),
        (IsStr(regex="a.c"), b"abc", False),  # it is bytes that are compared
        (mock.ANY, b"abc", True),
        (b"abc", b"abcd", False),
        ("abc", b"ab", False),
        (re.compile("^b"), b"abc", False),
    ],
)
def test_a_body_is_bytes_text_or_a_pattern(expected: Any, sent: bytes, taken: bool) -> None:
    assert match("POST", "/a", body=expected).matches(request("/a", sent, "POST")) is taken


# where


def test_a_predicate_of_the_tests_own_is_asked() -> None:
    matcher = match("GET", "/a", where=lambda request: request.query.get("n") == "7")

    assert matcher.matches(request("/a?n=7"))
    assert not matcher.matches(request("/a?n=8"))


def test_a_predicate_that_raises_is_a_mismatch_that_says_so() -> None:
    def is_signed(request: Request) -> bool:
        return bool(request.headers["X-Signature"])

    assert shown(match("GET", "/a", where=is_signed), request()) == [
        "✗ where is_signed",
        "    expected: a true value",
        "    got:      KeyError: 'x-signature'",
    ]


class Raises:
    """Compares itself, and raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __eq__(self, other: object) -> bool:
        raise self.error

    def __hash__(self) -> int:
        return 1


FAILED = pytest.fail.Exception("not this one")


def raising(error: BaseException) -> Callable[[Request], bool]:
    def where(request: Request) -> bool:
        raise error

    return where


@pytest.mark.parametrize("error", [ValueError("oh"), FAILED, RecursionError("deep"), StopIteration("end")])
@pytest.mark.parametrize("kind", ["where", "json", "header", "file", "content_type", "either", "not"])
def test_what_code_of_the_test_raises_fails_it_though_another_route_answers(
    server: HTTPServe, error: BaseException, kind: str
) -> None:
    broken = match("POST", "/a", where=raising(error))
    matcher = {
        "where": broken,
        "json": match("POST", "/a", json={"a": [Raises(error)]}),
        "header": match("POST", "/a", headers={"X-A": Raises(error)}),
        "file": match("POST", "/a", where=raising(error), files={}),
        "content_type": match("POST", "/a", content_type=Raises(error)),
        "either": broken | match("POST", "/a"),
        "not": ~broken,
    }[kind]
    server.on("POST", "/a").respond(text="well")
    route = server.on(matcher).respond(500)
    answer = requests.post(server.url_for("/a"), json={"a": [1]}, headers={"X-A": "b"}, timeout=10)

    assert answer.text == "well"
    assert [exchange.status for exchange in server.exchanges] == [200]
    (failure,) = server.failures
    assert failure.startswith(f"{route}, compared with 'POST /a HTTP/1.1', raised:\nTraceback")
    assert str(error) in failure
    assert route.call_count == 0


def test_what_a_predicate_raises_is_answered_with_500_where_nothing_else_answers(server: HTTPServe) -> None:
    server.on("GET", "/a", where=raising(FAILED)).respond()
    answer = requests.get(server.url_for("/a"), timeout=10)

    assert answer.status_code == 500
    assert server.failures == (answer.text,)
    assert "Failed: not this one" in answer.text
    assert [exchange.status for exchange in server.exchanges] == [500]


def test_json_that_is_too_deep_to_be_compared_fails_the_test(server: HTTPServe) -> None:
    deep: Any = 1
    for _ in range(700):
        deep = [deep]
    server.on("POST", "/a", json=deep).respond()
    server.on("POST", "/a", json_contains=[[2]]).respond()
    answer = requests.post(server.url_for("/a"), data="[" * 700 + "1" + "]" * 700, headers=JSON, timeout=10)

    assert answer.status_code in (200, 500)
    assert len(server.exchanges) == 1
    assert answer.status_code == 200 or "RecursionError" in server.failures[0]


def test_what_a_predicate_raises_comes_out_of_what_the_test_asks(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    requests.get(server.url_for("/a"), timeout=10)

    with pytest.raises(ValueError, match="oh"):
        server.assert_requested("GET", "/a", where=raising(ValueError("oh")))
    with pytest.raises(pytest.fail.Exception, match="not this one"):
        server.requested("GET", "/a", where=raising(FAILED))


def test_a_matcher_may_stand_for_a_predicate() -> None:
    matcher = match("GET", "/a", where=basic_auth("ada", "secret"))

    assert not matcher.matches(request())
    assert matcher.matches(request(headers={"Authorization": "Basic YWRhOnNlY3JldA=="}))


# Together


@pytest.mark.parametrize(
    ("target", "taken"), [("/a?x=1&y=1", True), ("/a?x=1", False), ("/a?y=1", False), ("/b?x=1&y=1", False)]
)
def test_and_takes_what_both_take(target: str, taken: bool) -> None:
    both = match("GET", "/a", query={"x": "1"}) & match(query={"y": "1"})

    assert both.matches(request(target)) is taken


@pytest.mark.parametrize(("target", "taken"), [("/a", True), ("/b", True), ("/c", False)])
def test_or_takes_what_one_takes(target: str, taken: bool) -> None:
    assert (match("GET", "/a") | match("GET", "/b")).matches(request(target)) is taken


@pytest.mark.parametrize(("target", "taken"), [("/a?x=1", False), ("/a", True), ("/b?x=1", True)])
def test_not_takes_what_the_other_does_not(target: str, taken: bool) -> None:
    assert (~match("GET", "/a", query={"x": "1"})).matches(request(target)) is taken


def test_not_twice_is_the_same() -> None:
    assert (~~match("GET", "/a")).matches(request("/a"))
    assert not (~~match("GET", "/a")).matches(request("/b"))


def test_what_each_part_wanted_is_shown() -> None:
    either = (match("GET", "/a") | match("GET", "/b")) & ~match(headers={"X-A": "b"})

    assert shown(either, request("/c", headers={"X-A": "b"})) == [
        "✗ any of path | path",
        "    expected: /a or /b",
        "    got:      /c or /c",
        "✗ not (method & path & header X-A)",
        "    expected: anything but '*'",
        "    got:      'GET'",
    ]


@pytest.mark.parametrize("other", [5, None, "GET", lambda request: True])
def test_a_matcher_joins_only_with_another(other: Any) -> None:
    with pytest.raises(TypeError, match=r"^unsupported operand"):
        match("GET", "/a") & other
    with pytest.raises(TypeError, match=r"^unsupported operand"):
        match("GET", "/a") | other


# What a mismatch says


def test_a_value_that_is_not_there_is_said_to_be_missing() -> None:
    assert shown(match("GET", "/a", query={"n": 1}), request("/a")) == [
        "✗ query n",
        "    expected: '1'",
        "    got:      (not there)",
    ]


def test_a_value_that_must_not_be_there_is_shown() -> None:
    assert shown(match("GET", "/a", cookies={"n": None}), request("/a", headers={"Cookie": "n=1"})) == [
        "✗ cookie n",
        "    expected: (not there)",
        "    got:      '1'",
    ]


def test_all_values_of_a_name_are_shown() -> None:
    assert shown(match("GET", "/a", query={"n": "1"}), request("/a?n=1&n=2")) == [
        "✗ query n",
        "    expected: '1'",
        "    got:      ['1', '2']",
    ]


def test_a_body_that_is_no_json_is_shown_as_it_is() -> None:
    (check,) = failed(match("POST", "/a", json={"a": 1}), request("/a", b"a=1", "POST", JSON))

    assert repr(check.got) == "not JSON (Expecting value: line 1 column 1 (char 0)): b'a=1'"


def test_a_long_value_is_compared() -> None:
    long = "x" * 10_000
    (check,) = failed(match("POST", "/a", json={"a": long}), request("/a", b'{"a": "y"}', "POST", JSON))

    assert describe_check(check) == [
        "✗ json differs first at a, character 0",
        f"    expected: {'x' * 60!r}",
        "    got:      'y'",
        "    in all: expected a dict of 1 key, got a dict of 1 key",
    ]


# Credentials


def test_basic_credentials_are_taken(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(401)
    server.on(basic_auth("ada", "pass:wörd")).respond(text="in")
    url = server.url_for("/a")
    token = b64encode("ada:pass:wörd".encode()).decode()

    assert requests.get(url, headers={"Authorization": f"Basic {token}"}, timeout=10).text == "in"
    assert requests.get(url, auth=("ada", "other"), timeout=10).status_code == 401
    assert requests.get(url, timeout=10).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_credentials_may_be_in_small_letters(server: HTTPServe, scheme: str) -> None:
    server.on(match("GET", "/a") & bearer("t0ken")).respond(text="in")

    assert requests.get(server.url_for("/a"), headers={"Authorization": f"{scheme} t0ken"}, timeout=10).text == "in"


def test_a_bearer_token_is_taken(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(401)
    server.on(match("GET", "/a") & bearer("t0ken")).respond(text="in")
    url = server.url_for("/a")

    assert requests.get(url, headers={"Authorization": "Bearer t0ken"}, timeout=10).text == "in"
    assert requests.get(url, headers={"Authorization": "Bearer other"}, timeout=10).status_code == 401


def test_a_get_must_have_no_body(server: HTTPServe) -> None:
    server.on("GET", "/a", body=b"").respond()

    assert requests.get(server.url_for("/a"), timeout=10).status_code == 200
    assert requests.get(server.url_for("/a"), data=b"x", timeout=10).status_code == 404


def test_the_host_that_a_request_names(server: HTTPServe) -> None:
    server.on("GET", "/a", headers={"Host": f"{server.host}:{server.port}"}).respond()

    assert requests.get(server.url_for("/a"), timeout=10).status_code == 200
    assert requests.get(server.url_for("/a"), headers={"Host": "another.test"}, timeout=10).status_code == 404


async def later(request: Request) -> bool:
    return False


# What is refused

NO_PARAMETERS = "content_type= must be a media type such as 'text/plain', without parameters"
WHOLE_FIELD = "; for the whole field use headers={'Content-Type': ...}"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"content_type": "json"}, f"{NO_PARAMETERS}, not 'json'{WHOLE_FIELD}"),
    ({"content_type": "a/b; c=d"}, f"{NO_PARAMETERS}, not 'a/b; c=d'{WHOLE_FIELD}"),
    ({"content_type": b"a/b"}, "content_type= must be a media type such as 'text/plain', not b'a/b'"),
    ({"query": 5}, "query= takes a mapping of names to values, not 5"),
    ({"query": [("a", "1")]}, "query= takes a mapping of names to values, not [('a', '1')]"),
    ({"query": {1: "a"}}, "query= takes a mapping of names to values, not {1: 'a'}"),
    ({"query": {"a": True}}, "query= compares texts: write 'true' or 1, not True"),
    ({"query": {"a": b"1"}}, "query= compares texts: write a str or a pattern of str, not b'1'"),
    ({"query": {"a": {"b": 1}}}, "query= compares texts: write a str or a pattern of str, not {'b': 1}"),
    (
        {"query": {"a": re.compile(b"1")}},
        "query= compares texts: write a str or a pattern of str, not re.compile(b'1')",
    ),
    ({"query": {"a": []}}, "query= takes None for a name that must not be there, not []"),
    ({"query": {"a": ["1", False]}}, "query= compares texts: write 'false' or 0, not False"),
    ({"headers": "X-A: b"}, "headers= takes a mapping of names to values, not 'X-A: b'"),
    ({"headers": {"X A": "b"}}, "no header can be called 'X A'"),
    ({"headers": {"X-A": b"b"}}, "headers= compares texts: write a str or a pattern of str, not b'b'"),
    ({"cookies": ["a"]}, "cookies= takes a mapping of names to values, not ['a']"),
    ({"form": "a=1"}, "form= takes a mapping of names to values, not 'a=1'"),
    ({"files": [b"a"]}, "files= takes a mapping of field names to contents, not [b'a']"),
    ({"files": {"a": 5}}, "a file in files= must be bytes, a text, a pattern, or (filename, one of these), not 5"),
    (
        {"files": {"a": ("a.txt",)}},
        "a file in files= must be bytes, a text, a pattern, or (filename, one of these), not ('a.txt',)",
    ),
    (
        {"files": {"a": ("a.txt", b"", "b/c")}},
        "a file in files= must be bytes, a text, a pattern, or (filename, one of these), not ('a.txt', b'', 'b/c')",
    ),
    ({"json": 1, "json_contains": 1}, "json= is the whole body, json_contains= a part of it: give one of them"),
    ({"query": {}, "query_exact": {}}, "query_exact= is the whole query, query= a part of it: give one of them"),
    ({"form": {}, "form_exact": {}}, "form_exact= is the whole form, form= a part of it: give one of them"),
    ({"query_exact": "a=1"}, "query_exact= takes a mapping of names to values, not 'a=1'"),
    ({"body": {"a": 1}}, "body= takes bytes, a text or a pattern, not {'a': 1}; for JSON use json="),
    ({"body": 5}, "body= takes bytes, a text or a pattern, not 5; for JSON use json="),
    ({"where": 5}, "where= takes a callable or a matcher, not 5"),
    ({"where": "x"}, "where= takes a callable or a matcher, not 'x'"),
    ({"where": later}, "where= takes a plain function, but later() is async"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_can_never_match_is_refused_where_it_is_written(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        match("GET", "/a", **given)
    assert str(refused.value) == message


@pytest.mark.parametrize("given", [("a:b", "c"), (None, "c"), ("a", None), (b"a", "b")])
def test_credentials_that_cannot_be_are_refused(given: Any) -> None:
    with pytest.raises(UsageError) as refused:
        basic_auth(*given)
    said = f"basic_auth() takes a name without a colon and a password, not {given[0]!r}, {given[1]!r}"
    assert str(refused.value) == said


@pytest.mark.parametrize("token", ["", None, b"a"])
def test_a_token_that_cannot_be_is_refused(token: Any) -> None:
    with pytest.raises(UsageError) as refused:
        bearer(token)
    assert str(refused.value) == f"bearer() takes the token as a str, not {token!r}"


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda server, matcher: server.on(matcher, "/a"), "a path"),
        (lambda server, matcher: server.on(matcher, query={"a": 1}), "query="),
        (lambda server, matcher: server.on(matcher, json=None), "json="),
        (lambda server, matcher: server.scenario("s").on(matcher, "/a"), "a path"),
        (lambda server, matcher: server.requested(matcher, "/a"), "a path"),
        (lambda server, matcher: server.wait_for(matcher, body=b""), "body="),
        (lambda server, matcher: server.assert_requested(matcher, "/a"), "a path"),
        (lambda server, matcher: server.assert_not_requested(matcher, json_contains={}), "json_contains="),
    ],
)
def test_a_matcher_is_the_whole_of_what_is_asked_for(server: HTTPServe, call: Any, what: str) -> None:
    with pytest.raises(UsageError, match=f"^a matcher already says everything; to add {what},"):
        call(server, match("GET", "/a"))


def test_a_criterion_that_there_is_not_is_refused_with_those_that_there_are(server: HTTPServe) -> None:
    unknown: Any = {"qurey": {"a": "1"}}
    known = "query query_exact headers cookies form form_exact content_type files json json_contains body where"
    message = f"^there is no criterion qurey=; there are {'=, '.join(known.split())}=$"
    with pytest.raises(UsageError, match=message):
        match("GET", "/a", **unknown)
    with pytest.raises(UsageError, match=message):
        server.on("GET", "/a", **unknown)
    with pytest.raises(UsageError, match=message):
        server.assert_requested("GET", "/a", **unknown)
    with pytest.raises(UsageError, match=message):
        server.on(match("GET", "/a"), **unknown)


def test_none_says_nothing_but_for_json(server: HTTPServe) -> None:
    server.on(match("POST", "/a"), query=None, headers=None, body=None, where=None).respond(text="anything")
    server.on("POST", "/a", json=None).respond(text="null")
    assert requests.post(server.url_for("/a"), data="null", headers=JSON, timeout=10).text == "null"
    assert requests.post(server.url_for("/a"), data="1", headers=JSON, timeout=10).text == "anything"


@pytest.mark.parametrize("value", [b"{}", {1, 2}])
@pytest.mark.parametrize("name", ["json", "json_contains"])
def test_what_no_json_is_equal_to_is_refused(name: str, value: object) -> None:
    given: Any = {name: value}
    with pytest.raises(UsageError, match=r"^no JSON is ever equal to "):
        match("POST", "/a", **given)


def ada(request: Request) -> bool:
    return True


@pytest.mark.parametrize(
    ("matcher", "said"),
    [
        (match(), "*"),
        (match("GET", "/users/{id:int}"), "GET /users/{id:int}"),
        (match("*", re.compile("/v[12]")), "re.compile('/v[12]')"),
        (match("GET", "/a", query="a=1", headers={"X": 1}), "GET /a query='a=1' headers={'X': '1'}"),
        (match(cookies={"a": None}, form={"b": ["1"]}), "cookies={'a': None} form={'b': ['1']}"),
        (match(json={"a": 1}), "json={'a': 1}"),
        (match(json_contains=[1], files={"a": b"x"}), "json_contains=[1] files={'a': b'x'}"),
        (match("POST", body="text", where=ada), "POST body='text' where=ada"),
        (match("GET", "/a") | match("POST", "/b"), "(GET /a | POST /b)"),
        (match("GET") & (match(path="/a") | match(path="/b")), "GET (/a | /b)"),
        (match("GET") & ~match(path="/a"), "GET ~(/a)"),
    ],
)
def test_a_matcher_says_what_it_asks_for(server: HTTPServe, matcher: Matcher, said: str) -> None:
    assert repr(matcher) == said
    with pytest.raises(AssertionError, match="^" + re.escape(f"{said} was not requested: there were no requests")):
        server.assert_requested(matcher)


def test_a_route_for_alternatives_names_them(server: HTTPServe) -> None:
    route = server.on(match("GET", "/a") | match("POST", "/b"))
    assert str(route).startswith("the route (GET /a | POST /b) (")


@pytest.mark.parametrize(
    ("target", "matches"),
    [
        ("/a?x=1&y=2", True),
        ("/a?y=2&x=1", True),
        ("/a?x=1&y=2&z=3", False),
        ("/a?x=1", False),
        ("/a?x=1&x=1&y=2", False),
    ],
)
def test_an_exact_query_has_no_other_names(target: str, matches: bool) -> None:
    assert match("GET", "/a", query_exact={"x": 1, "y": "2"}).matches(request(target)) is matches


def test_an_exact_query_names_what_was_too_much() -> None:
    (check,) = failed(match("GET", "/a", query_exact={"x": 1}), request("/a?x=1&y=2&z=3"))

    assert describe_check(check) == ["✗ nothing else in query", "    expected: nothing", "    got:      ['y', 'z']"]
    assert repr(match("GET", "/a", query_exact={"x": 1})) == "GET /a query_exact={'x': '1'}"
    assert match("GET", "/a", query_exact={}).matches(request("/a"))


def test_an_exact_form_has_no_other_fields() -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    exact = match("POST", "/a", form_exact={"x": ["1", "2"]})

    assert exact.matches(request("/a", b"x=1&x=2", "POST", form))
    assert not exact.matches(request("/a", b"x=1&x=2&y=", "POST", form))
