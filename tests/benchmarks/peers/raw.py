"""The limit: a thread for each connection, a canned answer, nothing parsed but the end of the head.

It keeps connections alive, closes on ``Connection: close``, and when it stops it ends and joins every thread it made,
because a server that leaves threads behind has not stopped. Over TLS, the handshake is the connection's own thread's.
For files and scripts, the least that a server of Python does: ``sendfile``, and ``subprocess.run``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading

from . import BODY, LIMIT, USER, Peer, suite_of

_HEAD = (
    "HTTP/1.1 200 OK\r\nServer: raw/1.0 Python/3\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Content-Type: {}\r\nContent-Length: {}\r\n"
)
_CONNECTION = {False: "keep-alive", True: "close"}


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
                closes = b"connection: close" in head.lower()
                self._respond(connection, head, closes)
                if closes:
                    break
                head = b""
        self._open.pop(connection, None)

    def _respond(self, connection: socket.socket, head: bytes, closes: bool) -> None:
        connection.sendall(self._close if closes else self._keep)

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


class RawFiles(RawServer):
    """The files of a directory, as they are: of no type and no date."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        super().__init__()

    def _respond(self, connection: socket.socket, head: bytes, closes: bool) -> None:
        with open(self._directory + _target(head), "rb") as file:
            fields = f"Content-Length: {os.fstat(file.fileno()).st_size}\r\nConnection: {_CONNECTION[closes]}"
            # Held back until the file follows, as ours do.
            connection.sendall(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode(), getattr(socket, "MSG_MORE", 0))
            connection.sendfile(file)


class RawScripts(RawFiles):
    """The scripts of a directory; what they say is taken for a head and a body."""

    def _respond(self, connection: socket.socket, head: bytes, closes: bool) -> None:
        command = [self._directory + _target(head)]
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
        fields, _, body = said.partition(b"\n\n")
        end = f"Content-Length: {len(body)}\r\nConnection: {_CONNECTION[closes]}\r\n\r\n".encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + fields.replace(b"\n", b"\r\n") + b"\r\n" + end + body)


def _target(head: bytes) -> str:
    return head.split(b" ", 2)[1].decode()


def routes(count: str) -> RawServer:
    """The same JSON to whatever is asked for."""
    return RawServer(json.dumps(USER).encode(), "application/json")


PEER = Peer(
    LIMIT,
    {"plain": RawServer, "secure": RawTLSServer, "routes": routes, "files": RawFiles, "cgi": RawScripts},
    suite=suite_of(__name__, "function"),
    secure_suite=suite_of(__name__, "function", "secure"),
)
