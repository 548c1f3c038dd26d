"""Reports on requests that the server refused: which rule they break, on which line, and how much of them came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_httpserve.errors import BrokenOff
from pytest_httpserve.scripting.record.lines import request_line
from pytest_httpserve.scripting.record.readable import readable
from pytest_httpserve.scripting.record.redaction import MASK, masked_line
from pytest_httpserve.scripting.record.words import count
from pytest_httpserve.wire.framing import FixedDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_httpserve.errors import RequestError
    from pytest_httpserve.protocol.reader import Reader
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.transcript import Transcript

_MOST_SHOWN = 200
_MOST_LINES = 4
_MOST_TAIL = 60


def refused(error: RequestError, exchange: Exchange, before: Exchange | None, redacted: frozenset[str]) -> str:
    """Say that the request was refused, and why, with the offending bytes. ``before`` is the previous exchange on the
    same connection."""
    received = exchange.raw.request
    lines = [f"refused {request_line(exchange.request)}: {exchange.error}"]
    if error.rule:
        lines.append(f"  against {error.rule}, answered with {error.status}")
    else:
        lines.append(f"  answered with {error.status}")
    lines += [f"  {place}" for place in _places(error, received, redacted)]
    if before is not None and _is_about_first_line(error, received):
        lines.append(f"  it came right after {_described(before)}: do these bytes belong to it?")
    return readable([*lines, ""])


def connection_refused(error: RequestError, which: str) -> str:
    """Say that an HTTP/2 client broke a rule, which ends the connection or the stream."""
    return readable([f"refused what the client sent over HTTP/2{which}: {error}", f"  against {error.rule}", ""])


def left_over(data: bytes, before: Exchange) -> str:
    """Say that bytes came after a request that belong to no other request, as far as the test has waited."""
    what = f"{count(len(data), 'extra byte')} came right after {_described(before)}"
    return readable([f"{what}: {_shown(data)}", "  against RFC 9112 section 6.3", ""])


def _is_about_first_line(error: RequestError, received: bytes) -> bool:
    first = received.partition(b"\n")[0].decode("latin-1")
    return not error.names and (not error.line or error.line.startswith(first))


def _described(exchange: Exchange) -> str:
    length = exchange.request.headers.get("content-length")
    if length is not None:
        return f"{request_line(exchange.request)}, which announced a body of {length} bytes"
    if "transfer-encoding" in exchange.request.headers:
        return f"{request_line(exchange.request)}, whose body came in chunks"
    return f"{request_line(exchange.request)}, which announced no body"


def _places(error: RequestError, received: bytes, redacted: frozenset[str]) -> Iterator[str]:
    """The offending lines, with their numbers and bytes."""
    if isinstance(error, BrokenOff):
        shown = b"\n".join(_masked(line, redacted) for line in received.split(b"\n"))
        yield f"the bytes that came end with {shown[-_MOST_TAIL:]!r}"
        return
    head, blank, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\n")
    wanted = error.line.encode("latin-1").rstrip(b"\r\n")
    names = tuple(name.lower().encode() for name in error.names)
    found = [
        number
        for number, one in enumerate(lines, 1)
        if (wanted and one.rstrip(b"\r") == wanted) or one.partition(b":")[0].strip().lower() in names
    ]
    if not found and wanted and (at := body.find(wanted)) >= 0:
        yield f"from byte {at + 1} of the body, as it was sent: {_shown(body[at : at + len(error.line)])}"
        return
    for number in found[:_MOST_LINES] or [1]:
        whole = number < len(lines) or blank
        end = b"\r\n" if number == len(lines) and whole else b"\n" if whole else b""
        yield f"line {number} of the head: {_shown(_masked(lines[number - 1] + end, redacted))}"


def _masked(data: bytes, redacted: frozenset[str]) -> bytes:
    text = data.decode("latin-1")
    content = text.rstrip("\r\n")
    return (masked_line(content, redacted) + text[len(content) :]).encode("latin-1")


def said(error: RequestError, redacted: frozenset[str]) -> str:
    """Say what is wrong with the request, without credentials."""
    text = str(error)
    name, colon, value = error.line.partition(":")
    if colon and name.strip().lower() in redacted and (secret := repr(value.strip())[1:-1]):
        text = text.replace(secret, MASK)
    return text


def _shown(data: bytes) -> str:
    beyond = len(data) - _MOST_SHOWN
    return repr(data) if beyond <= 0 else f"{data[:_MOST_SHOWN]!r} and {count(beyond, 'more byte')}"


def shortfall(reader: Reader, transcript: Transcript) -> str:
    """How much of an incomplete request came; empty if all of it did."""
    if reader.in_head:
        return f": {count(transcript.bytes_received, 'byte')} of its head came"
    if reader.complete:
        return ""
    body, framing = reader.body, reader.framing
    if isinstance(body, FixedDecoder):
        return f": {framing.length - body.left} of {count(framing.length, 'byte')} of its body came"
    head = transcript.request.find(b"\r\n\r\n") + 4
    return f": {count(transcript.bytes_received - head, 'byte')} of its body came, without the last chunk"
