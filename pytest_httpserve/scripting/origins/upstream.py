"""The real host: a request is sent to it, and its answer read. Nothing else here looks a name up."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve.wire.framing import HOP_BY_HOP, connection_options
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.origin import origin_of

if TYPE_CHECKING:
    from ssl import SSLContext

    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.wire.headers import Field

PIECE_BYTES = 65_536
_CONNECT_SECONDS = 10.0
# Where hosts are that no look-up would find: the tests of this package alone put something here.
ADDRESSES: dict[tuple[str, int], tuple[str, int]] = {}


class Answer(NamedTuple):
    """What a host has answered: status, reason, fields but for those between neighbours, and what reads its body."""

    status: int
    reason: str
    fields: tuple[Field, ...]
    read: Callable[[int], bytes]
    close: Callable[[], None]
    has_body: bool


def connect(host: str, port: int) -> socket.socket:
    """A connection to the real host: here, and nowhere else, a name is looked up. Raises OSError."""
    return socket.create_connection(ADDRESSES.get((host, port), (host, port)), timeout=_CONNECT_SECONDS)


class Upstream:
    """A connection for one request to a real host, over TLS with a ``context``. Raises OSError."""

    def __init__(self, host: str, port: int, context: SSLContext | None, timeout: float | None) -> None:
        sock = connect(host, port)
        try:
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
        sock.settimeout(timeout)
        self._socket = sock
        self._asked = http.client.HTTPConnection(host, port)
        self._asked.sock = sock
        self._authority = origin_of("https" if context is not None else "http", host, port).partition("://")[2]

    def ask(self, request: Request, target: str) -> Answer:
        """Send the request, for ``target``; its answer. Raises OSError or HTTPException."""
        asked = self._asked
        try:
            asked.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            asked.putheader("Host", self._authority)
            for name, value in end_to_end(request.headers):
                if name.lower() not in ("host", "content-length", "expect"):
                    asked.putheader(name, value.encode("latin-1"))
            asked.putheader("Connection", "close")
            if request.content.size or "content-length" in request.headers:
                asked.putheader("Content-Length", str(request.content.size))
            asked.endheaders()
            read = request.content.reader()
            while piece := read(PIECE_BYTES):
                asked.send(piece)
            answer = asked.getresponse()
        except BaseException:
            asked.close()
            raise
        has_body = request.method != "HEAD" and answer.status not in (204, 304)
        fields = end_to_end(Headers(answer.getheaders()))

        def close() -> None:
            answer.close()
            asked.close()  # which a host that would go on has left open

        return Answer(answer.status, answer.reason, fields, answer.read1, close, has_body)

    def break_off(self) -> None:
        """Whoever waits for it need not wait any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def end_to_end(headers: Headers) -> tuple[Field, ...]:
    """The fields that are not between two neighbours alone."""
    dropped = HOP_BY_HOP.union(connection_options(headers.get("connection", "")))
    return tuple((name, value) for name, value in headers.fields if name.lower() not in dropped)
