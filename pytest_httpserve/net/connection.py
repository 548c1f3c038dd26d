"""One TCP connection: the socket with its deadlines, and what a stop needs to know of it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pytest_httpserve.net.loop import MOST_AWAY
from pytest_httpserve.net.poller import readiness

if TYPE_CHECKING:
    import ssl

    from _typeshed import ReadableBuffer as Buffer

    from pytest_httpserve.net.loop import Loop

LINGER_SECONDS = 1.0
RECEIVE_BYTES = 65_536
SENDFILE_BYTES = 1 << 20  # at once: whoever looks on sees a file leave piece by piece

Result = TypeVar("Result")

# As plain numbers: an enumeration's | takes longer than the rest of a send.
_MSG_MORE = int(getattr(socket, "MSG_MORE", 0))
# Where the kernel keeps the time of a socket, each read and write may say for itself that it does not wait. Elsewhere
# Python keeps it, and waits before each of them, whatever that one says: there, the socket is told.
_KERNEL_KEEPS_TIME = sys.platform == "linux" and hasattr(socket, "SO_RCVTIMEO") and hasattr(socket, "MSG_DONTWAIT")
_MSG_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0)) if _KERNEL_KEEPS_TIME else 0
_LINGER_FOR_NOTHING = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_sendfile: Callable[[int, int, int, int], int] | None = getattr(os, "sendfile", None)


class Tap(Protocol):
    """Somebody who is shown the bytes of a connection as they pass, in both directions."""

    def received(self, data: bytes, /) -> None:
        """These came in."""

    def sent(self, data: Buffer, /) -> None:
        """These are about to go out."""

    def sent_unseen(self, count: int, /) -> None:
        """So many are about to go out without passing here, those of a file; less than 0, if they were fewer."""


class Connection:
    """One TCP connection of a server, from accept to close.

    ``busy`` is True from the end of a request's head to the end of its response: a connection that is not busy has
    nothing to lose. ``failure`` is the error in which the client's side of the connection ended, if it did.
    ``interrupt`` is called, from another thread, when the server begins to close; it is there while a handler is
    ``waiting`` for something other than its client (a child process, a gate).

    With a ``loop``, a connection rests there between two requests, and belongs to no thread: whoever claims it serves
    it. ``led`` says that the loop's own thread serves it: before anything that may wait, ``leave_loop``.
    """

    def __init__(self, sock: socket.socket, peer: object) -> None:
        self.accepted = sock  # what the server knows it by
        self.file = sock.fileno()  # also when the socket is closed, by whomever
        self.peer = peer
        self.loop: Loop | None = None
        self.led = False
        self.expiry: float | None = None
        self.serve: Callable[[], object] = _nothing  # what there is to do when the client sends something
        self.proceed: Callable[[], object] = _nothing  # the same, and what follows it
        self.begun = False  # a handler has it
        self.resting = False  # the server is to let it rest
        self._owned = threading.Lock()  # held by the thread that has claimed it
        self._owned.acquire()
        self.timeout: float | None = None
        self._kept: float | None = None  # the timeout that the system knows of
        self.busy = False
        self.closing = False
        self.doing = ""
        self.thread: threading.Thread | None = None
        self.failure: OSError | None = None
        self.interrupt: Callable[[], object] | None = None
        self.index = 0  # counts the server's connections
        self.ending: tuple[str, str] | None = None  # by whom the connection was ended, and how
        self._ending = threading.Lock()
        self.on_end: Callable[[str, str], object] | None = None  # is told of the ending
        self.tap: Tap | None = None
        self.wrap(sock)

    def wrap(self, sock: socket.socket) -> None:
        """From here on, what passes goes through this one: the socket, or one that somebody has made of it."""
        self.socket = sock
        self.plain = type(sock) is socket.socket
        self._at_once = _MSG_DONTWAIT if self.plain else 0  # 0 where not waiting is a matter of the socket

    def begin(self, timeout: float | None, *, nodelay: bool) -> None:
        """Made ready by the thread that serves it."""
        self.begun = True
        if not self.led:  # else the loop has noted it
            self.thread = threading.current_thread()
        if self._at_once or not self.led:
            # In place of socket.setdefaulttimeout's, and of what macOS has an accepted socket inherit.
            self.socket.settimeout(None)
            self._kept = None
        if nodelay:
            self.push()
        self.set_timeout(timeout)

    # Resting

    def claim(self) -> bool:
        """Take it, to serve it; False if another thread has it."""
        return self._owned.acquire(False)

    def may_rest(self) -> bool:
        """Whether the client's next bytes are to be waited for by the loop, not by this thread."""
        if self.loop is None or self.socket.fileno() < 0:  # closed by a handler: nothing comes any more
            return False
        if not (self.plain or self._has_deciphered_all()):
            return False
        self.resting = True
        return True

    def _has_deciphered_all(self) -> bool:
        """Whether the TLS layer holds no bytes of which the system knows nothing."""
        return not cast("ssl.SSLSocket", self.socket).pending()

    def await_client(self, serve: Callable[[], object], timeout: float | None) -> None:
        """Have the loop, and not this thread, wait so many seconds for the client, and then call ``serve``."""
        self.serve = serve
        self.set_timeout(timeout)
        self.resting = True

    @property
    def left(self) -> float | None:
        """How many seconds are left until it expires; None for ever."""
        return max(self.expiry - time.monotonic(), 0.0) if self.expiry is not None else None

    def rest(self) -> None:
        """Have the loop wait for the client; from here on, it belongs to no thread.

        Raises RuntimeError if that takes a thread and the system has no more: then it rests not.
        """
        loop = self.loop
        assert loop is not None
        led, self.led = self.led, False
        self.busy = self.resting = False
        if not (led or self._at_once):
            self._wait_for_nothing()
        self.expiry = time.monotonic() + self.timeout if self.timeout is not None else None
        if not led:
            loop.add(self)
        self._owned.release()
        if self.closing and self.claim():  # the server has begun to close meanwhile, and found it owned
            self.proceed()

    def expire(self) -> bool:
        """The client has been silent for too long, unless it is the loop that has not come to what it sent."""
        if self._peek() is not None:
            return False
        self.end("server", "timeout")
        self.close_when_idle()
        return True

    def _peek(self) -> bytes | None:
        """What the client has sent and nobody has read, a byte of it; none if it has ended; None if nothing came."""
        try:
            return self._peeked()
        except OSError:
            return None

    def has_left(self, *, by_fin: bool) -> bool:
        """Whether the client has reset the connection or, if ``by_fin``, sends no more."""
        try:
            return self._peeked() == b"" and by_fin
        except OSError:
            return True

    def _peeked(self) -> bytes | None:
        file = self.socket.fileno()
        # Asked first: where Python keeps the time, a read waits, whatever its flags.
        if file < 0 or not readiness(file)(0):
            return None
        # The system's, not the TLS layer's.
        return socket.socket.recv(self.socket, 1, socket.MSG_PEEK)

    def leave_loop(self) -> None:
        """Before anything that may wait: from here on, this thread serves the connection alone."""
        if self.led and self.loop is not None:
            self.loop.leave(self)
        self._keep_time()

    @contextlib.contextmanager
    def waiting(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While this thread waits for something other than its client: ``interrupt`` is called if the server closes."""
        self.leave_loop()
        self.interrupt = interrupt
        try:
            if self.closing:  # since before there was something to interrupt
                interrupt()
            yield
        finally:
            self.interrupt = None

    def run(self, code: Callable[..., Result], *arguments: Any) -> Result:  # whatever the code takes
        """Run code that is not ours, and may wait without a word."""
        if not self.led or self.loop is None:
            return code(*arguments)
        if len(self.loop.away) >= MOST_AWAY:
            self.leave_loop()
            return code(*arguments)
        self._keep_time()
        if self._at_once:
            return self.loop.run(self, code, *arguments)
        try:
            return self.loop.run(self, code, *arguments)
        finally:
            if self.led:
                with contextlib.suppress(OSError):  # closed by that code
                    self._wait_for_nothing()

    # Waiting: with SO_RCVTIMEO the kernel keeps the time, and a read is one system call. A timeout of Python's own
    # (settimeout) costs a poll() before each: 23,000 against 49,000 answers a second over 64 connections.

    def set_timeout(self, seconds: float | None) -> None:
        """From now on, no read or write waits longer than this; None waits for ever."""
        before, self.timeout = self.timeout, seconds
        if not self.led or self.loop is None:
            self._keep_time()
        elif seconds is not None and (before is None or seconds < before):
            self.loop.expect(time.monotonic() + seconds)

    def _keep_time(self) -> None:
        """Before a read or a write that may wait: have the system know the timeout, unless it does."""
        seconds = self.timeout
        if seconds == self._kept:
            return
        self._kept = seconds
        if not self._at_once:
            self.socket.settimeout(seconds)
            return
        whole = int(seconds or 0)
        interval = struct.pack("ll", whole, int(((seconds or 0) - whole) * 1e6))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def _wait_for_nothing(self) -> None:
        """While the loop serves it, where that is said to the socket, not with each read and write: over TLS, say."""
        self._kept = 0.0
        self.socket.settimeout(0)

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, size: int) -> bytes:
        led = self.led  # once: the watch may clear it at any moment
        if not led:
            self._keep_time()
        try:
            data = self.socket.recv(size, self._at_once if led else 0)
        except OSError as error:
            if not (led and _would_wait(error)):
                raise self.failed(error) from None
            self.leave_loop()
            return self.receive(size)
        if not data:
            self.end("client", "FIN")
        if self.tap is not None:
            self.tap.received(data)
        return data

    def receive_within(self, size: int, seconds: float) -> bytes:
        self.leave_loop()
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
        flags = _MSG_MORE if more and self.plain else 0
        try:
            if self.led:
                try:
                    sent = self.socket.send(data, flags | self._at_once)
                except OSError as error:
                    if not _would_wait(error):
                        raise
                    sent = 0
                if type(data) is bytes and sent == len(data):
                    return
                data = memoryview(data).cast("B")[sent:]
            if data:
                self.leave_loop()
                self.socket.sendall(data, flags)
        except OSError as error:
            raise self.failed(error) from None

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        """Send ``count`` bytes of a regular file from ``offset`` on, without a copy, or as many as it has.

        ``note`` is called with the number of bytes of each part that has left.
        """
        try:
            if self.plain and _sendfile is not None:
                self._send_uncopied(file, offset, count, note)
                return
            # A TLS layer has to see the bytes; the ssl module's sendfile gives it 8 KiB at a time.
            self.leave_loop()
            file.seek(offset)
            while piece := file.read(min(count, 2 * RECEIVE_BYTES)):
                self._send_unseen(len(piece))
                self.socket.sendall(piece)
                note(len(piece))
                count -= len(piece)
        except OSError as error:
            raise self.failed(error) from None

    def _send_uncopied(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        if self.led:
            part = self._send_part_at_once(file, offset, min(count, SENDFILE_BYTES))
            note(part)
            offset, count = offset + part, count - part
        if count:
            self.leave_loop()
        while count and (part := self._send_part(file, offset, min(count, SENDFILE_BYTES))):
            note(part)
            offset, count = offset + part, count - part

    def _send_part_at_once(self, file: IO[bytes], offset: int, size: int) -> int:
        """As much of a part as goes without waiting: over loopback, a MiB and more."""
        timeout = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            return self._send_part(file, offset, size)
        except BlockingIOError:
            return 0
        finally:
            self.socket.settimeout(timeout)

    def _send_part(self, file: IO[bytes], offset: int, size: int) -> int:
        self._send_unseen(size)
        sent = 0
        try:
            if self.socket.gettimeout():  # which Python keeps, and the system's call knows nothing of
                sent = self.socket.sendfile(file, offset, size)
            elif _sendfile is not None:
                sent = _sendfile(self.socket.fileno(), file.fileno(), offset, size)
        finally:
            if sent < size:
                self._send_unseen(sent - size)
        return sent

    def _send_unseen(self, count: int) -> None:
        if self.tap is not None:
            self.tap.sent_unseen(count)

    def push(self) -> None:
        """Let go what the kernel keeps back."""
        try:  # noqa: SIM105  for each connection: suppress takes longer than the call
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # a Unix socket keeps nothing back

    def failed(self, error: OSError) -> OSError:
        """Note that the client's side ended in this error; whoever takes it says what else it ended, then ``end``."""
        if isinstance(error, BlockingIOError):
            error = TimeoutError(f"the client kept the connection waiting for {self.timeout} s")
        self.failure = error
        return error

    # Ending

    def end(self, by: str, how: str) -> None:
        """Note who ends the connection, ``client`` or ``server``, and how: ``FIN``, ``RST``, ``timeout`` or ``stop``.

        It is the first who ends it. Noted before the client can know: a second one returns when that is done.
        """
        with self._ending:
            if self.ending is None:
                self.ending = (by, how)
                if self.on_end is not None:
                    self.on_end(by, how)

    def whose_end(self) -> tuple[str, str]:
        """By whom it is ended, and how, if nobody has ended it before."""
        if isinstance(self.failure, TimeoutError):
            return "server", "timeout"
        if isinstance(self.failure, ConnectionError):
            return "client", "RST"
        if not self.closing:
            return "server", "FIN"
        # The client may have been faster than the stop.
        return ("client", "FIN") if self._peek() == b"" else ("server", "stop")

    def stays(self) -> bool:
        """Between two requests: False if the connection is to end here."""
        self.busy = False
        return not self.closing

    def close_when_idle(self) -> None:
        """End the connection at once if it is not busy, else after the response in hand."""
        self.closing = True
        if self.claim():
            if self.loop is not None:
                self.loop.remove(self)
            self.led, self.thread = False, threading.current_thread()
            self.proceed()
        elif not self.busy:
            self.abort()
        elif (interrupt := self.interrupt) is not None:
            interrupt()

    def abort(self) -> None:
        """End both directions now: whoever waits on the connection, or for something else, wakes."""
        self.end("server", "stop")
        with contextlib.suppress(OSError):  # the client was faster
            # socket.socket's own: that of an SSLSocket takes the TLS layer away from under its reader.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        interrupt, self.interrupt = self.interrupt, None  # which may be this very method
        if interrupt is not None:
            interrupt()

    def forget(self) -> None:
        """It is over: drop what it was served by, so that nothing is left for the garbage collector."""
        self.serve = self.proceed = _nothing

    def reset(self) -> None:
        """End the connection now, and let the client know that it has not got all."""
        self.end("server", "RST")
        with contextlib.suppress(OSError):  # the client was faster
            # Without the FIN that shutdown would send, and with an RST in its place.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_FOR_NOTHING)
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
        self.leave_loop()
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


def _nothing() -> None:
    """There is nothing to do."""


def _would_wait(error: OSError) -> bool:
    """Whether this says no more than that there is nothing to be had at this moment."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")
