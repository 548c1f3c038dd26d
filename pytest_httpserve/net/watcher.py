"""Who is told of a server's connections, and what is said of those that hang."""

from __future__ import annotations

import logging
import sys
import traceback

from pytest_httpserve.net.connection import Connection

logger: logging.Logger = logging.getLogger("pytest_httpserve.server")


class Watcher:
    """Is told of a server's connections; this one logs those that hang."""

    def opened(self, connection: Connection) -> None:
        """The connection was accepted; nothing has been read from it."""

    def shaken(self, connection: Connection, *, done: bool) -> None:
        """Its TLS handshake is done, or has failed."""

    def closed(self, connection: Connection) -> None:
        """Its socket is closed."""

    def left_alone(self, connections: list[Connection]) -> None:
        """The clients of these have gone, and nobody waits any longer for the handlers that serve them."""

    def hanging(self, connections: list[Connection]) -> None:
        """The handlers of these did not end when the server stopped."""
        for connection in connections:
            logger.error("%s", describe_hanging(connection))


def describe_hanging(connection: Connection) -> str:
    """The request in which a handler hangs, its thread, and where it is."""
    if streams := connection.streams():
        return "".join(map(describe_hanging, streams))
    thread = connection.turn.thread
    name = thread.name if thread is not None else "no thread"
    frame = sys._current_frames().get(thread.ident) if thread is not None and thread.ident is not None else None
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "(it has just ended)\n"
    return f"the handler of {connection.doing or connection.peer!r} did not end ({name}); it is here:\n{stack}"
