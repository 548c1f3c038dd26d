"""HTTP/2 frames as bytes (RFC 9113 section 4.1), for those that the library would not send, or would send slowly."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_DATA, _SETTINGS, _GOAWAY = 0x0, 0x4, 0x7
# RFC 9113 section 6, in the order of their numbers
_TYPES = (
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
    "CONTINUATION",
)  # fmt: skip
_END_STREAM = 0x1

# RFC 9113 section 7
CODES = {
    "NO_ERROR": 0x0,
    "PROTOCOL_ERROR": 0x1,
    "INTERNAL_ERROR": 0x2,
    "FLOW_CONTROL_ERROR": 0x3,
    "SETTINGS_TIMEOUT": 0x4,
    "STREAM_CLOSED": 0x5,
    "FRAME_SIZE_ERROR": 0x6,
    "REFUSED_STREAM": 0x7,
    "CANCEL": 0x8,
    "COMPRESSION_ERROR": 0x9,
    "CONNECT_ERROR": 0xA,
    "ENHANCE_YOUR_CALM": 0xB,
    "INADEQUATE_SECURITY": 0xC,
    "HTTP_1_1_REQUIRED": 0xD,
}
# RFC 9113 section 6.5.2
SETTINGS = {
    "HEADER_TABLE_SIZE": 0x1,
    "ENABLE_PUSH": 0x2,
    "MAX_CONCURRENT_STREAMS": 0x3,
    "INITIAL_WINDOW_SIZE": 0x4,
    "MAX_FRAME_SIZE": 0x5,
    "MAX_HEADER_LIST_SIZE": 0x6,
}


def frame(type: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A frame."""
    return len(payload).to_bytes(3, "big") + struct.pack("!BBL", type, flags, stream_id) + payload


def described(data: bytes) -> str:
    """The type and the stream of this frame, for people to read."""
    kind, stream_id = data[3], int.from_bytes(data[5:9], "big") & 0x7FFF_FFFF
    return f"{_TYPES[kind] if kind < len(_TYPES) else f'type {kind:#x}'} on stream {stream_id}"


def data_frames(stream_id: int, data: bytes, most: int, *, end: bool) -> list[bytes | memoryview]:
    """The DATA frames for this data, as parts to join: at most ``most`` bytes each; ``end`` ends the stream."""
    view, parts = memoryview(data), list[bytes | memoryview]()
    for at in range(0, len(data) or 1, most):
        piece = view[at : at + most]
        flags = _END_STREAM if end and at + most >= len(data) else 0
        parts += (len(piece).to_bytes(3, "big") + struct.pack("!BBL", _DATA, flags, stream_id), piece)
    return parts


def settings_frame(settings: Mapping[int, int]) -> bytes:
    """A SETTINGS frame with these settings, by their numbers."""
    return frame(_SETTINGS, 0, 0, b"".join(struct.pack("!HL", name, value) for name, value in settings.items()))


def goaway_frame(code: int, last_stream: int) -> bytes:
    """A GOAWAY frame: the server does not process streams with numbers above ``last_stream``."""
    return frame(_GOAWAY, 0, 0, struct.pack("!LL", last_stream, code))


def code_name(code: int) -> str:
    """The name of an error code."""
    return next((name for name, value in CODES.items() if value == code), f"{code:#x}")
