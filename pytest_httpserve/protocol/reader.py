"""A handler's ``rfile``: request heads, and between them the body of the request in hand, under deadlines."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Protocol

from pytest_httpserve.errors import RequestError
from pytest_httpserve.net.connection import RECEIVE_BYTES
from pytest_httpserve.wire.framing import NO_BODY, BodyDecoder, FixedDecoder, Framing, UntilCloseDecoder, body_decoder
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import RequestHead, parse_whole_head

MOST_BYTES = 262_144  # received at once, however much is wanted: each may be there twice or three times for a moment
# A body that trickles in is given up when it keeps its reader waiting for a whole timeout per so many bytes.
PROGRESS_BYTES = 65_536
# What a handler left of a body is read and dropped up to here; past it, closing the connection is cheaper.
DRAIN_BYTES = 262_144

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

    def failed(self, error: OSError) -> OSError:
        return error


class Reader(io.BufferedIOBase):
    """What a handler reads from: request heads, and between them the one body of the request in hand.

    During a request it ends where the request's body ends. Before the first and between two requests there is no
    body: then ``readline`` and ``read`` see the connection's bytes as they are.
    """

    def __init__(self, source: Source, *, limits: Limits = DEFAULT_LIMITS, read_ahead: bool = True) -> None:
        self._source = source
        self._limits = limits
        self._read_ahead = read_ahead
        self._buffer = b""  # what can be read now
        self._behind = b""  # what lies behind the end of the body
        self._body: BodyDecoder | None = None
        self._replayed: Callable[[int], bytes] | None = None
        self._begun = False  # a request
        self._head_expiry: float | None = None
        self._waited = 0.0  # seconds, since _progress was last set to zero
        self._progress = 0
        self.truncated = False  # the client ended inside the body

    # Heads

    def wait(self) -> bool:
        """Wait for the first bytes of a request; False if the client ends instead."""
        self._head_expiry = None
        self._begun = False
        if not self._buffer:
            self._buffer = self._source.receive(RECEIVE_BYTES if self._read_ahead else 1)
        self._begun = bool(self._buffer)
        return self._begun

    def take_head(self, limits: Limits, strict: bool) -> RequestHead | None:
        """The next head, parsed, if all of it is here and nothing is wrong with it; else nothing is taken."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        try:
            head = parse_whole_head(buffer[:end], limits, strict)
        except RequestError:
            return None
        self._buffer = buffer[end:]
        return head

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
                    # RFC 9112 section 8: what was cut off may have been the header that counts
                    raise RequestError(400, "the head ended before its blank line")
                return buffer if buffer.endswith(b"\n") else buffer and buffer + b"\r\n"

    # Bodies

    @property
    def unread(self) -> bytes:
        """What has come in, and belongs to nobody yet."""
        return self._buffer + self._behind

    def give_back(self, data: bytes) -> None:
        """Put body bytes back in front of what is still to be read."""
        self._buffer = data + self._buffer

    def replay(self, read: Callable[[int], bytes]) -> None:
        """Give the whole body again, which ``read`` has, piece by piece: so many bytes at most, none at the end."""
        self._replayed = read

    def begin_body(self, framing: Framing) -> None:
        """From here on, this is the request's body."""
        self.truncated = False
        if framing is NO_BODY:
            self._body, self._behind, self._buffer = _EMPTY_BODY, self._buffer, b""
            return
        self._waited, self._progress = 0.0, 0
        self._body = body_decoder(framing, limits=self._limits)
        self._buffer, self._behind = self._body.decode(self._buffer)

    def begin_tunnel(self) -> None:
        """From here on, all bytes belong to the handler: the connection has left HTTP (101, CONNECT)."""
        self._body, self._buffer, self._behind = UntilCloseDecoder(), self._buffer + self._behind, b""

    def end_body(self) -> bool:
        """Drop what is left of the body; False if that is too much, or not to be had: then the connection must end."""
        if self._body is None:
            return True
        self._replayed = None
        dropped = len(self._buffer)
        while not self._body.complete:
            self._buffer = b""
            # Its end may come without a byte of it.
            if dropped > DRAIN_BYTES or not (self._fill(RECEIVE_BYTES) or self._body.complete):
                return False
            dropped += len(self._buffer)
        self._body, self._buffer, self._behind = None, self._behind, b""
        self._begun = False
        return True

    @property
    def trailers(self) -> Headers:
        """The trailer fields of a chunked body that was read to its end; empty otherwise."""
        return self._body.trailers if self._body is not None else Headers()

    @property
    def in_head(self) -> bool:
        """Whether a request's head has begun to come in, and has not ended."""
        return self._body is None and self._begun

    @property
    def at_rest(self) -> bool:
        """Whether no request has begun."""
        return self._body is None and not self._begun

    @property
    def between_bodies(self) -> bool:
        """Whether the body of the last request has been left behind, and that of the next has not begun."""
        return self._body is None

    @property
    def empty(self) -> bool:
        """Whether nothing has come in that belongs to the next request."""
        return not (self._buffer or self._behind)

    @property
    def complete(self) -> bool:
        """Whether the whole body of the request in hand has come in."""
        return self._body is None or self._body.complete

    # Bytes

    def _fill(self, wanted: int) -> bool:
        """Wait for more to read; False at the end of the body or of the input."""
        if self._body is None:
            data = self._receive_head(wanted)
            self._buffer += data
            return bool(data)
        if self._replayed is not None:
            data = self._replayed(RECEIVE_BYTES)
            self._buffer += data
            return bool(data)
        while not self._body.complete:
            data = self._receive_body(wanted)
            if not data:
                # Only a body that nothing announces may end with the connection.
                self.truncated = not isinstance(self._body, UntilCloseDecoder)
                return False
            body, self._behind = self._body.decode(data)
            if body:
                self._buffer = self._buffer + body if self._buffer else body
                return True
        return False

    def _receive_head(self, wanted: int) -> bytes:
        size = RECEIVE_BYTES if self._read_ahead else wanted
        source = self._source
        if not self._begun or source.timeout is None:
            return source.receive(size)
        # A head in pieces: all of them must be here within one timeout, or a client could send a byte now and then.
        now = time.monotonic()
        if self._head_expiry is None:
            self._head_expiry = now + source.timeout
        return source.receive_within(size, self._head_expiry - now)

    def _receive_body(self, wanted: int) -> bytes:
        body, source = self._body, self._source
        size = max(wanted, RECEIVE_BYTES) if self._read_ahead else wanted
        if not self._read_ahead and isinstance(body, FixedDecoder):
            size = min(size, body.left)
        if source.timeout is None:
            return source.receive(min(size, MOST_BYTES))
        started = time.monotonic()
        data = source.receive(min(size, MOST_BYTES))
        self._waited += time.monotonic() - started
        self._progress += len(data)
        if self._progress >= PROGRESS_BYTES:
            self._waited, self._progress = 0.0, 0
        elif self._waited > source.timeout:
            raise source.failed(TimeoutError(f"{self._progress} bytes of the body came in {self._waited:.1f} s"))
        return data

    def fileno(self) -> int:
        return self._source.fileno()

    @property
    def _sock(self) -> object:
        """The socket, by the name that an unbuffered ``rfile`` of http.server has for it: copies of run_cgi use it."""
        return self._source.socket  # type: ignore[attr-defined]  # a file has none, here as there

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
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched, limit) + 1
            if end:
                line, self._buffer = self._buffer[:end], self._buffer[end:]
                return line
            searched = len(self._buffer)
            if searched >= limit or not self._fill(1):
                return self._take(limit)

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
