"""Where a body ends (RFC 9112 sections 6 and 7) and whether the connection lasts (section 9), in both directions.

A decoder takes bytes as they come, in pieces of any size, and returns the body's bytes and any bytes after the body's
end. It does no I/O, stores no body, and is ``complete`` once it has seen the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Protocol

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.head import Version, check_field, parse_fields
from pytest_httpserve.wire.headers import Field, Headers

_CODING_RULE = "RFC 9112 section 6.1"
_CHUNK_RULE = "RFC 9112 section 7.1"
# RFC 9110 section 7.6.1: fields for the next hop only, never forwarded.
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip
# RFC 9113 section 8.2.2: the ones that HTTP/2 forbids.
OF_CONNECTION = frozenset(("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"))
_NO_TRAILERS = Headers()
_NO_BODY_IS_LARGER = (1 << 63) - 1


class Framing(NamedTuple):
    """How a body's end is known. ``length``, in bytes, counts for ``kind="length"`` only."""

    kind: Literal["none", "length", "chunked", "close"]
    length: int = 0


NO_BODY = Framing("none")
CHUNKED = Framing("chunked")
UNTIL_CLOSE = Framing("close")


def request_framing(headers: Headers, version: Version, *, limits: Limits = DEFAULT_LIMITS) -> Framing:
    """How the body of a request with these headers ends (RFC 9112 section 6.3).

    Raises RequestError: 400 for framing that two readers could take differently, 413 for a length above
    ``limits.body``, 501 for a transfer coding other than chunked.
    """
    codings = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if codings is None:
        if length is None:
            return NO_BODY
        return Framing("length", _content_length(length, limits.body))
    if length is not None:
        detail = "Content-Length and Transfer-Encoding are mutually exclusive"
        raise RequestError(400, detail, rule="RFC 9112 section 6.2", names=("content-length", "transfer-encoding"))
    if version < (1, 1):
        raise RequestError(400, "HTTP/1.0 has no Transfer-Encoding", rule=_CODING_RULE, names=("transfer-encoding",))
    names = [coding.strip(" \t").lower() for coding in codings.split(",")]
    if names == ["chunked"]:
        return CHUNKED
    if names[-1] != "chunked" or "chunked" in names[:-1] or not all(names):
        detail = f"chunked must be the last transfer coding, and appear only once: {codings!r}"
        raise RequestError(400, detail, rule="RFC 9112 section 6.3", names=("transfer-encoding",))
    detail = f"the only transfer coding supported here is chunked, not {codings!r}"
    raise RequestError(501, detail, rule=_CODING_RULE, names=("transfer-encoding",))


def response_framing(method: str, status: int, headers: Headers) -> Framing:
    """How the body of a response to ``method`` ends (RFC 9112 section 6.3).

    Raises RequestError for a Content-Length that is not one number (400) or is impossibly large (413).
    """
    if method == "HEAD" or status < 200 or status in (204, 304) or (method == "CONNECT" and status < 300):
        return NO_BODY
    codings = headers.get("transfer-encoding")
    if codings is not None:
        last = codings.rpartition(",")[2].strip(" \t").lower()
        return CHUNKED if last == "chunked" else UNTIL_CLOSE
    length = headers.get("content-length")
    if length is None:
        return UNTIL_CLOSE
    return Framing("length", _content_length(length, _NO_BODY_IS_LARGER))


def _content_length(value: str, most: int) -> int:
    # The same number twice is one number (RFC 9110 section 8.6); two numbers are an attack or a mistake.
    lengths = {part.strip(" \t") for part in value.split(",")}
    length = lengths.pop()
    if lengths or not grammar.DIGITS.fullmatch(length):
        detail = f"Content-Length is not one number of bytes: {value!r}"
        raise RequestError(400, detail, rule="RFC 9110 section 8.6", names=("content-length",))
    # int() of thousands of digits is slow, and refused by Python past 4,300 of them.
    digits = length.lstrip("0") or "0"
    if len(digits) > 20 or int(digits) > most:
        detail = f"Content-Length announces {digits:.40} bytes, more than the limit of {most}"
        raise RequestError(413, detail, names=("content-length",))
    return int(digits)


