"""Listening, accepting and stopping: the part of a server that knows nothing of HTTP.

The accept loop waits on the listening socket and on a wake-up socket, never for an interval to pass. Every connection
is tracked from its first to its last moment, so that a stop can wake all of them and name those that will not end.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import select
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable

from pytest_httpserve.server.connection import Connection

logger = logging.getLogger("pytest_httpserve.server")

# How long a connection that was cut off has to notice, in seconds.
AFTERMATH = 0.25


class ListeningServer(socketserver.TCPServer):
    """A TCP server whose loop is woken, not polled, and whose connections end with it.

    ``grace`` is how long ``server_close`` waits for running handlers before it cuts their connections, in seconds;
    None waits until they end.
    """

    request_queue_size = 1024
    grace: float | None = 1.0

    # The type of socketserver's own parameter is private to typeshed.
    def __init__(self, server_address, RequestHandlerClass, bind_and_activate: bool = True) -> None:  # type: ignore[no-untyped-def]
        self.connections: dict[socket.socket, Connection] = {}
        self._changed = threading.Condition()
        self._stop_asked = False
        self._serving: threading.Thread | None = None
        self._waker: socket.socket | None = None
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    # The loop

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until ``shutdown``.

        ``poll_interval`` (seconds) is how often ``service_actions`` is called, and matters only to a subclass that
        defines it; a shutdown never waits for it.
        """
        wake, waker = socket.socketpair()
        with self._changed:
            self._waker, self._serving = waker, threading.current_thread()
        try:
            if not self._stop_asked:  # else the listener may be closed by now
                self._serve(wake, poll_interval)
        finally:
            with self._changed:
                self._stop_asked, self._waker, self._serving = False, None, None
                self._changed.notify_all()
            wake.close()
            waker.close()

    def _serve(self, wake: socket.socket, poll_interval: float) -> None:
        interval = poll_interval if type(self).service_actions is not socketserver.BaseServer.service_actions else None
        listener_timeout = self.socket.gettimeout()
        # A client that left between its announcement and the accept must not block the loop in accept.
        self.socket.setblocking(False)
        listener = self.fileno()
        try:
            wait = _readiness(listener, wake.fileno())
            while not self._stop_asked:
                ready = wait(interval)
                if self._stop_asked:
                    break
                if listener in ready:
                    # socketserver's own step: accept, verify, process, and what follows an error in any of them.
                    self._handle_request_noblock()  # type: ignore[attr-defined]  # typeshed leaves it out
                self.service_actions()
        finally:
            # It is closed by now if a handler that ran in the loop has closed the server.
            with contextlib.suppress(OSError):
                self.socket.settimeout(listener_timeout)

    def shutdown(self) -> None:
        """End ``serve_forever`` and return when it has ended, at once if it does not run.

        Called before ``serve_forever`` starts in its thread, it ends it as soon as it does.
        """
        with self._changed:
            self._ask_to_stop()
            if self._serving is threading.current_thread():
                return  # called by a handler that the loop itself runs: it ends as soon as that one has
            for connection in list(self.connections.values()):
                # Served by the loop's own thread: the loop cannot end while this one waits for its client.
                if connection.thread is self._serving:
                    connection.close_when_idle()
            self._changed.wait_for(lambda: self._serving is None)

    def _ask_to_stop(self) -> None:
        self._stop_asked = True
        if self._waker is not None:
            self._waker.send(b"\0")

    # Connections

    def track(self, request: socket.socket, client_address: object) -> Connection:
        """The record of this connection, made when first asked for."""
        with self._changed:
            connection = self.connections.get(request)
            if connection is None:
                connection = self.connections[request] = Connection(request, client_address)
                connection.closing = self.fileno() < 0
            return connection

    # typeshed allows the socket or, for datagrams, a pair; a TCP server only ever has the socket.
    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.track(request, client_address)
        super().process_request(request, client_address)

    def close_request(self, request: socket.socket) -> None:  # type: ignore[override]
        super().close_request(request)
        with self._changed:
            self.connections.pop(request, None)
            self._changed.notify_all()

    # The end

    def server_close(self) -> None:
        """Stop serving and listening, and end every connection.

        Idle connections end at once, those of running handlers when the handler ends or ``grace`` is over. What does
        not end even then goes to ``report_hanging``.
        """
        # The loop must not be left with a closed listener. Not self.shutdown: a subclass may close in its own.
        ListeningServer.shutdown(self)
        super().server_close()
        me = threading.current_thread()
        others = [connection for connection in list(self.connections.values()) if connection.thread is not me]
        for connection in others:
            connection.close_when_idle()
        if self._ended(others, self.grace):
            return
        for connection in others:
            connection.abort()
        if not self._ended(others, AFTERMATH):
            self.report_hanging([connection for connection in others if connection.socket in self.connections])

    def _ended(self, connections: list[Connection], seconds: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(connection.socket in self.connections for connection in connections), seconds
            )

    def report_hanging(self, connections: list[Connection]) -> None:
        """Called by ``server_close`` with the connections whose handlers did not end; logs each with its stack."""
        for connection in connections:
            logger.error("%s", describe_hanging(connection))


def describe_hanging(connection: Connection) -> str:
    """Which request a handler hangs in, on which thread, and where."""
    thread = connection.thread
    name = thread.name if thread is not None else "no thread"
    frame = sys._current_frames().get(thread.ident) if thread is not None and thread.ident is not None else None
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "(it has just ended)\n"
    return f"the handler of {connection.doing or connection.peer!r} did not end ({name}); it stands here:\n{stack}"


def _readiness(*files: int) -> Callable[[float | None], list[int]]:
    """A function that waits until one of ``files`` can be read, or for so many seconds, and returns those that can."""
    if not hasattr(select, "poll"):
        return lambda seconds: select.select(files, (), (), seconds)[0]
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return lambda seconds: [file for file, _ in poll.poll(None if seconds is None else seconds * 1000)]


class Workers:
    """Threads that run one task after another; a new one is made only when none is free."""

    def __init__(self, name: str, *, daemon: bool) -> None:
        self._name = name
        self._daemon = daemon
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._free = 0
        self._closed = False
        self._threads: set[threading.Thread] = set()

    def run(self, task: Callable[[], object]) -> None:
        """Run ``task`` now, on a thread of its own. It must not raise."""
        with self._lock:
            if reuse := self._free > 0:
                self._free -= 1
        if reuse:
            self._tasks.put(task)
            return
        thread = threading.Thread(target=self._work, args=(task,), name=self._name, daemon=self._daemon)
        self._threads.add(thread)
        thread.start()

    def _work(self, task: Callable[[], object] | None) -> None:
        try:
            while task is not None:
                task()
                with self._lock:
                    if self._closed:
                        return
                    self._free += 1
                task = self._tasks.get()
        finally:
            self._threads.discard(threading.current_thread())

    def close(self, timeout: float) -> None:
        """End the threads that are free, and those that become so; wait for them at most ``timeout`` seconds."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, 0
        for _ in range(free):
            self._tasks.put(None)
        expiry = time.monotonic() + timeout
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, expiry - time.monotonic()))
