# pyright: strict
"""A user's module with every kind of thing that a test has in its hands; checked against the installed package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import pytest
import requests

from pytest_httpserve import (
    TLS,
    TLS_GALLERY,
    CertificateAuthority,
    Exchange,
    HTTPServe,
    Request,
    Response,
    UsageError,
    basic_auth,
    match,
    set_cookie,
)
from pytest_httpserve.faults import Close, Fault, Reset, Slow, Truncate
from pytest_httpserve.server import HTTPSServer, SimpleHTTPRequestHandler, ThreadingHTTPServer


@pytest.fixture
def httpserve_config() -> Mapping[str, object]:
    return {"strict": True, "timeout": 5.0}


def test_routes(httpserve: HTTPServe) -> None:
    users = httpserve.on("GET", "/users/{id:int}", query={"full": "1"}, headers={"Accept": re.compile("json")})
    users.respond(503, headers={"Retry-After": "1"}).respond(
        json={"id": 7}, headers=[("X-A", "1"), set_cookie("a", "b")]
    )
    httpserve.on(match("POST", "/orders", json_contains={"item": "tea"})).respond(201, text="thanks", delay=(0.0, 0.1))
    httpserve.on("GET", "/private", where=lambda request: request.headers.get("X") == "1").redirect("/users/7", 307)

    @httpserve.on("PUT", "/echo").handle
    def echo(request: Request) -> Response:
        assert request.method == "PUT"
        return Response(201, body=request.body, cookies={"a": "b"})

    answer = requests.put(httpserve.url_for("/echo"), b"abc", timeout=5)
    assert answer.content == b"abc"
    assert users.call_count == 0
    users.assert_called(times=0)


def test_the_journal(httpserve: HTTPServe) -> None:
    exchanges: tuple[Exchange, ...] = httpserve.exchanges
    for exchange in exchanges:
        status: int | None = exchange.status
        body: bytes = exchange.request.body
        seconds: float | None = exchange.times.duration
        assert [status, body, seconds]
    request: Request = httpserve.take_request(timeout=1.0)
    assert request.path.startswith("/")
    httpserve.assert_requested("GET", "/a", times=1)
    for connection in httpserve.connections:
        assert connection.closed_by in (None, "client", "server")


def test_faults(httpserve: HTTPServe) -> None:
    faults: list[Fault] = [Reset(after=10), Truncate(2), Slow(rate=100.0)]
    httpserve.on("GET", "/a").respond(text="a", fault=faults)
    httpserve.fault(Close(phase="accept"), times=2, skip=1)
    assert [event.fault for event in httpserve.fault_events] == []


def test_tls(httpserve_factory: Callable[..., HTTPServe], httpserve_ca: CertificateAuthority) -> None:
    server = httpserve_factory(tls=TLS(TLS_GALLERY[0], names=["a.test"]))
    context = httpserve_ca.client_ssl_context(certificate=httpserve_ca.issue_client("ada@a.test"))
    assert context.check_hostname
    assert server.base_url.startswith("https:")


def test_the_rest(httpserve: HTTPServe) -> None:
    def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterator[bytes]:
        start_response("200 OK", [])
        return iter([b"hello"])

    httpserve.mount("/app", application)
    httpserve.limit("/api", per_second=5)
    basic_auth("ada", "secret")
    with httpserve.on("GET", "/held").respond(text="a").hold() as gate:
        gate.release()
    with pytest.raises(UsageError), HTTPServe(port=-1):
        pass


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def serve() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port: int = server.server_port
        assert port
    with HTTPSServer(("127.0.0.1", 0), Handler, certfile="server.pem") as secure:
        secure.serve_forever()
