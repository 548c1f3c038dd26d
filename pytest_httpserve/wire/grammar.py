"""The grammar of RFC 9110 and RFC 9112 as named patterns over latin-1 text, and the limits of a message.

Every octet of a head is one character of the text (ISO-8859-1), so decoding loses nothing.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

# RFC 9110 section 5.6.2: token = 1*tchar
TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = re.compile(rf"{TCHAR}+")

# RFC 9110 section 5.6.3 and RFC 5234: OWS = *( SP / HTAB ), VCHAR = %x21-7E
OWS = r"[ \t]*"
VCHAR = r"[\x21-\x7e]"

# RFC 9110 section 5.5: a value consists of VCHAR, obs-text, SP and HTAB. CR, LF and NUL must be refused; the other
# control characters may be, and are.
FIELD_VALUE = r"[\t\x20-\x7e\x80-\xff]*"

# RFC 9112 section 5.1: no blank between the name and the colon, no obs-fold in a request (section 5.2).
# Possessive quantifiers (*+) keep a hostile line linear.
FIELD_LINE = re.compile(rf"^({TCHAR}++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n", re.MULTILINE)
FIELD_NAME = TOKEN

# RFC 9112 section 3: request-line = method SP request-target SP HTTP-version
# A target cannot have a fragment (section 3.2), so it never contains "#".
REQUEST_LINE = re.compile(rf"({TCHAR}++) ([\x21\x22\x24-\x7e]++) HTTP/([0-9])\.([0-9])")

# RFC 9112 section 3.2: the four forms of a target
ABSOLUTE_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+)://([^/?#]*+)([^?#]*+)(?:\?([^#]*+))?")

# RFC 3986 section 2.1: no URL contains a percent sign without two hexadecimal digits after it
BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

# RFC 3986 section 3.2.2, 3.2.3: host [ ":" port ], no user information (RFC 9110 section 4.2.4)
_NAMED_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})*(?::[0-9]*)?")
# The eight groups of an IPv6 address: the last two may be written as IPv4, and "::" replaces one or more
_H16 = r"[0-9A-Fa-f]{1,4}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LS32 = rf"(?:{_H16}:{_H16}|(?:{_OCTET}\.){{3}}{_OCTET})"
_IPV6 = "|".join(
    [rf"(?:{_H16}:){{6}}{_LS32}", rf"::(?:{_H16}:){{5}}{_LS32}"]
    + [rf"(?:(?:{_H16}:){{,{4 - n}}}{_H16})?::(?:{_H16}:){{{n}}}{_LS32}" for n in (4, 3, 2, 1, 0)]
    + [rf"(?:(?:{_H16}:){{,5}}{_H16})?::{_H16}", rf"(?:(?:{_H16}:){{,6}}{_H16})?::"]
)
_IPVFUTURE = r"[Vv][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+"


@functools.cache
def _bracketed_host() -> re.Pattern[str]:
    # Compiled on first use: it takes 5 ms, a seventh of the time that a first server's imports take.
    return re.compile(rf"\[(?:{_IPV6}|{_IPVFUTURE})\](?::[0-9]*)?")


def is_host(text: str) -> bool:
    """Whether this is a host, with or without a port."""
    pattern = _bracketed_host() if text.startswith("[") else _NAMED_HOST
    return pattern.fullmatch(text) is not None


# RFC 9112 section 3.2.3: for text that is_host() accepts, whether it has both a host and a port
AUTHORITY_FORM = re.compile(r"[^:].*:0*([0-9]{1,5})")

# RFC 9110 section 8.6: Content-Length = 1*DIGIT
DIGITS = re.compile(r"[0-9]+")

# RFC 9110 section 5.6.4: quoted-string
# No possessive quantifier after a group, here and below: Python 3.11.0 to 3.11.4 match it wrongly (gh-106052).
_QUOTED_STRING = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]++|\\[\t \x21-\x7e\x80-\xff])*"'

# RFC 9112 section 7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
_CHUNK_EXT = rf"(?:{OWS};{OWS}{TCHAR}++(?:{OWS}={OWS}(?:{TCHAR}++|{_QUOTED_STRING}))?)*"
CHUNK_LINE = re.compile(rf"([0-9A-Fa-f]+)({_CHUNK_EXT})\r\n")

# RFC 9112 section 4: reason-phrase = 1*( HTAB / SP / VCHAR / obs-text )
REASON = re.compile(FIELD_VALUE)


# Compared by identity, which is fast: the caches of parsed heads have them in their keys.
@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """How large the parts of a message may be. All sizes are bytes, not counting a line's CRLF.

    A message that exceeds a limit is answered with 414 for the request line, 431 for the size of a header or of the
    head or the number of headers, 400 for a chunk line or the trailers, 413 for the body.
    """

    request_line: int = 65_536
    header_line: int = 65_536
    header_count: int = 100
    head: int = 262_144
    chunk_line: int = 4_096
    trailers: int = 65_536
    body: int = 1 << 40


DEFAULT_LIMITS = Limits()
