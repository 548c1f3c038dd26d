"""HTTP/1: turns a connection's bytes into Streams, one after another (RFC 9112).

This module and ``Stream`` decide where a body ends, and whether the connection lasts.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.errors import BrokenOff, RequestError
from pytest_httpserve.protocol.reader import Reader, State
from pytest_httpserve.protocol.source import FileSource
from pytest_httpserve.protocol.stream import NO_FIELDS, Stream
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.wire.framing import NO_BODY
from pytest_httpserve.wire.grammar import Limits
from pytest_httpserve.wire.head import speaks_another
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import parse_header_block, parse_line

if TYPE_CHECKING:
    import io

    from pytest_httpserve.net.connection import Connection

# A first line after which more lines follow; anything else is answered at once.
_REQUEST_LINE = re.compile(rb"(?:\r?\n)*[^ \t\r\n]+[ \t]+[^ \t\r\n]+[ \t]+HTTP/1\.[0-9][ \t]*\r?\n")


def head_is_whole(limits: Limits, data: bytes, seen: int) -> bool:
    """Whether these first bytes of a request are worth parsing: the head is complete, or they cannot be a head.
    ``seen`` is how many of them were here the last time."""
    start = max(seen - 2, 0)
    if data.find(b"\n\r\n", start) >= 0 or data.find(b"\n\n", start) >= 0:
        return True
    if len(data) > limits.request_line and (len(data) > limits.request_line + limits.head or b"\n" not in data):
        return True
    if speaks_another(data):
        return True
    ends_a_line = data.find(b"\n", seen) >= 0
    return ends_a_line and data.strip(b"\r\n") != b"" and _REQUEST_LINE.match(data) is None


class HTTP1:
    """A connection that speaks HTTP/1: ``reader`` reads requests, ``writer`` writes responses.

    ``stream`` is the current request. Without a ``connection``, it reads from a file, and ``writer`` is None.
    """

    lingers = False  # whether to let the client read the answer although it is still sending
    read_by_others = False  # whether user code reads the next request line after answering

    def __init__(self, connection: Connection | None, reader: Reader, writer: Writer | None, limits: Limits) -> None:
        self.connection = connection
        self.reader = reader
        self.writer = writer
        self.limits = limits
        self.stream: Stream = Stream()
        if connection is not None:
            connection.is_answered = self.is_answered

    @classmethod
    def over(cls, connection: Connection, *, limits: Limits, read_ahead: bool = True) -> HTTP1:
        """HTTP/1 over a connection. Without ``read_ahead``, receives no more than is asked for."""
        transport = connection.transport
        return cls(connection, Reader(transport, limits=limits, read_ahead=read_ahead), Writer(transport), limits)

    @classmethod
    def over_file(cls, file: io.BufferedIOBase, *, limits: Limits) -> HTTP1:
        """HTTP/1 read from a file."""
        return cls(None, Reader(FileSource(file), limits=limits), None, limits)

    # The request

    def next_line(self) -> bytes:
        """Wait for the next request, and return its request line; empty if none follows."""
        self.begin_request()
        connection = self.connection
        if connection is not None:
            connection.busy = False
            if connection.ending.closing:
                return b""
        return self.reader.request_line() if self.reader.wait() else b""

    def begin_request(self) -> None:
        """Start a new request."""
        self.stream = Stream()
        if self.writer is not None:
            self.writer.begin_response()

    def read_head(self, line: bytes, *, strict: bool, speaks_1_1: bool, raw: bool) -> Stream:
        """Read the head that begins with ``line``, and prepare ``reader`` for the body, ``raw`` or decoded.

        Raises RequestError (400, 413, 414, 417, 431, 501, 505); then ``stream`` has the part that was understood.
        """
        if self.stream.line.text:  # an earlier request's: user code has read this line itself
            self.begin_request()
        stream, reader, connection = self.stream, self.reader, self.connection
        head = reader.take_head(line, self.limits, strict)
        if head is not None:
            stream.enter(head.line, head.fields, speaks_1_1=speaks_1_1)
        else:
            self._parse(line, strict, speaks_1_1)
        framing = stream.fields.framing
        # In a file that is not a socket, code may read on after a head without a length.
        if connection is not None or framing is not NO_BODY:
            reader.begin_body(framing, raw=raw)
        if self.read_by_others or (raw and stream.asks_to_leave):
            reader.beyond = partial(_beyond_body, stream, connection, self.writer, self.read_by_others)
        if connection is not None:
            connection.busy = True
            connection.doing = stream.line.text
        return stream

    def _parse(self, raw_line: bytes, strict: bool, speaks_1_1: bool) -> None:
        """Parse the head line by line, since it is incomplete or malformed."""
        stream = self.stream
        line = parse_line(raw_line, limits=self.limits, strict=strict)
        stream.enter(line, NO_FIELDS, speaks_1_1=speaks_1_1)
        # HTTP/0.9 has no headers.
        block = self.reader.read_fields(lenient=not strict) if line.protocol else b""
        fields = parse_header_block(block, line.version, limits=self.limits, strict=strict)
        stream.enter(line, fields, speaks_1_1=speaks_1_1)

    @property
    def trailers(self) -> Headers:
        """The trailer fields of the request, if its body has been read to the end."""
        return self.reader.trailers

    # The response

    def is_answered(self) -> bool:
        """Whether the final response is known to have been sent completely."""
        stream, writer = self.stream, self.writer
        if stream.status is None or not stream.has_body:
            return stream.status is not None
        return stream.length is not None and writer is not None and writer.written >= stream.length

    def begin_response(self, status: int, method: str) -> None:
        """Note that the final response begins; ``method`` is the request's."""
        stream = self.stream
        stream.begin_response(status, method)
        if self.writer is not None:
            self.writer.begin_response()
        if stream.leaves:
            self.reader.begin_tunnel()

    def end_request(self, *, read_on: bool) -> bool:
        """End the current request; returns whether another one can follow.

        With ``read_on``, reads and drops the rest of its body, within a limit.
        """
        try:
            return read_on and self.reader.end_body()
        except (OSError, RequestError):
            return False

    # For callers that want strictly parsed Streams with decoded bodies

    def next_stream(self) -> bool:
        """Wait for the next request, and read its head into ``stream``. False if none follows.

        Raises RequestError like ``read_head``.
        """
        connection, reader = self.connection, self.reader
        assert connection is not None
        self.begin_request()
        connection.busy = False
        if connection.ending.closing or not reader.wait():
            return False
        head = reader.next_head(self.limits)
        if head is None:  # it is incomplete or malformed
            line = reader.request_line()
            if not speaks_another(line) and line[-1:] not in (b"", b"\n") and len(line) <= self.limits.request_line:
                raise BrokenOff(
                    400, "the client ended the connection within the request line", rule="RFC 9112 section 8"
                )
            if line:
                self.read_head(line, strict=True, speaks_1_1=True, raw=False)
            return bool(line)
        self.stream.enter(head.line, head.fields, speaks_1_1=True)
        reader.begin_body(head.fields.framing)
        connection.busy, connection.doing = True, head.line.text
        return True

    def needs_no_wait(self, most: int) -> bool:
        """Whether the current body can be read at once, or is one for which the loop cannot wait: it waits for no more
        than ``most`` bytes."""
        connection, reader = self.connection, self.reader
        if connection is None or connection.turn.loop is None or self.stream.fields.framing.length > most:
            return True
        transport = connection.transport
        if not connection.turn.led:
            return not connection.may_rest()
        # It may have come by now: most clients send the body right after the head, but separately.
        if transport.gather() and not self.body_is_here(most, transport.gathered, 0):
            return False
        reader.read_on()
        return True

    def body_is_here(self, most: int, data: bytes, seen: int) -> bool:
        """Gather bytes of the current body; returns whether it is complete, or there is as much as we wait for."""
        connection, reader = self.connection, self.reader
        assert connection is not None
        if data and reader.take_in():
            connection.turn.renew()
        return not reader.waits_for(most)

    def end_stream(self) -> bool:
        """End the current request after its response; returns whether another request can follow.

        Raises BodyAwaited like Reader.end_body.
        """
        writer = self.writer
        assert writer is not None
        writer.flush()
        lasts = self.stream.end_response(writer.written, anything=writer.anything).lasts
        return lasts and self.end_request(read_on=True)

    def take_leave(self) -> None:
        """Send the output still held back, and let the client read it before the connection closes."""
        connection, writer = self.connection, self.writer
        try:
            if writer is not None:
                writer.close()
            if connection is not None and (self.lingers or not self.reader.complete):
                connection.linger()
        except OSError:
            pass  # the client has gone
        finally:
            if connection is not None:
                connection.let_go()

    def head_is_whole(self, data: bytes, seen: int) -> bool:
        """Whether these first bytes of a request are worth parsing; see ``head_is_whole``."""
        return data.endswith(b"\r\n\r\n") or head_is_whole(self.limits, data, seen)


# Not a method: a reader that refers to its HTTP1 would leave the whole connection to the garbage collector.
def _beyond_body(stream: Stream, connection: Connection | None, writer: Writer | None, read_by_others: bool) -> State:
    """The reader's state after the body of the current request."""
    if stream.asks_to_leave and (stream.status is None or stream.leaves):
        # If no response was written through us, user code has written the answer itself.
        return State.TUNNEL
    answered = stream.status is not None or (writer is not None and writer.anything)
    stays = connection is None or (read_by_others and answered and connection.stays())
    return State.BETWEEN if read_by_others and answered and stays else State.BODY
