"""Reads requests from a connection: heads, and after each the body of its request."""

from __future__ import annotations

import contextlib
import enum
import io
import sys
from collections.abc import Callable

from pytest_httpserve.errors import BodyAwaited, BrokenOff, RequestError
from pytest_httpserve.net.transport import RECEIVE_BYTES
from pytest_httpserve.protocol.source import Patience, Source
from pytest_httpserve.wire.framing import NO_BODY, BodyDecoder, FixedDecoder, Framing, UntilCloseDecoder, body_decoder
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.head import speaks_another
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import RequestHead, parse_whole_head

MOST_BYTES = 262_144  # received at once, however much is wanted: there may be three copies of them for a moment
# The loop takes in so much of a body, a thread of its own the rest: it may come in tiny chunks without a pause.
LED_BYTES = 131_072
# So much of a body that a handler has not read is read and dropped; for more, closing the connection is cheaper.
DRAIN_BYTES = 262_144

# RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
_MOST_EMPTY_LINES = 8
_EMPTY_BODY = FixedDecoder(0)


class State(enum.Enum):
    """What a Reader reads next."""

    BETWEEN = enum.auto()  # no request has begun
    HEAD = enum.auto()  # a head, whose first bytes are here
    BODY = enum.auto()
    BROKEN = enum.auto()  # an error, after the part of the body that was kept
    REPLAY = enum.auto()  # the body once more, from where it was kept
    TUNNEL = enum.auto()  # the connection has left HTTP


