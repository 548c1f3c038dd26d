"""A client that sends too many requests, and is told to wait."""

from collections.abc import Callable, Iterable

import requests

from pytest_httpserve import HTTPServe


def fetch_all(urls: Iterable[str], sleep: Callable[[float], object]) -> list[str]:
    """The code under test: when the server tells it to slow down, it waits and requests the same page again."""
    texts = []
    for url in urls:
        while (response := requests.get(url, timeout=5)).status_code == 429:
            sleep(float(response.headers["Retry-After"]))
        texts.append(response.text)
    return texts


def test_a_refused_page_is_requested_again(httpserve: HTTPServe) -> None:
    slow_down = {"Retry-After": 30}
    pages = httpserve.on("GET", "/pages/{n:int}").respond(text="ok", times=2).respond(429, headers=slow_down)
    pages.respond(text="ok")
    waits: list[float] = []

    assert fetch_all([httpserve.url_for(f"/pages/{n}") for n in range(3)], sleep=waits.append) == ["ok"] * 3
    assert waits == [30]
    assert [call.request.path_params["n"] for call in pages.calls] == [0, 1, 2, 2]
