"""WebSocket (RFC 6455): turns bytes into messages and back. ``wsproto`` reads the frames."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytest_httpserve.errors import FrameError, RequestError, UnsupportedError
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.websocket import CONTINUATION, FIN, encode_frame, opcode_of, payload_of

if TYPE_CHECKING:
    from wsproto.extensions import PerMessageDeflate
    from wsproto.frame_protocol import Frame

MAX_MESSAGE_BYTES = 1 << 20
# RFC 6455 section 7.4.1: the codes that this package uses
NORMAL, GOING_AWAY, NO_CODE, ABNORMAL = 1000, 1001, 1005, 1006
POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1008, 1009, 1011
_COMPRESSED = 0x40  # the bit of a frame that RFC 7692 section 6 defines
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RULE = "RFC 6455 section 4.2.1"
# How many bytes to inflate at once: a message of zeros grows a thousandfold, so its size is checked in between.
_INFLATED_AT_ONCE = 4096


def check_extra(whose: str) -> None:
    """Raise UnsupportedError if the library for frames is not installed; ``whose`` names the feature that needs it."""
    try:
        import wsproto.frame_protocol  # noqa: F401
    except ImportError:
        raise UnsupportedError(f"{whose} needs wsproto: pip install 'pytest-httpserve[websocket]'") from None


# The handshake


class Opening(NamedTuple):
    """The answer to an accepted handshake: its header fields, and what the two sides agreed on."""

    fields: tuple[Field, ...]
    subprotocol: str | None
    deflate: PerMessageDeflate | None


def open_handshake(
    headers: Headers, version: tuple[int, int], subprotocols: Sequence[str], *, compresses: bool
) -> Opening:
    """Accept the handshake of an upgrade request to WebSocket with these headers.

    Raises RequestError for one that breaks the rules.
    """
    check_handshake(headers, version)
    key = headers.get("sec-websocket-key", "")
    fields: list[Field] = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_for(key)),
    ]
    subprotocol = next((one for one in offered_subprotocols(headers) if one in subprotocols), None)
    if subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    deflate = None
    if compresses:
        deflate, said = _agree(_listed(headers, "sec-websocket-extensions"))
        if deflate is not None:
            fields.append(("Sec-WebSocket-Extensions", said))
    return Opening(tuple(fields), subprotocol, deflate)


def accept_for(key: str) -> str:
    """The value of ``Sec-WebSocket-Accept`` for this key."""
    import hashlib  # here, since it loads OpenSSL

    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()).decode()


def offered_subprotocols(headers: Headers) -> list[str]:
    """The subprotocols that a client offers."""
    return _listed(headers, "sec-websocket-protocol")


def check_handshake(headers: Headers, version: tuple[int, int]) -> None:
    """Raise RequestError for a handshake that breaks the rules."""
    if version < (1, 1):
        raise RequestError(400, "a WebSocket handshake must be a request of HTTP/1.1 or later", rule=_RULE)
    if "upgrade" not in (option.lower() for option in _listed(headers, "connection")):
        raise RequestError(400, "the Connection of a handshake must contain Upgrade", rule=_RULE, names=("connection",))
    if headers.get("sec-websocket-version") != "13":
        raise RequestError(
            426,
            "the Sec-WebSocket-Version of a handshake must be 13",
            rule="RFC 6455 section 4.4",
            names=("sec-websocket-version",),
            fields=(("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade, close")),
        )
    keys = headers.get_all("sec-websocket-key")
    try:
        good = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    if not good:
        text = "the Sec-WebSocket-Key of a handshake must be 16 bytes in base64"
        raise RequestError(400, text, rule=_RULE, names=("sec-websocket-key",))


def _listed(headers: Headers, name: str) -> list[str]:
    return [item.strip() for value in headers.get_all(name) for item in value.split(",") if item.strip()]


def _agree(offers: Sequence[str]) -> tuple[PerMessageDeflate | None, str]:
    """Agree on compression by the first acceptable offer (RFC 7692): returns the extension, and the header's value."""
    from wsproto.extensions import PerMessageDeflate

    for offer in offers:
        if offer.partition(";")[0].strip() != PerMessageDeflate.name:
            continue
        deflate = PerMessageDeflate()
        try:
            said = deflate.accept(offer)
        except ValueError:  # a parameter is not a number
            continue
        if said is not None and said is not False:
            return deflate, f"{deflate.name}; {said}" if isinstance(said, str) and said else deflate.name
    return None, ""


