"""How the bytes of a connection move, each read and write under a deadline.

There are two ways to move them. A thread of the connection's own waits until they have moved. The thread that leads the
loop moves what it can without a wait; where that is not enough, the connection leaves the loop, and the thread that
was leading it goes on as a thread of the connection's own.
"""

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
from pytest_httpserve.net.poller import readiness

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

RECEIVE_BYTES = 65_536
SENDFILE_BYTES = 1 << 20  # at once: whoever looks on sees a file leave piece by piece

# As plain numbers: an enumeration's | takes longer than the rest of a send.
_MSG_MORE = int(getattr(socket, "MSG_MORE", 0))
# Where the kernel keeps the time of a socket, each read and write may say for itself that it does not wait. Elsewhere
# Python keeps it, and waits before each of them, whatever that one says: there, the socket is told.
_KERNEL_KEEPS_TIME = sys.platform == "linux" and hasattr(socket, "SO_RCVTIMEO") and hasattr(socket, "MSG_DONTWAIT")
_MSG_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0)) if _KERNEL_KEEPS_TIME else 0
# What OpenSSL calls an end of the connection that TLS did not announce.
_END_IN_TLS = "UNEXPECTED_EOF_WHILE_READING"
_LINGER_FOR_NOTHING = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_sendfile: Callable[[int, int, int, int], int] | None = system.sendfile


class Tap(Protocol):
    """Somebody who is shown the bytes of a connection as they pass, in both directions."""

    def received(self, data: bytes, /) -> None:
        """These came in."""

    def sent(self, data: Buffer, /) -> None:
        """These are about to go out."""

    def sent_unseen(self, count: int, /) -> None:
        """So many are about to go out without passing here, those of a file; less than 0, if they were fewer."""


