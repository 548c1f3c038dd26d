"""Waits of threads that serve a connection, which end at once when the server stops."""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_httpserve import clock

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection

# Seconds between two looks at an event while waiting for something else, too.
GLANCE_SECONDS = 0.01
# Seconds that a reset waits until the bytes before it are sent.
_LET_OUT_SECONDS = 5.0
_SIOCOUTQNSD = 0x894B


class Interrupted(ConnectionError):
    """The server stopped, or the test ended the connection, while a request waited."""


class StopEvent(threading.Event):
    """An event that is set as soon as the server stops or ends the connection."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def then(self, function: Callable[..., object], *arguments: Any) -> None:  # whatever the function takes
        """Call the function with these arguments as soon as the server stops; at once if it has stopped.

        The thread that stops the server calls it, so it must not wait. Use it to end waits that do not watch an event:
        ``request.stopped.then(updates.put, None)``.
        """
        call = partial(function, *arguments)
        with self._lock:
            if not self.is_set():
                self._calls.append(call)
                return
        call()

    def set(self) -> None:
        super().set()
        with self._lock:
            calls, self._calls = self._calls, []
        for call in calls:
            try:
                call()
            except Exception:  # the server stops all the same
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


def wait(connection: Connection, go: threading.Event, seconds: float | None) -> bool:
    """Wait in the thread that serves ``connection`` until ``go`` is set. False after ``seconds``; None waits for ever.

    Raises Interrupted as soon as the server stops.
    """
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = stopped or not go.is_set()
        go.set()

    with connection.waiting(stop):  # this also leaves the loop
        in_time = go.wait(seconds)
    if stopped:
        connection.ending.say_whose()
        raise connection.transport.failed(Interrupted("the server stopped while the request waited"))
    return in_time


def pause(
    connection: Connection, seconds: float, until: threading.Event | None = None, *, heeds_client: bool = False
) -> bool:
    """Wait for ``seconds``, or until the event is set. False if something else ended the wait.

    The stop of the server ends it, and so does the end of the connection; with ``heeds_client``, also a client that has
    finished sending.
    """
    expiry = clock.monotonic() + seconds
    with connection.waiting(connection.abort):  # which also ends the poll below
        while not connection.closing and (until is None or not until.is_set()):
            left = expiry - clock.monotonic()
            if left <= 0:
                return True
            if how := _ended_within(connection, left if until is None else min(left, GLANCE_SECONDS), heeds_client):
                if not connection.closing:
                    connection.ending.say("client", how)
                    connection.transport.failed(ConnectionAbortedError("the client left"))
                return False
        return not connection.closing


def let_out(connection: Connection) -> None:
    """Wait until the kernel has sent everything: a reset drops the rest. A Unix socket has no reset."""
    sock = connection.transport.socket
    if sys.platform != "linux" or sock.family == getattr(socket, "AF_UNIX", None):
        return
    import fcntl

    expiry = clock.monotonic() + _LET_OUT_SECONDS
    while clock.monotonic() < expiry:
        try:
            unsent = fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, b"\0" * 4)
        except (OSError, ValueError):  # another stream of the connection has closed it
            return
        if not struct.unpack("i", unsent)[0] or not pause(connection, GLANCE_SECONDS):
            return


def _ended_within(connection: Connection, seconds: float, heeds_client: bool) -> str | None:
    """How the connection ends within ``seconds``; None if it does not."""
    if not connection.transport.polls:
        return connection.transport.await_end(seconds)
    if not hasattr(select, "poll"):
        return _seen_to_end_within(connection, seconds, heeds_client)
    poll = select.poll()
    # Ignore what the client sends and, unless heeds_client, that it has finished sending.
    poll.register(connection.transport.fileno(), getattr(select, "POLLRDHUP", 0) if heeds_client else 0)
    return connection.transport.how_left() or "FIN" if poll.poll(seconds * 1000) else None


def _seen_to_end_within(connection: Connection, seconds: float, heeds_client: bool) -> str | None:
    """The same without poll, by looking now and then: select cannot tell a reset from data."""
    woken = threading.Event()
    connection.turn.interrupt = woken.set
    expiry = clock.monotonic() + seconds
    while not connection.closing:
        left = expiry - clock.monotonic()
        if left <= 0:
            return None
        if woken.wait(min(left, GLANCE_SECONDS)):
            break
        how = connection.transport.how_left()
        if how == "RST" or (heeds_client and how is not None):
            return how
    return "FIN"
