"""WebSocket frames as bytes (RFC 6455 section 5.2)."""

from __future__ import annotations

import struct

FIN = 0x80
CONTINUATION, TEXT, BINARY, PING = 0x0, 0x1, 0x2, 0x9
MOST_CONTROL_BYTES = 125

_SHORT, _MIDDLE, _LONG = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")


def opcode_of(message: str | bytes) -> int:
    """The opcode of a message: text or binary."""
    return TEXT if isinstance(message, str) else BINARY


def payload_of(message: str | bytes) -> bytes:
    """A message as bytes."""
    return message.encode() if isinstance(message, str) else message


def encode_frame(first: int, payload: bytes, mask: bytes = b"") -> bytes:
    """A frame with this first byte, masked if there is a mask."""
    size, masked = len(payload), 0x80 if mask else 0
    if size <= MOST_CONTROL_BYTES:
        head = _SHORT.pack(first, masked | size)
    elif size < 65_536:
        head = _MIDDLE.pack(first, masked | 126, size)
    else:
        head = _LONG.pack(first, masked | 127, size)
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return b"%b%b%b" % (head, mask, payload)
