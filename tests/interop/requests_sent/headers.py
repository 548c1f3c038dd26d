"""Host, and header fields in general."""

from __future__ import annotations

from collections.abc import Iterator

from .case import CONTROLS, GET, HOST, Case, get, request, shown

_HOSTS = r"""
    test:80 test: test:x test:99999 test:0 test:-1 :80 a,b a/b a?b a#b a\b user@test [::1] [::1]:80 [::1 ::1 [::g]
    [::1]x 127.0.0.1 256.1.1.1 te_st te%73t te%zzt test. .test .. te..st TEST -test * http://test
"""
_ODD_HOSTS = ("", "a b", "t\xe9st", "te\0st", "te\x7fst", "te\tst", "x" * 300)

_FIELDS = {
    "no blank after the colon": b"X:y",
    "blanks around the value": b"X: \t y \t ",
    "an empty value": b"X:",
    "an empty value of blanks": b"X:   ",
    "a blank before the colon": b"X : y",
    "a tab before the colon": b"X\t: y",
    "a blank in the name": b"X Y: z",
    "no colon": b"nonsense",
    "no name": b": y",
    "only a colon": b":",
    "a name of digits": b"123: y",
    "a name of tchars": b"!#$%&'*+-.^_`|~: y",
    "an underscore in the name": b"X_Y: z",
    "a bracket in the name": b"X(Y): z",
    "a slash in the name": b"X/Y: z",
    "an at sign in the name": b"X@Y: z",
    "a quote in the name": b'"X": z',
    "a high octet in the name": b"X\xe9: z",
    "a high octet in the value": b"X: caf\xe9",
    "UTF-8 in the value": "X: café".encode(),
    "a second colon": b"X: y: z",
    "an unbalanced quote": b'X: "y',
    "a folded line": b"X: y\r\n z",
    "a line folded with a tab": b"X: y\r\n\tz",
    "an empty folded line": b"X: y\r\n ",
    "a folded Host": b"X: y\r\n Host: other.test",
}


def hosts() -> Iterator[Case]:
    yield request("Host: none", GET, host=None)
    yield request("Host: none in HTTP/1.0", b"GET /letters.txt HTTP/1.0", host=None)
    yield request("Host: none with a whole URL", b"GET http://test/letters.txt HTTP/1.1", host=None)
    for value in (*_HOSTS.split(), *_ODD_HOSTS):
        yield request(f"Host: {shown(value)}", GET, host=b"Host: " + value.encode("latin-1"))
    yield request("Host: twice the same", GET, HOST)
    yield request("Host: two", GET, b"Host: other.test")
    yield request("Host: two in HTTP/1.0", b"GET /letters.txt HTTP/1.0", b"Host: other.test")
    yield request("Host: not that of the whole URL", b"GET http://test/letters.txt HTTP/1.1", host=b"Host: other.test")
    yield request("Host: a bad one after a whole URL", b"GET http://test/letters.txt HTTP/1.1", host=b"Host: a b")
    yield request("Host: in small letters", GET, host=b"host:test")
    yield request("Host: with blanks around it", GET, host=b"Host: \t test \t ")


def headers() -> Iterator[Case]:
    for name, line in _FIELDS.items():
        yield get(f"header: {name}", line)
    for name, octet in CONTROLS.items():
        yield get(f"header: {name} in the name", b"X" + octet + b"Y: z")
        yield get(f"header: {name} in the value", b"X: y" + octet + b"z")
    yield Case("header: the first line folded", GET + b"\r\n X: y\r\n" + HOST + b"\r\n\r\n")
    yield Case("header: a blank before the first name", GET + b"\r\n " + HOST + b"\r\n\r\n")
    yield Case("header: a line of blanks before the empty line", GET + b"\r\n" + HOST + b"\r\n  \r\n\r\n")
    for count in (50, 99, 101, 500):
        yield get(f"size: {count + 1} headers", *(b"X-%d: y" % number for number in range(count)))
    for size in (500, 2_000, 9_000, 40_000, 70_000, 300_000):
        yield get(f"size: a header of {size:,} bytes", b"X: " + b"y" * size)
    yield get("size: 20,000 short headers", *([b"X: y"] * 20_000))
    yield get("size: headers of 60,000 bytes in all", *([b"X: " + b"y" * 997] * 60))
    yield Case("size: a head that does not end", GET + b"\r\n" + b"X: y\r\n" * 100_000, ends=True)
