"""What is different about a socket over TLS: what its errors mean, and what OpenSSL keeps to itself."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# What OpenSSL calls an end of the connection that TLS did not announce.
_END_IN_TLS = "UNEXPECTED_EOF_WHILE_READING"


def would_wait(error: OSError) -> bool:
    """Whether the error only says that nothing can be read or written at this moment."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


def says_little(error: OSError) -> bool:
    """Whether the error only says that nothing moves at this moment, or has moved for too long."""
    return isinstance(error, TimeoutError) or would_wait(error)


def may_be_anothers(error: OSError | None) -> bool:
    """Whether an error, or an end if it is None, may be left over from another connection in this thread. Errors of
    TLS itself, but for that one, are never left over."""
    if error is not None and says_little(error):
        return False
    return getattr(error, "reason", _END_IN_TLS) == _END_IN_TLS


def forget_errors(sock: socket.socket) -> None:
    """OpenSSL keeps the errors of a thread, and Python 3.13 may leave one there: the next read in the thread, from
    another connection, would raise it. Making a TLS object clears them."""
    context = getattr(sock, "context", None)
    if context is not None:
        import ssl

        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=getattr(sock, "server_side", True))


def deciphered(sock: socket.socket) -> int:
    """How many bytes the TLS layer holds that can be read without the system's socket."""
    pending = getattr(sock, "pending", None)
    return pending() if pending is not None else 0


def peek_below(sock: socket.socket) -> bytes:
    """The next byte of the system's socket, below TLS; empty at the end. Raises OSError, which is BlockingIOError if
    there is nothing to read. It does not wait, even if another thread reads the byte just before."""
    flags = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)
    if sock.gettimeout() is None:
        return socket.socket.recv(sock, 1, flags)
    if (file := sock.fileno()) < 0:  # another thread has just closed it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    # Python waits for the time of the object, whatever the flags: use another object, of the same descriptor.
    bare = socket.socket(sock.family, sock.type, sock.proto, file)
    try:
        if bare.gettimeout() is not None:  # from socket.setdefaulttimeout()
            bare.setblocking(False)
        return bare.recv(1, flags)
    finally:
        bare.detach()


def send_some(sock: socket.socket, data: Buffer) -> int:
    """Send some of ``data``. If an error may be another connection's, try once more."""
    try:
        return sock.send(data)
    except OSError as error:
        if not may_be_anothers(error):
            raise
        forget_errors(sock)
        try:
            return sock.send(data)
        except OSError as further:
            if says_little(further):
                raise
            raise error from None


def say_goodbye(sock: socket.socket) -> None:
    """Send close_notify without waiting for the client's, so that the client knows a body that ends with the
    connection to be whole (RFC 8446 section 6.1). Does nothing without TLS."""
    unwrap = getattr(sock, "unwrap", None)
    if unwrap is not None:
        try:
            sock.settimeout(0)
            unwrap()
        except (OSError, ValueError):  # sent, and not answered yet; or there is nobody to send it to
            forget_errors(sock)
