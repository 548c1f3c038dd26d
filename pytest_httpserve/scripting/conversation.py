"""What the exchanges of one connection have in common."""

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

    ``client`` is the other end, host and port; ``record`` what the journal knows of the connection. ``passage`` is how
    each exchange begins to pass. ``resets`` says that the connection is to end such that its client cannot take for
    whole what it has got. ``beyond`` takes care of it when it has left HTTP. ``in_http2`` goes on with one whose client
    begins with HTTP/2 in the midst of it, past these faults, if the server speaks that.
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
        # Of an IPv6 address, flow and scope follow.
        self.client: tuple[str, int] = (peer[0], peer[1]) if isinstance(peer, tuple) else ("", 0)
        self.passage: Passage = AS_IT_IS
        self.count: int = 0
        self.beyond: Callable[[], object] | None = None
        self.in_http2: InHTTP2 | None = None
        self.resets: bool = False

    def escaped(self, error: BaseException) -> None:
        """An exception of what answers here: it is one of the thread if nobody waits for that any more."""
        if self.connection.left_alone:
            error = _readable_error(error)
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )


def _readable_error(error: BaseException) -> BaseException:
    """The exception or, if its text cannot be shown anywhere, another that says as much: pytest makes a warning of it,
    which a worker of pytest-xdist sends on."""
    text = "".join(traceback.format_exception(error))
    return error if is_readable(text) else RuntimeError(readable_text(text))
