"""A stream of HTTP/2, presented as a Connection: its turn, its ending, and its two directions."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from pytest_httpserve.net.connection import Connection, no_streams, not_yet
from pytest_httpserve.net.ending import Ending
from pytest_httpserve.net.turn import Result, Turn
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.protocol.stream_duplex import StreamDuplex


class StreamTurn(Turn):
    """The turn of a stream, which one thread serves, and no loop. Before the thread may wait, ``leave_loop`` gives
    other streams their results."""

    def __init__(self, transport: StreamTransport, give_up: Callable[[], object]) -> None:
        super().__init__(transport, give_up)
        self.let_others: Callable[[], object] | None = None

    def leave_loop(self) -> None:
        let_others, self.let_others = self.let_others, None
        if let_others is not None:
            let_others()

    def run(self, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        self.leave_loop()
        before = self.runs_code
        self.runs_code: bool = True
        try:
            return code(*arguments)
        finally:
            self.runs_code = before

    def set_timeout(self, seconds: float | None) -> None:
        self._transport.set_timeout(seconds)


class StreamConnection(Connection):
    """A stream, with everything that code answering a request needs from its connection."""

    def __init__(self, transport: StreamTransport, connection: Connection) -> None:
        self.accepted: socket.socket = connection.accepted
        self.peer: object = connection.peer
        self.index: int = connection.index
        self.begun = True
        self.is_answered: Callable[[], bool] = not_yet
        self.streams: Callable[[], Sequence[Connection]] = no_streams
        self.transport: StreamTransport = transport
        self.turn: StreamTurn = StreamTurn(transport, self.give_up)
        transport.leave_loop = self.leave_loop
        self.ending: Ending = Ending(transport)

    def duplex(self) -> StreamDuplex:
        return StreamDuplex(self.transport, self.abort)

    def linger(self) -> None:
        """End the stream. The end of a stream loses nothing that was sent before."""
        self.transport.finish()

    def dismiss(self) -> None:
        """Note that the server has begun to close."""
        self.begin_to_close()
        if (interrupt := self.turn.interrupt) is not None:
            interrupt()
