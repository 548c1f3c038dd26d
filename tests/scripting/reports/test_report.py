"""What a reader sees: near misses, exchanges, transcripts."""

import json
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest
import requests

from pytest_httpserve import HTTPServe, UsageError
from pytest_httpserve.scripting.record.lines import exchange_line
from pytest_httpserve.scripting.reports.report import exchanges_section, transcript

Say = Callable[[HTTPServe, str | bytes], bytes]


def post(server: HTTPServe, path: str, json: object) -> str:
    return requests.post(server.url_for(path), json=json, timeout=10).text


def test_the_nearest_route_comes_first_with_all_its_criteria(server: HTTPServe) -> None:
    near = server.on("POST", "/orders", headers={"X-Key": "k"}, json={"id": 7}).respond()
    far = server.on("GET", "/users/{id:int}").respond()

    assert post(server, "/orders", {"id": 8}) == (
        "nothing answers POST /orders: the nearest route differs in header X-Key: expected 'k', got (not there); "
        "also in json\n"
        "  with a body of 9 bytes (application/json)\n"
        f"  {near}\n"
        "    ✓ method: 'POST'\n"
        "    ✓ path: /orders\n"
        "    ✗ header X-Key\n"
        "        expected: 'k'\n"
        "        got:      (not there)\n"
        "    ✗ json\n"
        "        expected: {'id': 7}\n"
        "        got:      {'id': 8}\n"
        f"  {far}\n"
        "    ✗ method\n"
        "        expected: 'GET'\n"
        "        got:      'POST'\n"
        "    ✗ path\n"
        "        expected: /users/{id:int}\n"
        "        got:      /orders\n"
    )


@pytest.mark.parametrize(
    ("wanted", "sent", "said"),
    [
        ({"headers": {"X-A": "1"}}, {}, "header X-A: expected '1', got (not there)"),
        (
            {"query": {"a": "1"}, "headers": {"X-A": "1"}},
            {},
            "query a: expected '1', got (not there); also in header X-A",
        ),
        ({"json": {"a": [1, {"b": 2}]}}, {"json": {"a": [1, {"b": 3}]}}, "json at a[1].b: expected 2, got 3"),
        ({"json": {"a": 1}}, {"json": [1]}, "json: expected {'a': 1}, got [1]"),
        ({"json_contains": {"a": 1}}, {"json": {"c": 3}}, "json contains at a: expected 1, got (not there)"),
        ({"body": "a\nb"}, {"data": "a\x1bb"}, "body: expected 'a\\nb', got 'a\\x1bb'"),
        ({"where": lambda request: False}, {}, "where <lambda>: expected a true value, got False"),
        ({"headers": {"Authorization": ANY}}, {}, "header Authorization: expected <ANY>, got (not there)"),
    ],
)
def test_the_first_line_names_what_differs_first(server: HTTPServe, wanted: Any, sent: Any, said: str) -> None:
    server.on("POST", "/orders", **wanted).respond()
    requests.post(server.url_for("/orders"), timeout=10, **sent)

    first = server.take_failures()[-1].partition("\n")[0]
    assert first.startswith(f"nothing answers POST /orders: the nearest route differs in {said}")


def test_the_first_line_is_bounded_and_has_no_secrets(server: HTTPServe) -> None:
    server.on("POST", "/a" * 200, headers={"X" * 300: "y" * 9_000, "Cookie": re.compile("z")}, body="b").respond()
    headers = {"X" * 300: "w" * 9_000, "Cookie": "secret"}
    requests.post(server.url_for("/a" * 200), headers=headers, timeout=10)

    [text] = server.failures
    first = text.partition("\n")[0]
    assert first.startswith("nothing answers POST /a/a/a")
    assert first.endswith("www'; also in header Cookie, body")
    assert len(first) <= 500
    assert "secret" not in text


def test_of_many_routes_the_nearest_are_shown_and_the_others_counted(server: HTTPServe) -> None:
    for number in range(20):
        server.on("POST", f"/{number}").respond()
    server.on("POST", "/orders", query={"n": 1}).respond()
    text = post(server, "/orders", {})

    assert text.splitlines()[2].startswith("  the route POST /orders (")
    assert text.count("the route POST") == 3
    assert "18 more routes" in text


