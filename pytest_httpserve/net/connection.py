"""One TCP connection of a server, from accept to close."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pytest_httpserve import clock
from pytest_httpserve.net.duplex import Duplex
from pytest_httpserve.net.ending import Ending
from pytest_httpserve.net.transport import Transport
from pytest_httpserve.net.turn import Turn, nothing

LINGER_SECONDS = 1.0
_telling = threading.Lock()  # guards the events that connections set when they close


class Connection:
    """A connection, in three parts: ``transport`` moves its bytes, ``turn`` says whose turn it is to serve it, and
    ``ending`` notes how it ends.

    ``busy`` is True from the end of a request's head to the end of its response: a connection that is not busy has
    nothing to lose. ``is_answered`` tells whether the current response is known to have been sent completely.
    ``doing`` says what it is busy with, ``index`` counts the server's connections from 0. ``streams`` are the streams
    that it carries now, each served like a connection.
    """

    index = 0
    busy: bool = False
    doing = ""
    begun: bool = False  # whether something serves it
    left_alone = False  # whether the server has ended while a handler still serves it
    _on_closing: weakref.WeakSet[threading.Event] | None = None

    def __init__(self, sock: socket.socket, peer: object) -> None:
        self.accepted = sock  # the server knows the connection by this socket
        self.number: int = sock.fileno()  # the same, once it is closed
        self.peer = peer
        self.is_answered: Callable[[], bool] = not_yet
        self.streams: Callable[[], Sequence[Connection]] = no_streams
        self.transport: Transport = Transport(sock, self.leave_loop, self.client_ended)
        self.turn: Turn = Turn(self.transport, self.give_up)
        self.ending: Ending = Ending(self.transport)

    @property
    def closing(self) -> bool:
        """Whether the server has begun to close."""
        return self.ending.closing

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has gone while a handler, which may take long, has not answered it yet."""
        said = self.ending.said
        if not self.turn.runs_code or self.is_answered() or not (said is None or said[0] == "client"):
            return False
        return self.transport.has_been_left()

    def client_ended(self) -> None:
        """Note that the client sends no more."""
        self.ending.say("client", "FIN")

    def leave_loop(self) -> None:
        """Called before anything that may wait: from here on, this thread serves the connection alone."""
        self.turn.leave_loop()

    def begin(self, timeout: float | None, *, nodelay: bool) -> None:
        """Prepare the connection, in the thread that serves it."""
        self.begun = True
        if not self.turn.led:  # otherwise, the loop has noted it
            self.turn.thread = threading.current_thread()
        self.transport.prepare(nodelay=nodelay)
        self.turn.set_timeout(timeout)

    @contextlib.contextmanager
    def waiting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While this thread waits for something other than its client: ``interrupt`` is called if the server closes."""
        with self.turn.waiting(interrupt):
            if self.closing:  # it was closing before ``interrupt`` was set
                interrupt()
            yield

    def tell_of_closing(self, event: threading.Event) -> None:
        """Set this event when the server begins to close. Keeps only a weak reference to it."""
        with _telling:
            if self._on_closing is None:
                self._on_closing = weakref.WeakSet()
            self._on_closing.add(event)
        if self.closing:
            event.set()

    def begin_to_close(self) -> None:
        """Note that the server begins to close it, and set the events of ``tell_of_closing``."""
        self.ending.closing = True
        if self._on_closing is None:
            return
        with _telling:
            events = tuple(self._on_closing)
        for event in events:
            event.set()

    def duplex(self) -> Duplex:
        """The two directions of the connection, for independent use."""
        return Duplex(self.transport, self.abort)

    def go_on_over(self, sock: socket.socket) -> None:
        """From here on, use this socket instead (for TLS in a tunnel); the loop waits for it, too."""
        self.transport.go_on_over(sock)
        self.turn.file = sock.fileno()

    # Resting

    def may_rest(self) -> bool:
        """Whether the loop can wait for the client's next bytes."""
        return self.turn.loop is not None and not self.transport.has_unread()

    def rest(self) -> None:
        """Let the loop wait for the client; from here on, no thread owns the connection.

        Raises RuntimeError, and does not rest, if the loop needs a thread and the system has no more.
        """
        turn = self.turn
        turn.rest()
        # The server may have begun to close meanwhile, while this thread owned the connection.
        if self.ending.closing and not self.busy and turn.claim():
            turn.proceed()

    def stays(self) -> bool:
        """Called between two requests: False if the connection must end here."""
        self.busy = False
        return not self.ending.closing

    # The end

    def end_wait(self) -> None:
        """Stop waiting for the client.

        Call this before closing the socket: if another process or a copy keeps the connection open, the system would
        keep reporting the client's bytes to the loop, and no call could stop it.
        """
        if (loop := self.turn.loop) is not None:
            loop.remove(self.turn)

    def let_go(self) -> None:
        """Called when its handler is done: closes the socket now if the handler asked for it."""
        if self.transport.closed:
            self.end_wait()
        self.transport.let_go()

    def give_up(self) -> None:
        """Called when the client has been silent for too long. A request that has begun is served as it is."""
        if self.transport.gathered or self.busy:
            self.transport.overdue = True
        else:
            self.ending.say("server", "timeout")
            self.ending.closing = True
        self.turn.proceed()

    def close_when_idle(self) -> None:
        """End the connection at once if it is not busy, otherwise after the current response."""
        self.begin_to_close()
        turn = self.turn
        if not self.busy and turn.claim():
            if turn.loop is not None:
                turn.loop.remove(turn)
            turn.go_alone()
            turn.thread = threading.current_thread()
            turn.proceed()
        elif not self.busy:
            if not turn.resting:  # otherwise it is about to rest, and checks ``closing`` itself
                self.abort()
        elif (interrupt := turn.interrupt) is not None:
            interrupt()

    def abort(self) -> None:
        """End both directions now: wakes every thread that waits on the connection, or on its behalf."""
        self.ending.abort()
        turn = self.turn
        interrupt, turn.interrupt = turn.interrupt, None  # which may be this very method
        if interrupt is not None:
            interrupt()

    def linger(self) -> None:
        """Let the client read the answer before the connection closes.

        Closing a socket with unread input resets the connection, and the reset can overtake the answer
        (RFC 9112 section 9.6): so end our side, then drop input until the client ends its own.
        """
        self.busy = False
        self.ending.say("server", "FIN")
        transport = self.transport
        transport.say_goodbye()
        transport.shut_down(socket.SHUT_WR)
        transport.gathered, transport.overdue = b"", False
        expiry = clock.monotonic() + LINGER_SECONDS
        if self.turn.led:
            self._linger_on(expiry)
            return
        while (left := expiry - clock.monotonic()) > 0 and not self.closing:
            if not transport.drop_input(left):
                break

    def _linger_on(self, expiry: float) -> None:
        """The same in the loop, without blocking a thread."""
        left = expiry - clock.monotonic()
        if left > 0 and not self.closing and self.transport.drop_input(None):
            self.turn.await_client(partial(self._linger_on, expiry), left)

    def forget(self) -> None:
        """Called when it is over: drop its references, so that nothing is left for the garbage collector."""
        turn = self.turn
        turn.serve = turn.proceed = turn.give_up = nothing
        turn.whole = None
        self.is_answered, self.streams = not_yet, no_streams
        self.transport.forget()


def not_yet() -> bool:
    """The default of ``is_answered``: no response has been sent."""
    return False


def no_streams() -> tuple[Connection, ...]:
    """The default of ``streams``: it carries one request after another."""
    return ()
