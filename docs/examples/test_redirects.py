"""Redirects: which ones a client follows, and what it sends to the new address."""

from collections.abc import Callable

import pytest
import requests

from pytest_httpserve import HTTPServe


def test_a_redirect_is_followed(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/old").redirect("/new", 301)
    httpserve.on("GET", "/new").respond(text="here")

    assert requests.get(httpserve.url_for("/old"), timeout=5).text == "here"
    httpserve.assert_requested_in_order(["GET /old", "GET /new"])


def test_the_client_leaves_a_redirect_loop(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/a").redirect("/b")
    httpserve.on("GET", "/b").redirect("/a")

    with pytest.raises(requests.TooManyRedirects):
        requests.get(httpserve.url_for("/a"), timeout=5)


@pytest.mark.parametrize(("status", "method", "body"), [(303, "GET", b""), (307, "POST", b"a=1")])
def test_the_status_says_whether_a_form_is_sent_again(
    httpserve: HTTPServe, status: int, method: str, body: bytes
) -> None:
    httpserve.on("POST", "/form").redirect("/done", status)
    httpserve.on("*", "/done").respond(204)

    requests.post(httpserve.url_for("/form"), data={"a": "1"}, timeout=5)

    httpserve.assert_requested(method, "/done", body=body, times=1)


def test_a_password_is_not_carried_to_another_server(
    httpserve: HTTPServe, httpserve_factory: Callable[..., HTTPServe]
) -> None:
    elsewhere = httpserve_factory()
    httpserve.on("GET", "/file").redirect(elsewhere.url_for("/file"))
    elsewhere.on("GET", "/file", headers={"Authorization": None}).respond(text="public")

    assert requests.get(httpserve.url_for("/file"), auth=("ada", "s3cret"), timeout=5).text == "public"
