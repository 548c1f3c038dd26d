"""One TCP connection: buffered reading under deadlines, one write per response, and what a stop needs to know.

``Reader`` is a handler's ``rfile`` and ``Writer`` its ``wfile``; ``Connection`` holds both, with the socket beneath.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire.framing import NO_BODY, BodyDecoder, FixedDecoder, Framing, UntilCloseDecoder, body_decoder
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

RECEIVE_BYTES = 65_536
# A body that trickles in is given up when it keeps its reader waiting for a whole timeout per so many bytes.
PROGRESS_BYTES = 65_536
# What a handler left of a body is read and dropped up to here; past it, closing the connection is cheaper.
DRAIN_BYTES = 262_144
LINGER_SECONDS = 1.0

_HAS_KERNEL_TIMEOUTS = sys.platform == "linux"
_MSG_MORE: int = getattr(socket, "MSG_MORE", 0)
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


class Tap(Protocol):
    """Somebody who is shown the bytes of a connection as they pass, in both directions."""

    def received(self, data: bytes, /) -> None:
        """These came in."""

    def sent(self, data: Buffer, /) -> None:
        """These are about to go out."""

    def sent_unseen(self, count: int, /) -> None:
        """So many went out without passing here: those of a file."""


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


class Connection:
    """One TCP connection of a server, from accept to close.

    ``busy`` is True from the end of a request's head to the end of its response: a connection that is not busy has
    nothing to lose. ``failure`` is the error in which the client's side of the connection ended, if it did.
    ``interrupt`` is what a handler leaves here while it waits for something other than its client (a child process, a
    gate): the server calls it, from another thread, when it begins to close.
    """

    def __init__(self, sock: socket.socket, peer: object) -> None:
        self.socket = sock
        self.peer = peer
        self.timeout: float | None = None
        self.busy = False
        self.closing = False
        self.doing = ""
        self.thread: threading.Thread | None = None
        self.failure: OSError | None = None
        self.interrupt: Callable[[], object] | None = None
        self.index = 0  # counts the server's connections
        self.tap: Tap | None = None
        self.plain = type(sock) is socket.socket

    def begin(self, timeout: float | None, *, nodelay: bool) -> None:
        """Made ready by the thread that serves it."""
        self.thread = threading.current_thread()
        if self.socket.gettimeout() is not None:
            self.socket.settimeout(None)  # socket.setdefaulttimeout's; ours takes its place
        if nodelay and self.socket.family != getattr(socket, "AF_UNIX", None):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.set_timeout(timeout)

    def buffered_writer(self, size: int) -> io.BufferedWriter:
        """A ``wfile`` that gathers ``size`` bytes (the default size if negative) before it writes."""
        return io.BufferedWriter(Writer(self), size if size > 0 else io.DEFAULT_BUFFER_SIZE)

    # Waiting: with SO_RCVTIMEO the kernel keeps the time, and a read is one system call. A timeout of Python's own
    # (settimeout) costs a poll() before each: 23,000 against 49,000 answers a second over 64 connections.

    def set_timeout(self, seconds: float | None) -> None:
        """From now on, no read or write waits longer than this; None waits for ever."""
        self.timeout = seconds
        if not (self.plain and _HAS_KERNEL_TIMEOUTS):
            self.socket.settimeout(seconds)
            return
        whole = int(seconds or 0)
        interval = struct.pack("ll", whole, int(((seconds or 0) - whole) * 1e6))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, size: int) -> bytes:
        try:
            data = self.socket.recv(size)
        except OSError as error:
            raise self.failed(error) from None
        if self.tap is not None:
            self.tap.received(data)
        return data

    def receive_within(self, size: int, seconds: float) -> bytes:
        whole = self.timeout
        self.set_timeout(max(seconds, 0.001))
        try:
            return self.receive(size)
        finally:
            self.set_timeout(whole)

    def send(self, data: Buffer, *, more: bool = False) -> None:
        """Send all of ``data``; with ``more``, the kernel may keep it back (200 ms at most) for what comes next."""
        if self.tap is not None:
            self.tap.sent(data)
        try:
            if not (more and self.plain and _MSG_MORE):
                self.socket.sendall(data)
            else:
                self.socket.sendall(data, _MSG_MORE)
        except OSError as error:
            raise self.failed(error) from None

    def send_file(self, file: IO[bytes], offset: int, count: int) -> int:
        """Send ``count`` bytes of a regular file from ``offset`` on, without a copy; how many were there to send."""
        if self.tap is not None:
            self.tap.sent_unseen(count)
        sent = 0
        try:
            # Not beneath a TLS layer, nor beneath a timeout that a handler has set on its socket.
            if not self.plain or self.socket.gettimeout() is not None:
                return self.socket.sendfile(file, offset, count)
            while sent < count:
                part = os.sendfile(self.socket.fileno(), file.fileno(), offset + sent, min(count - sent, 1 << 30))
                if not part:
                    break
                sent += part
        except OSError as error:
            raise self.failed(error) from None
        return sent

    def push(self) -> None:
        """Let go what the kernel keeps back."""
        with contextlib.suppress(OSError):  # a Unix socket has kept nothing back
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def failed(self, error: OSError) -> OSError:
        """Note that the client's side ended in this error."""
        if isinstance(error, BlockingIOError):
            error = TimeoutError(f"the client kept the connection waiting for {self.timeout} s")
        self.failure = error
        return error

    # Ending

    def rest(self) -> bool:
        """Between two requests: False if the connection is to end here."""
        self.busy = False
        return not self.closing

    def close_when_idle(self) -> None:
        """End the connection at once if it is not busy, else after the response in hand."""
        self.closing = True
        if not self.busy:
            self.abort()
        elif (interrupt := self.interrupt) is not None:
            interrupt()

    def abort(self) -> None:
        """End both directions now: whoever waits on the connection wakes."""
        with contextlib.suppress(OSError):  # the client was faster
            # socket.socket's own: that of an SSLSocket takes the TLS layer away from under its reader.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def say_goodbye(self) -> None:
        """Over TLS, send close_notify, without waiting for the client's: a body that ends with the connection is then
        known to be whole (RFC 8446 section 6.1)."""
        unwrap = getattr(self.socket, "unwrap", None)
        if unwrap is not None:
            with contextlib.suppress(
                OSError, ValueError
            ):  # sent, and not answered yet; or there is nobody to send it to
                self.socket.settimeout(0)
                unwrap()

    def linger(self) -> None:
        """Let the client read the answer before the connection goes.

        Closing a socket with unread input resets the connection, and the reset can overtake the answer
        (RFC 9112 section 9.6): so end our side, then drop what still comes until the client ends its own.
        """
        self.busy = False
        expiry = time.monotonic() + LINGER_SECONDS
        self.say_goodbye()
        try:
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while (left := expiry - time.monotonic()) > 0:
                self.set_timeout(max(left, 0.001))
                # What is dropped need not be deciphered, and a client that speaks no TLS could not be.
                if self.closing or not socket.socket.recv(self.socket, RECEIVE_BYTES):
                    break
        except OSError:
            pass  # gone, or silent for too long


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

    def read_fields(self, *, lenient: bool) -> bytes:
        """The field lines of a head, up to its blank line, which is taken, too.

        An end of input ends them as well if ``lenient``. Raises RequestError: 400 for such an end otherwise, 431 when
        they outgrow the limit.
        """
        if self._buffer.startswith(b"\r\n"):
            self._buffer = self._buffer[2:]
            return b""
        start = 0
        while True:
            buffer = self._buffer
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
                return buffer and buffer + b"\r\n"

    # Bodies

    @property
    def unread(self) -> bytes:
        """What has come in, and belongs to nobody yet."""
        return self._buffer + self._behind

    def give_back(self, data: bytes) -> None:
        """Put body bytes back in front of what is still to be read."""
        self._buffer = data + self._buffer

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
        dropped = len(self._buffer)
        while not self._body.complete:
            self._buffer = b""
            # Its end may come without a byte of it.
            if dropped > DRAIN_BYTES or not (self._fill(RECEIVE_BYTES) or self._body.complete):
                return False
            dropped += len(self._buffer)
        self._body, self._buffer, self._behind = None, self._behind, b""
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
            return source.receive(min(size, 1 << 20))
        started = time.monotonic()
        data = source.receive(min(size, 1 << 20))
        self._waited += time.monotonic() - started
        self._progress += len(data)
        if self._progress >= PROGRESS_BYTES:
            self._waited, self._progress = 0.0, 0
        elif self._waited > source.timeout:
            raise source.failed(TimeoutError(f"{self._progress} bytes of the body came in {self._waited:.1f} s"))
        return data

    def fileno(self) -> int:
        return self._source.fileno()

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
                return self._take(end)
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


