"""Content codings (RFC 9110 section 8.4): decompress and compress bodies, within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import SEEK_CUR, BytesIO
from typing import Any

from pytest_httpserve.scripting.record.readable import brief

# A kilobyte may decompress to a gigabyte, so decoding stops here.
MOST_DECODED_BYTES = 64 << 20
# Bytes of a Zstandard frame to decode at once: at most 64 blocks of 128 KiB each.
_MOST_FED = 256


class CodingError(ValueError):
    """A body that is not what its Content-Encoding says, or that cannot be decoded here."""


def decoded(body: bytes, codings: str) -> bytes:
    """The body without the codings that a Content-Encoding lists. Raises CodingError."""
    for coding in reversed([coding.strip().lower() for coding in codings.split(",")]):
        if coding not in ("identity", ""):
            body = _without(coding, body)
    return body


def encoded(body: bytes, codings: str) -> bytes:
    """The body with the codings that a Content-Encoding lists, in that order. Raises CodingError."""
    for coding in [coding.strip().lower() for coding in codings.split(",")]:
        if coding not in ("identity", ""):
            body = _with(coding, body)
    return body


def _with(coding: str, body: bytes) -> bytes:
    match coding:
        case "gzip" | "x-gzip":
            from gzip import compress

            return compress(body, mtime=0)
        case "deflate":
            return zlib.compress(body)
        case "br":
            compressed: bytes = _library("brotli", "brotlicffi", advice="brotli>=1.2").compress(body)
            return compressed
        case "zstd":
            zstd = _library("compression.zstd", "zstandard", advice="zstandard")
            compressed = zstd.compress(body)
            return compressed
    raise CodingError(f"unknown Content-Encoding: {brief(coding)}")


def _without(coding: str, body: bytes) -> bytes:
    if coding not in _CODINGS:
        raise CodingError(f"the body has an unknown Content-Encoding, {brief(coding)}")
    try:
        found = _CODINGS[coding](body, MOST_DECODED_BYTES + 1)
    except CodingError:
        raise
    except Exception as error:  # each library raises its own exceptions
        why = f"the body is not {coding}, but its Content-Encoding says so ({error})"
        raise CodingError(f"{why}: {brief(body)}") from None
    if len(found) > MOST_DECODED_BYTES:
        raise CodingError(f"the body has more than {MOST_DECODED_BYTES} bytes once decoded from {coding}")
    return found


def _gunzipped(body: bytes, most: int) -> bytes:
    from gzip import GzipFile

    return GzipFile(fileobj=BytesIO(body)).read(most)


def _inflated(body: bytes, most: int) -> bytes:
    # RFC 9110 section 8.4.1.2: some clients send deflate without the zlib format around it.
    has_header = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    inflating = zlib.decompressobj(15 if has_header else -15)
    found = inflating.decompress(body, most)
    if len(found) < most and (not inflating.eof or inflating.unused_data):
        raise EOFError("it ends too early" if not inflating.eof else "there are bytes after its end")
    return found


def _without_brotli(body: bytes, most: int) -> bytes:
    brotli = _library("brotli", "brotlicffi", advice="brotli>=1.2")
    decompressor = brotli.Decompressor()
    try:
        found: bytes = decompressor.process(body, output_buffer_limit=most)
    except TypeError:  # an older brotli, which cannot limit its output
        raise CodingError("to decode a body with the Content-Encoding 'br', install brotli>=1.2") from None
    while len(found) < most and not decompressor.is_finished():
        piece = decompressor.process(b"", output_buffer_limit=most - len(found))
        if not piece:
            raise EOFError("it ends too early")
        found += piece
    return found


def _without_zstandard(body: bytes, most: int) -> bytes:
    zstd = _library("compression.zstd", "zstandard", advice="zstandard")
    if hasattr(zstd, "ZstdFile"):
        found: bytes = zstd.ZstdFile(BytesIO(body)).read(most)
        return found
    # zstandard's readers accept truncated bodies, and its other functions cannot limit their output.
    pieces: list[bytes] = []
    frame, size = zstd.ZstdDecompressor().decompressobj(), 0
    rest = BytesIO(body)
    while size < most and (piece := rest.read(_MOST_FED)):
        if frame.eof:
            frame = zstd.ZstdDecompressor().decompressobj()
        pieces.append(frame.decompress(piece))
        size += len(pieces[-1])
        if frame.eof:
            rest.seek(-len(frame.unused_data), SEEK_CUR)
    if size < most and not frame.eof:
        raise EOFError("it ends too early")
    return b"".join(pieces)[:most]


def _library(*names: str, advice: str) -> Any:  # not every library has types
    """The first of these modules that is installed."""
    from importlib import import_module

    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    coding = "br" if "brotli" in names else "zstd"
    raise CodingError(f"to decode a body with the Content-Encoding {coding!r}, install {advice}")


_CODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    "br": _without_brotli,
    "zstd": _without_zstandard,
}
