"""pytest-httpbin as its users get it: one thread, no keep-alive, and every answer made by httpbin's application.

``GET /`` is led to what httpbin answers with BODY. In a suite, all tests share one server.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from pytest_httpbin.serve import Handler, Server

from . import BODY, HTTPBIN, Peer, Suite
from .wsgi import hello, sleeping

PATH = f"/base64/{base64.b64encode(BODY).decode()}"


class HTTPBinServer:
    """Its server with an application, started; and its stop completed: it leaves the socket to the end of a fixture."""

    def __init__(self, application: object) -> None:
        Handler.log_message = _log_nothing
        self._server = Server(application=application)
        self._server.start()
        self.host, self.port = self._server.host, self._server.port

    def stop(self) -> None:
        self._server.__exit__(None, None, None)


def _log_nothing(handler: object, format: str, *args: object) -> None:
    """It prints a line per request otherwise."""


def redirected() -> WSGIApplication:
    """httpbin's application, at the path of BODY."""
    logging.getLogger("httpbin.core").setLevel(logging.ERROR)  # it warns when it is imported
    from httpbin import app

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = app({**environ, "PATH_INFO": PATH}, start_response)
        return answer

    return application


def plain() -> HTTPBinServer:
    return HTTPBinServer(redirected())


def handler(seconds: str) -> HTTPBinServer:
    return HTTPBinServer(sleeping(seconds))


def application() -> HTTPBinServer:
    return HTTPBinServer(hello)


PEER = Peer(
    HTTPBIN,
    {"plain": plain, "handler": handler, "application": application},
    plugin="pytest_httpbin.plugin",
    suite=Suite("httpbin", path=PATH),
    secure_suite=Suite("httpbin_secure", path=PATH),
)
