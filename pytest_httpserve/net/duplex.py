"""A connection that is written to by any thread, while the loop waits for what its client sends."""

from __future__ import annotations

import errno
import socket
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pytest_httpserve.net.over_tls import would_wait
from pytest_httpserve.net.poller import Wake, readiness, writability
from pytest_httpserve.net.transport import RECEIVE_BYTES, Transport

Make = Callable[[], bytes]
Run = Callable[[Callable[[], object]], object]


class Watch(Protocol):
    """A wait for a client that another thread can end."""

    def wait(self, seconds: float | None) -> None:
        """Until something has come, or ``wake``, or for so many seconds."""

    def wake(self) -> None:
        """End the wait, or the next one."""

    def close(self) -> None:
        """Of no use any more."""


class SocketWatch:
    """That of a socket."""

    def __init__(self, file: int) -> None:
        self._wake = Wake()
        self._ready = readiness(file, self._wake.fileno())

    def wait(self, seconds: float | None) -> None:
        """See ``Watch``."""
        if self._wake.fileno() in self._ready(seconds):
            self._wake.clear()

    def wake(self) -> None:
        """See ``Watch``."""
        self._wake.set()

    def close(self) -> None:
        """See ``Watch``."""
        self._wake.close()


class Duplex:
    """Both directions of a connection, apart from each other.

    What is sent is made when its turn has come, so that it is made in the order in which it leaves. No call of the
    socket waits, for a TLS layer is one for both directions: who has to wait does so between two calls.
    """

    def __init__(self, transport: Transport, abort: Callable[[], object]) -> None:
        self._transport = transport
        self._abort = abort  # ends both directions
        self._order = threading.Lock()  # held by who sends, until all of it has left
        self._soon: deque[tuple[Make, float, Run]] = deque()
        self._call = threading.Lock()  # held for one call of the socket
        self.prepare()

    def prepare(self) -> None:
        """Have no call of the socket wait, whoever has said otherwise."""
        if not self._transport.at_once:
            self._transport.wait_for_nothing()

    def watch(self) -> Watch:
        """A wait for what comes next, in a thread of its own."""
        return SocketWatch(self._transport.fileno())

    def receive(self) -> bytes | None:
        """What has come; None if nothing has, empty at the end. Raises OSError."""
        transport = self._transport
        with self._call:
            goes_on = transport.gather()
        if goes_on and not transport.gathered:
            return None
        return transport.receive(max(len(transport.gathered), RECEIVE_BYTES))

    def send(self, make: Make, seconds: float, before_wait: Callable[[], object] | None = None) -> None:
        """Send what is made, and wait for the client to take it, so long for each part of it; ``before_wait`` is called
        if there is something to wait for. Raises OSError."""
        if not self._order.acquire(False):
            if before_wait is not None:
                before_wait()
            if not self._order.acquire(timeout=seconds):
                raise self._too_slow(seconds)
        try:
            if rest := self._send_now(self._made(make)):
                if before_wait is not None:
                    before_wait()
                self._send_rest(rest, seconds)
        finally:
            self._pass_on()

    def send_soon(self, make: Make, seconds: float, run: Run) -> None:
        """The same without a wait: whoever sends just now sends this next, and what cannot leave at once is seen off by
        another thread, which ``run`` has."""
        self._soon.append((make, seconds, run))
        if self._order.acquire(False):
            self._pass_on()

    def _pass_on(self) -> None:
        """Let others send, after what is to be sent soon."""
        while True:
            while self._soon:
                make, seconds, run = self._soon.popleft()
                try:
                    rest = self._send_now(self._made(make))
                except OSError:
                    continue  # who receives is told
                if rest:
                    self._finish_by(run, rest, seconds)
                    return
            self._order.release()
            # Somebody may have found it taken meanwhile.
            if not self._soon or not self._order.acquire(False):
                return

    def _finish_by(self, run: Run, rest: memoryview, seconds: float) -> None:
        try:
            run(partial(self._finish, rest, seconds))
        except RuntimeError:  # there are no more threads
            self._order.release()
            self._abort()

    def end_by(self, end: Callable[[], object]) -> None:
        """Close the socket, by ``end``, while no call of it is under way: its number may be another's right after."""
        with self._call:
            end()

    def end(self) -> None:
        """Send nothing more: the client is told of the end."""
        with self._call:
            self._transport.say_goodbye()
            self._transport.shut_down(socket.SHUT_WR)

    def _finish(self, rest: memoryview, seconds: float) -> None:
        try:
            self._send_rest(rest, seconds)
        except OSError:
            self._abort()
        finally:
            self._pass_on()

    def _send_rest(self, data: memoryview, seconds: float) -> None:
        while data := self._send_now(data):
            if (file := self._transport.fileno()) < 0:
                raise self._transport.failed(OSError(errno.EBADF, "the connection is closed"))
            if not writability(file)(seconds):
                raise self._too_slow(seconds)

    def _made(self, make: Make) -> memoryview:
        data = make()
        if (tap := self._transport.tap) is not None:
            tap.sent(data)
        return memoryview(data)

    def _send_now(self, data: memoryview) -> memoryview:
        """Send what leaves at once; the rest."""
        transport = self._transport
        try:
            while data:
                with self._call:
                    sent = transport.socket.send(data, transport.at_once)
                data = data[sent:]
        except OSError as error:
            if not would_wait(error):
                raise transport.failed(error) from None
        return data

    def _too_slow(self, seconds: float) -> OSError:
        """A part of it may have left, so nothing can follow it."""
        error = self._transport.failed(TimeoutError(f"the client took nothing of what was sent to it for {seconds} s"))
        self._abort()
        return error
