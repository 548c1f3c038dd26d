"""Pass on the bytes of tunnels, and requests to real hosts."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pytest_httpserve.net.turn import nothing
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.origins.upstream import PIECE_BYTES, Answer, Upstream

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.net.duplex import Duplex
    from pytest_httpserve.scripting.record.request import Request

Run = Callable[[Callable[[], object]], object]

# In seconds. A client may read from a tunnel as slowly as it likes.
_ANY_SECONDS = 86_400.0


def relay(connection: Connection, upstream: socket.socket, first: bytes, run: Run) -> None:
    """Pass bytes between the client and ``upstream``, unchanged, until both have ended. ``first`` came in already.

    ``run`` runs the way back in another thread.
    """
    connection.turn.set_timeout(None)
    upstream.settimeout(None)
    over = threading.Event()

    def send_back() -> None:
        try:
            _pump_back(upstream, client)
            connection.ending.say_whose()
            client.end()
        finally:
            over.set()

    with contextlib.closing(upstream), connection.waiting(partial(_end_both, connection, upstream)):
        client = connection.duplex()
        with contextlib.closing(_Inward(client, upstream)) as inward:
            run(send_back)
            inward.pump(first)
            over.wait()


def carry(connection: Connection, beyond: socket.socket, first: bytes, run: Run) -> None:
    """Pass bytes between the client and ``beyond``, whose other end belongs to this server, until that has ended; the
    client's side is then still open. ``first`` came in already.

    When the server stops, it waits for requests at that other end, but not for this.
    """
    connection.turn.set_timeout(None)
    with contextlib.closing(beyond), connection.waiting(nothing):
        client = connection.duplex()
        with contextlib.closing(_Inward(client, beyond)) as inward:
            run(partial(inward.pump, first))
            _pump_back(beyond, client)
            inward.stop()


class _Inward:
    """Passes on what the client sends to ``sink``, in the thread that calls ``pump``. Close it when that has ended."""

    def __init__(self, client: Duplex, sink: socket.socket) -> None:
        self._client = client
        self._sink = sink
        self._watch = client.watch()
        self._stopped = False
        self._over = threading.Event()

    def pump(self, first: bytes) -> None:
        """Pass on ``first``, and then everything until the client ends, or until ``stop`` is called."""
        how = socket.SHUT_RDWR
        try:
            with contextlib.suppress(OSError):  # one of them has gone
                self._sink.sendall(first)
                while not self._stopped and (data := self._client.receive()) != b"":
                    if data is None:
                        self._watch.wait(None)
                    else:
                        self._sink.sendall(data)
                how = socket.SHUT_WR
            _end(self._sink, how)
        finally:
            self._over.set()

    def stop(self) -> None:
        """End it, and wait until it has ended: nobody reads from the client any more."""
        self._stopped = True
        _end(self._sink, socket.SHUT_RDWR)
        self._watch.wake()
        self._over.wait()

    def close(self) -> None:
        """Release its resources."""
        self._watch.close()


def _pump_back(source: socket.socket, client: Duplex) -> None:
    """Pass on what comes for the client, until it ends or the client has gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            client.send(partial(bytes, data), _ANY_SECONDS)


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
