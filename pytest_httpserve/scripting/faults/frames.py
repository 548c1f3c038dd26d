"""Faults for WebSocket connections: handshakes that a client must refuse, and frames that break the rules."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.faults.acts import Fault, Phase
from pytest_httpserve.scripting.faults.edits import HeadEdit
from pytest_httpserve.wire.grammar import TOKEN
from pytest_httpserve.wire.websocket import FIN, PING, TEXT, encode_frame, opcode_of, payload_of

_MASK = b"\x01\x02\x03\x04"

# Handshakes


@dataclass(frozen=True, repr=False)
class WrongAccept(HeadEdit):
    """``Sec-WebSocket-Accept`` does not match the client's key."""

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        name = b"sec-websocket-accept"
        if all(line.partition(b":")[0].lower() != name for line in lines):
            return lines
        rest = [line for line in lines if line.partition(b":")[0].lower() != name]
        return [*rest, b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="]


@dataclass(frozen=True, repr=False)
class NoUpgrade(HeadEdit):
    """The response to a handshake has neither ``Upgrade`` nor ``Connection``."""

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        rest = [line for line in lines if line.partition(b":")[0].lower() not in (b"upgrade", b"connection")]
        return rest if len(rest) < len(lines) else lines


@dataclass(frozen=True, repr=False)
class Unoffered(HeadEdit):
    """The response to a handshake agrees to a ``subprotocol`` or an ``extension``, whether or not the client offered
    it."""

    subprotocol: str | None = None
    extension: str | None = None

    def __post_init__(self) -> None:
        if (self.subprotocol is None) == (self.extension is None):
            raise UsageError("Unoffered() takes a subprotocol= or an extension=")
        for name in (self.subprotocol, self.extension):
            if name is not None and (not isinstance(name, str) or not TOKEN.fullmatch(name)):
                raise UsageError(f"a subprotocol, or an extension, must be a name such as 'chat.v9', not {name!r}")

    def edit(self, lines: list[bytes], exchange_index: int) -> list[bytes]:
        field, said = ("Protocol", self.subprotocol) if self.subprotocol is not None else ("Extensions", self.extension)
        name = f"Sec-WebSocket-{field}".encode()
        rest = [line for line in lines if line.partition(b":")[0].lower() != name.lower()]
        return [*rest, name + b": " + (said or "").encode()]


# Frames


@dataclass(frozen=True, repr=False)
class FrameEdit(Fault):
    """A fault that breaks a rule in place of the first message that the server sends."""

    @property
    def place(self) -> Phase:
        return "message"

    def frames(self, message: str | bytes) -> bytes:
        """The bytes to send instead of ``message``."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class MaskedFrame(FrameEdit):
    """The message is masked, as only clients may do (RFC 6455 section 5.1)."""

    def frames(self, message: str | bytes) -> bytes:
        return encode_frame(FIN | opcode_of(message), payload_of(message), _MASK)


@dataclass(frozen=True, repr=False)
class ReservedBits(FrameEdit):
    """Reserved bits are set in the frame although no extension uses them: RSV2 and RSV3, or ``bits`` from 1 to 7."""

    bits: int = 3

    def __post_init__(self) -> None:
        check_count("bits=", self.bits, least=1, most=7)

    def frames(self, message: str | bytes) -> bytes:
        return encode_frame(FIN | self.bits << 4 | opcode_of(message), payload_of(message))


@dataclass(frozen=True, repr=False)
class WrongText(FrameEdit):
    """The message is a text that ends with a byte that is not UTF-8."""

    def frames(self, message: str | bytes) -> bytes:
        return encode_frame(FIN | TEXT, payload_of(message) + b"\xff")


@dataclass(frozen=True, repr=False)
class LongControlFrame(FrameEdit):
    """A ping with a payload of ``size`` bytes comes before the message. Only 125 are allowed."""

    size: int = 126

    def __post_init__(self) -> None:
        check_count("size=", self.size, least=126, most=1 << 20)

    def frames(self, message: str | bytes) -> bytes:
        return encode_frame(FIN | PING, bytes(self.size)) + encode_frame(FIN | opcode_of(message), payload_of(message))


@dataclass(frozen=True, repr=False)
class MixedFragments(FrameEdit):
    """Another message begins between the fragments of the message (RFC 6455 section 5.4)."""

    def frames(self, message: str | bytes) -> bytes:
        return encode_frame(opcode_of(message), payload_of(message)) + encode_frame(
            FIN | opcode_of(message), payload_of(message)
        )


@dataclass(frozen=True, repr=False)
class NoPong(Fault):
    """The server does not answer the client's pings."""

    @property
    def place(self) -> Phase:
        return "message"