def test_the_nearest_routes_are_ranked(server: HTTPServe) -> None:
    """By what is not met, the path above all; of equally near ones the latest comes first."""
    others = [
        server.on("POST", "/customers").respond(),
        server.on("POST", "/order").respond(),
        server.on("PUT", "/orders").respond(),
        server.on("POST", "/orders", headers={"X-A": "1", "X-B": "2"}).respond(),
        server.on("POST", "/orders", headers={"X-A": "1"}).respond(),
        server.on("POST", "/orders", headers={"X-B": "1"}).respond(),
    ]
    _, _, other_method, two_headers, one_header, the_latest = others
    ranked = [line.strip() for line in post(server, "/orders", {}).splitlines() if line.startswith("  the route")]
    assert ranked == [str(the_latest), str(one_header), str(other_method)]

    for route in (the_latest, one_header, other_method):
        route.remove()
    ranked = [line.strip() for line in post(server, "/orders", {}).splitlines() if line.startswith("  the route")]
    assert ranked == [str(two_headers), str(others[1]), str(others[0])]


def test_a_path_with_a_slip_in_it_weighs_as_much_as_some_other_criteria(server: HTTPServe) -> None:
    """More than three, and less than four: a client that has one letter wrong is likely to have meant that route."""
    names = ("X-A", "X-B", "X-C", "X-D")
    four = server.on("POST", "/orders", headers=dict.fromkeys(names, "1")).respond()
    slip = server.on("POST", "/order").respond()
    three = server.on("POST", "/orders", headers=dict.fromkeys(names[:3], "1")).respond()

    ranked = [line.strip() for line in post(server, "/orders", {}).splitlines() if line.startswith("  the route")]
    assert ranked == [str(three), str(slip), str(four)]


def test_large_values_are_compared(server: HTTPServe) -> None:
    items = [{"name": f"name {number}"} for number in range(5_000)]
    route = server.on("POST", "/a", json={"items": items}).respond()
    other = [*items[:4_000], {"name": "another"}, *items[4_001:]]

    assert post(server, "/a", {"items": other}) == (
        "nothing answers POST /a: the nearest route differs in json at items[4000].name: expected 'name 4000', "
        "got 'another'\n"
        "  with a body of 113899 bytes (application/json)\n"
        f"  {route}\n"
        "    ✓ method: 'POST'\n"
        "    ✓ path: /a\n"
        "    ✗ json differs first at items[4000].name\n"
        "        expected: 'name 4000'\n"
        "        got:      'another'\n"
        "        in all: expected a dict of 1 key, got a dict of 1 key\n"
    )


def test_a_large_value_against_a_small_one_is_shown_in_part(server: HTTPServe) -> None:
    server.on("POST", "/a", json={"a": 1}).respond()
    server.on("POST", "/a", json={"a": ["y" * 1_000] * 1_000, "b": 1}).respond()
    text = post(server, "/a", {"a": ["y" * 1_000] * 1_000})

    assert "✗ json differs first at a\n        expected: 1\n        got:      ['yyyyyy" in text
    assert "✗ json differs first at b\n        expected: 1\n        got:      (not there)\n" in text
    assert len(text) < 2_000


@pytest.mark.parametrize("path", ["/%0a  forged", "/%1b%5b31m", "/%00", "/%ff"])
def test_a_decoded_path_gives_no_orders(server: HTTPServe, path: str) -> None:
    server.on("GET", "/a").respond()
    text = requests.get(server.url_for("/") + path[1:], timeout=10).text

    assert text.isprintable() or text.replace("\n", "").isprintable()
    assert len(text.splitlines()) == 6
    assert server.failures == (text,)


def test_a_request_that_was_refused_gives_no_orders(server: HTTPServe, say: Say) -> None:
    say(server, b"GET /\x1b[31m\x00\xff HTTP/1.1\r\nHost: x\r\n\r\n")

    assert exchanges_section("http://x", server.exchanges, whole=True)
    assert str(server.exchanges[0].request).isprintable()
    for line in exchanges_section("http://x", server.exchanges, whole=True):
        assert line.isprintable()


def test_many_exchanges_are_shown_at_both_ends(server: HTTPServe) -> None:
    server.on("*").respond()
    with requests.Session() as client:
        for number in range(60):
            client.get(server.url_for(f"/{number}"), timeout=10)
    lines = exchanges_section("http://x", server.exchanges, whole=False)

    assert len(lines) == 42
    assert lines[1].startswith("  GET /0 -> 200")
    assert lines[21] == "  ... 20 more exchanges ..."
    assert lines[-1].startswith("  GET /59 -> 200")


