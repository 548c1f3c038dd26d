"""The bytes of a connection, in and out, each read and write under a deadline."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
from collections.abc import Callable
from io import BufferedReader, FileIO
from typing import IO, TYPE_CHECKING, Protocol

from pytest_httpserve.net import system
from pytest_httpserve.net.over_tls import (
    deciphered,
    forget_errors,
    may_be_anothers,
    peek_below,
    say_goodbye,
    says_little,
    would_wait,
)
from pytest_httpserve.net.poller import readiness
from pytest_httpserve.net.ways import Alone, Leading

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

RECEIVE_BYTES = 65_536
SENDFILE_BYTES = 1 << 20  # in one call, so that a tap sees a file leave piece by piece

# As plain numbers: an enumeration's | takes longer than the rest of a send.
_MSG_MORE = int(getattr(socket, "MSG_MORE", 0))
# Where the kernel keeps the timeout of a socket, a read or write can ask not to wait. Elsewhere Python keeps it, and
# waits before each of them whatever its flags: there, the socket itself has to be set not to wait.
_KERNEL_KEEPS_TIME = sys.platform == "linux" and hasattr(socket, "SO_RCVTIMEO") and hasattr(socket, "MSG_DONTWAIT")
_MSG_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0)) if _KERNEL_KEEPS_TIME else 0
_LINGER_FOR_NOTHING = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_sendfile: Callable[[int, int, int, int], int] | None = system.sendfile


class Tap(Protocol):
    """Sees the bytes of a connection as they pass, in both directions."""

    def received(self, data: bytes, /) -> None:
        """These came in."""

    def sent(self, data: Buffer, /) -> None:
        """These are about to go out."""

    def sent_unseen(self, count: int, /) -> None:
        """So many bytes of a file are about to go out unseen. A negative count takes back those that did not."""


class Transport:
    """Moves the bytes of one connection: ``receive``, ``send`` and ``send_file``.

    ``way`` is ``Leading`` while the thread that leads the loop moves them, else ``Alone``. ``timeout`` is how many
    seconds each call may wait for the client; None for ever. ``failure`` is the error that ended the client's side, if
    one did. ``leave_loop`` is called before the loop's thread would have to wait, ``client_ended`` when the client
    sends no more.
    """

    # The initial values, on the class because a transport is made for each connection.
    altered = False  # faults change what goes out: the body need not be what its head says
    polls = True  # whether its descriptor can be polled
    timeout: float | None = None
    failure: OSError | None = None
    tap: Tap | None = None
    gathered: bytes = b""  # what has come in and nobody has received yet
    overdue = False  # the next receive fails with TimeoutError
    _ended = False  # the input has ended
    _said_all = False  # our side has ended
    _broken: OSError | None = None  # the error with which the input has ended
    _open: socket.SocketIO | None = None  # keeps the descriptor open
    _kept: float | None = None  # the timeout that was last set on the socket

    def __init__(
        self, sock: socket.socket, leave_loop: Callable[[], object], client_ended: Callable[[], object]
    ) -> None:
        self.leave_loop: Callable[[], object] = leave_loop
        self.client_ended: Callable[[], object] = client_ended
        self.way: type[Alone | Leading] = Alone
        self.wrap(sock)

    def wrap(self, sock: socket.socket) -> None:
        """Use this socket from now on: the accepted one, or one that wraps it."""
        self.socket = sock
        self.plain: bool = type(sock) is socket.socket
        self.at_once: int = _MSG_DONTWAIT if self.plain else 0  # 0 if the socket has to be set not to wait

    def go_on_over(self, sock: socket.socket) -> None:
        """Use this socket from now on, in the middle of a connection."""
        self.let_go()
        self.wrap(sock)
        self._kept = None

    def prepare(self, *, nodelay: bool) -> None:
        """Make the socket ready for reading and writing."""
        if self.at_once or self.way is Alone:
            # Override socket.setdefaulttimeout, and what an accepted socket inherits on macOS.
            self.socket.settimeout(None)
            self._kept = None
        if nodelay:
            self.push()
        # As the files of socketserver do: a handler may close its socket, and still use the files.
        self._open = self.socket.makefile("rb", buffering=0)

    def let_go(self) -> None:
        """The handler has finished: if it has closed the socket, the descriptor is closed now."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self.socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, even if a file still keeps the descriptor open."""
        # A socket has no public attribute for this.
        return self.socket.fileno() < 0 or bool(getattr(self.socket, "_closed", False))

    def wait_for_nothing(self) -> None:
        """Set the socket not to wait, where reads and writes cannot ask for that themselves: over TLS, for example."""
        self._kept = 0.0
        self.socket.settimeout(0)

    # Waiting: with SO_RCVTIMEO the kernel keeps the time, and a read is one system call. Python's own timeout
    # (settimeout) adds a poll() to each: 23,000 against 49,000 answers a second over 64 connections.

    def set_timeout(self, seconds: float | None) -> None:
        """From now on, no read or write waits longer than this; None waits for ever."""
        self.timeout = seconds
        if self.way is Alone:
            self.keep_time()

    @property
    def timed_by_others(self) -> bool:
        """Whether other code has given the socket a timeout. Then every read and write waits that long, even one that
        asks not to wait."""
        return self.socket.gettimeout() != (None if self.at_once else self._kept)

    def keep_time(self) -> None:
        """Set the timeout on the socket, unless that was done before. Called before a read or a write that may wait."""
        seconds = self.timeout
        if seconds == self._kept:
            return
        self._kept = seconds
        if not self.at_once:
            self.socket.settimeout(seconds)
            return
        whole = int(seconds or 0)
        interval = struct.pack("ll", whole, int(((seconds or 0) - whole) * 1e6))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    # In

    def receive(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end. Raises OSError, which is TimeoutError if the client sends nothing."""
        if data := self.gathered:
            if len(data) > size:
                data, self.gathered = data[:size], data[size:]
            else:
                self.gathered = b""
        else:
            data = self._receive(size)
        if self.tap is not None:
            self.tap.received(data)
        return data

    def _receive(self, size: int) -> bytes:
        error = self._broken if not self.overdue else BlockingIOError()
        if error is None:
            data = b""
            try:
                if not self._ended:
                    data = self.way.receive(self, size)
            except OSError as met:
                error = met
            if data:
                return data
            if not self.plain and not self._ended:
                data, error = self._receive_again(size, error)
                if data:
                    return data
            if error is None:
                if self._broken is None:  # or _peeked has met an error meanwhile
                    self.client_ended()
                    return data
                error = self._broken
        try:
            raise self.failed(error)
        finally:
            del error  # its traceback refers to this frame

    def _receive_again(self, size: int, error: OSError | None) -> tuple[bytes, OSError | None]:
        """Over TLS, receive once more if the ``error``, or the end, may be another connection's."""
        if not self.forget_others(error):
            return b"", error
        try:
            data = self.way.receive(self, size)
        except OSError as met:
            return b"", met if says_little(met) else error
        return data, None if data else self._own_end(error)

    def _own_end(self, error: OSError | None) -> OSError | None:
        """The ``error``, if it was this connection that it has ended."""
        return error if self.how_left() == "RST" else None

    def receive_within(self, size: int, seconds: float) -> bytes:
        """Like ``receive``, with another timeout for this call."""
        # If there is nothing to wait for, there is no need to leave the loop.
        if self.overdue or self._ended or self.gathered or self._broken is not None:
            return self.receive(size)
        self.leave_loop()
        whole = self.timeout
        self.set_timeout(max(seconds, 0.001))
        try:
            return self.receive(size)
        finally:
            self.set_timeout(whole)

    def gather(self, *, again: bool = False) -> bool:
        """In the loop: take in what has come, for the next ``receive``; False at the end, or after an error."""
        try:
            data = self.socket.recv(RECEIVE_BYTES, self.at_once)
            while data and not self.plain and deciphered(self.socket):
                self.gathered += data
                data = self.socket.recv(RECEIVE_BYTES)
        except OSError as error:
            if would_wait(error):
                return True
            return self._gather_again(error, again)
        if not data:
            return self._gather_again(None, again)
        self.gathered = self.gathered + data if self.gathered else data
        return True

    def _gather_again(self, error: OSError | None, again: bool) -> bool:
        """The end or an error: gather once more if it may be another connection's, else note it."""
        if not again and self.forget_others(error):
            if self.gather(again=True):
                return True
            if self._ended:
                error = self._own_end(error)
        if error is None:
            error = self._broken or self._reset()
        self._broken, self._ended = error, error is None
        self._forget_errors()
        return False

    def _reset(self) -> OSError | None:
        """The error, if what looks like an end was a reset. The system reports a reset only once, and ``_peeked`` may
        have taken the report; but then the socket has no peer any more, unless both sides have ended."""
        if self._said_all:
            return None
        try:
            self.socket.getpeername()
        except OSError:
            return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return None

    def has_ended(self) -> bool:
        """Whether the client has ended its side, and all that it sent before has been received."""
        if ended := self._ended and not self.gathered and self._broken is None:
            self.client_ended()
        return ended

    def has_unread(self) -> bool:
        """Whether bytes have come in that the system's poll does not report."""
        return bool(self.gathered) or not (self.plain or not deciphered(self.socket))

    def peek(self) -> bytes | None:
        """The next byte that the client has sent; empty if it has ended its side, None if there is nothing to read."""
        try:
            return self._peeked()
        except OSError:
            return None

    def has_been_left(self) -> bool:
        """Whether the client has ended its side, even if some of what it sent has not been read."""
        return self.socket.fileno() < 0 or self.how_left() is not None

    def how_left(self) -> str | None:
        """How the client has ended its side, if it has: ``FIN`` or ``RST``."""
        file = self.socket.fileno()
        if file < 0:
            return None
        if sys.platform == "linux" and hasattr(select, "poll"):
            poll = select.poll()
            poll.register(file, select.POLLRDHUP)
            # A reset ends both directions, and shows here even if a read has taken the error.
            return next(("RST" if seen & select.POLLHUP else "FIN" for _, seen in poll.poll(0)), None)
        try:
            if self._peeked() != b"":
                return None
            self.socket.getpeername()  # after a reset there is no peer, even if the error was taken
        except OSError:
            return "RST"
        return "FIN"

    def await_input(self, seconds: float | None) -> bool:
        """Wait until something comes, or the end, for so many seconds; False if nothing has."""
        return bool(readiness(self.fileno())(seconds))

    def await_end(self, seconds: float) -> str | None:
        """How the client leaves within so many seconds, if it does; only if ``polls`` is False."""
        raise NotImplementedError

    def _peeked(self) -> bytes | None:
        file = self.socket.fileno()
        # Poll first: without MSG_DONTWAIT, a socket without a timeout would wait.
        if file < 0 or not readiness(file)(0):
            return None
        try:
            return peek_below(self.socket)
        except OSError as error:
            if would_wait(error):  # another thread has just read it
                return None
            self._broken = error  # the system reports it only once
            raise

    # Out

    def send(self, data: Buffer, *, more: bool = False) -> None:
        """Send all of ``data``; with ``more``, the kernel may keep it back (200 ms at most) for what comes next."""
        if self.tap is not None:
            self.tap.sent(data)
        try:
            self.way.send(self, data, _MSG_MORE if more and self.plain else 0)
        except OSError as error:
            raise self.failed(error) from None

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        """Send ``count`` bytes of a regular file from ``offset`` on, without a copy, or as many as it has.

        ``note`` is called with the number of bytes of each part that has left.
        """
        try:
            # Only a file of the system: anything else may return the descriptor of another file.
            if self.plain and _sendfile is not None and isinstance(file, BufferedReader | FileIO):
                self._send_uncopied(file, offset, count, note)
                return
            # TLS has to see the bytes; the ssl module's sendfile reads 8 KiB at a time.
            self.leave_loop()
            file.seek(offset)
            while piece := file.read(min(count, 2 * RECEIVE_BYTES)):
                self._send_unseen(len(piece))
                Alone.send(self, piece, 0)
                note(len(piece))
                count -= len(piece)
        except OSError as error:
            raise self.failed(error) from None

    def _send_uncopied(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        sent = self.way.send_part(self, file, offset, min(count, SENDFILE_BYTES))
        note(sent)
        offset, count = offset + sent, count - sent
        if count:
            self.leave_loop()
        while count and (sent := self.send_part(file, offset, min(count, SENDFILE_BYTES))):
            note(sent)
            offset, count = offset + sent, count - sent

    def send_part(self, file: IO[bytes], offset: int, size: int) -> int:
        """Send a part of a file, and return how many bytes have gone."""
        self._send_unseen(size)
        sent = 0
        try:
            if self.socket.gettimeout():  # the system's call does not know of Python's timeout
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
        """Send what the kernel has kept back."""
        try:  # noqa: SIM105  suppress would take longer than the call
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # a Unix socket keeps nothing back

    # The end

    def forget(self) -> None:
        """Break reference cycles: the traceback of an error leads back to this transport."""
        self.leave_loop = self.client_ended = _nothing
        self.failure = self._broken = None

    def failed(self, error: OSError) -> OSError:
        """Note that this error has ended the client's side, and return the one to raise."""
        if isinstance(error, BlockingIOError):
            error = TimeoutError(f"the client kept the connection waiting for {self.timeout} s")
        elif error.errno == errno.EBADF:
            error = ConnectionAbortedError("the connection was closed by what serves it")
        self.failure = error
        self._forget_errors()
        return error

    def forget_others(self, error: OSError | None) -> bool:
        """Whether this error, or the end if it is None, may be another connection's; then the thread's errors are
        cleared."""
        if self.plain or not may_be_anothers(error):
            return False
        self._forget_errors()
        return True

    def _forget_errors(self) -> None:
        if not self.plain:
            forget_errors(self.socket)

    def shut_down(self, how: int) -> None:
        """End one direction or both, as ``socket.shutdown`` does; nothing happens if the client was faster."""
        self._said_all |= how != socket.SHUT_RD
        with contextlib.suppress(OSError):
            # The method of socket.socket: that of an SSLSocket removes the TLS layer while others may read from it.
            socket.socket.shutdown(self.socket, how)

    def reset(self) -> None:
        """Close the socket with a reset, so that the client knows that it has not received everything."""
        self.let_go()
        with contextlib.suppress(OSError):  # the client was faster
            # Makes close() send an RST; shutdown would send a FIN.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_FOR_NOTHING)
        self.socket.close()

    def say_goodbye(self) -> None:
        """Over TLS, tell the client that nothing more comes; see ``over_tls.say_goodbye``."""
        say_goodbye(self.socket)

    def drop_input(self, seconds: float | None) -> bool:
        """Receive something and drop it; False at the end. Without ``seconds``, do not wait.

        This reads below TLS: a client that does not speak TLS sends what cannot be deciphered.
        """
        try:
            if seconds is None:
                self.wait_for_nothing()
            else:
                self.set_timeout(max(seconds, 0.001))
            return bool(socket.socket.recv(self.socket, RECEIVE_BYTES))
        except OSError as error:
            return seconds is None and would_wait(error)


def _nothing() -> None:
    """For callbacks that are no longer needed."""
