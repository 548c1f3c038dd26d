"""Send requests to real hosts, and read their answers. Nothing else in the package looks names up."""

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
# Addresses instead of look-ups. Only the tests of this package use it.
ADDRESSES: dict[tuple[str, int], tuple[str, int]] = {}


class Answer(NamedTuple):
    """The answer of a host: status, reason, fields without hop-by-hop fields, and a function that reads the body."""

    status: int
    reason: str
    fields: tuple[Field, ...]
    read: Callable[[int], bytes]
    close: Callable[[], None]
    has_body: bool


def connect(host: str, port: int) -> socket.socket:
    """Connect to a real host. This is the only place that looks names up. Raises OSError."""
    return socket.create_connection(ADDRESSES.get((host, port), (host, port)), timeout=_CONNECT_SECONDS)


class Upstream:
    """A connection for one request to a real host, over TLS if there is a ``context``. Raises OSError."""

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
        """Send the request for ``target``, and return the answer. Raises OSError or HTTPException."""
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
            asked.close()  # a host that keeps connections has left it open

        return Answer(answer.status, answer.reason, fields, answer.read1, close, has_body)

    def break_off(self) -> None:
        """Shut the connection down, so that nobody waits for it any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def end_to_end(headers: Headers) -> tuple[Field, ...]:
    """The fields without hop-by-hop fields."""
    dropped = HOP_BY_HOP.union(connection_options(headers.get("connection", "")))
    return tuple((name, value) for name, value in headers.fields if name.lower() not in dropped)