def test_an_exchange_is_a_line(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="well")
    requests.get(server.url_for("/a?n=1"), timeout=10)
    line = exchange_line(server.exchanges[0])

    assert re.fullmatch(
        rf"GET /a\?n=1 -> 200 text/plain; charset=utf-8 4 bytes \d+\.\d ms by {re.escape(route.place)}", line
    ), line


def test_an_exchange_that_broke_off_says_how(server: HTTPServe, say: Say) -> None:
    say(server, "GET /a HTTP/1.1\n\n")

    assert exchange_line(server.exchanges[0]).endswith(f"(refused: {server.exchanges[0].error})")


def test_a_transcript_has_both_directions(server: HTTPServe, say: Say) -> None:
    server.on("POST", "/a").respond(body=b"\x00\xff\r\nend")
    say(server, "POST /a HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 3\n\nabc")
    server.stop()
    lines = transcript(server.exchanges[0], server.redacted)

    assert lines[:6] == ["> POST /a HTTP/1.1", "> Host: x", "> Connection: close", "> Content-Length: 3", ">", "> abc"]
    assert lines[6] == "< HTTP/1.1 200 OK"
    assert lines[-2:] == ["< \\x00\\xff", "< end"]


def test_what_a_terminal_would_obey_is_written_out(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="\x1b[31mred\x07")
    say(server, "GET /a HTTP/1.0\n\n")
    server.stop()

    assert transcript(server.exchanges[0], server.redacted)[-1] == "< \\x1b[31mred\\x07"


def test_a_transcript_says_what_was_not_kept(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(body=b"a" * 100_000)
    answer = say(server, "GET /a HTTP/1.0\n\n")
    server.stop()

    assert (
        transcript(server.exchanges[0], server.redacted)[-1] == f"< ({len(answer) - 65_536} more bytes were not kept)"
    )


@pytest.mark.parametrize("whole", [False, True])
def test_a_server_that_nobody_asked_says_so(server: HTTPServe, whole: bool) -> None:
    assert exchanges_section("http://x", server.exchanges, whole=whole) == ["http://x", "  no requests"]


def test_credentials_are_not_shown() -> None:
    with HTTPServe(redact=["X-Api-Key"]) as server:
        server.on("GET", "/a", headers={"Authorization": "Bearer expected", "X-Api-Key": ANY, "X-Id": "1"}).respond()
        headers = {"Authorization": "Bearer s3cret", "Cookie": "id=s3cret", "x-api-key": "s3cret", "X-Id": "seen"}
        answer = requests.get(server.url_for("/a"), headers=headers, timeout=10)
        with pytest.raises(AssertionError) as caught:
            server.assert_requested("GET", "/a", cookies={"id": "expected"})
        section = exchanges_section("http://x", server.exchanges, whole=True, redacted=server.redacted)

        assert server.take_failures() == (answer.text,)
        assert server.exchanges[0].request.headers["Authorization"] == "Bearer s3cret"
        for text in (answer.text, str(caught.value), "\n".join(section), json.dumps(server.har())):
            assert "s3cret" not in text
        assert "got:      Bearer ***" in answer.text
        assert "expected: 'Bearer expected'" in answer.text
        assert "✓ header X-Api-Key: ***" in answer.text
        assert "got:      'seen'" in answer.text
        assert "> Authorization: Bearer ***" in "\n".join(section)
        assert "> Cookie: ***" in "\n".join(section)


def test_a_credential_that_the_test_has_named_is_shown(server: HTTPServe) -> None:
    server.on("GET", "/a", headers={"Authorization": "Bearer named"}, query={"n": 1}).respond()

    text = requests.get(server.url_for("/a"), headers={"Authorization": "Bearer named"}, timeout=10).text

    assert "✓ header Authorization: 'Bearer named'" in text
    assert server.take_failures() == (text,)


def test_cookies_that_are_set_are_not_shown(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(cookies={"id": "s3cret"})
    requests.get(server.url_for("/a"), timeout=10)
    server.stop()

    for text in (json.dumps(server.har()), "\n".join(transcript(server.exchanges[0], server.redacted))):
        assert "s3cret" not in text
        assert "***" in text


@pytest.mark.parametrize(("names", "wrong"), [(["a b"], "a b"), ([5], 5), (5, 5), (["x", ""], "")])
def test_what_can_be_no_header_field_cannot_be_redacted(names: Any, wrong: object) -> None:
    with pytest.raises(UsageError) as refused:
        HTTPServe(redact=names)
    assert str(refused.value) == f"redact= takes names of header fields, not {wrong!r}"
