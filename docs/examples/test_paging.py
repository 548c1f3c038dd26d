"""A client that reads all pages: with Link headers, and with a cursor in the query."""

from collections.abc import Iterator
from typing import Any

import requests

from pytest_httpserve import HTTPServe


def linked(url: str | None) -> Iterator[Any]:
    """The code under test: follows ``Link: <...>; rel="next"``."""
    while url:
        response = requests.get(url, timeout=5)
        yield from response.json()
        url = response.links.get("next", {}).get("url")


def by_cursor(url: str) -> Iterator[Any]:
    """The code under test: sends the cursor from the end of each page."""
    query: dict[str, str] = {}
    while True:
        page = requests.get(url, params=query, timeout=5).json()
        yield from page["items"]
        if page["next"] is None:
            return
        query = {"cursor": page["next"]}


def test_links_are_followed_to_the_last_page(httpserve: HTTPServe) -> None:
    next_page = {"Link": f'<{httpserve.url_for("/items?page=2")}>; rel="next"'}
    httpserve.on("GET", "/items").respond(json=[1, 2], headers=next_page)
    httpserve.on("GET", "/items", query={"page": 2}).respond(json=[3])

    assert list(linked(httpserve.url_for("/items"))) == [1, 2, 3]


def test_the_cursor_is_passed_on(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/items", query={"cursor": None}).respond(json={"items": [1, 2], "next": "b c"})
    httpserve.on("GET", "/items", query={"cursor": "b c"}).respond(json={"items": [3], "next": None})

    assert list(by_cursor(httpserve.url_for("/items"))) == [1, 2, 3]
