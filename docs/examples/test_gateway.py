"""A gateway in front of two services. All three are real servers: the gateway is mounted, the services have routes."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import requests

from pytest_httpserve import HTTPServe

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def gateway(services: dict[str, str]) -> "WSGIApplication":
    """The code under test: a WSGI application that forwards ``/<service>/...``."""

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        service, _, path = environ["PATH_INFO"].lstrip("/").partition("/")
        try:
            answer = requests.get(f"{services[service]}/{path}", headers={"X-Gateway": "1"}, timeout=5)
        except requests.ConnectionError:
            start_response("502 Bad Gateway", [])
            return [b"the service is down"]
        start_response(f"{answer.status_code} {answer.reason}", [("Content-Type", answer.headers["Content-Type"])])
        return [answer.content]

    return application


def test_each_service_gets_its_requests(httpserve: HTTPServe, httpserve_factory: Callable[..., HTTPServe]) -> None:
    users, orders = httpserve_factory(), httpserve_factory()
    users.on("GET", "/7", headers={"X-Gateway": 1}).respond(json={"name": "Ada"})
    orders.on("GET", "/1", headers={"X-Gateway": 1}).respond(json={"item": "tea"})
    httpserve.mount("/", gateway({"users": users.base_url, "orders": orders.base_url}))

    assert requests.get(httpserve.url_for("/users/7"), timeout=5).json() == {"name": "Ada"}
    assert requests.get(httpserve.url_for("/orders/1"), timeout=5).json() == {"item": "tea"}


def test_a_service_that_is_down_is_a_bad_gateway(
    httpserve: HTTPServe, httpserve_factory: Callable[..., HTTPServe]
) -> None:
    users = httpserve_factory()
    httpserve.mount("/", gateway({"users": users.base_url}))
    users.stop()

    assert requests.get(httpserve.url_for("/users/7"), timeout=5).status_code == 502