# Frames


class Received(NamedTuple):
    """Something that a client sent: a ``text``, ``binary``, ``ping``, ``pong`` or ``close``; ``frames`` counts the
    frames of a message."""

    type: str
    data: str | bytes
    frames: int = 1
    code: int | None = None  # the code of a close


class Frames:
    """The frames of a connection, on the server's side: turns bytes into messages, and messages into bytes.

    A message may have up to ``most`` bytes.
    """

    def __init__(self, deflate: PerMessageDeflate | None, most: int) -> None:
        from wsproto.frame_protocol import FrameProtocol

        self._frames = FrameProtocol(client=False, extensions=[deflate] if deflate is not None else [])
        self._deflate = deflate
        self._most = most
        self._parts: list[str | bytes] = []  # the parts so far of the incoming message
        self._size = self._count = 0  # its bytes and frames
        self._begun = False  # whether a fragment was sent, so that the next frame continues its message

    def receive(self, data: bytes) -> Iterator[Received]:
        """Yield what these bytes complete. Raises FrameError, with the code to close with."""
        from wsproto.frame_protocol import ParseFailed

        step = _INFLATED_AT_ONCE if self._deflate is not None else len(data)
        for start in range(0, len(data), max(step, 1)):
            self._frames.receive_bytes(data[start : start + step])
            try:
                for frame in self._frames.received_frames():
                    yield from self._take(frame)
            except ParseFailed as error:
                raise FrameError(int(error.code), str(error)) from None

    def _take(self, frame: Frame) -> Iterator[Received]:
        from wsproto.frame_protocol import Opcode

        payload = frame.payload
        if isinstance(payload, tuple):
            yield Received("close", payload[1], code=int(payload[0]))
            return
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            yield Received(frame.opcode.name.lower(), bytes(payload) if not isinstance(payload, str) else payload)
            return
        self._parts.append(payload)
        self._size += len(payload.encode()) if isinstance(payload, str) else len(payload)
        self._count += frame.frame_finished
        if self._size > self._most:
            raise FrameError(TOO_BIG, f"a message may have at most {self._most} bytes")
        if frame.message_finished:
            parts, count = self._parts, self._count
            self._parts, self._size, self._count = [], 0, 0
            if frame.opcode is Opcode.TEXT:
                yield Received("text", "".join(map(str, parts)), count)
            else:
                yield Received("binary", b"".join(part for part in parts if isinstance(part, bytes)), count)

    def message(self, data: str | bytes) -> bytes:
        """A message, or the last fragment of one."""
        return self._sent(data, more=False)

    def fragment(self, data: str | bytes) -> bytes:
        """A fragment of a message; more must follow."""
        return self._sent(data, more=True)

    def _sent(self, data: str | bytes, *, more: bool) -> bytes:
        first, payload = CONTINUATION if self._begun else opcode_of(data), payload_of(data)
        self._begun = more
        if self._deflate is not None:
            first, payload = self._deflated(first, payload, more=more)
        return encode_frame(first if more else FIN | first, payload)

    def _deflated(self, opcode: int, payload: bytes, *, more: bool) -> tuple[int, bytes]:
        from wsproto.frame_protocol import Opcode, RsvBits

        assert self._deflate is not None
        reserved = RsvBits(False, False, False)
        reserved, payload = self._deflate.frame_outbound(self._frames, Opcode(opcode), reserved, payload, not more)
        return opcode | (_COMPRESSED if reserved.rsv1 else 0), payload

    def control(self, type: str, payload: bytes) -> bytes:
        """A ``ping`` or a ``pong``."""
        return bytes((self._frames.ping if type == "ping" else self._frames.pong)(payload))

    def close(self, code: int | None, reason: str) -> bytes:
        """A close frame; without a code, an empty one."""
        return bytes(self._frames.close(code, reason if code is not None else None))
