"""What is served over TLS is what is served without it: routes, directories, scripts, applications, large bodies."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.server import BaseHTTPRequestHandler

pytestmark = pytest.mark.serve_tls

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: %b\r\n\r\n"
LARGE = os.urandom(3_000_000)


def test_a_wsgi_application_is_told(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['wsgi.url_scheme']} {environ.get('HTTPS')}".encode()]

    httpserve.mount("/app", application)

    assert httpserve_client.get("/app/").text == "https on"


def test_a_wsgi_application_is_told_of_plain_http(httpserve_factory: Callable[..., HTTPServe]) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['wsgi.url_scheme']} {environ.get('HTTPS')}".encode()]

    server = httpserve_factory()
    server.mount("/app", application)

    assert requests.get(server.url_for("/app/"), timeout=10, proxies={"http": ""}).text == "http None"


@pytest.mark.needs("select.poll")
def test_a_cgi_script_is_told(httpserve: HTTPServe, httpserve_client: requests.Session, tmp_path: Path) -> None:
    script = tmp_path / "tell"
    script.write_text('#!/bin/sh\nprintf \'Content-Type: text/plain\\n\\n%s %s\' "$HTTPS" "$SERVER_PORT"\n')
    script.chmod(0o700)
    httpserve.serve_cgi(tmp_path)

    assert httpserve_client.get("/cgi-bin/tell").text == f"on {httpserve.port}"


def test_a_handler_class_answers(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    httpserve.mount("/echo", Handler)

    assert httpserve_client.post("/echo/", data=LARGE).content == LARGE


def test_large_bodies_pass_both_ways(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    @httpserve.on("POST", "/echo")
    def echo(request: Request) -> bytes:
        return request.body

    assert httpserve_client.post("/echo", data=LARGE).content == LARGE
    assert httpserve_client.post("/echo", data=iter([LARGE[:1000], LARGE[1000:]])).content == LARGE


def test_files_and_ranges(httpserve: HTTPServe, httpserve_client: requests.Session, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    httpserve.serve_dir(tmp_path)

    assert httpserve_client.get("/large").content == LARGE
    assert httpserve_client.get("/large", headers={"Range": "bytes=-5"}).content == LARGE[-5:]


def test_a_stream(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    def pieces() -> Iterator[str]:
        yield from ("a", "b" * 100_000, "c")

    httpserve.on("GET", "/stream").respond(stream=pieces)

    assert httpserve_client.get("/stream").text == "a" + "b" * 100_000 + "c"


def test_a_connection_is_used_again(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    httpserve.on("GET", "/a").respond(text="well")
    for _ in range(5):
        httpserve_client.get("/a")

    httpserve.assert_reused()
    assert [exchange.raw.request.partition(b"\r\n")[0] for exchange in httpserve.exchanges] == [b"GET /a HTTP/1.1"] * 5


def test_requests_in_one_record_are_all_answered(httpserve: HTTPServe) -> None:
    """What the TLS layer holds already, the system does not announce."""
    httpserve.on("GET", "/a").respond(text="well")
    with (
        socket.create_connection((httpserve.host, httpserve.port), timeout=10) as plain,
        httpserve.ca.client_ssl_context().wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(GET % b"keep-alive" * 3 + GET % b"close")
        answer = b""
        while piece := client.recv(65536):
            answer += piece

    assert answer.count(b"well") == 4


def test_the_session_can_be_resumed(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/a").respond(text="well")
    context = httpserve.ca.client_ssl_context()
    session: ssl.SSLSession | None = None
    reused = []
    for _ in range(2):
        with (
            socket.create_connection((httpserve.host, httpserve.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as client,
        ):
            client.sendall(GET % b"close")
            while client.recv(65536):
                pass
            session = client.session
            reused.append(client.session_reused)

    assert reused == [False, True]


def test_a_restart_keeps_the_certificate(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    httpserve.on("GET", "/a").respond(text="well")
    before = httpserve.certificate
    httpserve.stop()
    httpserve.start()

    assert httpserve.certificate == before
    assert httpserve_client.get("/a").text == "well"


def test_a_handshake_that_failed_is_shown_with_its_connection(httpserve: HTTPServe) -> None:
    httpserve.ignore("refused")
    with socket.create_connection((httpserve.host, httpserve.port), timeout=10) as client:
        port = client.getsockname()[1]
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass

    with pytest.raises(AssertionError) as caught:
        httpserve.assert_reused()
    title, connection, failed = str(caught.value).split("\n")
    assert title == "no exchanges came over no connections, and none was reused:"
    assert connection.startswith(f"  connection 0 from 127.0.0.1 port {port}: no exchanges, ")
    assert failed.startswith(f"    no TLS with 127.0.0.1 port {port}: ")
