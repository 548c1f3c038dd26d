"""Waiting on the server: where a thread that serves a connection stands still, and what ends that at once."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_httpserve import clock

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection

# How often an event is looked at by who waits for something else, too, in seconds.
GLANCE_SECONDS = 0.01


class Interrupted(ConnectionError):
    """The server stopped, or the test ended the connection, while a request waited."""


class StopEvent(threading.Event):
    """Set as soon as the server stops, or ends the connection."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def then(self, function: Callable[..., object], *arguments: Any) -> None:  # whatever the function takes
        """Call the function with these arguments as soon as the server stops; at once if it has.

        The thread that stops the server calls it, so it must not wait. It is how to end a wait that looks at no event:
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
    """Wait in the thread that serves ``connection`` until ``go`` is set; False after ``seconds``, never with None.

    Raises Interrupted as soon as the server stops.
    """
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = stopped or not go.is_set()
        go.set()

    with connection.waiting(stop):  # which has left the loop
        in_time = go.wait(seconds)
    if stopped:
        connection.ending.say_whose()
        raise connection.transport.failed(Interrupted("the server stopped while the request waited"))
    return in_time


def pause(
    connection: Connection, seconds: float, until: threading.Event | None = None, *, heeds_client: bool = False
) -> bool:
    """Wait so long, or until the event is set; False if something else has ended the wait.

    A stop of the server does, and the end of the connection; where ``heeds_client``, a client that sends no more.
    """
    expiry = clock.monotonic() + seconds
    with connection.waiting(connection.abort):  # by which the poll below ends, too
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


def _ended_within(connection: Connection, seconds: float, heeds_client: bool) -> str | None:
    """How the connection ends within so many seconds, if it does."""
    if not connection.transport.polls:
        return connection.transport.await_end(seconds)
    if not hasattr(select, "poll"):
        return _seen_to_end_within(connection, seconds, heeds_client)
    poll = select.poll()
    # What the client sends does not matter, nor, while it is owed an answer, that it will send no more.
    poll.register(connection.transport.fileno(), getattr(select, "POLLRDHUP", 0) if heeds_client else 0)
    return connection.transport.how_left() or "FIN" if poll.poll(seconds * 1000) else None


def _seen_to_end_within(connection: Connection, seconds: float, heeds_client: bool) -> str | None:
    """The same without poll, by a look now and then: select does not tell a reset from what the client sends."""
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
