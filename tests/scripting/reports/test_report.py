"""What a reader sees: near misses, exchanges, transcripts."""

import re
from collections.abc import Callable

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.record.words import exchange_line
from pytest_httpserve.scripting.reports.report import exchanges_section, transcript

Say = Callable[[HTTPServe, str | bytes], bytes]


def post(server: HTTPServe, path: str, json: object) -> str:
    return requests.post(server.url_for(path), json=json, timeout=10).text


def test_the_nearest_route_comes_first_with_all_its_criteria(server: HTTPServe) -> None:
    near = server.on("POST", "/orders", headers={"X-Key": "k"}, json={"id": 7}).respond()
    far = server.on("GET", "/users/{id:int}").respond()

    assert post(server, "/orders", {"id": 8}) == (
        "nothing answers POST /orders\n"
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


def test_of_many_routes_the_nearest_are_shown_and_the_others_counted(server: HTTPServe) -> None:
    for number in range(20):
        server.on("POST", f"/{number}").respond()
    server.on("POST", "/orders", query={"n": 1}).respond()
    text = post(server, "/orders", {})

    assert text.splitlines()[2].startswith("  the route POST /orders (")
    assert text.count("the route POST") == 3
    assert "18 more routes" in text


def test_a_body_is_not_cut(server: HTTPServe) -> None:
    server.on("POST", "/a", json={"text": "x" * 5000}).respond()
    text = post(server, "/a", {"text": "y" * 5000})

    assert "x" * 5000 in text
    assert "y" * 5000 in text


def test_an_exchange_is_a_line(server: HTTPServe) -> None:
    route = server.on("GET", "/a").respond(text="well")
    requests.get(server.url_for("/a?n=1"), timeout=10)
    line = exchange_line(server.exchanges[0])

    assert re.fullmatch(
        rf"GET /a\?n=1 -> 200 text/plain; charset=utf-8 4 bytes \d+\.\d ms by {re.escape(route.place)}", line
    ), line


def test_an_exchange_that_broke_off_says_how(server: HTTPServe, say: Say) -> None:
    say(server, "GET /a HTTP/1.1\n\n")

    assert exchange_line(server.exchanges[0]).endswith(f"({server.exchanges[0].error})")


def test_a_transcript_has_both_directions(server: HTTPServe, say: Say) -> None:
    server.on("POST", "/a").respond(body=b"\x00\xff\r\nend")
    say(server, "POST /a HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 3\n\nabc")
    server.stop()
    lines = transcript(server.exchanges[0])

    assert lines[:6] == ["> POST /a HTTP/1.1", "> Host: x", "> Connection: close", "> Content-Length: 3", ">", "> abc"]
    assert lines[6] == "< HTTP/1.1 200 OK"
    assert lines[-2:] == ["< \\x00\\xff", "< end"]


def test_what_a_terminal_would_obey_is_written_out(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(text="\x1b[31mred\x07")
    say(server, "GET /a HTTP/1.0\n\n")
    server.stop()

    assert transcript(server.exchanges[0])[-1] == "< \\x1b[31mred\\x07"


def test_a_transcript_says_what_was_not_kept(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond(body=b"a" * 100_000)
    answer = say(server, "GET /a HTTP/1.0\n\n")
    server.stop()

    assert transcript(server.exchanges[0])[-1] == f"< ({len(answer) - 65_536} bytes more were not kept)"


@pytest.mark.parametrize("whole", [False, True])
def test_a_server_that_nobody_asked_says_so(server: HTTPServe, whole: bool) -> None:
    assert exchanges_section("http://x", server.exchanges, whole=whole) == ["http://x", "  no requests"]
