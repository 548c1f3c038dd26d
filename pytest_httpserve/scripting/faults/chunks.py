"""Put a body into new chunks, one of which may be wrong."""

from __future__ import annotations

from collections.abc import Callable

from pytest_httpserve.scripting.faults.acts import Fault
from pytest_httpserve.scripting.faults.edits import Garbage, NoLastChunk, WrongChunkSize
from pytest_httpserve.wire.framing import BodyDecoder, encode_chunk, encode_last_chunk


class Chunks:
    """Takes a body out of its framing and puts it into chunks, one of which may be wrong."""

    def __init__(self, decoder: BodyDecoder, faults: tuple[Fault, ...], tell: Callable[[Fault, str], object]) -> None:
        self._decoder = decoder
        self._faults = faults
        self._tell = tell
        self._first = True

    def decode(self, data: bytes) -> bytes:
        """The next bytes of the body, without the framing that they came in."""
        return self._decoder.decode(data)[0]

    def encode(self, body: bytes) -> bytes:
        """A piece of the body as a chunk."""
        chunk = encode_chunk(body)
        if not self._first or not chunk:
            return chunk
        self._first = False
        for fault in self._faults:
            if isinstance(fault, WrongChunkSize):
                says = max(len(body) + fault.by, 0)
                chunk = b"%x\r\n%b\r\n" % (says, body)
                self._tell(fault, f"a chunk of {len(body)} bytes says {says}")
            elif isinstance(fault, Garbage) and fault.where == "chunk":
                chunk = b"%b\r\n%b\r\n" % (fault.data, body)
                self._tell(fault, "in place of a chunk's size")
        return chunk

    def last(self) -> bytes:
        """The bytes that end the body."""
        for fault in self._faults:
            if isinstance(fault, NoLastChunk):
                self._tell(fault, "")
                return b""
        return encode_last_chunk(self._decoder.trailers.fields)
