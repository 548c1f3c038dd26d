"""A connection that any thread may write to, while the loop waits for its client."""

from __future__ import annotations

import contextlib
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
        """Wait until something has come, until ``wake`` is called, or for that many seconds."""

    def wake(self) -> None:
        """End the current wait, or the next one."""

    def close(self) -> None:
        """Release its resources."""


class SocketWatch:
    """The Watch of a socket."""

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
    """The two directions of a connection, for independent use.

    Data to send is made when its turn comes, in the order in which it is sent. No call of the socket blocks, since both
    directions share one TLS layer: threads wait between two calls.
    """

    def __init__(self, transport: Transport, abort: Callable[[], object]) -> None:
        self._transport = transport
        self._abort = abort  # ends both directions
        self._order = threading.Lock()  # held by the sending thread until everything is sent
        self._soon: deque[tuple[Make, float, Run]] = deque()
        self._call = threading.Lock()  # held for one call of the socket
        self.prepare()

    def prepare(self) -> None:
        """Make the socket non-blocking again, whatever others have set."""
        if not self._transport.at_once:
            self._transport.wait_for_nothing()

    def watch(self) -> Watch:
        """A Watch for the next bytes, for use in a separate thread."""
        return SocketWatch(self._transport.fileno())

    def receive(self) -> bytes | None:
        """The bytes that have come; None if there are none, empty at the end. Raises OSError."""
        transport = self._transport
        with self._call:
            goes_on = transport.gather()
        if goes_on and not transport.gathered:
            return None
        return transport.receive(max(len(transport.gathered), RECEIVE_BYTES))

    def send(self, make: Make, seconds: float, before_wait: Callable[[], object] | None = None) -> None:
        """Send the result of ``make``, and wait for the client to read it, up to ``seconds`` for each part;
        ``before_wait`` is called if it has to wait. Raises OSError."""
        if not self._order.acquire(False):
            if before_wait is not None:
                before_wait()
            self._order.acquire()  # whoever holds it gives up a client that reads nothing
        try:
            if rest := self._send_now(self._made(make)):
                if before_wait is not None:
                    before_wait()
                self._send_rest(rest, seconds)
        finally:
            self._pass_on()

    def send_soon(self, make: Make, seconds: float, run: Run) -> None:
        """The same without waiting: if another thread is sending, it sends this next. A thread started with ``run``
        sends what cannot be sent at once."""
        self._soon.append((make, seconds, run))
        if self._order.acquire(False):
            self._pass_on()

    def _pass_on(self) -> None:
        """Send the data of ``send_soon``, and then let other threads send."""
        while True:
            rest = memoryview(b"")
            try:
                while self._soon and not rest:
                    make, seconds, run = self._soon.popleft()
                    with contextlib.suppress(OSError):  # the receiving thread learns of it
                        rest = self._send_now(self._made(make))
            finally:
                if not rest:
                    self._order.release()
            if rest:
                self._finish_by(run, rest, seconds)
                return
            # Another thread may have added data while the lock was held.
            if not self._soon or not self._order.acquire(False):
                return

    def _finish_by(self, run: Run, rest: memoryview, seconds: float) -> None:
        try:
            run(partial(self._finish, rest, seconds))
        except RuntimeError:  # the system has no more threads
            self._order.release()
            self._abort()

    def end_by(self, end: Callable[[], object]) -> None:
        """Close the socket with ``end``, while no call of it is under way: its number may be reused at once."""
        with self._call:
            end()

    def end(self) -> None:
        """End the sending direction: the client sees the end."""
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
        """Send what can be sent at once; returns the rest."""
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
        """Fail the connection: a part may have been sent, so nothing can follow."""
        error = self._transport.failed(TimeoutError(f"the client read nothing of what was sent to it for {seconds} s"))
        self._abort()
        return error
