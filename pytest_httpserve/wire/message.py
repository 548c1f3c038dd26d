"""A request's head as a whole: everything that its line and its header block decide, each checked in one place.

Clients repeat themselves: the requests of a session have nearly the same header block, and many the same line. Both
parse to immutable values, so they are cached: a head costs 0.3 microseconds instead of 6. Large ones are not kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import head
from pytest_httpserve.wire.framing import (
    NO_BODY,
    Framing,
    connection_options,
    expects_continue,
    keeps_alive,
    request_framing,
)
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.head import Version
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import Target, parse_target, target_of

_KEPT_BYTES = 4_096
_KEPT_HEADS = 256


class Line(NamedTuple):
    """A request line: ``text`` as it was sent, without the line end; its three parts; ``protocol``, the version as text
    (empty if HTTP/0.9 left it out); and ``parts``, the parts of the target."""

    text: str
    method: str
    target: str
    version: Version
    protocol: str
    parts: Target


class Fields(NamedTuple):
    """The headers of a request, and what they say about its body and its connection.

    ``asks_to_upgrade`` is whether the client asks to switch to another protocol (RFC 9110 section 7.8).
    """

    headers: Headers
    framing: Framing
    keeps_alive: bool
    expects_continue: bool
    asks_to_upgrade: bool = False


class RequestHead(NamedTuple):
    """A whole head, parsed."""

    line: Line
    fields: Fields


def parse_line(line: bytes, *, limits: Limits = DEFAULT_LIMITS, strict: bool = True) -> Line:
    """Parse a request line with its end: by RFC 9112 or, without ``strict``, as leniently as ``http.server``.

    Raises RequestError (400, 414, 505).
    """
    return (_kept_line if len(line) <= _KEPT_BYTES else _line)(line, limits, strict)


def parse_header_block(
    block: bytes, version: Version, *, limits: Limits = DEFAULT_LIMITS, strict: bool = True
) -> Fields:
    """Parse the field lines of a request, up to the blank line. Without ``strict``, Host may be missing, and lines may
    end with LF.

    Raises RequestError (400, 413, 417, 431, 501).
    """
    return (_kept_fields if len(block) <= _KEPT_BYTES else _fields)(block, version, limits, strict)


def parse_whole_head(head: bytes, limits: Limits, strict: bool) -> RequestHead:
    """Parse a head from its first byte to its blank line. All of its lines must end with CRLF.

    Raises RequestError for any other head; parsing it line by line then tells what is wrong with it.
    """
    return (_kept_head if len(head) <= _KEPT_BYTES else _head)(head, limits, strict)


def _head(head: bytes, limits: Limits, strict: bool) -> RequestHead:
    if head.count(b"\n") != head.count(b"\r\n") or head.startswith(b"\r\n"):
        raise RequestError(400, "a line of the head is empty, or ends without CR")
    end = head.index(b"\r\n") + 2
    line = parse_line(head[:end], limits=limits, strict=strict)
    if not line.protocol:
        raise RequestError(400, "HTTP/0.9 has no head")
    fields = parse_header_block(head[end:-2], line.version, limits=limits, strict=strict)
    return RequestHead(line, fields)


def _line(line: bytes, limits: Limits, strict: bool) -> Line:
    parse = head.parse_request_line if strict else head.parse_lenient_request_line
    method, target, version = parse(line, limits=limits)
    parts = parse_target(target, method) if strict else target_of(target)
    # A lenient GET without a version is HTTP/0.9.
    major, minor = version
    protocol = f"HTTP/{major}.{minor}" if strict or len(line.split()) > 2 else ""
    return Line(line.decode("latin-1").rstrip("\r\n"), method, target, version, protocol, parts)


def _fields(block: bytes, version: Version, limits: Limits, strict: bool) -> Fields:
    headers = head.parse_fields(block, limits=limits, bare_lf=not strict)
    if strict or "host" in headers:
        head.check_host(headers, version)
    framing = request_framing(headers, version, limits=limits)
    # RFC 9110 section 10.1.1: no 100 for a request without a body. http.server sends one all the same.
    expected = expects_continue(headers, version) and not (strict and framing is NO_BODY)
    upgrade = "upgrade" in headers and "upgrade" in connection_options(headers.get("connection", ""))
    return Fields(headers, framing, keeps_alive(headers, version), expected, upgrade)


_kept_line = lru_cache(_KEPT_HEADS)(_line)
_kept_fields = lru_cache(_KEPT_HEADS)(_fields)
_kept_head = lru_cache(_KEPT_HEADS)(_head)
