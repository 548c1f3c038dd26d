"""How a connection ends: by whom, by what, and what its client is left with."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from pytest_httpserve.net.transport import Transport


class Ending:
    """Who has ended a connection, and how; noted before the client can know.

    ``said`` is that: ``client`` or ``server``, and ``FIN``, ``RST``, ``timeout`` or ``stop``; None as long as nobody
    has. ``closing`` says that the server has begun to close. ``on_end`` is told of the ending, once.
    """

    closing = False
    said: tuple[str, str] | None = None
    on_end: Callable[[str, str], object] | None = None

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._saying = threading.Lock()

    def say(self, by: str, how: str) -> None:
        """Note who ends it, and how: it is the first who ends it. A second one returns when that is done."""
        with self._saying:
            if self.said is None:
                self.said = (by, how)
                if self.on_end is not None:
                    self.on_end(by, how)

    def say_whose(self) -> None:
        """Note it from what is known, if nobody has."""
        self.say(*self._whose())

    def _whose(self) -> tuple[str, str]:
        failure = self._transport.failure
        if isinstance(failure, TimeoutError):
            return "server", "timeout"
        if isinstance(failure, ConnectionError) and self._transport.fileno() >= 0:
            return "client", "RST"
        if not self.closing:
            return "server", "FIN"
        # The client may have been faster than the stop.
        return ("client", "FIN") if self._transport.peek() == b"" else ("server", "stop")

    def abort(self) -> None:
        """End both directions now: whoever waits on the connection wakes."""
        self.say("server", "stop")
        self._transport.shut_down(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection now, and let the client know that it has not got all."""
        self.say("server", "RST")
        self._transport.reset()
