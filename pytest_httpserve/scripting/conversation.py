"""What all exchanges of one connection share."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.passage import AS_IT_IS, Passage
from pytest_httpserve.scripting.record.readable import is_readable, readable_text

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.protocol.http1 import HTTP1
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.server.servers import HTTPServer

    InHTTP2 = Callable[["Conversation", tuple[Fault, ...]], object]


class Conversation:
    """A connection of a scripted server, with ``count`` exchanges so far.

    ``client`` is the client's host and port; ``record`` is the connection in the journal. Each exchange begins with the
    passage ``passage``. ``resets`` says to end the connection with a reset, so that the client cannot take a response
    for complete. ``beyond`` takes over the connection when it leaves HTTP. ``in_http2`` goes on with a connection whose
    client switches to HTTP/2 in the middle of it, with these faults, if the server speaks HTTP/2.
    """

    __slots__ = (
        "beyond",
        "client",
        "connection",
        "count",
        "http1",
        "in_http2",
        "passage",
        "record",
        "resets",
        "script",
        "server",
    )

    def __init__(
        self,
        script: Script,
        server: HTTPServer,
        connection: Connection,
        http1: HTTP1,
        record: ConnectionRecord | None,
    ) -> None:
        self.script: Script = script
        self.server: HTTPServer = server
        self.connection: Connection = connection
        self.http1: HTTP1 = http1
        self.record: ConnectionRecord | None = record
        peer = connection.peer
        # An IPv6 address also has flow and scope.
        self.client: tuple[str, int] = (peer[0], peer[1]) if isinstance(peer, tuple) else ("", 0)
        self.passage: Passage = AS_IT_IS
        self.count: int = 0
        self.beyond: Callable[[], object] | None = None
        self.in_http2: InHTTP2 | None = None
        self.resets: bool = False

    def escaped(self, error: BaseException) -> None:
        """Report an exception of a handler through threading.excepthook, if nobody waits for its thread any more."""
        if self.connection.left_alone:
            error = _readable_error(error)
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )


def _readable_error(error: BaseException) -> BaseException:
    """The exception or, if its text cannot be shown everywhere, another with a readable text: pytest turns it into a
    warning, which pytest-xdist workers send on."""
    text = "".join(traceback.format_exception(error))
    return error if is_readable(text) else RuntimeError(readable_text(text))
