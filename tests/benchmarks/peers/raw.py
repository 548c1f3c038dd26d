"""The limit: a thread for each connection, a canned answer, nothing parsed but the end of the head.

It keeps connections alive, closes on ``Connection: close``, and when it stops it ends and joins every thread it made,
because a server that leaves threads behind has not stopped.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from . import BODY, LIMIT, Peer, Suite

_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: raw/1.0 Python/3\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(BODY)
)
KEEP = _HEAD + b"\r\n" + BODY
CLOSE = _HEAD + b"Connection: close\r\n\r\n" + BODY


class RawServer:
    """Accepts in one thread and answers each connection in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.host, self.port = self._listener.getsockname()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            self._open[connection] = thread
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while received := connection.recv(65536):
                head += received
                if not head.endswith(b"\r\n\r\n"):
                    continue
                if b"connection: close" in head.lower():
                    connection.sendall(CLOSE)
                    break
                connection.sendall(KEEP)
                head = b""
        self._open.pop(connection, None)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


_CONFTEST = """
import pytest
from tests.benchmarks.peers.raw import RawServer

@pytest.fixture
def raw():
    server = RawServer()
    yield server
    server.stop()
"""

PEER = Peer(LIMIT, RawServer, suite=Suite("raw", conftest=_CONFTEST))