class Writer(io.BufferedIOBase):
    """What a handler writes to: each write is on its way when it returns.

    A response's head leaves together with the first bytes of its body where that is possible without anyone waiting
    for it: after ``hold`` the head stays here until the next write or flush; otherwise the kernel joins the two.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._holding = False
        self._held = b""
        self._corked = False
        self.written = 0  # bytes of the response in hand, without its heads
        self.anything = False  # whether anything was written since begin_response

    def begin_response(self) -> None:
        self.written = 0
        self.anything = False

    def hold(self) -> None:
        """Keep the next head back: what belongs behind it is about to be written."""
        self._holding = True

    def write_head(self, head: bytes, *, more: bool) -> None:
        """Write a head; ``more`` says that a body follows."""
        self.anything = True
        if self._holding:
            self._held += head
            return
        self._connection.send(head, more=more)
        self._corked = more

    def write_whole(self, head: bytes, body: bytes) -> None:
        """Write a response at once."""
        self.anything = True
        self.written += len(body)
        self._connection.send(head + body)

    def fileno(self) -> int:
        self.flush()
        return self._connection.fileno()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        self.anything = True
        if self._held:
            data = self._release() + bytes(data)
        if size or self._holding:
            self._connection.send(data)
        self._corked = self._holding = False
        self.written += size
        return size

    def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Write ``count`` bytes of a regular file, from ``offset`` on. Raises OSError if the file has fewer."""
        self.anything = True
        if self._held:
            self._connection.send(self._release(), more=True)
        self._corked = self._holding = False
        sent = self._connection.send_file(file, offset, count)
        self.written += sent
        if sent < count:
            raise OSError(f"the file ended {count - sent} bytes before its size: it changed while it was sent")

    def flush(self) -> None:
        if self._held:
            self._connection.send(self._release())
        elif self._corked:
            self._connection.push()
        self._corked = self._holding = False

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held
