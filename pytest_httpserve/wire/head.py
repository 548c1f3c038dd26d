"""A message's head: parses request lines and headers, and writes response heads (RFC 9112 sections 2 to 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Field, Headers

Version = tuple[int, int]

_HOST_RULE = "RFC 9112 section 3.2"
_BARE_LF = re.compile(r"(?<!\r)\n")


# RFC 9113 section 3.4: how a client that speaks HTTP/2 begins
HTTP2_PREFACE = "PRI * HTTP/2.0\r\n"


def speaks_tls(data: bytes) -> bool:
    """Whether this is the beginning of a TLS handshake (RFC 8446 section 5.1), which may have no line end."""
    return data.startswith(b"\x16\x03")


def speaks_socks(data: bytes) -> bool:
    """Whether this is the beginning of SOCKS 5 (RFC 1928 section 3), which may have no line end."""
    return data.startswith(b"\x05")


def speaks_another(data: bytes) -> bool:
    """Whether this is the beginning of TLS or of any SOCKS: there may be no line end to wait for."""
    return data.startswith((b"\x16\x03", b"\x05", b"\x04"))


class RequestLine(NamedTuple):
    """Method, raw target and HTTP version, as in ``("GET", "/a?b", (1, 1))``."""

    method: str
    target: str
    version: Version


def parse_request_line(line: bytes, *, limits: Limits = DEFAULT_LIMITS) -> RequestLine:
    """Parse ``line``, which ends with its CRLF.

    Raises RequestError: 400 for a line that is not a request line, 414 for one longer than ``limits.request_line``,
    505 for a version other than 1.x.
    """
    _check_length(line, limits)
    text = line.decode("latin-1")
    match = grammar.REQUEST_LINE.fullmatch(text, 0, len(text) - 2) if text.endswith("\r\n") else None
    if match is None:
        detail, section = _what_is_wrong_with_request_line(text)
        raise RequestError(400, detail, rule=f"RFC 9112 section {section}")
    method, target, major, minor = match.groups()
    if major != "1":
        if text == HTTP2_PREFACE:
            raise RequestError(
                505,
                "the client speaks HTTP/2, but this server speaks HTTP/1.1 and HTTP/1.0",
                rule="RFC 9113 section 3.3",
            )
        raise RequestError(
            505, f"HTTP/{major}.{minor} is not supported here, HTTP/1.1 and HTTP/1.0 are", rule="RFC 9110 section 2.5"
        )
    return RequestLine(method, target, (1, int(minor)))


def _check_length(line: bytes, limits: Limits) -> None:
    if len(line) > limits.request_line + 2:
        raise RequestError(414, f"the request line is longer than {limits.request_line} bytes")


def _what_is_wrong_with_request_line(line: str) -> tuple[str, str]:
    """A description, and the section of RFC 9112 with the rule."""
    if speaks_tls(line.encode("latin-1")):
        return "the client speaks TLS, but this server speaks plain HTTP (http://)", "3"
    if line.startswith(("\x04", "\x05")):
        but = "this server is not a proxy" if line[0] == "\x05" else "a proxy here speaks SOCKS 5 and HTTP"
        return f"the client speaks SOCKS {ord(line[0])}, but {but}", "3"
    if not line.endswith("\r\n"):
        return f"the request line does not end with CRLF: {line!r}", "2.2"
    line = line[:-2]
    words = line.split(" ")
    if len(words) != 3:
        return f"a request line is method, target and version with one space between them, not {line!r}", "3"
    method, target, version = words
    if not grammar.TOKEN.fullmatch(method):
        return f"the method is not a token: {method!r}", "3.1"
    if "#" in target:
        return f"a target cannot have a fragment: {target!r}", "3.2"
    if not re.fullmatch(rf"{grammar.VCHAR}+", target):
        return f"the target has octets that must be percent-encoded: {target!r}", "3.2"
    return f"the version is not in the form HTTP/1.1: {version!r}", "2.3"


def parse_fields(
    block: bytes, *, limits: Limits = DEFAULT_LIMITS, bare_lf: bool = False, size: int | None = None
) -> Headers:
    """Parse field lines, each with its CRLF, up to but without the blank line that ends them.

    ``bare_lf`` accepts LF for CRLF, too. ``size`` is how many bytes the whole block may have
    (``limits.head`` if None). Raises RequestError: 400 for a line that is not a field, 431 past a limit.
    """
    most = limits.head if size is None else size
    if len(block) > most:
        raise RequestError(431, f"the header fields take more than {most} bytes")
    text = block.decode("latin-1")
    if bare_lf:
        text = _BARE_LF.sub("\r\n", text)
    count = text.count("\n")
    if count > limits.header_count:
        raise RequestError(431, f"there are more than {limits.header_count} header fields", reason="Too many headers")
    if len(text) > limits.header_line and max(map(len, text.split("\n"))) > limits.header_line + 1:
        raise RequestError(431, f"a header field is longer than {limits.header_line} bytes", reason="Line too long")
    fields = grammar.FIELD_LINE.findall(text)
    # Each match is one whole line with its LF: if there are fewer matches than LFs, some line is not a field.
    if len(fields) != count or (text and text[-1] != "\n"):
        line = next(line for line in re.findall(r"[^\n]*\n|[^\n]+", text) if not grammar.FIELD_LINE.fullmatch(line))
        detail, section = _what_is_wrong_with_field(line)
        raise RequestError(400, detail, rule=f"RFC {section}", line=line)
    if " \r" in text or "\t\r" in text:
        fields = [(name, value.rstrip(" \t")) for name, value in fields]
    return Headers(fields)


def _what_is_wrong_with_field(line: str) -> tuple[str, str]:
    """A description, and the RFC and section with the rule."""
    if not line.endswith("\r\n"):
        return f"a header line does not end with CRLF: {line!r}", "9112 section 2.2"
    line = line[:-2]
    name, colon, value = line.partition(":")
    if line[:1] in (" ", "\t"):
        return f"a header is folded over two lines, or has whitespace before its name: {line!r}", "9112 section 5.2"
    if not colon:
        return f"a header line has no colon: {line!r}", "9112 section 5"
    if name.rstrip(" \t") != name:
        return f"there is whitespace between a header's name and its colon: {line!r}", "9112 section 5.1"
    if not grammar.FIELD_NAME.fullmatch(name):
        return f"a header's name is not a token: {name!r}", "9110 section 5.1"
    return f"the value of the header {name} has a control character: {value!r}", "9110 section 5.5"


def check_host(headers: Headers, version: Version) -> None:
    """Refuse a request without exactly one valid Host header (RFC 9112 section 3.2).

    HTTP/1.0 may leave Host out. Raises RequestError (400) for no Host, several, or one that is not ``host[:port]``.
    """
    host = headers.get("host")
    if host is None:
        if version >= (1, 1):
            detail = "HTTP/1.1 requires a Host header, and there is none"
            raise RequestError(400, detail, rule=_HOST_RULE, names=("host",))
    elif not grammar.is_host(host):
        # Several Host lines arrive joined with ", ", and no valid host contains a blank.
        hosts = headers.get_all("host")
        if len(hosts) > 1:
            raise RequestError(400, f"there is more than one Host header: {hosts}", rule=_HOST_RULE, names=("host",))
        raise RequestError(400, f"the Host header is not a host[:port]: {host!r}", rule=_HOST_RULE, names=("host",))


def response_head(status: int, reason: str, fields: Iterable[Field], *, version: str = "HTTP/1.1") -> bytes:
    """A response's status line and field lines with the blank line after them, as bytes.

    Raises ValueError for a name, value or reason that does not fit on one line of the head.
    """
    lines = [f"{version} {status} {reason}\r\n"]
    for name, value in fields:
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    text = "".join(lines)
    # One check for all: if there are more line ends than lines, a value contains one.
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise ValueError(f"CR, LF or NUL in a response's head: {text!r}")
    return text.encode("latin-1")


@lru_cache(maxsize=256)
def check_field(name: str, value: str) -> None:
    """Refuse a field that cannot be sent: raises ValueError for a name that is not a token, for CR, LF or NUL in the
    value, and for a value outside ISO-8859-1."""
    if not grammar.FIELD_NAME.fullmatch(name):
        raise ValueError(f"a header's name must be a token (RFC 9110 section 5.1), not {name!r}")
    if not re.fullmatch(grammar.FIELD_VALUE, value):
        raise ValueError(f"the value of the header {name} cannot be sent: {value!r}")


def parse_lenient_request_line(line: bytes, *, limits: Limits = DEFAULT_LIMITS) -> RequestLine:
    """Parse a request line as leniently as ``http.server``: any run of blanks between its words, LF alone at its end,
    octets that should be percent-encoded, HTTP/0.9 with its version or, for GET, without one (version ``(0, 9)``).

    Raises RequestError as ``parse_request_line`` does.
    """
    _check_length(line, limits)
    words = line.decode("latin-1").strip(" \t\r\n").split()
    if len(words) == 2 and words[0] == "GET":
        return RequestLine("GET", words[1], (0, 9))
    if len(words) == 2 and grammar.TOKEN.fullmatch(words[0]):
        raise RequestError(400, f"Bad HTTP/0.9 request type ({words[0]!r})")
    if len(words) != 3 or not grammar.TOKEN.fullmatch(words[0]):
        return parse_request_line(" ".join(words).encode("latin-1") + b"\r\n", limits=limits)
    method, target, version = words
    if version == "HTTP/0.9":
        return RequestLine(method, target, (0, 9))
    parsed = parse_request_line(f"{method} / {version}\r\n".encode("latin-1"), limits=limits)
    return parsed._replace(target=target)
