"""Compressed responses and requests."""

import gzip

import requests

from pytest_httpserve import HTTPServe, Request


def test_a_compressed_answer_is_unpacked(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/words").respond(text="the same words " * 500, gzip=True)

    response = requests.get(httpserve.url_for("/words"), timeout=5)

    assert response.text == "the same words " * 500
    assert int(response.headers["Content-Length"]) < 200


def test_a_compressed_body_can_be_read(httpserve: HTTPServe) -> None:
    @httpserve.on("POST", "/logs", headers={"Content-Encoding": "gzip"})
    def logs(request: Request) -> None:
        assert gzip.decompress(request.body) == b"all is well\n" * 100

    body = gzip.compress(b"all is well\n" * 100)
    requests.post(httpserve.url_for("/logs"), data=body, headers={"Content-Encoding": "gzip"}, timeout=5)
