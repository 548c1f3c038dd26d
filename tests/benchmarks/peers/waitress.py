"""waitress: one thread reads and writes all sockets, four run the application. It has no TLS, and takes no more than
100 connections unless it is told to. In a suite, all tests share one."""

from __future__ import annotations

import threading
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.server import create_server

from . import WAITRESS, Peer, suite_of
from .wsgi import hello, sleeping, streaming, taking


class WaitressServer:
    """An application served in a thread."""

    def __init__(self, application: WSGIApplication) -> None:
        # Poll: its select() takes no descriptor beyond 1,024.
        self._server = create_server(
            application,
            host="127.0.0.1",
            port=0,
            asyncore_use_poll=True,
            connection_limit=10_000,
            max_request_body_size=1 << 31,
        )
        self.host, self.port = "127.0.0.1", int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.task_dispatcher.shutdown()
        # By its own thread: what another one closes beneath its poll() goes on listening.
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._server._map))
        self._thread.join()


def plain() -> WaitressServer:
    return WaitressServer(hello)


def handler(seconds: str) -> WaitressServer:
    return WaitressServer(sleeping(seconds))


def upload() -> WaitressServer:
    return WaitressServer(taking)


def stream(size: str) -> WaitressServer:
    return WaitressServer(streaming(size))


PEER = Peer(
    WAITRESS,
    {"plain": plain, "handler": handler, "application": plain, "upload": upload, "chunked": upload, "stream": stream},
    suite=suite_of(__name__, "session"),
)