class Transport:
    """Moves the bytes of one connection: ``receive``, ``send`` and ``send_file``.

    ``way`` is how: ``Leading`` while the thread that leads the loop moves them, else ``Alone``. ``timeout`` is how long
    each of them may wait for the client, in seconds; None for ever. ``failure`` is the error in which the client's side
    ended, if it did. ``leave_loop`` is called before a wait, if the loop's thread would wait; ``client_ended`` when the
    client sends no more.
    """

    # What a new one begins with: of the class, since there is a new one for each connection.
    altered = False  # faults change what goes out: it need not be what its head says
    polls = True  # whether its descriptor tells of what comes
    timeout: float | None = None
    failure: OSError | None = None
    tap: Tap | None = None
    gathered: bytes = b""  # has come in, and nobody has received it yet
    overdue = False  # whoever waits has waited for long enough
    _ended = False  # gathering has met the end
    _said_all = False  # our side has ended
    _broken: OSError | None = None  # and this, an error
    _open: socket.SocketIO | None = None  # keeps the descriptor open
    _kept: float | None = None  # the timeout that the system knows of

    def __init__(
        self, sock: socket.socket, leave_loop: Callable[[], object], client_ended: Callable[[], object]
    ) -> None:
        self.leave_loop: Callable[[], object] = leave_loop
        self.client_ended: Callable[[], object] = client_ended
        self.way: type[Alone | Leading] = Alone
        self.wrap(sock)

    def wrap(self, sock: socket.socket) -> None:
        """From here on, what passes goes through this one: the socket, or one that somebody has made of it."""
        self.socket = sock
        self.plain: bool = type(sock) is socket.socket
        self.at_once: int = _MSG_DONTWAIT if self.plain else 0  # 0 where not waiting is a matter of the socket

    def go_on_over(self, sock: socket.socket) -> None:
        """In the midst of a connection, from here on, what passes goes through this one."""
        self.let_go()
        self.wrap(sock)
        self._kept = None

    def prepare(self, *, nodelay: bool) -> None:
        """Make it ready for whoever reads from it and writes to it from here on."""
        if self.at_once or self.way is Alone:
            # In place of socket.setdefaulttimeout's, and of what macOS has an accepted socket inherit.
            self.socket.settimeout(None)
            self._kept = None
        if nodelay:
            self.push()
        # As the files of socketserver do: what serves the connection may close its socket, and still use it.
        self._open = self.socket.makefile("rb", buffering=0)

    def let_go(self) -> None:
        """What serves the connection is done with it: if it has closed the socket, it is closed now."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self.socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether its socket was closed, be it that a file still keeps the descriptor open."""
        # No public attribute of a socket says so.
        return self.socket.fileno() < 0 or bool(getattr(self.socket, "_closed", False))

    def wait_for_nothing(self) -> None:
        """While the loop serves it, where that is said to the socket, not with each read and write: over TLS, say."""
        self._kept = 0.0
        self.socket.settimeout(0)

    # Waiting: with SO_RCVTIMEO the kernel keeps the time, and a read is one system call. A timeout of Python's own
    # (settimeout) costs a poll() before each: 23,000 against 49,000 answers a second over 64 connections.

    def set_timeout(self, seconds: float | None) -> None:
        """From now on, no read or write waits longer than this; None waits for ever."""
        self.timeout = seconds
        if self.way is Alone:
            self.keep_time()

    @property
    def timed_by_others(self) -> bool:
        """Whether code that is not ours has given the socket a timeout: then each read and write waits for that long,
        also those that were not to wait."""
        return self.socket.gettimeout() != (None if self.at_once else self._kept)

    def keep_time(self) -> None:
        """Before a read or a write that may wait: have the system know the timeout, unless it does."""
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
        """Up to ``size`` bytes; none at the end. Raises OSError: TimeoutError when the client is silent too long."""
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
                if self._broken is None:  # nobody has looked meanwhile
                    self.client_ended()
                    return data
                error = self._broken
        try:
            raise self.failed(error)
        finally:
            del error  # whose traceback leads to this very variable

    def _receive_again(self, size: int, error: OSError | None) -> tuple[bytes, OSError | None]:
        """Over TLS, an ``error``, or the end, may be what others have left in this thread: this one is asked once
        more."""
        if not self.forget_others(error):
            return b"", error
        try:
            data = self.way.receive(self, size)
        except OSError as met:
            return b"", met if says_little(met) else error
        return data, None if data else self._own_end(error)

    def _own_end(self, error: OSError | None) -> OSError | None:
        """What has ended this connection, if it has ended: the ``error`` that it had first may be another's."""
        return error if self.how_left() == "RST" else None

    def receive_within(self, size: int, seconds: float) -> bytes:
        """The same, with a timeout of its own."""
        # Where nobody has to wait, the loop need not be left.
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
        """In the loop: take in what has come, for whoever receives next; False if that is the end, or an error."""
        try:
            data = self.socket.recv(RECEIVE_BYTES, self.at_once)
            while data and not self.plain and self._deciphered():
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
        """As ``_receive_again``."""
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
        """Whether what looks like an end was a reset: the system says so once, to who asks first, who may only have
        looked. There is no peer any more, though; nor is there one when both sides have ended."""
        if self._said_all:
            return None
        try:
            self.socket.getpeername()
        except OSError:
            return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return None

    def has_ended(self) -> bool:
        """Whether the client has ended its side, and nothing that it sent before is left to be received."""
        if ended := self._ended and not self.gathered and self._broken is None:
            self.client_ended()
        return ended

    def has_unread(self) -> bool:
        """Whether bytes have come in of which the system knows nothing."""
        return bool(self.gathered) or not (self.plain or not self._deciphered())

    def _deciphered(self) -> int:
        """How many bytes a layer above the system's socket holds: that of TLS, which alone can say so."""
        pending = getattr(self.socket, "pending", None)
        return pending() if pending is not None else 0

    def peek(self) -> bytes | None:
        """What the client has sent and nobody has read, a byte of it; none if it has ended; None if nothing came."""
        try:
            return self._peeked()
        except OSError:
            return None

    def has_been_left(self) -> bool:
        """Whether the client has ended its side, be it that some of what it sent has not been read."""
        return self.socket.fileno() < 0 or self.how_left() is not None

    def how_left(self) -> str | None:
        """How the client has ended its side, if it has: ``FIN`` or ``RST``."""
        file = self.socket.fileno()
        if file < 0:
            return None
        if sys.platform == "linux" and hasattr(select, "poll"):
            poll = select.poll()
            poll.register(file, select.POLLRDHUP)
            # A reset has ended both directions. Whoever reads takes the error away, and others find it by this.
            return next(("RST" if seen & select.POLLHUP else "FIN" for _, seen in poll.poll(0)), None)
        try:
            if self._peeked() != b"":
                return None
            self.socket.getpeername()  # after a reset there is no peer, whoever has taken the error
        except OSError:
            return "RST"
        return "FIN"

    def await_input(self, seconds: float | None) -> bool:
        """Wait until something has come, or the end, or for so many seconds; whether it is there."""
        return bool(readiness(self.fileno())(seconds))

    def await_end(self, seconds: float) -> str | None:
        """How the client leaves within so many seconds, if it does. Only of one whose descriptor tells nothing."""
        raise NotImplementedError

    def _peeked(self) -> bytes | None:
        file = self.socket.fileno()
        # Asked first: where Python keeps the time, a read waits, whatever its flags.
        if file < 0 or not readiness(file)(0):
            return None
        try:
            # The system's, not the TLS layer's.
            return socket.socket.recv(self.socket, 1, socket.MSG_PEEK)
        except OSError as error:
            if not would_wait(error):
                self._broken = error  # the system says it once, and to who asks first
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
            # The number of what is no file of the system's would be another file's.
            if self.plain and _sendfile is not None and isinstance(file, BufferedReader | FileIO):
                self._send_uncopied(file, offset, count, note)
                return
            # A TLS layer has to see the bytes; the ssl module's sendfile gives it 8 KiB at a time.
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
        """Send a part of a file; how many bytes of it have gone."""
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

    # The end

    def forget(self) -> None:
        """It is over: an error leads to all that it has passed on its way, and so back to this transport."""
        self.leave_loop = self.client_ended = _nothing
        self.failure = self._broken = None

    def failed(self, error: OSError) -> OSError:
        """Note that the client's side ended in this error; whoever takes it says what else it ended."""
        if isinstance(error, BlockingIOError):
            error = TimeoutError(f"the client kept the connection waiting for {self.timeout} s")
        elif error.errno == errno.EBADF:
            error = ConnectionAbortedError("the connection was closed by what serves it")
        self.failure = error
        self._forget_errors()
        return error

    def forget_others(self, error: OSError | None) -> bool:
        """Whether this error, or the end if it is None, may be another connection's, which is forgotten then: one of
        the system, not of TLS, of which nothing is left in the thread."""
        if self.plain or (error is not None and says_little(error)):
            return False
        if getattr(error, "reason", _END_IN_TLS) != _END_IN_TLS:
            return False
        self._forget_errors()
        return True

    def write_over_tls(self, data: Buffer) -> int:
        """Send some of ``data``; as ``_receive_again``, if that fails."""
        try:
            return self.socket.send(data)
        except OSError as error:
            if not self.forget_others(error):
                raise
            try:
                return self.socket.send(data)
            except OSError as further:
                if says_little(further):
                    raise
                raise error from None

    def _forget_errors(self) -> None:
        """OpenSSL keeps the errors of a thread, and Python 3.13 may leave one with it: the next to read in this thread,
        from another connection, would be told of that. A new TLS object begins without any."""
        context = getattr(self.socket, "context", None) if not self.plain else None
        if context is not None:
            import ssl

            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=getattr(self.socket, "server_side", True))

    def shut_down(self, how: int) -> None:
        """End a direction, or both (as socket.shutdown has it); nothing happens if the client was faster."""
        self._said_all |= how != socket.SHUT_RD
        with contextlib.suppress(OSError):
            # socket.socket's own: that of an SSLSocket takes the TLS layer away from under its reader.
            socket.socket.shutdown(self.socket, how)

    def reset(self) -> None:
        """Close the socket with a reset: the client knows that it has not got all."""
        self.let_go()
        with contextlib.suppress(OSError):  # the client was faster
            # Without the FIN that shutdown would send, and with an RST in its place.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_FOR_NOTHING)
        self.socket.close()

    def say_goodbye(self) -> None:
        """Over TLS, send close_notify, without waiting for the client's: a body that ends with the connection is then
        known to be whole (RFC 8446 section 6.1)."""
        unwrap = getattr(self.socket, "unwrap", None)
        if unwrap is not None:
            try:
                self.socket.settimeout(0)
                unwrap()
            except (OSError, ValueError):  # sent, and not answered yet; or there is nobody to send it to
                self._forget_errors()

    def drop_input(self, seconds: float | None) -> bool:
        """Receive something, and forget it; False at the end. Without ``seconds``, nobody waits for it.

        What is dropped need not be deciphered, and what a client sends that speaks no TLS could not be.
        """
        try:
            if seconds is None:
                self.wait_for_nothing()
            else:
                self.set_timeout(max(seconds, 0.001))
            return bool(socket.socket.recv(self.socket, RECEIVE_BYTES))
        except OSError as error:
            return seconds is None and would_wait(error)


