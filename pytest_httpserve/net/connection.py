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
_telling = threading.Lock()  # held by who looks at, or adds to, those that a connection is to tell


class Connection:
    """A connection, put together from how its bytes move (``transport``), whose turn it is to serve it (``turn``), and
    how it ends (``ending``).

    ``busy`` is True from the end of a request's head to the end of its response: a connection that is not busy has
    nothing to lose. ``is_answered`` says whether the response in hand is known to have left as a whole.
    ``doing`` says what it is busy with, ``index`` counts the server's connections from 0. ``streams`` are those that it
    carries at a time, each served as a connection is.
    """

    index = 0
    busy: bool = False
    doing = ""
    begun: bool = False  # something serves it
    left_alone = False  # the server has ended, and what serves this one has not
    _on_closing: weakref.WeakSet[threading.Event] | None = None

    def __init__(self, sock: socket.socket, peer: object) -> None:
        self.accepted = sock  # what the server knows it by
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
        """Whether its client has gone without the response that code of others is to give, which may take long."""
        said = self.ending.said
        if not self.turn.runs_code or self.is_answered() or not (said is None or said[0] == "client"):
            return False
        return self.transport.has_been_left()

    def client_ended(self) -> None:
        """The client sends no more."""
        self.ending.say("client", "FIN")

    def leave_loop(self) -> None:
        """Before anything that may wait: from here on, this thread serves the connection alone."""
        self.turn.leave_loop()

    def begin(self, timeout: float | None, *, nodelay: bool) -> None:
        """Made ready by the thread that serves it."""
        self.begun = True
        if not self.turn.led:  # else the loop has noted it
            self.turn.thread = threading.current_thread()
        self.transport.prepare(nodelay=nodelay)
        self.turn.set_timeout(timeout)

    @contextlib.contextmanager
    def waiting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While this thread waits for something other than its client: ``interrupt`` is called if the server closes."""
        with self.turn.waiting(interrupt):
            if self.closing:  # since before there was something to interrupt
                interrupt()
            yield

    def tell_of_closing(self, event: threading.Event) -> None:
        """Set this event, as long as somebody has it, when the server begins to close."""
        with _telling:
            if self._on_closing is None:
                self._on_closing = weakref.WeakSet()
            self._on_closing.add(event)
        if self.closing:
            event.set()

    def begin_to_close(self) -> None:
        """The server begins to close it: tell whoever is to know."""
        self.ending.closing = True
        if self._on_closing is None:
            return
        with _telling:
            events = tuple(self._on_closing)
        for event in events:
            event.set()

    def duplex(self) -> Duplex:
        """Both directions of it, apart from each other."""
        return Duplex(self.transport, self.abort)

    def go_on_over(self, sock: socket.socket) -> None:
        """In the midst of it, from here on, what passes goes through this socket, and a loop waits for that."""
        self.transport.go_on_over(sock)
        self.turn.file = sock.fileno()

    # Resting

    def may_rest(self) -> bool:
        """Whether the client's next bytes can be waited for by a loop."""
        return self.turn.loop is not None and not self.transport.has_unread()

    def rest(self) -> None:
        """Have the loop wait for the client; from here on, it belongs to no thread.

        Raises RuntimeError if that takes a thread and the system has no more: then it rests not.
        """
        turn = self.turn
        turn.rest()
        # The server has begun to close meanwhile, and found it owned.
        if self.ending.closing and not self.busy and turn.claim():
            turn.proceed()

    def stays(self) -> bool:
        """Between two requests: False if the connection is to end here."""
        self.busy = False
        return not self.ending.closing

    # The end

    def end_wait(self) -> None:
        """Nobody waits for its client any more.

        To be said before the socket is closed: if another process or a copy keeps the connection, the system would go
        on telling the loop of what comes from the client, and no call could stop it.
        """
        if (loop := self.turn.loop) is not None:
            loop.remove(self.turn)

    def let_go(self) -> None:
        """What serves it is done with it: if it has closed the socket, it is closed now."""
        if self.transport.closed:
            self.end_wait()
        self.transport.let_go()

    def give_up(self) -> None:
        """Its client has been silent for too long. What has come of a request is served as it is."""
        if self.transport.gathered or self.busy:
            self.transport.overdue = True
        else:
            self.ending.say("server", "timeout")
            self.ending.closing = True
        self.turn.proceed()

    def close_when_idle(self) -> None:
        """End the connection at once if it is not busy, else after the response in hand."""
        self.begin_to_close()
        turn = self.turn
        if not self.busy and turn.claim():
            if turn.loop is not None:
                turn.loop.remove(turn)
            turn.go_alone()
            turn.thread = threading.current_thread()
            turn.proceed()
        elif not self.busy:
            if not turn.resting:  # else it is about to rest, and looks when it does
                self.abort()
        elif (interrupt := turn.interrupt) is not None:
            interrupt()

    def abort(self) -> None:
        """End both directions now: whoever waits on the connection, or for something else, wakes."""
        self.ending.abort()
        turn = self.turn
        interrupt, turn.interrupt = turn.interrupt, None  # which may be this very method
        if interrupt is not None:
            interrupt()

    def linger(self) -> None:
        """Let the client read the answer before the connection goes.

        Closing a socket with unread input resets the connection, and the reset can overtake the answer
        (RFC 9112 section 9.6): so end our side, then drop what still comes until the client ends its own.
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
        """The same, in the loop, where nobody waits."""
        left = expiry - clock.monotonic()
        if left > 0 and not self.closing and self.transport.drop_input(None):
            self.turn.await_client(partial(self._linger_on, expiry), left)

    def forget(self) -> None:
        """It is over: drop what it was served by, so that nothing is left for the garbage collector."""
        turn = self.turn
        turn.serve = turn.proceed = turn.give_up = nothing
        turn.whole = None
        self.is_answered, self.streams = not_yet, no_streams
        self.transport.forget()


def not_yet() -> bool:
    """No response has left."""
    return False


def no_streams() -> tuple[Connection, ...]:
    """It carries one request after another."""
    return ()
