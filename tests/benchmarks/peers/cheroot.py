"""cheroot, CherryPy's server: a pool of ten threads behind one that selects, and ten connections kept at most.

In a suite, all tests share one."""

from __future__ import annotations

import threading
from wsgiref.types import WSGIApplication

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from . import CHEROOT, Peer, suite_of
from .wsgi import hello, sleeping, streaming, taking


class CherootServer:
    """An application served in a thread."""

    def __init__(self, application: WSGIApplication, certificate: str | None = None) -> None:
        self._server = Server(("127.0.0.1", 0), application, request_queue_size=1024)
        self._server.max_request_body_size = 0  # unlimited
        if certificate:
            self._server.ssl_adapter = BuiltinSSLAdapter(certificate, certificate)
        self._server.prepare()
        self.host, self.port = self._server.bind_addr
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join()


def plain() -> CherootServer:
    return CherootServer(hello)


def secure(certificate: str) -> CherootServer:
    return CherootServer(hello, certificate)


def handler(seconds: str) -> CherootServer:
    return CherootServer(sleeping(seconds))


def upload() -> CherootServer:
    return CherootServer(taking)


def stream(size: str) -> CherootServer:
    return CherootServer(streaming(size))


PEER = Peer(
    CHEROOT,
    {
        "plain": plain,
        "secure": secure,
        "handler": handler,
        "application": plain,
        "upload": upload,
        "chunked": upload,
        "stream": stream,
    },
    suite=suite_of(__name__, "session"),
    secure_suite=suite_of(__name__, "session", "secure"),
)
