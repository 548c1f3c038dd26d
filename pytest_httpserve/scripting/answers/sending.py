"""Send responses: whole, as a stream or from a file, with waits at gates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.responses import Response, phrase
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk
from pytest_httpserve.wire.head import response_head

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

_PIECE_BYTES = 65_536
_CHUNKED = (("Transfer-Encoding", "chunked"),)


def send(asked: Asked, response: Response) -> None:
    """Send the response to a request. Raises OSError if the client has gone."""
    stream = asked.stream
    if asked.gates:
        asked.suffer(())  # the test may give the response a fault at a gate
        _wait_at(asked, "response_head")
    if response.informational and stream.version >= (1, 1):
        for status, fields in response.informational:
            asked.writer.write_head(response_head(status, phrase(status), fields), more=False)
    # A client that got no 100 may or may not send its body, so the next bytes could be anything.
    if response.closes or asked.awaits_100:
        stream.lasts = False
    stream.said = response.says_connection
    if asked.method == "CONNECT" and response.status < 300:
        _send_opening(asked, response)
    elif response.file is not None:
        _send_file(asked, response, response.file)
    elif response.is_whole and not response.trailers and not asked.gates:
        _send_whole(asked, response)
    elif response.in_thread is not None and not asked.passes_as_it_is:
        _send_stream(asked, response.in_thread(asked))
    elif response.beyond is not None:
        stream.length = 0  # nothing follows in HTTP
        _send_opening(asked, response)
        asked.leave_http(response.beyond)
    else:
        _send_stream(asked, response)


def send_last(asked: Asked, response: Response) -> None:
    """Send a whole response instead of another one, and close the connection."""
    asked.stream.lasts, asked.stream.said = False, response.says_connection
    _send_whole(asked, response)


def _send_whole(asked: Asked, response: Response) -> None:
    stream, writer = asked.stream, asked.writer
    body = response.body if asked.method != "HEAD" else b""
    stream.length = len(response.body)
    sent, whole = response.whole(asked.added + stream.connection_fields())
    asked.begin(sent)
    if body is response.body and whole:
        writer.write_whole(whole, len(body))
        return
    # The exchange goes on until the last piece is sent, so that is written separately.
    writer.write_whole(sent.given + body[:_PIECE_BYTES], len(body[:_PIECE_BYTES]))
    if rest := memoryview(body)[_PIECE_BYTES:]:
        writer.write(rest[:-_PIECE_BYTES])
        writer.write(rest[-_PIECE_BYTES:])


def _send_opening(asked: Asked, response: Response) -> None:
    """Begin a tunnel, or another protocol after HTTP. If nothing takes it over, the connection is closed."""
    asked.stream.lasts = False
    head = response.opening_head()
    asked.begin(SentResponse(response.status, head))
    asked.writer.write_head(head, more=False)


def _send_stream(asked: Asked, response: Response) -> None:
    """Send the pieces of a body as they come: in chunks or, to HTTP/1.0 clients, until the connection closes."""
    asked.connection.leave_loop()
    stream = asked.stream
    length = str(len(response.body)) if response.is_whole and not response.trailers else ""
    length = response.headers.get("content-length", length)
    chunked = stream.version >= (1, 1) and not length
    if length:
        stream.note("content-length", length)
    if not chunked and stream.length is None:
        stream.lasts = False  # the client could not tell where the body ends
    framing = _CHUNKED if chunked else ()
    head = response.head((*framing, *asked.added, *stream.connection_fields()))
    asked.begin(SentResponse(response.status, head))
    asked.writer.write_head(head, more=False)
    if asked.method != "HEAD":
        asked.connection.turn.run(_send_pieces, asked, response, chunked)


def _send_pieces(asked: Asked, response: Response, chunked: bool) -> None:
    for piece in _pieces(asked, response):
        if not isinstance(piece, str | bytes | bytearray | memoryview):
            raise UsageError(f"a stream must yield bytes or str, not {piece!r}")
        data = piece.encode() if isinstance(piece, str) else bytes(piece)
        if data:
            asked.writer.write(encode_chunk(data) if chunked else data)
    if chunked:
        asked.writer.write(encode_last_chunk(response.trailers))


def _pieces(asked: Asked, response: Response) -> Iterator[object]:
    """The pieces of a body, with the waits at gates between them."""
    _wait_at(asked, "response_body")
    if response.stream is not None:
        yield from response.stream()
        _wait_at(asked, "response_end")
    else:
        end = len(response.body) if response.trailers else -1  # trailers end the body themselves
        yield response.body[:end]
        _wait_at(asked, "response_end")
        yield response.body[end:]


def _send_file(asked: Asked, response: Response, path: os.PathLike[str]) -> None:
    from pytest_httpserve.server.files.types import media_type

    stream = asked.stream
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        about = (("Content-Type", media_type(path)), ("Content-Length", str(size)))
        given = response.headers
        fields = tuple(field for field in about if field[0] not in given)
        if given.get("content-length", str(size)) != str(size):
            stream.lasts = False  # the client could not tell where the body ends
        stream.length = size
        head = response.head((*fields, *asked.added, *stream.connection_fields()))
        asked.begin(SentResponse(response.status, head))
        if asked.method == "HEAD":
            asked.writer.write_head(head, more=False)
            return
        if not asked.gates:
            asked.writer.hold()
        asked.writer.write_head(head, more=False)
        _copy(asked, file, size)


def _copy(asked: Asked, file: IO[bytes], size: int) -> None:
    if not asked.gates:
        if size <= _PIECE_BYTES:
            asked.writer.write(file.read(size))
        else:
            asked.writer.send_file(file, 0, size)
        return
    asked.connection.leave_loop()
    _wait_at(asked, "response_body")
    most = max(size - 1, 0)
    asked.writer.send_file(file, 0, most)
    _wait_at(asked, "response_end")
    asked.writer.send_file(file, most, size - most)


def _wait_at(asked: Asked, phase: str) -> None:
    """Wait at the gates of this phase. This is the only place where the responses of routes wait."""
    for gate in asked.gates:
        if gate.phase == phase and asked.exchange is not None:
            asked.suffer(gate.hold(asked.exchange, asked.connection))
