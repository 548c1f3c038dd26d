"""A client of a JSON API, tested with routes that answer like the API."""

from dataclasses import dataclass

import pytest
import requests

from pytest_httpserve import HTTPServe


@dataclass
class Users:
    """The code under test: a typical API client."""

    base_url: str

    def name(self, number: int) -> str:
        response = requests.get(f"{self.base_url}/users/{number}", timeout=5)
        response.raise_for_status()
        return str(response.json()["name"])

    def add(self, name: str) -> str:
        response = requests.post(f"{self.base_url}/users", json={"name": name}, timeout=5)
        response.raise_for_status()
        return response.headers["Location"]


def test_the_client_reads_a_user(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/users/7").respond(json={"id": 7, "name": "Ada"})

    assert Users(httpserve.base_url).name(7) == "Ada"


def test_the_client_reads_the_user_that_it_has_added(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/users").respond(201, headers={"Location": "/users/8"})
    httpserve.on("GET", "/users/8").respond(json={"id": 8, "name": "Grace"})
    users = Users(httpserve.base_url)

    assert users.add("Grace") == "/users/8"
    assert users.name(8) == "Grace"


def test_the_client_reports_a_server_error(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/users/7").respond(503, text="back soon", headers={"Retry-After": "2"})

    with pytest.raises(requests.HTTPError, match="503"):
        Users(httpserve.base_url).name(7)
