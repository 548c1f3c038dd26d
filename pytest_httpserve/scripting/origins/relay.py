"""Pass on the bytes of tunnels, and requests to real hosts."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.origins.upstream import PIECE_BYTES, Answer, Upstream

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.record.request import Request

Run = Callable[[Callable[[], object]], object]


def relay(connection: Connection, upstream: socket.socket, first: bytes, run: Run) -> None:
    """Pass bytes between the client and ``upstream``, unchanged, until both have ended. ``first`` came in already.

    ``run`` runs the way back in another thread.
    """
    connection.leave_loop()
    connection.turn.set_timeout(None)
    upstream.settimeout(None)
    over = threading.Event()
    with contextlib.closing(upstream), connection.waiting(partial(_end_both, connection, upstream)):
        run(partial(_send_back, connection, upstream, over))
        with contextlib.suppress(OSError):  # one of them has gone: the other is told
            upstream.sendall(first)
            while data := connection.transport.receive(PIECE_BYTES):
                upstream.sendall(data)
        _end(upstream, socket.SHUT_WR)
        over.wait()


def carry(stream: Connection, beyond: socket.socket, run: Run) -> None:
    """Pass bytes between a stream and ``beyond``, whose other end belongs to this server, until that has ended.

    When the server stops, it waits for requests at that other end, but not for this.
    """
    stream.leave_loop()
    stream.turn.set_timeout(None)
    with contextlib.closing(beyond):
        run(partial(_pump_in, stream, beyond))
        with contextlib.suppress(OSError):
            while data := beyond.recv(PIECE_BYTES):
                stream.transport.send(data)
        stream.duplex().end()
        stream.abort()  # this also ends the other direction


def _pump_in(stream: Connection, beyond: socket.socket) -> None:
    how = socket.SHUT_RDWR
    with contextlib.suppress(OSError):
        while data := stream.transport.receive(PIECE_BYTES):
            beyond.sendall(data)
        how = socket.SHUT_WR
    _end(beyond, how)


def beyond(connection: Connection, first: bytes, run: Run) -> socket.socket:
    """Another socket that leads to the client, for a layer that reads from a socket itself. It finds ``first`` there,
    which was received too early, and then everything that follows."""
    connection.turn.set_timeout(None)
    client = connection.transport.socket
    inner, outer = socket.socketpair()
    run(partial(_pump, client, outer, first))
    run(partial(_pump_back, outer, client))
    return inner


def _pump(source: socket.socket, sink: socket.socket, first: bytes = b"") -> None:
    with contextlib.suppress(OSError):  # one of them has gone: the other is told
        sink.sendall(first)
        while data := source.recv(PIECE_BYTES):
            sink.sendall(data)
    _end(sink, socket.SHUT_WR)


def _pump_back(outer: socket.socket, client: socket.socket) -> None:
    with outer:
        _pump(outer, client)
        _end(client, socket.SHUT_RDWR)  # this also ends the other direction


def _send_back(connection: Connection, upstream: socket.socket, over: threading.Event) -> None:
    transport = connection.transport
    try:
        with contextlib.suppress(OSError):
            while data := upstream.recv(PIECE_BYTES):
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


def _read(answer: Answer, connection: Connection) -> bytes:
    """Read more of an answer. If it breaks off after the client has gone, only the latter counts."""
    from http.client import HTTPException

    try:
        return answer.read(PIECE_BYTES)
    except (OSError, HTTPException) as error:
        transport = connection.transport
        if connection.closing or transport.has_been_left():
            raise transport.failed(ConnectionAbortedError(f"the client left; then {error!r}")) from None
        raise


class Heard(Protocol):
    """An object that is told what a real host answers."""

    def begins(self, answer: Answer, /) -> None:
        """Note that the head of the answer has come."""

    def came(self, piece: bytes, /) -> None:
        """Note that a piece of its body has come."""


def ask(
    connection: Connection, request: Request, upstream: Upstream, target: str, heard: Heard | None = None
) -> Response:
    """The answer of the real host, streamed as it comes. Raises OSError or HTTPException if there is none."""
    with connection.waiting(upstream.break_off):
        answer = upstream.ask(request, target)
    if heard is not None:
        heard.begins(answer)
    if not answer.has_body:
        answer.close()
        return Response(answer.status, reason=answer.reason, headers=answer.fields)

    def pieces() -> Iterator[bytes]:
        with contextlib.closing(answer), connection.waiting(upstream.break_off):
            while piece := _read(answer, connection):
                if heard is not None:
                    heard.came(piece)
                yield piece

    # If the client has gone by now, nobody reads the first piece, so nobody else closes the answer.
    weakref.finalize(pieces, answer.close).atexit = False
    return Response(answer.status, reason=answer.reason, headers=answer.fields, stream=pieces)
