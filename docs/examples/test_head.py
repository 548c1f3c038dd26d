"""HEAD: a client that checks the size before it downloads. A route for GET also answers HEAD, without the body."""

import requests

from pytest_httpserve import HTTPServe


def fetch(url: str, most: int) -> bytes | None:
    """The code under test: downloads a file unless it is too large."""
    if int(requests.head(url, timeout=5).headers["Content-Length"]) > most:
        return None
    return requests.get(url, timeout=5).content


def test_a_large_file_is_not_downloaded(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/film").respond(body=bytes(5000))

    assert fetch(httpserve.url_for("/film"), most=1000) is None
    httpserve.assert_requested("HEAD", "/film", times=1)
    httpserve.assert_not_requested("GET", "/film")


def test_a_small_file_is_downloaded(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/film").respond(body=bytes(500))

    assert fetch(httpserve.url_for("/film"), most=1000) == bytes(500)
    httpserve.assert_requested_in_order(["HEAD /film", "GET /film"])
