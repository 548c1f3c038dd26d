"""The two ways to move the bytes of a connection.

A thread that has nothing else to do waits until they have moved. The thread that leads the loop moves what it can
without waiting; where that is not enough, the connection leaves the loop, and the thread goes on as one of the first
kind.
"""

from __future__ import annotations

import socket
from typing import IO, TYPE_CHECKING, Protocol

from pytest_httpserve.net.over_tls import send_some, would_wait

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class Moving(Protocol):
    """What the ways need of a Transport."""

    socket: socket.socket
    plain: bool
    at_once: int

    def leave_loop(self) -> object:
        """Called before a wait: the loop goes on without this thread."""

    def keep_time(self) -> None:
        """Called before a read or a write that may wait."""

    def send_part(self, file: IO[bytes], offset: int, size: int, /) -> int:
        """Send a part of a file, and return how many bytes have gone."""


class Alone:
    """A thread that has nothing else to do moves the bytes."""

    @staticmethod
    def receive(transport: Moving, size: int) -> bytes:
        transport.keep_time()
        return transport.socket.recv(size)

    @staticmethod
    def send(transport: Moving, data: Buffer, flags: int) -> None:
        if transport.plain or not hasattr(transport.socket, "context"):
            transport.socket.sendall(data, flags)
            return
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[send_some(transport.socket, rest) :]

    @staticmethod
    def send_part(transport: Moving, file: IO[bytes], offset: int, size: int) -> int:
        return transport.send_part(file, offset, size)


class Leading:
    """The thread that leads the loop moves the bytes, as far as they go at once."""

    @staticmethod
    def receive(transport: Moving, size: int) -> bytes:
        try:
            return transport.socket.recv(size, transport.at_once)
        except OSError as error:
            if not would_wait(error):
                raise
        transport.leave_loop()
        return Alone.receive(transport, size)

    @staticmethod
    def send(transport: Moving, data: Buffer, flags: int) -> None:
        try:
            if transport.plain:
                sent = transport.socket.send(data, flags | transport.at_once)
            else:
                sent = send_some(transport.socket, data)
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
    def send_part(transport: Moving, file: IO[bytes], offset: int, size: int) -> int:
        """As much of it as goes without waiting: over loopback, a MiB and more."""
        timeout = transport.socket.gettimeout()
        transport.socket.settimeout(0)
        try:
            return transport.send_part(file, offset, size)
        except BlockingIOError:
            return 0
        finally:
            transport.socket.settimeout(timeout)