class Alone:
    """Bytes are moved by a thread that has nothing else to do."""

    @staticmethod
    def receive(transport: Transport, size: int) -> bytes:
        transport.keep_time()
        return transport.socket.recv(size)

    @staticmethod
    def send(transport: Transport, data: Buffer, flags: int) -> None:
        if transport.plain or not hasattr(transport.socket, "context"):
            transport.socket.sendall(data, flags)
            return
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[transport.write_over_tls(rest) :]

    @staticmethod
    def send_part(transport: Transport, file: IO[bytes], offset: int, size: int) -> int:
        return transport.send_part(file, offset, size)


class Leading:
    """Bytes are moved by the thread that leads the loop, as far as they go at once."""

    @staticmethod
    def receive(transport: Transport, size: int) -> bytes:
        try:
            return transport.socket.recv(size, transport.at_once)
        except OSError as error:
            if not would_wait(error):
                raise
        transport.leave_loop()
        return Alone.receive(transport, size)

    @staticmethod
    def send(transport: Transport, data: Buffer, flags: int) -> None:
        try:
            if transport.plain:
                sent = transport.socket.send(data, flags | transport.at_once)
            else:
                sent = transport.write_over_tls(data)
        except OSError as error:
            if not would_wait(error):
                raise
            sent = 0
        if type(data) is bytes and sent == len(data):
            return
        if rest := memoryview(data).cast("B")[sent:]:
            transport.leave_loop()
            Alone.send(transport, rest, flags)

    @staticmethod
    def send_part(transport: Transport, file: IO[bytes], offset: int, size: int) -> int:
        """As much of it as goes without waiting: over loopback, a MiB and more."""
        timeout = transport.socket.gettimeout()
        transport.socket.settimeout(0)
        try:
            return transport.send_part(file, offset, size)
        except BlockingIOError:
            return 0
        finally:
            transport.socket.settimeout(timeout)


def _nothing() -> None:
    """There is nobody to be told."""


def says_little(error: OSError) -> bool:
    """Whether it only says that nothing goes on at this moment, or has gone on for too long."""
    return isinstance(error, TimeoutError) or would_wait(error)


def would_wait(error: OSError) -> bool:
    """Whether this says no more than that there is nothing to be had at this moment."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")
