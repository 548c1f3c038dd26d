"""Two servers in one test: an API, and a second server to which it redirects downloads."""

from collections.abc import Callable

import requests

from pytest_httpserve import HTTPServe


def test_a_redirect_to_another_server_is_followed(
    httpserve: HTTPServe, httpserve_factory: Callable[..., HTTPServe]
) -> None:
    store = httpserve_factory()
    store.on("GET", "/blobs/17").respond(body=b"\x00\x01\x02")
    httpserve.on("GET", "/latest").respond(302, headers={"Location": store.url_for("/blobs/17")})

    response = requests.get(httpserve.url_for("/latest"), timeout=5)

    assert response.content == b"\x00\x01\x02"
    assert httpserve.port != store.port

    print("the store:", *store.exchanges, sep="\n")
