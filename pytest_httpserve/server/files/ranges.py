"""Byte ranges of a representation (RFC 9110 section 14): what was asked for, and the bytes that answer it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

# RFC 9110 section 14.2 lets a server ignore a Range that asks for many small or overlapping pieces.
MOST_RANGES = 64

_RANGE = re.compile(r"[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*")


def parse_ranges(value: str, size: int) -> list[range] | None:
    """The ranges of offsets that the ``Range`` header ``value`` asks for, of ``size`` bytes.

    None for a header to be ignored (another unit, no valid set, too many pieces); empty if no piece lies within the
    representation, which is answered with 416.
    """
    unit, equals, pieces = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    wanted = []
    for piece in pieces.split(","):
        if not piece.strip(" \t"):
            continue  # an empty element of a list says nothing (RFC 9110 section 5.6.1)
        match = _RANGE.fullmatch(piece)
        if match is None or any(group and len(group) > 20 for group in match.groups()):
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            if not size and int(suffix):
                return None  # all of nothing is there (RFC 9110 section 14.1.2), but no Content-Range can say so
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


class FileParts:
    """Parts of a file with text between them, to be read once: the body of a 206.

    ``parts`` gives bytes to send as they are, and ranges of the file's offsets.
    """

    def __init__(self, file: IO[bytes], parts: list[bytes | range]) -> None:
        self.file = file
        self.parts = parts
        self._chunks = self._read_parts()

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def _read_parts(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            self.file.seek(part.start)
            left = len(part)
            while left and (data := self.file.read(min(left, 1 << 18))):
                left -= len(data)
                yield data

    def read(self, size: int = -1) -> bytes:
        """The next bytes: at most about 256 KiB at once, whatever ``size``; all of them if it is negative."""
        return b"".join(self._chunks) if size < 0 else next(self._chunks, b"")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def single_part(file: IO[bytes], piece: range) -> FileParts:
    """The body of a 206 with one range."""
    return FileParts(file, [piece])


def multipart(file: IO[bytes], pieces: list[range], size: int, content_type: str, boundary: str) -> FileParts:
    """The body of a 206 with several ranges: multipart/byteranges (RFC 9110 section 14.6)."""
    parts: list[bytes | range] = []
    for piece in pieces:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(piece, size)}\r\n\r\n"
        )
        parts += [head.encode("latin-1"), piece]
    parts.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return FileParts(file, parts)
