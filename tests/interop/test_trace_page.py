"""The page of a trace, in Chromium."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, clock
from pytest_httpserve.faults import Reset
from pytest_httpserve.scripting.reports.trace.document import document, part
from pytest_httpserve.scripting.reports.trace.page import page
from tests.interop.browser import Page, driven
from tests.needs import there

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.same_everywhere]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BREAKS_OUT = "</script><script>document.title='broken out'</script><!-- <script>"
SELECTED = '[aria-selected="true"]'

Show = Callable[[dict[str, Any]], Page]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("chromium")
    with driven({"HOME": str(folder), "PATH": ""}, there("chromium"), folder) as opened:
        yield opened


@pytest.fixture
def show(chromium: Page, tmp_path: Path) -> Show:
    """``show(har)`` opens the page of a HAR."""

    def opened(har: dict[str, Any]) -> Page:
        file = tmp_path / "trace.html"
        file.write_text(page(har, "the title"), encoding="utf-8")
        chromium.open(file.as_uri())
        return chromium

    return opened


@pytest.fixture
def visit() -> dict[str, Any]:
    """The trace of a test in which a bit of everything has happened."""
    began = clock.monotonic()
    with HTTPServe(ignore=["unanswered"]) as server, requests.Session() as client:
        server.on("GET", "/users/{id:int}").respond(
            body=b'{"id": 12345678901234567890, "tags": [], "a": {"b": 1}}',
            headers={"Content-Type": "application/json"},
        )
        server.on("GET", "/pixel").respond(body=PIXEL, headers={"Content-Type": "image/png"})
        server.on("GET", "/bytes").respond(body=bytes(range(256)))
        server.on("POST", "/orders").respond(201, html=f"<p>{BREAKS_OUT}</p>")
        server.on("GET", "/cut").respond(body=b"x" * 1000, fault=Reset(after=10))
        for number in range(3):
            client.get(server.url_for(f"/users/{number}"), timeout=10)
        client.get(server.url_for("/pixel"), timeout=10)
        client.get(server.url_for("/bytes"), timeout=10)
        client.post(server.url_for("/orders"), data={"item": "tea & milk"}, timeout=10)
        client.put(server.url_for("/users/7"), timeout=10)
        with pytest.raises(requests.RequestException):
            client.get(server.url_for("/cut"), timeout=10)
    said = part(server.seen(), server.base_url, server.base_url, began)
    return document("test_visit.py::test_it", began, [said], failures=["it <b>failed</b>\nso"], outcome="failed")


def test_the_page_shows_a_visit_and_asks_nobody_for_anything(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)

    assert opened.text("#title") == "test_visit.py::test_it"
    assert opened.text("#outcome") == "failed"
    assert opened.text("#summary").startswith("8 exchanges, 1 connection, ")
    assert opened.text("#failures summary") == "1 failure: it <b>failed</b>"
    assert opened.ask("document.querySelectorAll('[role=option]').length") == 8
    opened.press("End")
    for _ in range(7):
        opened.press("ArrowUp")
    assert [url.partition(":")[0] for url in opened.requests] == ["file", "data"]  # the pixel is within the page
    assert opened.complaints == []


def test_no_body_breaks_out(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)
    opened.press("/", *"tea")

    opened.press("Enter")
    assert BREAKS_OUT in opened.text("#details")
    assert opened.ask("document.title") == "the title"
    assert opened.ask("document.scripts.length") == 2
    assert opened.complaints == []


def test_bodies_are_shown_as_what_they_are(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)

    opened.press("ArrowDown")
    assert '"id": 12345678901234567890,\n  "tags": [],\n  "a": {\n    "b": 1\n  }' in opened.text("#details")
    opened.press(*["ArrowDown"] * 3)
    assert opened.ask("document.querySelector('#details img').naturalWidth") == 1
    opened.press("ArrowDown")
    assert "000040  40 41 42 43" in opened.text("#details pre.hex")
    opened.press("ArrowDown")
    assert "item\ttea & milk" in opened.text("#details")


def test_what_went_wrong_is_marked(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)

    opened.press("End")
    assert "/cut Reset(after=10)" in " ".join(opened.text(SELECTED).split())
    assert "fault Reset(after=10): response_body, after 10 bytes" in opened.text("#details")
    opened.press("ArrowUp")
    assert "/users/7 unanswered" in " ".join(opened.text(SELECTED).split())
    assert "✗ method" in opened.text("#details pre")


def test_search_finds_in_heads_and_bodies(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)

    opened.press("/", *"users unanswered")
    assert opened.text("#found") == "1 exchange found"
    opened.press("Enter")
    assert "PUT" in opened.text(SELECTED)
    opened.press("Escape")
    assert opened.ask("details.hidden") is True
    opened.press("Escape")
    assert opened.text("#found") == ""
    assert opened.ask("document.querySelectorAll('[role=option]').length") == 8


def test_dark_and_light(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)
    colour = "getComputedStyle(document.body).backgroundColor"

    light = opened.ask(colour)
    opened.press("t")
    assert light == "rgb(255, 255, 255)" != opened.ask(colour)
    opened.press("t")
    assert opened.ask(colour) == light
    opened.ask("theme.focus()")
    opened.press("Enter")
    assert opened.ask(colour) != light
    assert opened.text(SELECTED) == ""


def test_a_narrow_page_shows_what_was_asked_for(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)
    try:
        opened.resize(480, 800)
        opened.press("End")
        assert "/cut" in opened.text(SELECTED)
        widths = (
            "document.querySelector('[aria-selected=true] .target').clientWidth, list.clientWidth, details.clientWidth"
        )
        target, list_width, details_width = opened.ask(f"[{widths}]")
        assert target > 100
        assert list_width > 400 < details_width, "they share the width"
        assert opened.ask("failures.scrollWidth <= failures.clientWidth") is True
    finally:
        opened.resize(1280, 800)


def test_lanes_are_drawn_and_chosen_from(show: Show, visit: dict[str, Any]) -> None:
    opened = show(visit)
    picture = "document.querySelector('canvas').toDataURL()"

    whole = opened.ask(picture)
    opened.press("+")
    assert opened.ask(picture) != whole
    opened.press("0")
    assert opened.ask(picture) == whole


def test_ten_thousand_exchanges_are_few_elements(show: Show, visit: dict[str, Any]) -> None:
    entries = visit["log"]["entries"]
    visit["log"]["entries"] = [entries[number % 8] for number in range(10_000)]
    opened = show(visit)

    assert opened.text("#summary").startswith("10,000 exchanges")
    assert opened.ask("document.querySelectorAll('*').length") < 1000
    opened.press("End")
    assert opened.text(SELECTED).startswith("10000")


def test_what_a_browser_has_written_is_shown(show: Show) -> None:
    """Chromium names no server and no connection, Firefox leaves out most else."""
    entry = {
        "startedDateTime": "2026-11-28T12:00:00.123Z",
        "time": 5,
        "request": {"method": "GET", "url": "https://shop.test/a?b=1", "headers": [{"name": "Accept", "value": "*/*"}]},
        "response": {"status": 200, "content": {"mimeType": "application/json", "text": "{}"}},
        "timings": {"blocked": -1, "dns": 1, "connect": 2, "send": 0, "wait": 1, "receive": 1},
        "_webSocketMessages": [{"type": "send", "time": 1795867200.124, "opcode": 1, "data": "hello"}],
    }
    opened = show(json.loads(json.dumps({"log": {"version": "1.2", "entries": [entry]}})))

    opened.press("ArrowDown")
    assert "/a?b=1" in opened.text(SELECTED)
    assert "https://shop.test" in opened.text("#details h2")
    assert "hello" in opened.text("#details")
    assert opened.complaints == []


def test_a_test_without_an_exchange_has_a_page(show: Show) -> None:
    opened = show(document("test_nothing", clock.monotonic(), [], failures=["was not called"], outcome="failed"))

    opened.press("ArrowDown", "End", "ArrowRight", "+")
    assert opened.text("#summary") == "0 exchanges, 0 connections"
    assert opened.complaints == []


def test_of_many_messages_the_first_are_shown(show: Show, visit: dict[str, Any]) -> None:
    [first, *_] = visit["log"]["entries"]
    message = {"type": "receive", "time": clock.now(), "opcode": 2, "data": base64.b64encode(b"\x01tea").decode()}
    first["_webSocketMessages"] = [message] * 600
    opened = show(visit)

    opened.press("ArrowDown")
    assert "01 74 65 61" in opened.text("#details")
    assert opened.text(".more") == "Show 100 more"
    opened.press("Enter")
    assert opened.ask("document.activeElement.id") == "details"
    opened.ask("document.querySelector('.more').click()")
    assert opened.ask("document.querySelector('.more')") is None
    assert opened.ask("document.querySelectorAll('#details td').length") > 1200
    opened.press("Escape")
    assert opened.ask("document.activeElement.id") == "list"


def test_a_connection_that_came_to_nothing_is_shown(show: Show) -> None:
    with HTTPServe() as server:
        server.fault(Reset(phase="accept"))
        with pytest.raises(requests.RequestException):
            requests.get(server.base_url, timeout=10)
    said = part(server.seen(), server.base_url, server.base_url, 0.0)
    opened = show(document("test_it", 0.0, [said], outcome="passed"))

    name = server.base_url.removeprefix("http://")
    trouble = f"1 connection in trouble: Connection 0 · {name}: fault Reset(phase='accept'): accept"
    assert opened.text("#failures summary") == trouble
    opened.click("canvas", 300, 30)
    assert opened.text("#details h2") == f"Connection 0 · {name}"
    assert "closed by the server (RST), at " in opened.text("#details")


def test_a_bar_is_clicked_and_a_drag_zooms(show: Show) -> None:
    whole_time = {
        "startedDateTime": "2026-11-28T12:00:00.123Z",
        "request": {"method": "GET", "url": "https://shop.test/a"},
        "response": {"status": 200},
        "timings": {"send": 0, "wait": 100, "receive": 0},
    }
    opened = show({"log": {"entries": [whole_time]}})
    picture = "document.querySelector('canvas').toDataURL()"

    whole = opened.ask(picture)
    opened.drag("canvas", (300, 30), (500, 30))
    assert opened.ask(picture) != whole
    assert opened.text(SELECTED) == ""
    opened.press("0")
    assert opened.ask(picture) == whole
    opened.click("canvas", 300, 30)
    assert "/a" in opened.text(SELECTED)
