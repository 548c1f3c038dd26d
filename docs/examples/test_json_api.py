"""A client of a JSON API: tests of part of a body, of its shape, and of the whole body."""

import re
import uuid
from typing import Any
from unittest.mock import ANY

import requests

from pytest_httpserve import HTTPServe


def order(base_url: str, item: str, count: int) -> Any:
    """The code under test."""
    body = {
        "id": str(uuid.uuid4()),
        "lines": [{"item": item, "count": count}],
        "client": {"name": "shop", "version": "1.2"},
    }
    response = requests.post(f"{base_url}/orders", json=body, timeout=5)
    response.raise_for_status()
    return response.json()


def test_a_part_of_the_body_is_enough(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/orders", json_contains={"client": {"name": "shop"}}).respond(201, json={"state": "new"})

    assert order(httpserve.base_url, "tea", 2) == {"state": "new"}


def test_a_value_can_be_anything_or_match_a_pattern(httpserve: HTTPServe) -> None:
    orders = httpserve.on(
        "POST",
        "/orders",
        json={"id": re.compile("^[0-9a-f-]{36}$"), "lines": [{"item": "tea", "count": 2}], "client": ANY},
    ).respond(201, json={"state": "new"})

    order(httpserve.base_url, "tea", 2)
    orders.assert_called(times=1)


def test_an_order_of_nothing_is_refused(httpserve: HTTPServe) -> None:
    def empty(request: Any) -> bool:
        return any(line["count"] == 0 for line in request.json()["lines"])

    httpserve.on("POST", "/orders", where=empty).respond(422, json={"error": "nothing was ordered"})

    response = requests.post(httpserve.url_for("/orders"), json={"lines": [{"item": "tea", "count": 0}]}, timeout=5)

    assert response.json()["error"] == "nothing was ordered"
