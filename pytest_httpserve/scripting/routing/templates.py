"""Path templates: literal text and parameters, matched in time that grows only linearly with the path.

If every parameter can end in only one place, a regular expression does it. Others, such as those of ``{a}-{b}-{c}``,
can end in many places, and an expression would try them one by one: for three parameters and ``n`` dashes, about ``n``
to the power of three. For these, all places are found at once, as the bits of one number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

_BYTES = bytes(range(256))
_DIGITS = b"0123456789"
_HEX_DIGITS = b"0123456789ABCDEFabcdef"
_NO_SLASH = _BYTES.replace(b"/", b"")


class Parameter(NamedTuple):
    """A part of a template that differs from path to path."""

    name: str
    kind: str


class _Step(NamedTuple):
    """One of the ``allowed`` bytes, or several if it ``repeats``; with ``others``, either those steps or nothing."""

    allowed: bytes
    repeats: bool = False
    others: tuple[_Step, ...] = ()


_MINUS, _FRACTION = _Step(b"-"), (_Step(b"."), _Step(_DIGITS, repeats=True))


class _Kind(NamedTuple):
    """What a parameter looks like in an encoded path: as an expression, and as steps. A text that begins with one of
    the bytes ``ends_before`` can follow it in only one place."""

    expression: str
    steps: tuple[_Step, ...]
    ends_before: bytes


_KINDS = {
    "str": _Kind(r"[^/]+", (_Step(_NO_SLASH, repeats=True),), b"/"),
    "int": _Kind(
        r"-?[0-9]+",
        (_Step(b"", others=(_MINUS,)), _Step(_DIGITS, repeats=True)),
        _BYTES.translate(None, _DIGITS),
    ),
    "float": _Kind(
        r"-?[0-9]+(?:\.[0-9]+)?",
        (_Step(b"", others=(_MINUS,)), _Step(_DIGITS, repeats=True), _Step(b"", others=_FRACTION)),
        _BYTES.translate(None, _DIGITS + b"."),
    ),
    "uuid": _Kind(
        r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        tuple(_MINUS if at in (8, 13, 18, 23) else _Step(_HEX_DIGITS) for at in range(36)),
        _BYTES,
    ),
    "path": _Kind(r".+", (_Step(_BYTES, repeats=True),), b""),
}
KINDS = tuple(_KINDS)


class Template:
    """Pieces of a path: literal texts (canonical) and parameters. Earlier parameters take as much as they can."""

    __slots__ = ("_pieces", "_regex")

    def __init__(self, pieces: Sequence[str | Parameter]) -> None:
        self._regex: re.Pattern[str] | None = None
        self._pieces = [_Piece(piece) for piece in pieces]
        if all(map(_ends_in_one_place, pieces, (pieces[at:] for at in range(1, len(pieces) + 1)))):
            self._regex = re.compile("".join(map(_expression_of, pieces)))

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters in ``path`` (canonical, so ASCII), still encoded; None if it does not match."""
        if self._regex is not None:
            match = self._regex.fullmatch(path)
            return match.groupdict() if match else None
        return self._match_ambiguous(path)

    def _match_ambiguous(self, path: str) -> dict[str, str] | None:
        data, size = path.encode("ascii", "replace"), len(path)
        backwards = _Places(data[::-1])
        # Counted from the end: where the remaining pieces can begin.
        begins = [1]
        for piece in reversed(self._pieces):
            begins.append(backwards.through(piece.backwards, begins[-1]))
        if not begins.pop() >> size & 1:
            return None
        forwards = _Places(data)
        found, at = {}, 0
        for piece in self._pieces:
            ends = forwards.through(piece.steps, 1 << at) & int(f"{begins.pop():0{size + 1}b}"[::-1], 2)
            end = ends.bit_length() - 1
            if piece.name:
                found[piece.name] = path[at:end]
            at = end
        return found


class _Piece:
    """A piece as steps, in both directions. It has a ``name`` if it is a parameter."""

    __slots__ = ("backwards", "name", "steps")

    def __init__(self, piece: str | Parameter) -> None:
        self.name = piece.name if isinstance(piece, Parameter) else ""
        self.steps = _steps_of(piece)
        self.backwards = _reversed(self.steps)


class _Places:
    """Places in some bytes, each a bit. The lowest bit is the place before the first byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data[::-1]  # numbers are written from the highest bit down
        self._masks: dict[bytes, int] = {}

    def through(self, steps: tuple[_Step, ...], places: int) -> int:
        """The places reached by taking all the steps from any of ``places``."""
        for step in steps:
            if step.others:
                places |= self.through(step.others, places)
                continue
            allowed = self._mask(step.allowed)
            places &= allowed
            if step.repeats:
                # The carry of the sum runs through all allowed bytes that follow a place.
                places |= ((places + allowed) ^ allowed) & allowed
            places <<= 1
        return places

    def _mask(self, allowed: bytes) -> int:
        """The places before an allowed byte."""
        if allowed not in self._masks:
            self._masks[allowed] = int(b"0" + self._data.translate(_digits(allowed)), 2)
        return self._masks[allowed]


@cache
def _digits(allowed: bytes) -> bytes:
    """A translation table that turns allowed bytes into ones, and all others into zeros."""
    return bytes(0x31 if byte in allowed else 0x30 for byte in _BYTES)


def _steps_of(piece: str | Parameter) -> tuple[_Step, ...]:
    if isinstance(piece, Parameter):
        return _KINDS[piece.kind].steps
    return tuple(_Step(bytes((byte,))) for byte in piece.encode("ascii", "replace"))


def _expression_of(piece: str | Parameter) -> str:
    return f"(?P<{piece.name}>{_KINDS[piece.kind].expression})" if isinstance(piece, Parameter) else re.escape(piece)


def _reversed(steps: tuple[_Step, ...]) -> tuple[_Step, ...]:
    return tuple(step._replace(others=_reversed(step.others)) for step in reversed(steps))


def _ends_in_one_place(piece: str | Parameter, following: Sequence[str | Parameter]) -> bool:
    """Whether the beginning of a piece determines its end."""
    if not isinstance(piece, Parameter) or not following:
        return True
    kind, after = _KINDS[piece.kind], following[0]
    if isinstance(after, Parameter):
        return piece.kind == "uuid"
    if after.encode("ascii", "replace")[0] in kind.ends_before:
        return True
    # Then the last text of the path, or of the segment, determines its end.
    return len(following) == 1 or (piece.kind == "str" and "/" in after)
