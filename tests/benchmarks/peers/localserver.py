"""pytest-localserver, which starts a server for every test, without keep-alive, and takes half a second to stop it."""

from __future__ import annotations

import logging
import ssl

from pytest_localserver.http import ContentServer, WSGIServer

from . import BODY, LOCALSERVER, Peer, Suite
from .wsgi import hello, sleeping


class LocalServer:
    """One of its servers, started; and its stop completed: it leaves its thread to close the listening socket."""

    def __init__(self, server: WSGIServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it prints a line per request
        self._server = server
        server.start()
        self.host, self.port = server.server_address

    def stop(self) -> None:
        self._server.stop()
        self._server.join()


def plain() -> LocalServer:
    return LocalServer(content(ContentServer()))


def secure(certificate: str) -> LocalServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return LocalServer(content(ContentServer(ssl_context=context)))


def content(server: ContentServer) -> ContentServer:
    server.serve_content(BODY, headers={"Content-Type": "text/plain", "Content-Length": str(len(BODY))})
    return server


def handler(seconds: str) -> LocalServer:
    return LocalServer(WSGIServer(application=sleeping(seconds)))


def application() -> LocalServer:
    return LocalServer(WSGIServer(application=hello))


# Its fixture's servers say neither host nor port in so many words.
_CONFTEST = f"""
import types, pytest

@pytest.fixture
def address(httpserver):
    httpserver.serve_content({BODY!r})
    host, port = httpserver.server_address
    return types.SimpleNamespace(host=host, port=port)
"""

PEER = Peer(
    LOCALSERVER,
    {"plain": plain, "secure": secure, "handler": handler, "application": application},
    plugin="pytest_localserver.plugin",
    suite=Suite("address", conftest=_CONFTEST, slow=True),
)
