"""The server's end of a WebSocket connection. Messages that come in wait to be received; others are sent at once."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_httpserve import clock
from pytest_httpserve.errors import FrameError, UsageError, WebSocketClosed
from pytest_httpserve.net.turn import nothing
from pytest_httpserve.protocol.websocket import ABNORMAL, GOING_AWAY, NO_CODE, POLICY_VIOLATION, Frames, Received
from pytest_httpserve.scripting.faults.acts import WEBSOCKET_PHASES, Fault
from pytest_httpserve.scripting.live.awaiting import Condition
from pytest_httpserve.scripting.record.messages import MessageLog, made_message
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.websockets.outgoing import FaultyOutgoing, Outgoing, Sort
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from pytest_httpserve.net.duplex import Watch
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.record.journal import Journal

STOP_SECONDS = 1.0
# Seconds that a client has to answer a close frame.
CLOSE_SECONDS = 5.0
# Seconds that code has to deal with messages that came before the client broke a rule.
_REFUSE_SECONDS = 1.0
# Bytes of one connection that may wait to be received.
_MOST_WAITING = 64 << 20
_MOST_PONGS = 1_000


class Closed(NamedTuple):
    """How a connection has ended: in words, and with which code and reason."""

    said: str
    code: int
    reason: str


class Link:
    """A WebSocket connection.

    ``inbox`` has the messages that nobody has received, ``pongs`` the payloads of pongs; ``closed`` says how it has
    ended, None before. ``changed`` is notified when one of these changes. ``runs_code`` says that a function receives
    the messages: a client that breaks a rule is refused only when the function is done with the messages before.
    ``told`` is called when a message has come.
    """

    def __init__(
        self,
        asked: Asked,
        frames: Frames,
        journal: Journal,
        *,
        told: Callable[[], object] = nothing,
        answers_pings: bool,
        runs_code: bool,
        place: str,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        loop = service_of(asked.server).loop
        assert loop is not None  # each HTTPServe has one
        self.changed: Condition = Condition()
        self.inbox: deque[str | bytes] = deque()
        self.pongs: deque[bytes] = deque(maxlen=_MOST_PONGS)
        self.closed: Closed | None = None
        self.run: Final = loop.workers.run
        self._asked = asked
        self._connection = asked.connection
        self._loop = loop
        self._frames = frames
        self._journal = journal
        self._answers_pings = answers_pings
        self._runs_code = runs_code
        self._told_of_message = told
        self._at_work = False  # whether code is working on a message
        self._refusal: Callable[[], object] | None = None  # still to be carried out
        self._refused = False
        self._place = place
        self._log = MessageLog()
        self._waiting_size = 0  # bytes in the inbox
        self._fragments: list[Any] = []  # all str, or all bytes
        self._expects = True  # whether messages are still to be received
        self._told = False  # whether the client was told that this side closes
        self._serving = threading.get_ident()  # the thread that serves the connection
        self._over = False  # nothing more will come
        self._resets = False
        self._deadline: float | None = None
        self._watch: Watch | None = None  # the watch of a thread that waits for the client
        self._connection.transport.tap = None  # the exchange is over: the rest is messages
        if asked.exchange is not None and (record := asked.exchange.connection) is not None:
            record.messages[asked.exchange.stream_id] = self._log
        self._duplex = self._connection.duplex()
        self._out = Outgoing(self._duplex, self.run)
        if faults := tuple(fault for fault in faults if fault.place in WEBSOCKET_PHASES):
            indices = self._connection.index, asked.exchange.request.exchange_index if asked.exchange is not None else 0
            self._out = FaultyOutgoing(self._duplex, self.run, faults, self, asked.note_fault, indices)

    # In

    def begin(self) -> None:
        """Take what has come already, and then wait for more."""
        transport = self._connection.transport
        first, transport.gathered = self._asked.http1.reader.take_unread() + transport.gathered, b""
        if first:
            self._take(first)
        if self._asked.may_rest:
            self._go_on()
            self._connection.busy = False  # no response is in progress, and a stop must see that
        else:
            self._serve_here()

    def serve(self) -> None:
        """Called from the loop: something has come, or the server stops, or the wait is over."""
        self._receive()
        self._go_on()

    def _receive(self) -> None:
        self._serving = threading.get_ident()
        if self._connection.closing:
            self._stop()
            return
        try:
            data = self._duplex.receive()
        except OSError as error:
            self._end(f"the client has gone: {error}", ABNORMAL)
            return
        if data and not self._refused:
            self._take(data)
        elif data == b"" and not self._carry_out_refusal():
            self._end("the client has ended the connection without a close frame", ABNORMAL)

    def _go_on(self) -> None:
        if not self._over:
            with self.changed:
                self._connection.turn.await_client(self.serve, self._left)
        elif not (self._resets or self._connection.closing) and self._connection.transport.failure is None:
            self._connection.linger()

    def _serve_here(self) -> None:
        """Serve in this thread until the end: the loop cannot wait for a connection with faults, for another socket, or
        for an HTTP/2 stream."""
        connection = self._connection
        self._duplex.prepare()
        with self._watched() as watch, connection.waiting(self._wake_up):
            while not self._over:
                watch.wait(self._left)
                if self._left == 0:
                    self._stop()
                else:
                    self._receive()
        self._go_on()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[Watch]:
        """Let ``_wake_up`` end the waits of this thread meanwhile."""
        watch = self._duplex.watch()
        with self.changed:
            self._watch = watch
        try:
            yield watch
        finally:
            with self.changed:  # or waking it could hit another file with the same number
                self._watch = None
                watch.close()

    def _wake_up(self) -> None:
        with self.changed:
            if self._watch is not None:
                self._watch.wake()

    def _end_within(self, seconds: float) -> None:
        """Limit all waits for the client to ``seconds``."""
        with self.changed:
            expiry = clock.monotonic() + seconds
            self._deadline = expiry = expiry if self._deadline is None else min(expiry, self._deadline)
            if self._watch is not None:
                self._watch.wake()
                return
            self._connection.turn.expiry = expiry
        self._loop.expect(expiry)

    @property
    def _left(self) -> float | None:
        return max(self._deadline - clock.monotonic(), 0.0) if self._deadline is not None else None

    def _take(self, data: bytes) -> None:
        try:
            for received in self._frames.receive(data):
                self._note(received)
                self._deliver(received)
        except FrameError as error:
            self._refuse(error)

    def _note(self, received: Received) -> None:
        type, data, frames, code = received
        self._journal.record_message(self._log, made_message("received", type, data, frames=frames, code=code))

    def _deliver(self, received: Received) -> None:
        data = received.data
        if received.type == "close":
            self._closed_by_client(received.code or NO_CODE, str(data))
        elif received.type == "ping":
            if self._answers_pings and isinstance(data, bytes) and not self._told and self._out.answers_ping():
                self._out.send_soon("control", lambda: self._control("pong", data))
            self._tell()
        else:
            with self.changed:
                if received.type == "pong" and isinstance(data, bytes):
                    self.pongs.append(data)
                else:
                    self._put_in(data)
                self.changed.notify_all()
            self._told_of_message()

    def _put_in(self, data: str | bytes) -> None:
        self._waiting_size += len(data)
        if self._waiting_size > _MOST_WAITING:
            raise FrameError(
                POLICY_VIOLATION, f"more than {_MOST_WAITING >> 20} MiB were waiting for the test to receive them"
            )
        self.inbox.append(data)

    def has_news(self) -> bool:
        """Whether a receiver need not wait."""
        return bool(self.inbox) or self.closed is not None

    def take_out(self) -> str | bytes | None:
        """Take the first message out of the inbox; None if there is none."""
        if not self.inbox:
            return None
        message = self.inbox.popleft()
        self._waiting_size -= len(message)
        self._at_work = True
        return message

    def ask_for_more(self) -> None:
        """Note that the receiver is done with the messages before."""
        with self.changed:
            self._at_work = False
            if self.inbox:
                return
        self._carry_out_refusal()

    async def receive(self) -> str | bytes | None:
        """The next message, however long it takes; None when the connection is over."""
        self.ask_for_more()
        return await self.changed.until(self.has_news, None, self.take_out)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _closed_by_client(self, code: int, reason: str) -> None:
        if self._told:
            self._end(
                f"the server has closed the connection, and the client answered{_with(code, reason)}", code, reason
            )
            return
        self._told = True
        said = f"the client has closed the connection{_with(code, reason)}"
        self._out.send_soon(
            "close",
            lambda: self._close(None if code == NO_CODE else code, reason),
            lambda: self._end(said, code, reason),
        )

    def _refuse(self, error: FrameError) -> None:
        """Close the connection and fail the test: the client has broken a rule."""
        lines = [
            f"refused what the client sent over {self._what}: {error}",
            f"  against RFC 6455, closed with {error.code}",
            "",
        ]
        self._journal.record_failure(readable(lines), "refused", self._place)
        with self.changed:
            self._refused = True
            self._refusal = partial(self._close_for, error)
            waits = self._runs_code and (self._at_work or bool(self.inbox))
        if waits:
            self._end_within(_REFUSE_SECONDS)
        else:
            self._carry_out_refusal()

    def _carry_out_refusal(self) -> bool:
        """Close the connection if the client has broken a rule. Returns whether it has."""
        with self.changed:
            refusal, self._refusal = self._refusal, None
        if refusal is not None:
            refusal()
        return refusal is not None

    def _close_for(self, error: FrameError) -> None:
        said, code, reason = f"the server has refused what the client sent: {error}", error.code, str(error)
        if self._told:
            self._end(said, code, reason)
            return
        self._told = True
        self._out.send_soon("close", lambda: self._close(code, reason), lambda: self._end(said, code, reason))

    def expect_nothing(self) -> None:
        """Note that nobody will receive what comes from here on."""
        self._expects = False

    @property
    def unexpected(self) -> int:
        """How many messages nobody has received."""
        with self.changed:
            return len(self.inbox) if self._expects else 0

    # Out

    def send(self, data: str | bytes, *, more: bool = False) -> None:
        """Send a message, or a fragment of one."""
        self._say("message", lambda: self._message(data, more))

    def control(self, type: str, payload: bytes) -> None:
        """Send a ping or a pong."""
        self._say("control", lambda: self._control(type, payload))

    def close(self, code: int | None, reason: str) -> None:
        """Send a close frame, unless one was sent. The loop waits for the client's."""
        if self._carry_out_refusal():
            return
        with self.changed:
            if self._told or self.closed is not None:
                return
            self._told = True
        with contextlib.suppress(OSError):  # the client has gone, as receivers will see
            self._out.send("close", lambda: self._close(code, reason))
            self._end_within(CLOSE_SECONDS)

    def reset(self, said: str = "the server has reset the connection") -> None:
        """Reset the connection, without a close frame."""
        self._connection.ending.say("server", "RST")
        self._resets = True
        self._conclude(said, ABNORMAL)
        self._end_within(0.0)

    def cut(self, said: str) -> None:
        """End the connection with a FIN, without a close frame."""
        self._connection.ending.say("server", "FIN")
        self._told = True
        self._conclude(said, ABNORMAL)
        self._duplex.end()
        self._end_within(CLOSE_SECONDS)

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end. Returns whether it is over."""
        with self.changed:
            return bool(self.changed.wait_for(lambda: self.is_over, seconds))

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._over or self.closed is not None

    def check_open(self) -> None:
        """Raise WebSocketClosed if it is over, or if this side has closed it."""
        if self.closed is not None:
            raise WebSocketClosed(*self.closed)
        if self._told:
            raise WebSocketClosed("the server has closed the connection", ABNORMAL, "")

    def _say(self, sort: Sort, make: Callable[[], bytes]) -> None:
        self.check_open()
        try:
            self._out.send(sort, make)
        except OSError as error:
            raise WebSocketClosed(f"the client has gone: {error}", ABNORMAL, "") from None

    def _message(self, data: str | bytes, more: bool) -> bytes:
        if self._fragments and isinstance(data, str) != isinstance(self._fragments[0], str):
            raise UsageError("the fragments of a message must be all str, or all bytes")
        self._fragments.append(data)
        if not more:
            fragments, self._fragments = self._fragments, []
            type = "text" if isinstance(data, str) else "binary"
            self._note_sent(type, data[:0].join(fragments), frames=len(fragments))
        return self._out.message(data, self._frames.fragment if more else self._frames.message)

    def _control(self, type: str, payload: bytes) -> bytes:
        self._note_sent(type, payload)
        return self._frames.control(type, payload)

    def _close(self, code: int | None, reason: str) -> bytes:
        self._note_sent("close", reason, code=code or NO_CODE)
        return self._frames.close(code, reason)

    def _note_sent(self, type: str, data: str | bytes, *, frames: int = 1, code: int | None = None) -> None:
        self._journal.record_message(self._log, made_message("sent", type, data, frames=frames, code=code))

    # The end

    def _stop(self) -> None:
        """Called when the server stops, the client has not answered in time, or the connection must be reset."""
        if self._resets:
            self._duplex.end_by(self._connection.ending.reset)
        elif self._carry_out_refusal():
            return
        elif not self._told:
            self._told = True
            self._duplex.send_soon(lambda: self._close(GOING_AWAY, ""), STOP_SECONDS, self.run)
            self._end("the server stopped", GOING_AWAY)
        said = "the client did not answer the close frame" if self._left == 0 else "the server stopped"
        self._end(said, ABNORMAL)

    def _end(self, said: str, code: int, reason: str = "") -> None:
        self._over = True
        self._conclude(said, code, reason)

        if self._serving != threading.get_ident():
            self._end_within(0.0)  # end all waits for the client

    def _conclude(self, said: str, code: int, reason: str = "") -> None:
        with self.changed:
            if self.closed is None:
                self.closed = Closed(said, code, reason)
            self.changed.notify_all()

    @property
    def _what(self) -> str:
        exchange = self._asked.exchange
        return str(exchange.request) if exchange is not None else "a connection"


def _with(code: int, reason: str) -> str:
    return f" with {code}{f' ({reason})' if reason else ''}" if code != NO_CODE else " without a code"
