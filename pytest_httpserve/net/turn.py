"""Whose turn it is with a connection: the loop's, which waits for its client, or a thread's, which serves it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve import clock
from pytest_httpserve.net.loop import MOST_AWAY
from pytest_httpserve.net.transport import Transport
from pytest_httpserve.net.ways import Alone, Leading

if TYPE_CHECKING:
    from pytest_httpserve.net.loop import Loop

Result = TypeVar("Result")
# Tells whether the gathered bytes are complete; the number is how many of them were there the last time.
Whole = Callable[[bytes, int], bool]


class Turn:
    """A connection's entry in a loop.

    While the connection rests in the loop, no thread owns it: the thread that claims it serves it. The loop gathers
    what the client sends until ``whole`` says that it is worth a thread's attention, and then calls ``serve``.

    ``led`` says that the loop's own thread serves the connection: before anything that may wait, it calls
    ``leave_loop``. ``interrupt`` is called from another thread when the server begins to close; it is set while a
    thread is ``waiting`` for something other than its client (a child process, a gate).
    """

    # Defaults are in the class, since there is a new object for each connection.
    expiry: float | None = None
    led: bool = False
    thread: threading.Thread | None = None
    loop: Loop | None = None
    whole: Whole | None = None
    resting: bool = False  # whether it rests in the loop, or is about to
    given_away = 0  # how often a thread has handed it on to another one, without getting it back
    runs_code: bool = False  # whether user code is running, which may take long
    interrupt: Callable[[], object] | None = None
    _gathered = 0

    def __init__(self, transport: Transport, give_up: Callable[[], object]) -> None:
        self.file: int = transport.socket.fileno()  # kept when the socket is closed, by anybody
        self.serve: Callable[[], object] = nothing  # called when the client has sent something
        self.proceed: Callable[[], object] = nothing  # does the same, and then what follows
        self.give_up = give_up  # called when it expires
        self._transport = transport
        self._owned = threading.Lock()  # held by the thread that has claimed it
        self._owned.acquire()

    # As an entry of the loop

    def claim(self, leader: threading.Thread | None = None) -> bool:
        """Claim it for this thread, which may be the ``leader`` of the loop; False if another thread owns it."""
        if not self._owned.acquire(False):
            return False
        self.resting = False
        if leader is not None:
            self.led, self.thread = True, leader
            self._transport.way = Leading
        return True

    def go_alone(self) -> None:
        """Note that the thread that serves it no longer leads the loop."""
        self.led = False
        self._transport.way = Alone

    def expire(self) -> bool:
        """Give up a client that has been silent for too long, unless the loop has not got round to its bytes."""
        if self._transport.peek() is not None:
            return False
        if self.claim(threading.current_thread()):
            self.give_up()
        return True

    # Resting

    def comes_to_something(self) -> bool:
        """Gather what has come. Returns False if ``serve`` needs more, so that the connection goes on resting."""
        whole, transport = self.whole, self._transport
        if whole is None or transport.overdue:
            return True
        if not transport.gather() or whole(transport.gathered, self._gathered):
            return True
        if not self._gathered and transport.gathered and transport.timeout is not None:
            # All of it must come within one timeout, or a client could keep the connection by a byte now and then.
            self.expiry = clock.monotonic() + transport.timeout
        self._gathered = len(transport.gathered)
        return False

    def await_client(self, serve: Callable[[], object], timeout: float | None, whole: Whole | None = None) -> None:
        """Let the loop, not this thread, wait up to ``timeout`` seconds for the client, and then call ``serve``."""
        transport = self._transport
        self.serve, self.whole, self._gathered = serve, whole, len(transport.gathered)
        self.expiry = clock.monotonic() + timeout if timeout is not None else None
        self.resting = True
        if timeout != transport.timeout:
            transport.timeout = timeout  # the socket need not know it before a thread waits
            if self.led and self.loop is not None and self.expiry is not None:
                self.loop.expect(self.expiry)

    def renew(self) -> None:
        """Start the timeout again, since the client has sent enough."""
        timeout = self._transport.timeout
        self.expiry = clock.monotonic() + timeout if timeout is not None else None

    @property
    def rests(self) -> bool:
        """Whether no thread owns it, except perhaps ``thread``, which has served it last."""
        return not self._owned.locked()

    @property
    def left(self) -> float | None:
        """How many seconds are left until it expires; None for ever."""
        return max(self.expiry - clock.monotonic(), 0.0) if self.expiry is not None else None

    def rest(self) -> None:
        """Let the loop wait for the client; from here on, no thread owns the connection.

        Raises RuntimeError, and does not rest, if the loop needs a thread and the system has no more.
        """
        loop, transport = self.loop, self._transport
        assert loop is not None
        if self.led:
            self.led, transport.way = False, Alone
        else:
            if not transport.at_once:
                transport.wait_for_nothing()
            loop.add(self)
        self._owned.release()

    def set_timeout(self, seconds: float | None) -> None:
        """From now on, no read or write waits longer than this; None waits for ever."""
        transport = self._transport
        before, transport.timeout = transport.timeout, seconds
        if not self.led:
            transport.keep_time()
        elif self.loop is not None and seconds is not None and (before is None or seconds < before):
            self.loop.expect(clock.monotonic() + seconds)

    # Waiting in a thread

    def leave_loop(self) -> None:
        """Called before anything that may wait: from here on, this thread serves the connection alone."""
        if self.led and self.loop is not None:
            self.loop.leave(self)
        self._transport.keep_time()

    @contextlib.contextmanager
    def waiting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While this thread waits for something other than its client: ``interrupt`` is called if the server closes."""
        self.leave_loop()
        self.interrupt = interrupt
        try:
            yield
        finally:
            self.interrupt = None

    def run(self, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run user code, which may wait without announcing it."""
        before, self.runs_code = self.runs_code, True
        try:
            loop = self.loop
            if not self.led or loop is None:
                return code(*arguments)
            if len(loop.away) >= MOST_AWAY:
                self.leave_loop()
                return code(*arguments)
            transport = self._transport
            transport.keep_time()
            try:
                return loop.run(self, code, *arguments)
            finally:
                if self.led and transport.timed_by_others:
                    self.leave_loop()
                elif self.led and not transport.at_once:
                    with contextlib.suppress(OSError):  # that code has closed it
                        transport.wait_for_nothing()
        finally:
            self.runs_code = before


def nothing() -> None:
    """Do nothing."""