def connection_options(value: str) -> tuple[str, ...]:
    """The options of a Connection field, in lower case (RFC 9110 section 7.6.1)."""
    return tuple(option.strip(" \t") for option in value.lower().split(","))


def keeps_alive(headers: Headers, version: Version) -> bool:
    """Whether the sender wants the connection to last beyond this message (RFC 9112 section 9.3)."""
    connection = headers.get("connection")
    if connection is None:
        return version >= (1, 1)
    options = connection_options(connection)
    if "close" in options:
        return False
    return version >= (1, 1) or "keep-alive" in options


def expects_continue(headers: Headers, version: Version) -> bool:
    """Whether the client waits for ``100 Continue`` before it sends the body (RFC 9110 section 10.1.1).

    Raises RequestError (417) for any other expectation. In HTTP/1.0 the field is ignored.
    """
    expectation = headers.get("expect")
    if expectation is None or version < (1, 1):
        return False
    # An empty member of the list counts for nothing (RFC 9110 section 5.6.1.2), and a repeated one counts once.
    members = {member.strip(" \t") for member in expectation.lower().split(",")} - {""}
    if members - {"100-continue"}:
        detail = f"the only expectation supported here is 100-continue, not {expectation!r}"
        raise RequestError(417, detail, rule="RFC 9110 section 10.1.1", names=("expect",))
    return bool(members)


class BodyDecoder(Protocol):
    """Turns the bytes of a connection into the bytes of one body."""

    complete: bool
    trailers: Headers

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """The body bytes in ``data``, and any bytes after the body's end. Raises RequestError for broken framing."""


class FixedDecoder:
    """A body of ``length`` bytes."""

    __slots__ = ("complete", "left", "trailers")

    def __init__(self, length: int) -> None:
        self.left: int = length
        self.complete: bool = length == 0
        self.trailers: Headers = _NO_TRAILERS

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        taken = len(data)
        if taken < self.left:
            self.left -= taken
            return data, b""
        body, rest = data[: self.left], data[self.left :]
        self.left = 0
        self.complete = True
        return body, rest


class UntilCloseDecoder:
    """A body that lasts until the connection closes: every byte belongs to it."""

    __slots__ = ("complete", "trailers")

    def __init__(self) -> None:
        self.complete: bool = False
        self.trailers: Headers = _NO_TRAILERS

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""


# The sizes of chunks of up to 255 bytes, as clients write them.
_SMALL_SIZES = {spelt.encode(): size for size in range(1, 256) for spelt in (f"{size:x}", f"{size:X}")}
_NONE = 1 << 64


