"""A connection of a scripted server that speaks HTTP/2. Each of its streams is answered like an HTTP/1 request.

The thread that reads from the connection also answers, one stream after the other, until an answer may have to wait.
Then another thread goes on with the connection, and this one keeps only that stream.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve import clock
from pytest_httpserve.errors import RequestError, Struck
from pytest_httpserve.net.transport import RECEIVE_BYTES
from pytest_httpserve.protocol.frames import CODES, code_name
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.protocol.http1 import HTTP1
from pytest_httpserve.protocol.http2 import HTTP2, PROTOCOL_ERROR, ConnectionRefused, begins_http2
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.stream_connection import StreamConnection
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.scripting.answering import Answering
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.passage import AS_IT_IS, FaultyPassage
from pytest_httpserve.scripting.record.goaway import GoneAway
from pytest_httpserve.scripting.record.journal import FaultEvent
from pytest_httpserve.scripting.record.transcript import Transcript
from pytest_httpserve.scripting.reports import refusals
from pytest_httpserve.scripting.serving import CarriedServing, Serving
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.wire.framing import CHUNKED, NO_BODY
from pytest_httpserve.wire.grammar import Limits
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.http2 import (
    RawField,
    asked_for,
    fields_of,
    request_head,
    request_text,
    upgrade_settings,
)

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.conversation import InHTTP2
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord
    from pytest_httpserve.scripting.script import Script
    from pytest_httpserve.scripting.watching import Watching
    from pytest_httpserve.server.servers import HTTPServer


# RFC 9113 section 8.5: what a tunnel leads to has reset it.
_CONNECT_ERROR = CODES["CONNECT_ERROR"]
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


class ServingEither(Serving):
    """Serves a connection with the version of HTTP that its client begins with."""

    __slots__ = ()

    def __init__(
        self, script: Script, watching: Watching, request: socket.socket, client_address: object, server: HTTPServer
    ) -> None:
        connection = service_of(server).track(request, client_address)
        if not connection.transport.gathered and connection.turn.loop is None:  # nobody has read from it yet
            connection.begin(self.timeout, nodelay=True)
            connection.transport.gathered = connection.transport.receive(RECEIVE_BYTES)
        if not begins_http2(connection.transport.gathered):
            super().__init__(script, watching, request, client_address, server)
            return
        connection.begin(self.timeout, nodelay=True)
        record, faults = watching.records.get(connection), watching.faults.pop(connection, ())
        multiplexing = Multiplexing(script, server, connection, record)
        multiplexing.begin(faults)
        multiplexing.serve()

    def _who_answers(self, script: Script) -> type[Answering]:
        if script.http2 == "only":
            return _OnlyHTTP2
        return _Upgrading if self._connection.transport.plain else Answering

    def _in_http2(self) -> InHTTP2:
        return go_on_in_http2


class _Upgrading(Answering):
    """Goes on with HTTP/2 if the client asks for that and has sent its whole request."""

    def answer(self) -> None:
        self.stream = stream = self.http1.stream
        asks = stream.fields.asks_to_upgrade and stream.framing is NO_BODY and self.passage is AS_IT_IS
        is_ours = stream.line.parts.form in ("origin", "asterisk")  # otherwise, it was meant for a proxy
        settings = upgrade_settings(stream.headers) if asks and is_ours else None
        if settings is None:
            super().answer()
            return
        self.http1.begin_response(101, stream.method)
        self.writer.write_head(_SWITCHING, more=False)
        self.conversation.beyond = partial(self._go_on_in_http2, settings)

    def _go_on_in_http2(self, settings: str) -> None:
        line = self.stream.line
        multiplexing = _after_http1(self.conversation)
        multiplexing.begin_upgraded(settings, fields_of(line.method, line.target, self.stream.headers))
        multiplexing.serve()


def go_on_in_http2(conversation: Conversation, faults: tuple[Fault, ...]) -> None:
    """Serve a connection whose client began with HTTP/1, and goes on with the HTTP/2 preface."""
    multiplexing = _after_http1(conversation)
    multiplexing.begin(faults)
    multiplexing.serve()


def _after_http1(conversation: Conversation) -> Multiplexing:
    transport = conversation.connection.transport
    transport.gathered = conversation.http1.reader.take_unread() + transport.gathered
    multiplexing = Multiplexing(conversation.script, conversation.server, conversation.connection, conversation.record)
    multiplexing.http2.count = conversation.count
    return multiplexing


class _OnlyHTTP2(Answering):
    """Refuses HTTP/1 requests."""

    def answer(self) -> None:
        raise RequestError(505, "this server speaks only HTTP/2", rule="RFC 9110 section 2.5")


class Multiplexing:
    """A connection that speaks HTTP/2. ``faults`` happen to each of its exchanges. Start it with ``begin`` or
    ``begin_upgraded``."""

    def __init__(
        self,
        script: Script,
        server: HTTPServer,
        connection: Connection,
        record: ConnectionRecord | None,
    ) -> None:
        loop = service_of(server).loop
        assert loop is not None  # each HTTPServe has one
        connection.turn.loop = loop  # a connection with faults from the beginning has none yet
        connection.turn.proceed = partial(service_of(server).attend, server, connection)
        self.script = script
        self.server = server
        self.connection = connection
        self.record = record
        self.http2: HTTP2 = HTTP2(connection, loop.workers.run)
        self.faults: tuple[Fault, ...] = ()
        self._loop = loop
        self._ready: deque[StreamTransport] = deque()
        self._lock = threading.RLock()
        self._active: dict[StreamConnection, None] = {}  # in the order in which they began
        self._attended = False  # whether a thread reads from it, so that nothing read is lost
        self._over = False  # nothing more can be read
        self._kept_open = False  # streams still go on, and the last one ends the connection
        self._struck: Struck | None = None
        self._timeout = connection.transport.timeout
        connection.turn.serve, connection.turn.whole = self.serve, None
        connection.transport.tap = None
        connection.is_answered, connection.streams = self._is_answered, self._streams
        self.http2.on_going_away, self.http2.on_refused = self._told_to_go, self._record_refusal

    def begin(self, faults: tuple[Fault, ...]) -> None:
        """Begin HTTP/2 on this side."""
        self.http2.begin(self._begin_faulty(faults) if faults else {})

    def begin_upgraded(self, settings: str, fields: Sequence[RawField]) -> None:
        """Begin after an upgrade from HTTP/1.1, which brought the first request; see ``HTTP2.begin_upgraded``."""
        try:
            self._ready.append(self.http2.begin_upgraded(settings, fields))
        except ConnectionRefused as error:
            self._record_refusal(error)
            self._end(str(error))

    def _begin_faulty(self, faults: tuple[Fault, ...]) -> dict[int, int]:
        """Apply the faults of the connection itself. Returns its initial settings."""
        from pytest_httpserve.scripting.faults.http2 import OfConnection

        its = OfConnection.of(faults)
        self.faults, self.http2.starves, self.http2.unanswered = its.rest, its.starves, its.unanswered
        for fault in faults:
            if fault not in its.rest:
                self.script.record_fault_event(FaultEvent(fault, "", self.connection.index))
        return its.settings

    def _told_to_go(self, code: int, last_stream: int) -> None:
        if self.record is not None and not self.connection.closing:
            self.record.goaway = GoneAway(code_name(code), last_stream, clock.monotonic())

    def serve(self) -> None:
        """Read what has come, and answer, in the thread that owns the connection."""
        turn = self.connection.turn
        given_away = turn.given_away
        turn.thread = threading.current_thread()
        self._attended = self.connection.busy = True
        self._take_in()
        while self._ready:
            stream = self._ready.popleft()
            self.http2.holds_back = bool(self._ready)
            StreamServing(self, stream).serve()
            if turn.given_away != given_away:
                return
        self.http2.flush()
        self._go_on()

    def _take_in(self) -> None:
        connection = self.connection
        if self._over or self._struck is not None:
            return
        if connection.closing and not self._active:
            self.http2.go_away()  # what has come by now is recorded, but not processed
        try:
            data = self.http2.receive()
        except OSError as error:
            self._end(f"the client has gone: {error}")
            return
        if data == b"":
            self._end("the client has ended the connection")
        elif data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        opened, error = self.http2.take(data)
        for stream in opened:
            if stream.is_processed:
                self._ready.append(stream)
            elif (record := self.record) is not None and record.goaway is not None:
                record.goaway = record.goaway.with_request(stream.id, *asked_for(stream.fields))
        if error is not None:
            self._end(str(error))

    def _record_refusal(self, error: RequestError) -> None:
        text = refusals.connection_refused(error, f" {self.record}" if self.record is not None else "")
        self.script.journal.record_failure(text, "refused")

    def _end(self, text: str) -> None:
        self._over = True
        self.http2.break_off(text)

    def _go_on(self) -> None:
        """Let the loop wait for more, or end the connection once no stream is active."""
        connection = self.connection
        with self._lock:
            self._attended = False
            self._heed_streams()
            done = not self._active and (connection.closing or self.http2.is_leaving)
            if not (self._over or self._struck is not None or done):
                connection.turn.await_client(self.serve, None if self._active else self._timeout)
                return
            connection.end_wait()  # active streams may keep it open for long
            connection.turn.go_alone()
            if self._struck is not None and self._struck.resets:
                self.http2.reset_connection()
            elif not connection.transport.has_been_left():  # tell the client at once, even if streams go on
                self.http2.end()
            if self._struck is not None:
                self._end(str(self._struck))
            if self._active:
                self._kept_open = True
                connection.turn.given_away += 1

    # Streams

    def begin_stream(self, stream: StreamConnection) -> None:
        """Note that this thread answers the stream from here on."""
        stream.turn.thread = threading.current_thread()
        stream.turn.let_others = self._let_others
        with self._lock:
            self._active[stream] = None
            self._heed_streams()
            # From here on, the stream is told of a stop. Reading this earlier could miss one in between.
            stream.ending.closing = self.connection.closing

    def end_stream(self, stream: StreamConnection) -> None:
        """Note that the stream has been answered."""
        self.http2.forget(stream.transport)
        inline = stream.turn.let_others is not None
        stream.turn.let_others = None
        with self._lock:
            self._active.pop(stream, None)
            self._heed_streams()
            last = not self._active and not inline
            ends = last and self._kept_open
            expiry: float | None = None
            if last and not self._over and self._struck is None and self._timeout is not None:
                # Until now, the client could be silent for as long as it liked.
                self.connection.turn.expiry = expiry = clock.monotonic() + self._timeout
        stream.forget()
        if ends:
            self.connection.turn.thread = threading.current_thread()
            self.connection.turn.proceed()
        elif last and (self.connection.closing or self.http2.is_leaving):
            self.connection.close_when_idle()
        elif expiry is not None:
            self._loop.expect(expiry)

    def strike(self, struck: Struck) -> None:
        """Note that a fault has ended the connection."""
        self.connection.ending.say("server", "RST" if struck.resets else "FIN")
        turn = self.connection.turn
        with self._lock:  # or another thread about to wait for the client could overwrite the expiry
            self._struck = struck
            turn.expiry = expiry = clock.monotonic()
        self._loop.expect(expiry)

    def _heed_streams(self) -> None:
        connection = self.connection
        connection.turn.runs_code = bool(self._active)
        connection.busy = self._attended or connection.turn.runs_code
        connection.turn.interrupt = self._dismiss if self._active else None

    def _dismiss(self) -> None:
        """Called when the server begins to close, and when it is about to cut off what is left."""
        self.http2.go_away()
        for stream in self._streams():
            stream.dismiss()

    def _streams(self) -> tuple[StreamConnection, ...]:
        with self._lock:
            return tuple(self._active)

    def _is_answered(self) -> bool:
        return not self._active

    def _let_others(self) -> None:
        """Let another thread serve the other streams: the stream of this thread is about to wait."""
        self.http2.holds_back = False
        self.http2.flush()
        connection = self.connection
        turn = connection.turn
        with contextlib.suppress(RuntimeError):  # no thread is left, so all streams wait
            if turn.led and turn.loop is not None:
                turn.loop.leave(turn)
            turn.given_away += 1
            if self._ready:
                try:
                    self._loop.workers.run(turn.proceed)
                except RuntimeError:
                    turn.given_away -= 1
                    raise
                return
            self._go_on()
            if turn.resting:
                connection.rest()


class StreamServing(Serving):
    """Answers one stream."""

    __slots__ = ("_multiplexing", "_stream", "_transport")

    def __init__(self, multiplexing: Multiplexing, transport: StreamTransport) -> None:
        self._multiplexing = multiplexing
        self._transport = transport
        self._connection = self._stream = connection = StreamConnection(transport, multiplexing.connection)
        self._http1 = http1 = StreamHTTP(connection, transport, self.limits)
        conversing: Callable[..., Conversation] = Conversation
        self._answering = Answering
        if multiplexing.script.origins is not None:
            from pytest_httpserve.scripting.proxying import ProxyConversation
            from pytest_httpserve.scripting.proxying_stream import ProxyingStream

            conversing, self._answering = partial(ProxyConversation, CarriedServing), ProxyingStream
        self._conversation = conversing(
            multiplexing.script, multiplexing.server, connection, http1, multiplexing.record
        )
        self._conversation.count = transport.index
        self._conversation.in_http2 = go_on_in_http2
        if multiplexing.faults:
            self._conversation.passage = FaultyPassage(http1, multiplexing.faults)

    def serve(self, awaited: object = None) -> None:
        connection, transport, multiplexing = self._stream, self._transport, self._multiplexing
        multiplexing.begin_stream(connection)
        try:
            self._serve_one()
            beyond = self._conversation.beyond
            if beyond is not None and transport.failure is None:
                beyond()
        except Exception:
            multiplexing.server.handle_error(connection.accepted, connection.peer)
        finally:
            if not self._conversation.resets:
                transport.finish()
            elif transport.method == "CONNECT":
                transport.break_stream(_CONNECT_ERROR)
            else:
                transport.break_stream()
            multiplexing.end_stream(connection)

    def _end(self, answering: Answering, lasts: bool) -> bool:
        if self._transport.misleads:
            status = self._http1.stream.status
            answering.note(
                f"the stream was reset: over HTTP/2, {status} would tell the client that its connection is open"
            )
        return super()._end(answering, lasts)

    def _refuse(self, answering: Answering, error: RequestError) -> None:
        self._transport.code = PROTOCOL_ERROR
        super()._refuse(answering, error)

    def _client_failed(self, answering: Answering, error: OSError) -> None:
        super()._client_failed(answering, error)
        http2 = self._multiplexing.http2
        if (
            (exchange := answering.exchange) is not None
            and exchange.stream_id is not None
            and not http2.serves(exchange.stream_id)
        ):
            exchange.break_off(f"not processed: GOAWAY named stream {http2.last_stream} as the last")

    def _end_struck(self, struck: Struck) -> None:
        if struck.ends_exchange:
            self._transport.finish(short=self._http1.stream.length is not None)
        else:
            self._transport.abandon()
            self._multiplexing.strike(struck)


class StreamHTTP(HTTP1):
    """The single request of a stream, and its response."""

    def __init__(self, connection: StreamConnection, transport: StreamTransport, limits: Limits) -> None:
        super().__init__(connection, Reader(transport, limits=limits), Writer(transport), limits)
        self._transport = transport

    def next_stream(self) -> bool:
        """Read the head, like ``HTTP1.next_stream``."""
        transport, connection = self._transport, self.connection
        assert connection is not None
        if isinstance(tap := transport.tap, Transcript):
            tap.stream_id = transport.id
            tap.received(request_text(transport.fields))
            tap.first_received = transport.arrived
        head = request_head(transport.fields, ended=transport.has_no_body, limits=self.limits)
        self.stream.enter(head.line, head.fields, speaks_1_1=True)
        transport.method, transport.leaves_http = head.line.method, self.stream.asks_to_leave
        framing = head.fields.framing
        transport.chunks = framing is CHUNKED
        if framing.length or (transport.chunks and "content-length" in head.fields.headers):
            transport.announced = framing.length
        self.reader.begin_body(head.fields.framing)
        connection.busy, connection.doing = True, head.line.text
        return True

    @property
    def trailers(self) -> Headers:
        """The trailer fields of the request. In HTTP/2 they may also follow a body of known length."""
        return Headers(self._transport.trailers)

    def end_stream(self) -> bool:
        """Note that the response is complete. No other follows on this stream."""
        assert self.writer is not None
        self.writer.flush()
        return False
