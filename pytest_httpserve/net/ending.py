"""Notes how a connection ends, and which side ended it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from pytest_httpserve.net.transport import Transport


class Ending:
    """Which side has ended a connection, and how; noted before the client can know.

    ``said`` is ``client`` or ``server``, and ``FIN``, ``RST``, ``timeout`` or ``stop``; None until the connection has
    ended. ``closing`` says that the server has begun to close. ``on_end`` is called once, with the ending.
    """

    closing = False
    said: tuple[str, str] | None = None
    on_end: Callable[[str, str], object] | None = None

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._saying = threading.Lock()

    def say(self, by: str, how: str) -> None:
        """Note which side ends it, and how. Only the first call counts; a second one returns when the first is done."""
        with self._saying:
            if self.said is None:
                self.said = (by, how)
                if self.on_end is not None:
                    self.on_end(by, how)

    def say_whose(self) -> None:
        """Work out which side ended it, and note that, if nobody has."""
        self.say(*self._whose())

    def _whose(self) -> tuple[str, str]:
        failure = self._transport.failure
        if isinstance(failure, TimeoutError):
            return "server", "timeout"
        if isinstance(failure, ConnectionError) and self._transport.fileno() >= 0:
            return "client", "RST"
        if not self.closing:
            return "server", "FIN"
        # The client may have ended it just before the stop.
        return ("client", "FIN") if self._transport.peek() == b"" else ("server", "stop")

    def abort(self) -> None:
        """End both directions now: wakes every thread that waits on the connection."""
        self.say("server", "stop")
        self._transport.shut_down(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection with a reset, so that the client knows the response is incomplete."""
        self.say("server", "RST")
        self._transport.reset()
