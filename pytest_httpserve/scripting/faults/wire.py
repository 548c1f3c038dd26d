"""Carries out faults: a wire between a handler and its connection, which counts the bytes of every phase.

The handler's Writer takes it for the connection, and its Reader for the source. Everything that is sent passes here.
All waits are calls of ``pause``, so that they end at once when the server stops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING

from pytest_httpserve.errors import RequestError, Struck
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.scripting.faults.acts import (
    CONNECTION_PHASES,
    PHASES,
    Act,
    Close,
    Delay,
    Fault,
    Phase,
    Reset,
    Slow,
    Split,
    Stall,
)
from pytest_httpserve.scripting.faults.chunks import Chunks
from pytest_httpserve.scripting.faults.cutting import Cutter
from pytest_httpserve.scripting.faults.edits import (
    Extend,
    Garbage,
    HeadEdit,
    NoLastChunk,
    Truncate,
    WrongChunkSize,
)
from pytest_httpserve.scripting.live.waiting import let_out, pause
from pytest_httpserve.wire.framing import (
    UNTIL_CLOSE,
    BodyDecoder,
    Framing,
    body_decoder,
    response_framing,
)
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

    from pytest_httpserve.net.connection import Connection

_PIECE_BYTES = 65_536
_ALL = sys.maxsize

Note = Callable[[Fault, str], object]


def nobody(fault: Fault, where: str) -> None:
    """Note nothing: there is no exchange yet."""


class FaultyWire:
    """The connection, with the faults of an exchange.

    A fault that ends the connection raises Struck, which becomes the connection's failure.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.transport.altered = True
        self.begin((), 0, nobody)

    def begin(self, faults: tuple[Fault, ...], exchange_index: int, note: Note) -> None:
        """Begin an exchange with these faults. ``note`` is called with each that happens, and a line that says how."""
        self._note = note
        self.faults: tuple[Fault, ...] = ()
        self._exchange_index = exchange_index
        self._acts: list[Act] = []
        self._phase: Phase = "accept"
        self._moved = 0  # bytes of the phase so far
        self._owed = 0.0  # seconds to wait before the next piece
        self._noted: set[int] = set()
        # Of the response
        self._method, self._version = "GET", (1, 1)
        self._response = ResponseStream()
        self._chunks: Chunks | None = None
        self._decoder: BodyDecoder | None = None  # to know where the body ends
        self._cutter: Cutter | None = None
        self._kept_back = b""
        self._closes = self._over = self._has_body = False
        self.add(faults)

    def add(self, faults: tuple[Fault, ...]) -> None:
        """Add faults to the exchange. An act whose place is past happens with the next byte."""
        self.faults += faults
        self._acts = sorted(
            [*self._acts, *(fault for fault in faults if isinstance(fault, Act) and fault.place in PHASES)],
            key=lambda act: (PHASES.index(act.place), act.byte),
        )

    # Phases

    def reach(self, phase: Phase, moved: int = 0) -> None:
        """Note that so many bytes of the phase have passed, and carry out the acts whose place that is, or was."""
        if phase != self._phase:
            self._phase, self._owed, self._moved = phase, 0.0, 0
        self._moved = max(moved, self._moved)
        here = PHASES.index(phase), self._moved
        while self._acts and (PHASES.index(self._acts[0].place), self._acts[0].byte) <= here:
            self._do(self._acts.pop(0))

    def catch_up(self) -> None:
        """Carry out the acts whose place is past."""
        self.reach(self._phase)

    def leave(self, phase: Phase) -> None:
        """Note that the phase is over."""
        self.reach(phase, _ALL)

    def _room(self, phase: Phase) -> int:
        """How many bytes can pass before the next act of the phase or the next pause."""
        moved = self._moved if phase == self._phase else 0
        room = self._acts[0].byte - moved if self._acts and self._acts[0].place == phase else _ALL
        slow = self._pace(phase)
        return max(1, min(room, slow.piece if slow is not None else _ALL))

    def _pace(self, phase: Phase) -> Slow | None:
        return next((fault for fault in self.faults if isinstance(fault, Slow) and fault.phase == phase), None)

    def _passed(self, phase: Phase, count: int) -> None:
        self.reach(phase, self._moved + count if phase == self._phase else count)
        if (slow := self._pace(phase)) is not None:
            self._go_slow(slow, count)

    def _go_slow(self, slow: Slow, count: int) -> None:
        self._owed += slow.pause(count)
        self._tell_of(slow)

    def _tell_of(self, slow: Slow) -> None:
        self._tell(slow, f"{slow.phase}, {slow.piece} bytes at a time")

    def _pay(self) -> None:
        """Wait as long as the pace demands before more bytes move."""
        owed, self._owed = self._owed, 0.0
        if owed and not pause(self._connection, owed):
            raise self._broken_off("Slow")

    def _tell(self, fault: Fault, text: str) -> None:
        if id(fault) not in self._noted:
            self._noted.add(id(fault))
            self._note(fault, text)

    # Acts

    def _do(self, act: Act) -> None:
        self._tell(act, self._where(act))
        match act:
            case Delay():
                if not pause(self._connection, self._seconds(act)):
                    raise self._broken_off("Delay")
            case Stall():
                went_on = pause(self._connection, act.limit, act.until, heeds_client=True)
                if not went_on or act.until is None or not act.until.is_set():
                    raise self._broken_off("Stall")
            case Reset():
                let_out(self._connection)
                raise self._end("a fault has reset the connection", resets=True)
            case Close():
                raise self._end("a fault has closed the connection")
            case _:
                self._do_to_stream(act)

    def _do_to_stream(self, act: Act) -> None:
        """Carry out an act on an HTTP/2 stream."""
        from pytest_httpserve.scripting.faults.http2 import StreamAct

        transport = self._connection.transport
        if isinstance(act, StreamAct) and isinstance(transport, StreamTransport):
            try:
                act.happen(transport)
            except OSError as error:  # the client has gone
                raise transport.failed(error) from None
            if act.ends:
                said = "a fault has ended the stream" if act.ends == "exchange" else "a fault has closed the connection"
                raise self._end(said, ends_exchange=act.ends == "exchange")
            if not transport.goes_on:
                raise self._end("a fault has told the client that this is not processed", ends_exchange=True)

    def _announce(self) -> None:
        """Note what will happen after the last byte of a response before it is sent: the test may look right then."""
        for act in self._acts:
            self._tell(act, self._where(act))
            if isinstance(act, Reset | Close) or (isinstance(act, Stall) and act.until is None):
                break

    def _where(self, act: Act) -> str:
        seconds = f", for {self._seconds(act):.3g} s" if isinstance(act, Delay) else ""
        if act.place in (*CONNECTION_PHASES, "response_end"):
            return act.place + seconds
        in_time = self._phase == act.place and act.byte <= self._moved + len(self._kept_back)
        return f"{act.place}, after {act.byte} bytes{seconds}" if in_time else f"{act.place}, at its end{seconds}"

    def _seconds(self, delay: Delay) -> float:
        return delay.draw(self._connection.index, self._exchange_index)

    def _broken_off(self, what: str) -> OSError:
        if self._connection.closing:
            self._connection.ending.say("server", "stop")
            return self._end(f"{what}, until the server stopped")
        if self._connection.transport.failure is not None:
            return self._end(f"{what}, until the client left")
        return self._end(f"{what}, until its limit was reached")

    def _end(self, text: str, *, resets: bool = False, ends_exchange: bool = False) -> OSError:
        """End the connection. The record says that the server did before the client can notice."""
        self._connection.ending.say("server", "RST" if resets else "FIN")
        return self._connection.transport.failed(Struck(text, resets=resets, ends_exchange=ends_exchange))

    # The request: the source of a Reader

    @property
    def timeout(self) -> float | None:
        return self._connection.transport.timeout

    def leave_loop(self) -> None:
        self._connection.leave_loop()

    def failed(self, error: OSError) -> OSError:
        return self._connection.transport.failed(error)

    def receive(self, size: int) -> bytes:
        return self._received(self._connection.transport.receive, size)

    def receive_within(self, size: int, seconds: float) -> bytes:
        return self._received(lambda size: self._connection.transport.receive_within(size, seconds), size)

    def _received(self, receive: Callable[[int], bytes], size: int) -> bytes:
        if self._phase not in CONNECTION_PHASES and (self._phase != "request_head" or self._moved == _ALL):
            return receive(size)  # a body is counted by read_body()
        self._pay()
        data = receive(min(size, self._room("request_head")))
        if data:
            self._passed("request_head", len(data))
        return data

    def read_body(self, read: Callable[[int], bytes], size: int) -> bytes:
        """``read(size)``, counted as bytes of the request's body. The acts that are due happen before the next read, so
        that the caller gets these bytes."""
        self.reach("request_body")
        self._pay()
        data = read(min(size, self._room("request_body")))
        self._moved += len(data)
        if data and (slow := self._pace("request_body")) is not None:
            self._go_slow(slow, len(data))
        return data

    # The response: the connection of a Writer

    def fileno(self) -> int:
        return self._connection.transport.fileno()

    def push(self) -> None:
        self._connection.transport.push()

    def begin_response(self, method: str, version: tuple[int, int]) -> None:
        """Begin the response to a request with this method and version."""
        self._method, self._version = method, version

    def send(self, data: Buffer, *, more: bool = False) -> None:
        for part in self._response.feed(bytes(data)):
            if isinstance(part, bytes):
                self._send_body(part)
            elif part.is_informational:
                self._connection.transport.send(part.raw)
            else:
                self._send_head(part)

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        file.seek(offset)
        while piece := file.read(min(count, _PIECE_BYTES)):
            self.send(piece)
            note(len(piece))
            count -= len(piece)

    def _send_head(self, head: ResponseHead) -> None:
        self.leave("request_body")
        self.reach("response_head")
        edited = self._edited(head)
        if not self._has_body and all(act.place != "response_head" for act in self._acts):
            self._announce()
        self._pass("response_head", edited)
        self.leave("response_head")
        self.reach("response_body")

    def _edited(self, head: ResponseHead) -> bytes:
        lines = head.lines
        try:
            framing = response_framing(self._method, head.status, head.headers)
        except RequestError:  # the test set a Content-Length that is not valid
            framing = UNTIL_CLOSE
        self._has_body = framing.kind != "none" and framing != Framing("length", 0)
        self._decoder = body_decoder(framing) if framing.kind != "none" else None
        for fault in self.faults:
            if isinstance(fault, NoLastChunk | WrongChunkSize) or (
                isinstance(fault, Garbage) and fault.where == "chunk"
            ):
                lines = self._in_chunks(lines, framing)
        self._begin_to_cut(framing)
        for fault in self.faults:
            if isinstance(fault, HeadEdit):
                lines, before = fault.edit(lines, self._exchange_index), lines
                if lines is not before:
                    self._note(fault, "")
                    self._closes |= fault.closes(self._exchange_index)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _begin_to_cut(self, framing: Framing) -> None:
        split = next((fault for fault in self.faults if isinstance(fault, Split)), None)
        if split is None or not self._has_body:
            return
        self._tell(split, "")
        self._cutter = Cutter(split, self._connection)
        if framing.kind == "chunked" and self._chunks is None:
            self._chunks = Chunks(body_decoder(framing), self.faults, self._tell)

    def _in_chunks(self, lines: list[bytes], framing: Framing) -> list[bytes]:
        """Change the head so that the body can be sent in chunks, if the response can have chunks."""
        if self._chunks is not None or framing.kind == "none" or self._version < (1, 1):
            return lines
        self._chunks = Chunks(body_decoder(framing), self.faults, self._tell)
        self._closes = True
        without = (b"content-length", b"transfer-encoding")
        return [
            *(line for line in lines if line.partition(b":")[0].lower() not in without),
            b"Transfer-Encoding: chunked",
        ]

    def _send_body(self, data: bytes) -> None:
        if self._chunks is not None:
            for piece in self._cut(self._chunks.decode(data)):
                self._send_framed(self._chunks.encode(piece))
        else:
            for piece in self._cut(data):
                self._send_framed(piece)

    def _cut(self, data: bytes) -> Iterable[bytes]:
        return (data,) if self._cutter is None else self._cutter.cut(data)

    def _send_framed(self, data: bytes) -> None:
        kept = self._truncated + (self._may_be_over(data) and self._tells_at_end)
        data = self._kept_back + data
        place = max(len(data) - kept, 0)
        data, self._kept_back = data[:place], data[place:]
        self._pass("response_body", data)

    def _may_be_over(self, data: bytes) -> bool:
        """Whether the body may end with these bytes. Only then are they held back: a client may wait for others."""
        if self._chunks is not None or self._decoder is None:
            return self._chunks is None
        try:
            self._decoder.decode(data)
        except RequestError:  # the test set a framing that is not valid
            self._decoder = None
        return self._decoder is None or self._decoder.complete

    @property
    def _truncated(self) -> int:
        return sum(fault.bytes for fault in self.faults if isinstance(fault, Truncate))

    @property
    def _tells_at_end(self) -> bool:
        """Whether something must be noted before the last byte of the body is sent."""
        return bool(self._acts) or any(isinstance(fault, Extend) for fault in self.faults)

    def _pass(self, phase: Phase, data: bytes) -> None:
        """Send bytes of a phase, cut where its acts and its pace require."""
        rest = memoryview(data)
        if rest and (slow := self._pace(phase)) is not None:
            self._tell_of(slow)
        while rest:
            self._pay()
            size = min(len(rest), self._room(phase))
            self._connection.transport.send(rest[:size])
            rest = rest[size:]
            self._passed(phase, size)

    def end(self) -> None:
        """Note that the handler has written its whole response."""
        if self._over or self._response.head is None:
            return
        self._over = True
        tail = self._kept_back + (self._chunks.last() if self._chunks is not None else b"")
        for fault in self.faults:
            if isinstance(fault, Truncate) and tail:
                self._tell(fault, f"{min(fault.bytes, len(tail))} bytes of the body were not sent")
                self._closes = True
                tail = tail[: max(len(tail) - fault.bytes, 0)]
        for fault in self.faults:
            if isinstance(fault, Extend):
                self._tell(fault, f"{len(fault.surplus)} bytes after the body")
                tail += fault.surplus
        self._kept_back = tail
        self._announce()
        self._kept_back = b""
        self._pass("response_body", tail)
        self.leave("response_body")
        self.leave("response_end")
        if self._closes:
            raise self._end("a fault has closed the connection", ends_exchange=True)

    def abandon(self) -> None:
        """Note that the handler has failed: its response must not look complete."""
        self._over = self._response.head is not None