class Reader(io.BufferedIOBase):
    """What a client sends, as a file: request heads, and after each the body of its request.

    During a request, the file ends where the body ends. Before the first request and between two requests,
    ``readline`` and ``read`` return the connection's bytes as they are. A body is decoded or, if ``raw``, left in the
    chunks in which it was sent; its end is known all the same.

    ``beyond`` is called when somebody reads past the end of a body. It returns what comes there: BODY for nothing,
    as without it, TUNNEL, or BETWEEN for the next request.
    """

    # The initial values, on the class because a reader is made for each connection.
    state: State = State.BETWEEN
    truncated: bool = False  # the client ended inside the body
    beyond: Callable[[], State] | None = None
    _buffer = b""  # what can be read now
    _behind = b""  # what came after the end of the body
    _head = b""  # the whole head, from the line that was read last, if all of it was here
    _line = b""
    _body: BodyDecoder = _EMPTY_BODY
    _framing: Framing = NO_BODY
    _raw = False
    _taken_in = 0  # bytes of the body as sent
    _kept: bytearray | None = None  # what has come of the body while the loop waits for it
    _broken: RequestError | None = None
    is_late: bool = False  # a body was not here with its head: the loop waits for the rest of it

    def __init__(self, source: Source, *, limits: Limits = DEFAULT_LIMITS, read_ahead: bool = True) -> None:
        self.source = source
        self._limits = limits
        self._read_ahead = read_ahead
        self._patience = Patience()
        self._replayed: Callable[[int], bytes] = _nothing

    # Heads

    def wait(self) -> bool:
        """Wait for the first bytes of a request; False if the client ends instead."""
        self._patience.head_expiry = None
        self.state = State.BETWEEN
        if not self._buffer:
            self._buffer = self.source.receive(RECEIVE_BYTES if self._read_ahead else 1)
        if not self._buffer:
            return False
        self.state = State.HEAD
        return True

    def request_line(self) -> bytes:
        """The next request line, with its line end; empty at the end of the input. Drops empty lines before it."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n") + 4
        if end > 4:
            at = buffer.index(b"\n") + 1
            if at > 2:
                self._head, self._line = buffer[:end], buffer[:at]
                self._buffer = buffer[at:]
                return self._line
        self._head = b""
        if speaks_another(buffer):  # there is no line end to wait for
            self._buffer = b""
            return buffer
        for _ in range(_MOST_EMPTY_LINES):
            line = self.readline(self._limits.request_line + 3)
            if line not in (b"\r\n", b"\n"):
                break
        return line

    def next_head(self, limits: Limits) -> RequestHead | None:
        """The head of the next request, parsed as a whole by RFC 9112. Returns None and takes nothing if part of it is
        missing, or if something is wrong with it."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        try:
            head = parse_whole_head(buffer[:end], limits, strict=True)
        except RequestError:
            return None
        self._buffer = buffer[end:]
        return head

    def take_head(self, line: bytes, limits: Limits, strict: bool) -> RequestHead | None:
        """The head that begins with ``line``, parsed as a whole: in half the time, or in a fifth if it is known.

        Returns None and takes nothing if ``request_line`` has not just returned the line, if part of the head is
        missing, or if something is wrong with it.
        """
        head, self._head = self._head, b""
        if not head or line is not self._line or not self._buffer.startswith(head[len(line) :]):
            return None
        try:
            parsed = parse_whole_head(head, limits, strict)
        except RequestError:
            return None
        self._buffer = self._buffer[len(head) - len(line) :]
        return parsed

    def read_fields(self, *, lenient: bool) -> bytes:
        """The field lines of a head. Takes the blank line after them, too.

        If ``lenient``, the end of the input also ends them. Raises RequestError: 400 for such an end otherwise, 431 if
        they are too long.
        """
        start = 0
        while True:
            buffer = self._buffer
            if buffer.startswith(b"\r\n"):  # there are none
                self._buffer = buffer[2:]
                return b""
            end = buffer.find(b"\n\r\n", start)
            size = 3
            if (bare := buffer.find(b"\n\n", start, end if end >= 0 else len(buffer))) >= 0:
                # If a bare LF is not allowed, leave it with the fields, where the parser finds it.
                end, size = (bare, 2) if lenient else (bare + 1, 1)
            if end >= 0:
                self._buffer = buffer[end + size :]
                return buffer[: end + 1]
            if lenient and buffer.startswith(b"\n"):
                self._buffer = buffer[1:]
                return b""
            if len(buffer) > self._limits.head:
                raise RequestError(431, f"the header fields take more than {self._limits.head} bytes")
            start = max(len(buffer) - 2, 0)
            if not self._fill(1):
                self._buffer = b""
                if not lenient:
                    # The header that matters may have been cut off.
                    raise BrokenOff(400, "the client ended the connection within the head", rule="RFC 9112 section 8")
                return buffer if buffer.endswith(b"\n") else buffer and buffer + b"\r\n"

    # Bodies

    @property
    def unread(self) -> bytes:
        """What has come in and nobody has read."""
        return self._buffer + self._behind

    def take_unread(self) -> bytes:
        """Return ``unread``, and forget it: somebody else reads on."""
        unread, self._buffer, self._behind = self.unread, b"", b""
        return unread

    def give_back(self, data: bytes) -> None:
        """Put bytes back, to be read next."""
        self._buffer = data + self._buffer

    def begin_body(self, framing: Framing, *, raw: bool = False) -> None:
        """What comes next is the request's body; with ``raw``, in its chunks.

        This and the reads raise RequestError (400) if the framing is broken. Even if raw: nobody could tell where the
        next request begins.
        """
        self.truncated, self.state = False, State.BODY
        self.beyond = None
        if framing is NO_BODY:
            self._body, self._framing = _EMPTY_BODY, framing
            self._buffer, self._behind = b"", self._buffer
            return
        patience = self._patience
        patience.waited, patience.progress, self._taken_in = 0.0, 0, 0
        self._framing, self._raw = framing, raw
        self._body = body_decoder(framing, limits=self._limits)
        self._buffer, self._behind = self._decode(self._buffer)

    def take_in(self) -> bool:
        """Take in and keep what has come of the body while nobody reads it, in a bytearray: bytes would be copied with
        each piece. Returns whether the body comes fast enough to wait for it with a new timeout."""
        data = self._patience.receive_of_body(self.source, MOST_BYTES)
        self._taken_in += len(data)
        if self._kept is None:
            self._kept = bytearray()
        try:
            body, self._behind = self._decode(data)
        except RequestError as error:
            self._broken, self.state = error, State.BROKEN
        else:
            self._kept += body
        return self._patience.progress == 0

    def waits_for(self, most: int) -> bool:
        """Whether there is more of the body to wait for, and no more than ``most`` bytes of it have been kept."""
        return self.state is State.BODY and not self._body.complete and len(self._kept or b"") <= most

    def read_on(self) -> None:
        """Read what was kept next, then what comes."""
        if self._kept is not None:
            self._buffer, self._kept = self._buffer + bytes(self._kept), None
            if self._taken_in >= LED_BYTES:
                with contextlib.suppress(RuntimeError):  # there are no more threads: read it in the loop
                    self.source.leave_loop()

    def decode_body(self) -> None:
        """Decode the body after all, though it was begun raw. Nothing of it has been read so far."""
        if self._raw:
            self._buffer, self._behind = self._buffer + self._behind, b""
            self.begin_body(self._framing)
        self.beyond = None

    def _decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Divide ``data`` into what belongs to the body, and what comes after its end."""
        body, behind = self._body.decode(data)
        return (data[: len(data) - len(behind)] if self._raw else body), behind

    def replay(self, read: Callable[[int], bytes]) -> None:
        """Read the whole body again, from ``read``: at most so many bytes at a time, none at the end."""
        self._replayed, self.state = read, State.REPLAY

    def begin_tunnel(self) -> None:
        """The connection has left HTTP (101, CONNECT): all further bytes belong to the handler."""
        self.state = State.TUNNEL
        self._raw = False
        self._body, self._buffer, self._behind = UntilCloseDecoder(), self._buffer + self._behind, b""

    def end_body(self) -> bool:
        """Drop what is left of the body; False if that is too much, or does not come: then the connection must end.

        Raises BodyAwaited, once, if it ``is_late``: the loop can wait for it, and call this again then.
        """
        if self.state in (State.BETWEEN, State.HEAD):
            return True
        self.state, self.beyond = State.BODY, None
        dropped = len(self._buffer)
        while not self._body.complete:
            if self.is_late:
                self.is_late = False
                raise BodyAwaited
            short = self.truncated
            self._buffer = b""
            # The last chunk ends the body without a byte of it.
            if dropped > DRAIN_BYTES or not (self._fill(RECEIVE_BYTES) or self._body.complete):
                self.truncated = short  # a client that has its answer need not send the rest
                return False
            dropped += len(self._buffer)
        self._buffer, self._behind = self._behind, b""
        self.state = State.BETWEEN
        return True

    @property
    def trailers(self) -> Headers:
        """The trailer fields of a chunked body that has been read to its end; else empty."""
        return self._body.trailers

    @property
    def in_head(self) -> bool:
        """Whether a part of a request's head has come in."""
        return self.state is State.HEAD

    @property
    def at_rest(self) -> bool:
        """Whether no request has begun."""
        return self.state is State.BETWEEN

    @property
    def between_bodies(self) -> bool:
        """Whether the last body has ended, and the next has not begun."""
        return self.state in (State.BETWEEN, State.HEAD)

    @property
    def empty(self) -> bool:
        """Whether nothing of the next request has come in."""
        return not (self._buffer or self._behind)

    @property
    def body(self) -> BodyDecoder:
        """The decoder of the current request's body."""
        return self._body

    @property
    def framing(self) -> Framing:
        """How the current body is framed."""
        return self._framing

    @property
    def complete(self) -> bool:
        """Whether the whole body of the current request has come in."""
        return self._body.complete or self.between_bodies

    # Bytes

    def _fill(self, wanted: int) -> bool:
        """Wait for more to read; False at the end of the body or of the input."""
        return _FILL[self.state](self, wanted)

    def _fill_head(self, wanted: int) -> bool:
        size = RECEIVE_BYTES if self._read_ahead else wanted
        source = self.source
        between = self.state is State.BETWEEN
        data = source.receive(size) if between else self._patience.receive_of_head(source, size)
        self._buffer += data
        return bool(data)

    def _fill_body(self, wanted: int) -> bool:
        while not self._body.complete:
            data = self._receive_of_body(wanted)
            if not data:
                # Only a body without a length or chunks may end with the connection.
                self.truncated = not isinstance(self._body, UntilCloseDecoder)
                return False
            body, self._behind = self._decode(data)
            if body:
                self._buffer = self._buffer + body if self._buffer else body
                return True
        return self.beyond is not None and self._go_beyond(self.beyond(), wanted)

    def _go_beyond(self, state: State, wanted: int) -> bool:
        if state is State.TUNNEL:
            self.begin_tunnel()
        elif state is State.BETWEEN:
            self.end_body()
        else:
            return False
        try:
            return bool(self._buffer) or self._fill(wanted)
        except TimeoutError:
            if self.state is State.BETWEEN:
                return False  # the client sends no further request
            raise

    def _fill_broken(self, wanted: int) -> bool:
        error, self._broken = self._broken, None
        assert error is not None
        raise error

    def _fill_again(self, wanted: int) -> bool:
        data = self._replayed(RECEIVE_BYTES)
        self._buffer += data
        return bool(data)

    def _receive_of_body(self, wanted: int) -> bytes:
        body, source = self._body, self.source
        size = max(wanted, RECEIVE_BYTES) if self._read_ahead else wanted
        if not self._read_ahead and isinstance(body, FixedDecoder):
            size = min(size, body.left)
        if self._taken_in >= LED_BYTES:
            with contextlib.suppress(RuntimeError):  # there are no more threads: read it in the loop
                source.leave_loop()
        data = self._patience.receive_of_body(source, min(size, MOST_BYTES))
        self._taken_in += len(data)
        return data

    # As a file

    def fileno(self) -> int:
        return self.source.fileno()

    @property
    def _sock(self) -> object:
        """The socket, by the name it has in an unbuffered ``rfile`` of http.server: copies of ``run_cgi`` use it."""
        return self.source.socket  # type: ignore[attr-defined]  # a file has none, here as there

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = sys.maxsize
        if size <= len(self._buffer):
            return self._take(size)
        parts = []
        while size and (part := self.read1(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        if not self._buffer and size and not self._fill(size if size > 0 else RECEIVE_BYTES):
            return b""
        return self._take(size if size >= 0 else len(self._buffer))

    def readline(self, size: int | None = -1, /) -> bytes:
        limit = sys.maxsize if size is None or size < 0 else size
        parts: list[bytes] = []  # joined at the end: to join them each time would take quadratic time
        try:
            while (end := self._buffer.find(b"\n", 0, limit) + 1) == 0 and len(self._buffer) < limit:
                parts.append(self._buffer)
                limit -= len(self._buffer)
                self._buffer = b""
                if not self._fill(1):
                    break
        except BaseException:
            self._buffer = b"".join(parts) + self._buffer
            raise
        parts.append(self._take(end or limit))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def peek(self, size: int = 0, /) -> bytes:
        """What can be read without waiting, or else the next bytes; nothing is taken."""
        if not self._buffer:
            self._fill(max(size, 1))
        return self._buffer

    def _take(self, size: int) -> bytes:
        buffer = self._buffer
        if size >= len(buffer):
            self._buffer = b""
            return buffer
        self._buffer = buffer[size:]
        return buffer[:size]


_FILL: dict[State, Callable[[Reader, int], bool]] = {
    State.BETWEEN: Reader._fill_head,
    State.HEAD: Reader._fill_head,
    State.BODY: Reader._fill_body,
    State.BROKEN: Reader._fill_broken,
    State.REPLAY: Reader._fill_again,
    State.TUNNEL: Reader._fill_body,
}


def _nothing(size: int) -> bytes:
    return b""
