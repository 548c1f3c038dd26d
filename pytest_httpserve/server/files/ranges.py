"""Byte ranges (RFC 9110 section 14): parses the ranges of a request, and writes multipart answers."""

from __future__ import annotations

import re

# RFC 9110 section 14.2 lets a server ignore a Range that asks for many small or overlapping pieces.
MOST_RANGES = 64

_RANGE = re.compile(r"[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*")


def parse_ranges(value: str, size: int) -> list[range] | None:
    """The ranges of offsets, out of ``size`` bytes, that the ``Range`` header ``value`` asks for.

    None if the header must be ignored (another unit, an invalid set, too many pieces); empty if no piece lies within
    the representation, which is answered with 416.
    """
    unit, equals, pieces = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    wanted = []
    for piece in pieces.split(","):
        if not piece.strip(" \t"):
            continue  # empty list elements are ignored (RFC 9110 section 5.6.1)
        match = _RANGE.fullmatch(piece)
        if match is None or any(group and len(group) > 20 for group in match.groups()):
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            if not size and int(suffix):
                return None  # valid for an empty file (RFC 9110 section 14.1.2), but no Content-Range can say so
            wanted.append(range(max(size - int(suffix), 0), size))
        elif last and int(last) < int(first):
            return None
        else:
            wanted.append(range(int(first), min(int(last) + 1, size) if last else size))
    if not wanted or len(wanted) > MOST_RANGES:
        return None
    there = [piece for piece in wanted if len(piece)]
    if len(there) > 1 and sum(map(len, there)) > size:
        return None
    return there


def content_range(piece: range, size: int) -> str:
    """The value of ``Content-Range`` for this piece."""
    return f"bytes {piece.start}-{piece.stop - 1}/{size}"


def multipart(pieces: list[range], size: int, content_type: str, boundary: str) -> list[bytes | range]:
    """The body of a 206 with several ranges: multipart/byteranges (RFC 9110 section 14.6).

    It consists of bytes to send as they are, and of ranges of the file's offsets.
    """
    parts: list[bytes | range] = []
    for piece in pieces:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(piece, size)}\r\n\r\n"
        )
        parts += [head.encode("latin-1"), piece]
    parts.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return parts
