"""Ours, the object behind the fixture: routes, the journal on; in a suite, a fresh server for every test."""

from __future__ import annotations

import time
from pathlib import Path

from pytest_httpserve import HTTPServe, Request, Response

from . import BODY, FIXTURE, USER, Peer, Suite
from .wsgi import hello, pieces


def plain() -> HTTPServe:
    server = HTTPServe().start()
    server.on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


def secure(certificate: str) -> HTTPServe:
    """With the certificate that it issues itself, of the same kind as that of the others."""
    server = HTTPServe(tls=True).start()
    server.on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


def files(directory: str) -> HTTPServe:
    server = HTTPServe().start()
    server.serve_dir(directory)
    return server


def http2(certificate: str) -> HTTPServe:
    server = HTTPServe(tls=True, http2=True).start()
    server.on("GET", "/").respond(body=BODY, headers={"Content-Type": "text/plain"})
    return server


def http2_files(directory: str) -> HTTPServe:
    server = HTTPServe(tls=True, http2=True).start()
    server.serve_dir(directory)
    return server


def upload() -> HTTPServe:
    server = HTTPServe().start()

    @server.on("POST", "/")
    def taken(request: Request) -> str:
        return str(request.content.size)

    return server


def stream(size: str) -> HTTPServe:
    server = HTTPServe().start()
    server.on("GET", "/").respond(stream=lambda: pieces(int(size)))
    return server


def handler(seconds: str) -> HTTPServe:
    server = HTTPServe().start()
    delay = float(seconds)

    @server.on("GET", "/")
    def answer(request: Request) -> Response:
        if delay:
            time.sleep(delay)
        return Response(body=BODY, headers={"Content-Type": "text/plain"})

    return server


def application() -> HTTPServe:
    server = HTTPServe().start()
    server.mount("/", hello)
    return server


def routes(count: str) -> HTTPServe:
    """The latest route goes first, so the one that answers is made before the others."""
    server = HTTPServe().start()
    server.on("GET", "/users/7").respond(json=USER)
    for number in range(int(count) - 1):
        server.on("GET", f"/items/{number}").respond(json={})
    return server


def cgi(directory: str) -> HTTPServe:
    """The scripts are in ``cgi-bin`` beneath the directory."""
    server = HTTPServe().start()
    server.serve_cgi(Path(directory, "cgi-bin"))
    return server


_PREPARE = f"httpserve.on('GET', '/').respond(body={BODY!r})"

PEER = Peer(
    FIXTURE,
    {
        "plain": plain,
        "secure": secure,
        "files": files,
        "upload": upload,
        "chunked": upload,
        "stream": stream,
        "handler": handler,
        "application": application,
        "routes": routes,
        "cgi": cgi,
        "http2": http2,
        "http2_files": http2_files,
    },
    plugin="pytest_httpserve.plugin",
    suite=Suite("httpserve", _PREPARE),
    secure_suite=Suite("httpserve", _PREPARE, mark="pytestmark = pytest.mark.serve_tls"),
)
