"""A stream of HTTP/2 that has left HTTP: any thread may write to it, while another one waits for its client."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pytest_httpserve.net.duplex import Duplex, Make, Run, Watch
from pytest_httpserve.protocol.h2_stream import StreamTransport

_RECEIVED_AT_ONCE = 65_536


class StreamDuplex(Duplex):
    """The Duplex of a stream: a sending thread waits until the client's window is open."""

    _transport: StreamTransport

    def prepare(self) -> None:
        pass

    def watch(self) -> Watch:
        return StreamWatch(self._transport)

    def receive(self) -> bytes | None:
        transport = self._transport
        return transport.receive(_RECEIVED_AT_ONCE) if transport.await_input(0) else None

    def send(self, make: Make, seconds: float, before_wait: Callable[[], object] | None = None) -> None:
        if before_wait is not None:
            before_wait()
        with self._order:
            self._transport.send(make())

    def send_soon(self, make: Make, seconds: float, run: Run) -> None:
        # In order, before the stream ends: waiting for its window holds up nobody but this stream.
        try:
            self.send(make, seconds)
        except OSError:
            self._abort()

    def end_by(self, end: Callable[[], object]) -> None:
        end()

    def end(self) -> None:
        self._transport.finish()


class StreamWatch:
    """A wait for the client of a stream, which another thread can end."""

    def __init__(self, transport: StreamTransport) -> None:
        self._transport = transport
        self._woken = threading.Event()

    def wait(self, seconds: float | None) -> None:
        """Wait until something has come, until ``wake`` is called, or for that many seconds."""
        self._transport.await_input(seconds, self._woken.is_set)
        self._woken.clear()

    def wake(self) -> None:
        """End the current wait, or the next one."""
        self._woken.set()
        with self._transport.http2.lock:
            self._transport.tell()

    def close(self) -> None:
        """Nothing to release."""
