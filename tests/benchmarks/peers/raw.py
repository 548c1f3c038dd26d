"""The limit: a thread for each connection, a canned answer, nothing parsed but the end of the head.

It keeps connections alive, closes on ``Connection: close``, and when it stops it ends and joins every thread it made,
because a server that leaves threads behind has not stopped. Over TLS, the handshake is the connection's own thread's.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading

from . import BODY, LIMIT, USER, Peer, suite_of

_HEAD = (
    "HTTP/1.1 200 OK\r\nServer: raw/1.0 Python/3\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Content-Type: {}\r\nContent-Length: {}\r\n"
)


class RawServer:
    """Accepts in one thread and answers each connection in a thread of its own."""

    def __init__(self, body: bytes = BODY, content_type: str = "text/plain") -> None:
        head = _HEAD.format(content_type, len(body)).encode()
        self._keep, self._close = head + b"\r\n" + body, head + b"Connection: close\r\n\r\n" + body
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
                    connection.sendall(self._close)
                    break
                connection.sendall(self._keep)
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


class RawTLSServer(RawServer):
    """The same with a handshake first. The context is made once."""

    def __init__(self, certificate: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__()

    def _answer(self, connection: socket.socket) -> None:
        # Session tickets are a first small write; an answer behind it would wait for their acknowledgement.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            super()._answer(self._context.wrap_socket(connection, server_side=True))
        self._open.pop(connection, None)


def routes(count: str) -> RawServer:
    """The same JSON to whatever is asked for."""
    return RawServer(json.dumps(USER).encode(), "application/json")


PEER = Peer(
    LIMIT,
    {"plain": RawServer, "secure": RawTLSServer, "routes": routes},
    suite=suite_of(__name__, "function"),
    secure_suite=suite_of(__name__, "function", "secure"),
)
