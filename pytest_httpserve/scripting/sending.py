"""How the answers of routes leave: whole, as a stream, from a file; and where they wait at a gate."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import IO, Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.scripting.answers.gates import Gate
from pytest_httpserve.scripting.answers.responses import MOST_AT_ONCE, Response, phrase
from pytest_httpserve.scripting.faulty_handler import FaultyHandler
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk
from pytest_httpserve.wire.head import response_head

logger = logging.getLogger("pytest_httpserve.scripting")

_PIECE_BYTES = 65_536


class SendingHandler(FaultyHandler):
    """A handler that sends Responses."""

    wfile: Writer
    _gates: tuple[Gate, ...] = ()  # of the route that answers
    _added: tuple[tuple[str, str], ...] = ()  # headers for whatever answers

    def _note_answer(self, exchange: Exchange, head: bytes) -> None:
        exchange.answer(SentResponse(self._status or 0, head))
        self.log_answer()

    def log_answer(self) -> None:
        """Whatever has answered, one line says so."""
        if logger.isEnabledFor(logging.DEBUG):
            self.log_message('"%s" %s -', self.requestline, self._status)

    def log_message(self, format: str, *args: Any) -> None:  # whatever % takes
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: " + format, self.address_string(), *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """It is logged with its answer."""

    def added_lines(self) -> bytes:
        """The headers for whatever answers, as lines."""
        return "".join(f"{name}: {value}\r\n" for name, value in self._added).encode()

    def _wait_at(self, phase: str) -> None:
        """Where the answers of routes wait, if they are to: here, and nowhere else."""
        for gate in self._gates:
            if gate.phase == phase and self._exchange is not None and self._connection is not None:
                faults = gate.hold(self._exchange, self._connection)
                self.suffer(*faults)
                if faults and self._wire is not None:
                    self._wire.catch_up()

    def _send(self, response: Response, exchange: Exchange) -> None:
        if self._gates:
            self.suffer()  # what is decided at a gate may be a fault of the response
            self._wait_at("response_head")
        if response.informational and self._version >= (1, 1):
            for status, fields in response.informational:
                self.wfile.write_head(response_head(status, phrase(status), fields), more=False)
        if response.file is not None:
            self._send_whole_file(response, response.file)
            return
        if response.closes:
            self.close_connection = True
        if not response.is_whole or response.trailers or self._gates:
            self._send_stream(response, exchange)
            return
        head = self._head(response)
        self._status = response.status
        self._note_answer(exchange, head)
        body = b"" if self.command == "HEAD" else response.body
        if len(body) <= MOST_AT_ONCE:
            self.wfile.write_whole(head, body)
            return
        # The last piece leaves when the others have left: until then the exchange goes on.
        rest = memoryview(body)[_PIECE_BYTES:]
        self.wfile.write_whole(head, body[:_PIECE_BYTES])
        self.wfile.write(rest[:-_PIECE_BYTES])
        self.wfile.write(rest[-_PIECE_BYTES:])

    def _head(self, response: Response, *, chunked: bool = False) -> bytes:
        head = response.head(close=self.close_connection, version=self._version, chunked=chunked)
        return b"%b%b\r\n" % (head[:-2], self.added_lines()) if self._added else head

    def end_headers(self) -> None:
        self.add_headers(self)
        super().end_headers()

    def add_headers(self, handler: BaseHTTPRequestHandler) -> None:
        """Those for whatever answers, in the head that ``handler`` is about to end."""
        if self._added and self._status is not None:  # else it is no final response
            for name, value in self._added:
                handler.send_header(name, value)

    def _send_stream(self, response: Response, exchange: Exchange) -> None:
        """Send the pieces of a body as they come: in chunks, or to a client of HTTP/1.0 until the end."""
        if self._connection is not None:
            self._connection.leave_loop()
        announced = "content-length" in response.headers or (response.is_whole and not response.trailers)
        chunked = self._version >= (1, 1) and not announced
        if not chunked and not announced:
            self.close_connection = True
        head = self._head(response, chunked=chunked)
        self._status = response.status
        self._note_answer(exchange, head)
        self.wfile.write_head(head, more=False)
        if self.command == "HEAD":
            return
        if self._connection is not None:
            self._connection.turn.run(self._send_pieces, response, chunked)
        else:
            self._send_pieces(response, chunked)

    def _send_pieces(self, response: Response, chunked: bool) -> None:
        before = self.wfile.written
        for piece in self._pieces(response):
            if not isinstance(piece, str | bytes | bytearray | memoryview):
                raise UsageError(f"a stream yields bytes or str, not {piece!r}")
            data = piece.encode() if isinstance(piece, str) else bytes(piece)
            if data:
                self.wfile.write(encode_chunk(data) if chunked else data)
        if chunked:
            self.wfile.write(encode_last_chunk(response.trailers))
        elif str(self.wfile.written - before) != response.headers.get("content-length", str(len(response.body))):
            self.close_connection = True  # nothing behind it could be told from the body

    def _pieces(self, response: Response) -> Iterator[object]:
        """What a body consists of, with the waits between."""
        self._wait_at("response_body")
        if response.stream is not None:
            yield from response.stream()
            self._wait_at("response_end")
        else:
            end = len(response.body) if response.trailers else -1  # an end of their own
            yield response.body[:end]
            self._wait_at("response_end")
            yield response.body[end:]

    def _send_whole_file(self, response: Response, path: os.PathLike[str]) -> None:
        from pytest_httpserve.server.files.types import media_type

        with open(path, "rb") as file:
            running.hold_head(self)
            self.send_response_only(response.status, response.reason)
            added = {
                "Content-Type": media_type(path),
                "Content-Length": str(os.fstat(file.fileno()).st_size),
                "Server": self.version_string(),
                "Date": self.date_time_string(),
            }
            for name, value in response.fields:
                self.send_header(name, value)
            for name, value in added.items():
                if name not in response.headers:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                if self._gates:
                    self.wfile.flush()  # the head does not wait with the body
                self._wait_at("response_body")
                self._copy(file)

    def _copy(self, file: IO[bytes]) -> None:
        if not self._gates:
            from pytest_httpserve.server.files import serving

            serving.copy(self, file, self.wfile)
            return
        size = os.fstat(file.fileno()).st_size
        most = max(size - 1, 0)
        self.wfile.send_file(file, 0, most)
        self._wait_at("response_end")
        self.wfile.send_file(file, most, size - most)
