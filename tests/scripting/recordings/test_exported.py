"""Recordings that Playwright 1.65 has exported, from Chromium 156: as one file, and as an archive.

The page has a cookie, is compressed, and loads a style, an image and JSON; then it posts JSON and follows a redirect.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come
SHOP = "http://shop.example.com"


@pytest.fixture(params=["playwright.har", "playwright.zip"])
def shop(request: pytest.FixtureRequest, server: HTTPServe) -> Iterator[requests.Session]:
    """A client of the recorded host."""
    server.serve_recording(Path(__file__).parent / "exported" / request.param)
    with requests.Session() as client:
        client.trust_env = False
        client.proxies = {"http": server.base_url}
        yield client
    assert server.failures == ()


def test_the_page_is_served_as_the_browser_has_read_it(shop: requests.Session) -> None:
    page = shop.get(f"{SHOP}/", timeout=PATIENCE)

    assert page.text.startswith("<!doctype html><title>Shop</title>")
    assert "Content-Encoding" not in page.headers, "it was exported without"
    assert page.headers["Content-Length"] == str(len(page.content))
    assert page.cookies["session"] == "s3cret"


def test_text_is_text_and_bytes_are_bytes(shop: requests.Session) -> None:
    style, image = (shop.get(f"{SHOP}/{name}", timeout=PATIENCE) for name in ("style.css", "dot.png"))

    assert (style.text, style.headers["ETag"]) == ("body{color:red}", '"a"')
    assert (image.content[:4], len(image.content)) == (b"\x89PNG", 67)


def test_json_is_asked_for_by_its_query_and_posted_by_its_body(shop: requests.Session) -> None:
    items = shop.get(f"{SHOP}/api/items?token=another&page=1", timeout=PATIENCE)
    order = shop.post(f"{SHOP}/api/orders", json={"count": 2, "item": "tea"}, timeout=PATIENCE)

    assert items.json() == {"items": ["tea", "coffee"]}
    assert (order.status_code, order.json()) == (201, {"order": 12})


def test_a_redirect_leads_on(shop: requests.Session) -> None:
    answer = shop.get(f"{SHOP}/old", timeout=PATIENCE)

    assert ([before.status_code for before in answer.history], answer.url, answer.text) == ([302], f"{SHOP}/new", "new")