class ChunkedDecoder:
    """A body in chunks, with extensions (read and dropped) and trailers (RFC 9112 section 7.1)."""

    __slots__ = ("_left", "_limits", "_pending", "_received", "_step", "_trailer_lines", "complete", "trailers")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.complete: bool = False
        self.trailers: Headers = _NO_TRAILERS
        self._limits = limits
        # A function, not a bound method, which would make a reference cycle and work for the garbage collector.
        self._step: Callable[[ChunkedDecoder, bytes, int, list[bytes]], int] = ChunkedDecoder._chunk_line
        self._pending = b""  # the start of a line that is not complete yet
        self._left = 0  # bytes of the chunk still to come; in the trailers, how many may still come
        self._received = 0  # total size of the chunks announced so far
        self._trailer_lines: list[bytes] = []

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        if self._pending:
            data = self._pending + data
            self._pending = b""
        body: list[bytes] = []
        at = 0
        while at < len(data) and not self.complete:
            if self._step is ChunkedDecoder._chunk_line:
                at = self._small_chunks(data, at, body)
            at = self._step(self, data, at, body)
        return b"".join(body), data[at:]

    def _small_chunks(self, data: bytes, at: int, body: list[bytes]) -> int:
        """Take the small chunks that are all there: a megabyte may have 175,000 of them. The steps deal with anything
        else."""
        find, size_of, left = data.find, _SMALL_SIZES.get, self._limits.body - self._received
        while (line_end := find(b"\r\n", at, at + 4)) >= 0:
            size = size_of(data[at:line_end], _NONE)
            begin, end = line_end + 2, line_end + 2 + size
            if size > left or data[end : end + 2] != b"\r\n":
                break
            body.append(data[begin:end])
            left -= size
            at = end + 2
        self._received = self._limits.body - left
        return at

    # Each step starts ``at`` an offset in the data, adds what it finds to ``body``, and returns the offset where it
    # stopped. None copies the data after that offset: a read may be full of one-byte chunks.
    # A step that needs more data saves the rest in _pending and returns the end of the data.

    def _chunk_line(self, data: bytes, at: int, body: list[bytes]) -> int:
        end = data.find(b"\n", at) + 1
        if (end or len(data) + 1) - at > self._limits.chunk_line + 2:
            detail = f"a chunk's first line is longer than {self._limits.chunk_line} bytes"
            raise RequestError(400, detail, rule=_CHUNK_RULE)
        if not end:
            self._pending = data[at:]
            return len(data)
        line = data[at:end].decode("latin-1")
        match = grammar.CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RequestError(400, f"not the first line of a chunk: {line!r}", rule=_CHUNK_RULE, line=line)
        size = int(match[1], 16)
        self._received += size
        if self._received > self._limits.body:
            raise RequestError(413, f"the body has more than {self._limits.body} bytes")
        if size:
            self._left = size
            self._step = ChunkedDecoder._chunk_data
        else:
            self._left = self._limits.trailers
            self._step = ChunkedDecoder._trailer_line
        return end

    def _chunk_data(self, data: bytes, at: int, body: list[bytes]) -> int:
        piece = data[at : at + self._left]
        body.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = ChunkedDecoder._chunk_end
        return at + len(piece)

    def _chunk_end(self, data: bytes, at: int, body: list[bytes]) -> int:
        end = data[at : at + 2]
        if end == b"\r\n":
            self._step = ChunkedDecoder._chunk_line
        elif end == b"\r":
            self._pending = end
        else:
            found = end.decode("latin-1")
            detail = f"a chunk is longer than its size says: {found!r} where CRLF should be"
            raise RequestError(400, detail, rule=_CHUNK_RULE, line=found)
        return at + len(end)

    def _trailer_line(self, data: bytes, at: int, body: list[bytes]) -> int:
        end = data.find(b"\n", at) + 1
        line = data[at : end or len(data)]
        if line == b"\r\n":
            self._end_trailers()
        elif len(line) > self._left and line != b"\r":
            detail = f"the trailers take more than {self._limits.trailers} bytes"
            raise RequestError(400, detail, rule="RFC 9112 section 7.1.2")
        elif not end:
            self._pending = line
        elif not line.endswith(b"\r\n"):
            text = line.decode("latin-1")
            detail = f"a trailer line does not end with CRLF: {text!r}"
            raise RequestError(400, detail, rule="RFC 9112 section 2.2", line=text)
        else:
            self._trailer_lines.append(line)
            self._left -= len(line)
        return at + len(line)

    def _end_trailers(self) -> None:
        self.complete = True
        if not self._trailer_lines:
            return
        try:
            block = b"".join(self._trailer_lines)
            self.trailers = parse_fields(block, limits=self._limits, size=self._limits.trailers)
        except RequestError as error:
            # 431 is about the head, which was accepted long ago.
            raise RequestError(400, f"in the trailers: {error}", rule=error.rule, line=error.line) from None


def body_decoder(framing: Framing, *, limits: Limits = DEFAULT_LIMITS) -> BodyDecoder:
    """A new decoder for a body with this framing."""
    if framing.kind == "chunked":
        return ChunkedDecoder(limits)
    if framing.kind == "close":
        return UntilCloseDecoder()
    return FixedDecoder(framing.length)


def encode_chunk(data: bytes) -> bytes:
    """``data`` as one chunk; empty for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def encode_last_chunk(trailers: Iterable[Field] = ()) -> bytes:
    """The end of a chunked body, with its trailers. Raises ValueError for a trailer that cannot be sent."""
    lines = ["0\r\n"]
    for name, value in trailers:
        check_field(name, value)
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")
