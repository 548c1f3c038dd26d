"""Waiting on the server: where a thread that serves a connection stands still, and what ends that at once."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.server.connection import Connection


class Interrupted(ConnectionError):
    """The server stopped, or the test ended the connection, while a request waited."""


def wait(connection: Connection, go: threading.Event, seconds: float) -> bool:
    """Wait in the thread that serves ``connection`` until ``go`` is set; False after ``seconds``.

    Raises Interrupted as soon as the server stops.
    """
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = not go.is_set()
        go.set()

    with connection.waiting(stop):  # which has left the loop
        in_time = go.wait(seconds)
    if stopped:
        _note_who_ended(connection)
        raise connection.failed(Interrupted("the server stopped while the request waited"))
    return in_time


def _note_who_ended(connection: Connection) -> None:
    """A client that left before the stop has ended the connection itself."""
    try:
        if not socket.socket.recv(connection.socket, 1, socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)):
            connection.end("client", "FIN")
    except OSError:
        pass  # nothing has come from the client
    connection.end("server", "stop")
