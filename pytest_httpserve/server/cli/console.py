"""What a terminal shows: a line for each request, and at the end a sentence about all of them."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter
from typing import Any, ClassVar

from pytest_httpserve import clock
from pytest_httpserve.protocol.stream import Stream
from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler, send_error_page
from pytest_httpserve.server.colours import BY_STATUS_CLASS, paint
from pytest_httpserve.server.escaping import escape

_DIM = 2


class Tally:
    """Counts what a server has done: requests by the class of their status, and bytes of bodies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes: Counter[int] = Counter()
        self._size = 0
        self._began = clock.monotonic()

    def add(self, status: int, size: int) -> None:
        with self._lock:
            self._classes[status // 100] += 1
            self._size += size

    def summary(self) -> str:
        """One sentence."""
        with self._lock:
            count = self._classes.total()
            classes = ", ".join(f"{number} of {status}xx" for status, number in sorted(self._classes.items()))
            seconds = clock.monotonic() - self._began
            requests = "1 request" if count == 1 else f"{count} requests"
            return (
                f"Served {requests}{f' ({classes})' if classes else ''}, {self._size} bytes, in {seconds:.1f} seconds."
            )


class LoggedRequests(BaseHTTPRequestHandler):
    """Logs each request once it is answered, as one line: time, client, method, target, status, size, duration."""

    tally: ClassVar[Tally]
    coloured: ClassVar[bool] = False
    origin: ClassVar[str] = ""  # in a tunnel, the origin of all paths

    thread_per_connection: ClassVar[bool | None] = False
    command: str | None
    requestline: str
    _started = 0.0
    _remark: str | None = None  # the message of an error response

    def handle_one_request(self) -> None:
        self.command, self.requestline, self._remark = None, "", None
        self._started = clock.perf_counter()
        try:
            super().handle_one_request()
        finally:
            http1 = running.http1_of(self)
            if http1.stream.status is not None:
                self._log_exchange(http1.stream, http1.writer.written if http1.writer is not None else 0)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Like ``http.server``, but the connection stays open if it can: nothing is wrong with it."""
        self._remark = explain or message or ""
        send_error_page(self, code, message, explain, (("Connection", "close"),) if self.close_connection else ())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing yet: size and duration are known only at the end."""

    def log_error(self, format: str, *args: Any) -> None:  # whatever % takes
        if self._remark is None:  # otherwise, the request's line shows it
            super().log_error(format, *args)

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        self._log(escape(format % args))

    def _log_exchange(self, stream: Stream, size: int) -> None:
        status = stream.status or 0
        self.tally.add(status, size)
        milliseconds = (clock.perf_counter() - self._started) * 1000
        whole = stream.length in (None, size) or not stream.has_body
        method, blank, target = (self.requestline.rpartition(" HTTP/")[0] or self.requestline or "-").partition(" ")
        asked = escape(f"{method}{blank}{self.origin}{target}" if blank else method)
        about = f"{size} bytes {milliseconds:.1f} ms" if whole else f"cut off {milliseconds:.1f} ms"
        remark = f" {escape(self._remark)}" if self._remark else ""
        self._log(
            f"{asked} {self._paint(str(status), BY_STATUS_CLASS.get(status // 100))} {self._paint(about, _DIM)}{remark}"
        )

    def _log(self, text: str) -> None:
        client = self.address_string().removeprefix("::ffff:")  # an IPv4 client on an IPv6 socket
        place = self._paint(f"{time.strftime('%H:%M:%S')} {client}", _DIM)
        # The log may have no reader, but the server still has clients.
        with contextlib.suppress(OSError, AttributeError):
            sys.stderr.write(f"{place} {text}\n")

    def _paint(self, text: str, colour: int | None) -> str:
        return paint(text, colour) if self.coloured else text
