"""A client with a cache: it keeps a response, and asks the server whether it is still valid."""

import requests

from pytest_httpserve import HTTPServe


class Cache:
    """The code under test."""

    def __init__(self) -> None:
        self.kept: dict[str, requests.Response] = {}

    def get(self, url: str) -> str:
        kept = self.kept.get(url)
        headers = {"If-None-Match": kept.headers["ETag"]} if kept is not None else {}
        response = requests.get(url, headers=headers, timeout=5)
        if kept is not None and response.status_code == 304:
            return kept.text
        self.kept[url] = response
        return response.text


def test_an_unchanged_page_comes_from_the_cache(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/rates").respond(text="1.08", headers={"ETag": '"monday"'}).expect(times=1)
    httpserve.on("GET", "/rates", headers={"If-None-Match": '"monday"'}).respond(304).expect(times=2)
    cache = Cache()

    assert [cache.get(httpserve.url_for("/rates")) for _ in range(3)] == ["1.08"] * 3


def test_a_changed_page_is_fetched_again(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/rates").respond(text="1.08", headers={"ETag": '"mon"'}).respond(
        text="1.09", headers={"ETag": '"tue"'}
    )
    cache = Cache()

    assert [cache.get(httpserve.url_for("/rates")) for _ in range(2)] == ["1.08", "1.09"]
    httpserve.assert_requested("GET", "/rates", headers={"If-None-Match": '"mon"'}, times=1)
