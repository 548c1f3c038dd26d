"""What is let through: a tunnel's bytes both ways, and requests that are asked for at the real host."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.wire.framing import HOP_BY_HOP, connection_options
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.wire.headers import Field

_PIECE_BYTES = 65_536
_CONNECT_SECONDS = 10.0

Run = Callable[[Callable[[], object]], object]


def connect(host: str, port: int) -> socket.socket:
    """A connection to the real host: here, and nowhere else, a name is looked up. Raises OSError."""
    return socket.create_connection((host, port), timeout=_CONNECT_SECONDS)


def relay(connection: Connection, upstream: socket.socket, first: bytes, run: Run) -> None:
    """Pass bytes between the client and ``upstream``, as they are, until both have ended; ``first`` are here already.

    ``run`` runs the way back in a thread of its own.
    """
    connection.leave_loop()
    connection.turn.set_timeout(None)
    upstream.settimeout(None)
    over = threading.Event()
    with contextlib.closing(upstream), connection.waiting(partial(_end_both, connection, upstream)):
        run(partial(_send_back, connection, upstream, over))
        with contextlib.suppress(OSError):  # one of them has gone: the other is told
            upstream.sendall(first)
            while data := connection.transport.receive(_PIECE_BYTES):
                upstream.sendall(data)
        _end(upstream, socket.SHUT_WR)
        over.wait()


def beyond(connection: Connection, first: bytes, run: Run) -> socket.socket:
    """The client by another socket, for a layer that reads a socket itself: it finds ``first`` there, which was
    received too early, and then whatever follows."""
    connection.turn.set_timeout(None)
    client = connection.transport.socket
    inner, outer = socket.socketpair()
    run(partial(_pump, client, outer, first))
    run(partial(_pump_back, outer, client))
    return inner


def _pump(source: socket.socket, sink: socket.socket, first: bytes = b"") -> None:
    with contextlib.suppress(OSError):  # one of them has gone: the other is told
        sink.sendall(first)
        while data := source.recv(_PIECE_BYTES):
            sink.sendall(data)
    _end(sink, socket.SHUT_WR)


def _pump_back(outer: socket.socket, client: socket.socket) -> None:
    with outer:
        _pump(outer, client)
        _end(client, socket.SHUT_RDWR)  # which ends the way there, too


def _send_back(connection: Connection, upstream: socket.socket, over: threading.Event) -> None:
    transport = connection.transport
    try:
        with contextlib.suppress(OSError):
            while data := upstream.recv(_PIECE_BYTES):
                transport.send(data)
        connection.ending.say("server", "FIN")
        transport.shut_down(socket.SHUT_WR)
    finally:
        over.set()


def _end_both(connection: Connection, upstream: socket.socket) -> None:
    connection.abort()
    _end(upstream, socket.SHUT_RDWR)


def _end(sock: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(how)


def ask(connection: Connection, request: Request, host: str, port: int, target: str, *, tls: bool) -> Response:
    """What the real host answers. Raises OSError or HTTPException if it does not."""
    connection.leave_loop()
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    asked = kind(host, port, timeout=_CONNECT_SECONDS)
    asked.connect()
    sock = asked.sock
    sock.settimeout(connection.transport.timeout)
    with connection.waiting(partial(_end, sock, socket.SHUT_RDWR)):
        asked.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        asked.putheader("Host", host if port == asked.default_port else f"{host}:{port}")
        for name, value in _end_to_end(request.headers):
            if name.lower() not in ("host", "content-length", "expect"):
                asked.putheader(name, value.encode("latin-1"))
        asked.putheader("Connection", "close")
        if request.content.size or "content-length" in request.headers:
            asked.putheader("Content-Length", str(request.content.size))
        asked.endheaders()
        read = request.content.reader()
        while piece := read(_PIECE_BYTES):
            asked.send(piece)
        answer = asked.getresponse()
    fields = _end_to_end(Headers(answer.getheaders()))
    if request.method == "HEAD" or answer.status in (204, 304):
        answer.close()
        return Response(answer.status, reason=answer.reason, headers=fields)

    def pieces() -> Iterator[bytes]:
        with contextlib.closing(answer), connection.waiting(partial(_end, sock, socket.SHUT_RDWR)):
            while piece := answer.read1(_PIECE_BYTES):
                yield piece

    return Response(answer.status, reason=answer.reason, headers=fields, stream=pieces)


def _end_to_end(headers: Headers) -> list[Field]:
    dropped = HOP_BY_HOP.union(connection_options(headers.get("connection", "")))
    return [(name, value) for name, value in headers.fields if name.lower() not in dropped]
