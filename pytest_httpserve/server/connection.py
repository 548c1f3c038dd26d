"""One TCP connection: the socket with its deadlines, and what a stop needs to know of it."""

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

from pytest_httpserve.server.reader import RECEIVE_BYTES
from pytest_httpserve.server.writer import Writer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

LINGER_SECONDS = 1.0

_HAS_KERNEL_TIMEOUTS = sys.platform == "linux"
_MSG_MORE: int = getattr(socket, "MSG_MORE", 0)


class Tap(Protocol):
    """Somebody who is shown the bytes of a connection as they pass, in both directions."""

    def received(self, data: bytes, /) -> None:
        """These came in."""

    def sent(self, data: Buffer, /) -> None:
        """These are about to go out."""

    def sent_unseen(self, count: int, /) -> None:
        """So many went out without passing here: those of a file."""


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
        self.ending: tuple[str, str] | None = None  # by whom the connection was ended, and how
        self.on_end: Callable[[str, str], object] | None = None  # is told of the ending
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
        if not data:
            self.end("client", "FIN")
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
            if not self.plain:  # a TLS layer has to see the bytes; the ssl module's sendfile gives it 8 KiB at a time
                file.seek(offset)
                while sent < count and (piece := file.read(min(count - sent, 2 * RECEIVE_BYTES))):
                    self.socket.sendall(piece)
                    sent += len(piece)
                return sent
            if self.socket.gettimeout() is not None:  # set by a handler: os.sendfile would know nothing of it
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
        if isinstance(error, TimeoutError):
            self.end("server", "timeout")
        elif isinstance(error, ConnectionError):
            self.end("client", "RST")
        return error

    # Ending

    def end(self, by: str, how: str) -> None:
        """Note who ends the connection, ``client`` or ``server``, and how: ``FIN``, ``RST``, ``timeout`` or ``stop``.

        It is the first who ends it. Noted before the client can know.
        """
        if self.ending is None:
            self.ending = (by, how)
            if self.on_end is not None:
                self.on_end(by, how)

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
        self.end("server", "stop")
        with contextlib.suppress(OSError):  # the client was faster
            # socket.socket's own: that of an SSLSocket takes the TLS layer away from under its reader.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection now, and let the client know that it has not got all."""
        self.end("server", "RST")
        with contextlib.suppress(OSError):  # the client was faster
            # Without the FIN that shutdown would send, and with an RST in its place.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

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
        self.end("server", "FIN")
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
