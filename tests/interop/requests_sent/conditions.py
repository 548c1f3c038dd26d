"""Conditional requests."""

from __future__ import annotations

from collections.abc import Iterator

from .case import BARE_ETAG, EARLIER, ETAG, LAST_MODIFIED, LATER, MODIFIED, Case, get, request

_TAGS = {
    "its tag": ETAG,
    "its tag, weak": b"W/" + ETAG,
    "another tag": b'"x"',
    "*": b"*",
    "a list with it": b'"x", ' + ETAG,
    "a list with it, weak": b'"x",W/' + ETAG,
    "a list without it": b'"x", "y"',
    "its tag without quotes": BARE_ETAG,
    "nothing": b"",
    "its tag with blanks": b"  " + ETAG + b" ",
    "a list with empty elements": b', "x", ,' + ETAG,
    "a tag with a comma": b'"a,b",' + ETAG,
    "w/ in small letters": b"w/" + ETAG,
    "* in a list": b'"x", *',
}

_DATES = {
    "its date": LAST_MODIFIED,
    "an earlier date": EARLIER,
    "a later date": LATER,
    "no date": "yesterday",
    "nothing": "",
    "its date, RFC 850": "Sunday, 06-Nov-94 08:49:37 GMT",
    "its date, asctime": "Sun Nov  6 08:49:37 1994",
    "a wrong day of the week": "Mon, 06 Nov 1994 08:49:37 GMT",
    "another time zone": "Sun, 06 Nov 1994 08:49:37 +0100",
    "no time zone": "Sun, 06 Nov 1994 08:49:37",
    "UTC": "Sun, 06 Nov 1994 08:49:37 UTC",
    "a date in the future": "Fri, 06 Nov 2893 08:49:37 GMT",
    "a 32nd": "Wed, 32 Nov 1995 08:49:37 GMT",
    "seconds since the epoch": str(MODIFIED),
    "year 0": "Sun, 06 Nov 0000 08:49:37 GMT",
    "with a length": f"{LAST_MODIFIED}; length=26",
}

_SAME, _OTHER = b"If-None-Match: " + ETAG, b'If-None-Match: "x"'
_SINCE, _BEFORE = (f"If-Modified-Since: {date}".encode() for date in (LAST_MODIFIED, EARLIER))
_MODIFIED = f"If-Unmodified-Since: {EARLIER}".encode()
_UNMODIFIED = f"If-Unmodified-Since: {LAST_MODIFIED}".encode()
_MATCH, _MISMATCH = b"If-Match: " + ETAG, b'If-Match: "x"'
_RANGE = b"Range: bytes=0-4"

_COMBINED = {
    "If-None-Match holds, If-Modified-Since does not": [_OTHER, _SINCE],
    "If-None-Match does not hold, If-Modified-Since does": [_SAME, _BEFORE],
    "If-Match holds, If-Unmodified-Since does not": [_MATCH, _MODIFIED],
    "If-Match does not hold, If-Unmodified-Since does": [_MISMATCH, _UNMODIFIED],
    "If-Match and If-None-Match with its tag": [_MATCH, _SAME],
    "If-Match with another tag, If-None-Match with its own": [_MISMATCH, _SAME],
    "If-None-Match and a range": [_SAME, _RANGE],
    "If-Match and a range": [_MATCH, _RANGE],
    "If-Match with another tag and a range past the end": [_MISMATCH, b"Range: bytes=99-"],
    "If-Modified-Since and a range": [_SINCE, _RANGE],
    "If-None-Match on two lines": [_OTHER, _SAME],
    "If-Match on two lines": [_MISMATCH, _MATCH],
    "If-Modified-Since on two lines": [_SINCE, _BEFORE],
}


def conditions() -> Iterator[Case]:
    for header in ("If-Match", "If-None-Match"):
        for name, tag in _TAGS.items():
            yield get(f"{header}: {name}", b"%b: %b" % (header.encode(), tag))
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        for name, date in _DATES.items():
            yield get(f"{header}: {name}", f"{header}: {date}".encode())
    for name, fields in _COMBINED.items():
        yield get(f"conditions: {name}", *fields)
    yield request("conditions: HEAD with its tag", b"HEAD /letters.txt HTTP/1.1", _SAME, method="HEAD")
    for header in ("If-Match", "If-None-Match"):
        for name, path in (("nothing", b"/nothing"), ("a listing", b"/list/")):
            yield get(f"conditions: {header} * for {name}", header.encode() + b": *", path=path)
    yield get("conditions: a date for a redirect", _SINCE, path=b"/dir")
