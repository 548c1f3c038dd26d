"""What requests are read from: heads, and between them the body of the request in hand, under deadlines."""

from __future__ import annotations

import contextlib
import enum
import io
import sys
from collections.abc import Callable
from typing import Protocol

from pytest_httpserve import clock
from pytest_httpserve.errors import BodyAwaited, BrokenOff, RequestError
from pytest_httpserve.net.transport import RECEIVE_BYTES
from pytest_httpserve.wire.framing import NO_BODY, BodyDecoder, FixedDecoder, Framing, UntilCloseDecoder, body_decoder
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.head import speaks_tls
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import RequestHead, parse_whole_head

MOST_BYTES = 262_144  # received at once, however much is wanted: each may be there twice or three times for a moment
# A body that trickles in is given up when it keeps its reader waiting for a whole timeout per so many bytes.
PROGRESS_BYTES = 65_536
# What is beyond this of a body is taken in without the loop: it may come for long without a pause, in tiny chunks.
LED_BYTES = 131_072
# What a handler left of a body is read and dropped up to here; past it, closing the connection is cheaper.
DRAIN_BYTES = 262_144

# RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
_MOST_EMPTY_LINES = 8
_EMPTY_BODY = FixedDecoder(0)


class Source(Protocol):
    """Where a Reader's bytes come from."""

    @property
    def timeout(self) -> float | None:
        """Seconds that ``receive`` waits at most; None for ever."""

    def fileno(self) -> int:
        """The descriptor, as of any file."""

    def receive(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end. Raises TimeoutError when ``timeout`` seconds bring nothing."""

    def receive_within(self, size: int, seconds: float, /) -> bytes:
        """The same, with a timeout of its own."""

    def leave_loop(self) -> object:
        """What is done with it from here on may take its time: it is done in a thread that others need not wait for."""

    def failed(self, error: OSError, /) -> OSError:
        """Note that the source is given up for this error."""


class FileSource:
    """A file object as a source: handlers are also run over files, without any socket."""

    timeout = None

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self.receive: Callable[[int], bytes] = getattr(file, "read1", file.read)

    def fileno(self) -> int:
        return self._file.fileno()

    def receive_within(self, size: int, seconds: float) -> bytes:
        return self.receive(size)

    def leave_loop(self) -> None:
        pass

    def failed(self, error: OSError) -> OSError:
        return error


class State(enum.Enum):
    """Where in the conversation a Reader is."""

    BETWEEN = enum.auto()  # no request has begun
    HEAD = enum.auto()  # the first bytes of one are here
    BODY = enum.auto()
    BROKEN = enum.auto()  # nothing of the body can be read beyond what was kept of it
    REPLAY = enum.auto()  # the body is here, and is read once more
    TUNNEL = enum.auto()  # the connection has left HTTP


class Reader(io.BufferedIOBase):
    """A file of what a client sends: request heads, and between them the one body of the request in hand.

    During a request it ends where the request's body ends. Before the first and between two requests there is no
    body: then ``readline`` and ``read`` see the connection's bytes as they are. A body comes decoded, or ``raw``: in
    the chunks that it was sent in, whose end is known all the same.

    ``beyond`` is asked when somebody reads past the end of a body: BODY (nothing is there, and so it is without it),
    TUNNEL, or BETWEEN: the next request.
    """

    # What a new one begins with: of the class, since there is a new one for each connection.
    state: State = State.BETWEEN
    truncated: bool = False  # the client ended inside the body
    beyond: Callable[[], State] | None = None
    _buffer = b""  # what can be read now
    _behind = b""  # what lies behind the end of the body
    _head = b""  # that of the request whose line was read last, if all of it was here
    _line = b""
    _body: BodyDecoder = _EMPTY_BODY
    _framing: Framing = NO_BODY
    _raw = False
    _head_expiry: float | None = None
    _waited = 0.0  # seconds, since _progress was last set to zero
    _progress = 0
    _taken_in = 0  # of the body, with its chunks
    _kept: bytearray | None = None  # what has come of the body since the loop waits for it
    _broken: RequestError | None = None
    is_late: bool = False  # a body was not here with its head: the loop waits for the rest of it

    def __init__(self, source: Source, *, limits: Limits = DEFAULT_LIMITS, read_ahead: bool = True) -> None:
        self.source = source
        self._limits = limits
        self._read_ahead = read_ahead
        self._replayed: Callable[[int], bytes] = _nothing

    # Heads

    def wait(self) -> bool:
        """Wait for the first bytes of a request; False if the client ends instead."""
        self._head_expiry = None
        self.state = State.BETWEEN
        if not self._buffer:
            self._buffer = self.source.receive(RECEIVE_BYTES if self._read_ahead else 1)
        if not self._buffer:
            return False
        self.state = State.HEAD
        return True

    def request_line(self) -> bytes:
        """The next request line, with its end; empty at the end of the input. Empty lines before it are dropped."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n") + 4
        if end > 4:
            at = buffer.index(b"\n") + 1
            if at > 2:
                self._head, self._line = buffer[:end], buffer[:at]
                self._buffer = buffer[at:]
                return self._line
        self._head = b""
        if speaks_tls(buffer):  # there is no line end to wait for
            self._buffer = b""
            return buffer
        for _ in range(_MOST_EMPTY_LINES):
            line = self.readline(self._limits.request_line + 3)
            if line not in (b"\r\n", b"\n"):
                break
        return line

    def next_head(self, limits: Limits) -> RequestHead | None:
        """The head of the next request, parsed as a whole by RFC 9112; None, and nothing taken, if not all of it is
        here, or if something is wrong with it."""
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
        """The head that begins with ``line``, parsed as a whole: half as long as line by line, and once known a fifth.

        None, and nothing taken, if the line was not read by ``request_line`` just now, if not all of the head is here,
        or if something is wrong with it.
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
        """The field lines of a head, up to its blank line, which is taken, too.

        An end of input ends them as well if ``lenient``. Raises RequestError: 400 for such an end otherwise, 431 when
        they outgrow the limit.
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
                # Where that is no line end, the LF stays with the fields, and shows as what is wrong with them.
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
                    # What was cut off may have been the header that counts.
                    raise BrokenOff(400, "the client ended the connection within the head", rule="RFC 9112 section 8")
                return buffer if buffer.endswith(b"\n") else buffer and buffer + b"\r\n"

    # Bodies

    @property
    def unread(self) -> bytes:
        """What has come in, and belongs to nobody yet."""
        return self._buffer + self._behind

    def take_unread(self) -> bytes:
        """Hand that over to whoever gathers the next request."""
        unread, self._buffer, self._behind = self.unread, b"", b""
        return unread

    def give_back(self, data: bytes) -> None:
        """Put bytes back in front of what is still to be read."""
        self._buffer = data + self._buffer

    def begin_body(self, framing: Framing, *, raw: bool = False) -> None:
        """From here on, this is the request's body; ``raw``: in its chunks.

        This, and reading, raise RequestError (400) where its framing is broken: raw, too, or nobody could say which
        bytes are the next request.
        """
        self.truncated, self.state = False, State.BODY
        self.beyond = None
        if framing is NO_BODY:
            self._body, self._framing = _EMPTY_BODY, framing
            self._buffer, self._behind = b"", self._buffer
            return
        self._waited, self._progress, self._taken_in = 0.0, 0, 0
        self._framing, self._raw = framing, raw
        self._body = body_decoder(framing, limits=self._limits)
        self._buffer, self._behind = self._decode(self._buffer)

    def take_in(self) -> bool:
        """Take in and keep what has come of the body, while nobody reads it: it comes in pieces of any size, and a
        buffer of bytes would be copied with each. Whether it goes on well enough to be waited for anew."""
        data = self._receive_in_time(self.source, MOST_BYTES)
        self._taken_in += len(data)
        if self._kept is None:
            self._kept = bytearray()
        try:
            body, self._behind = self._decode(data)
        except RequestError as error:
            self._broken, self.state = error, State.BROKEN
        else:
            self._kept += body
        return self._progress == 0

    def waits_for(self, most: int) -> bool:
        """Whether there is more of the body to wait for, as long as no more than ``most`` bytes of it were kept."""
        return self.state is State.BODY and not self._body.complete and len(self._kept or b"") <= most

    def read_on(self) -> None:
        """From here on, what was kept is read, and then what comes."""
        if self._kept is not None:
            self._buffer, self._kept = self._buffer + bytes(self._kept), None
            if self._taken_in >= LED_BYTES:
                with contextlib.suppress(RuntimeError):  # there are no more threads: then it is read here
                    self.source.leave_loop()

    def decode_body(self) -> None:
        """Give the body of the request in hand decoded, though it was begun raw: nothing of it was read so far."""
        if self._raw:
            self._buffer, self._behind = self._buffer + self._behind, b""
            self.begin_body(self._framing)
        self.beyond = None

    def _decode(self, data: bytes) -> tuple[bytes, bytes]:
        """What of ``data`` is the body's, and what lies after its end."""
        body, behind = self._body.decode(data)
        return (data[: len(data) - len(behind)] if self._raw else body), behind

    def replay(self, read: Callable[[int], bytes]) -> None:
        """Give the whole body again, which ``read`` has, piece by piece: so many bytes at most, none at the end."""
        self._replayed, self.state = read, State.REPLAY

    def begin_tunnel(self) -> None:
        """From here on, all bytes belong to the handler: the connection has left HTTP (101, CONNECT)."""
        self.state = State.TUNNEL
        self._raw = False
        self._body, self._buffer, self._behind = UntilCloseDecoder(), self._buffer + self._behind, b""

    def end_body(self) -> bool:
        """Drop what is left of the body; False if that is too much, or not to be had: then the connection must end.

        Raises BodyAwaited, once, if it ``is_late``: whoever can have the loop wait for it calls this again then.
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
            # Its end may come without a byte of it.
            if dropped > DRAIN_BYTES or not (self._fill(RECEIVE_BYTES) or self._body.complete):
                self.truncated = short  # a client that has its answer may leave the rest
                return False
            dropped += len(self._buffer)
        self._buffer, self._behind = self._behind, b""
        self.state = State.BETWEEN
        return True

    @property
    def trailers(self) -> Headers:
        """The trailer fields of a chunked body that was read to its end; empty otherwise."""
        return self._body.trailers

    @property
    def in_head(self) -> bool:
        """Whether a request's head has begun to come in, and has not ended."""
        return self.state is State.HEAD

    @property
    def at_rest(self) -> bool:
        """Whether no request has begun."""
        return self.state is State.BETWEEN

    @property
    def between_bodies(self) -> bool:
        """Whether the body of the last request has been left behind, and that of the next has not begun."""
        return self.state in (State.BETWEEN, State.HEAD)

    @property
    def empty(self) -> bool:
        """Whether nothing has come in that belongs to the next request."""
        return not (self._buffer or self._behind)

    @property
    def body(self) -> BodyDecoder:
        """What the body of the request in hand is decoded by."""
        return self._body

    @property
    def framing(self) -> Framing:
        """How that body ends."""
        return self._framing

    @property
    def complete(self) -> bool:
        """Whether the whole body of the request in hand has come in."""
        return self._body.complete or self.between_bodies

    # Bytes

    def _fill(self, wanted: int) -> bool:
        """Wait for more to read; False at the end of the body or of the input."""
        return _FILL[self.state](self, wanted)

    def _fill_head(self, wanted: int) -> bool:
        size = RECEIVE_BYTES if self._read_ahead else wanted
        data = self._receive_of_head(size)
        self._buffer += data
        return bool(data)

    def _receive_of_head(self, size: int) -> bytes:
        source = self.source
        if self.state is State.BETWEEN or source.timeout is None:
            return source.receive(size)
        # A head in pieces: all of them must be here within one timeout, or a client could send a byte now and then.
        now = clock.monotonic()
        if self._head_expiry is None:
            self._head_expiry = now + source.timeout
        return source.receive_within(size, self._head_expiry - now)

    def _fill_body(self, wanted: int) -> bool:
        while not self._body.complete:
            data = self._receive_of_body(wanted)
            if not data:
                # Only a body that nothing announces may end with the connection.
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
                return False  # the client has nothing more to ask for
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
            with contextlib.suppress(RuntimeError):  # there are no more threads: then it is done here
                source.leave_loop()
        data = self._receive_in_time(source, min(size, MOST_BYTES))
        self._taken_in += len(data)
        return data

    def _receive_in_time(self, source: Source, size: int) -> bytes:
        if source.timeout is None:
            return source.receive(size)
        started = clock.monotonic()
        data = source.receive(size)
        self._waited += clock.monotonic() - started
        self._progress += len(data)
        if self._progress >= PROGRESS_BYTES:
            self._waited, self._progress = 0.0, 0
        elif self._waited > source.timeout:
            raise source.failed(TimeoutError(f"{self._progress} bytes of the body came in {self._waited:.1f} s"))
        return data

    # As a file

    def fileno(self) -> int:
        return self.source.fileno()

    @property
    def _sock(self) -> object:
        """The socket, by the name that an unbuffered ``rfile`` of http.server has for it: copies of run_cgi use it."""
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
        parts: list[bytes] = []  # of a long line: each time the whole of it, that would be its square
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
        """What can be read without waiting, or the next bytes if there are none yet; nothing is taken."""
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
