"""Methods, versions, and what else can be right and wrong with a request line and the ends of lines."""

from __future__ import annotations

from collections.abc import Iterator

from .case import GET, HOST, Case, request, shown

_METHODS = "POST PUT DELETE OPTIONS TRACE PATCH PROPFIND MKCOL PURGE HEAD get Get G3T G-T G.T G!T " + "M" * 40
_NO_METHODS = ("G(T", "G@T", "G/T", "G\xe9T", '"GET"', "")

_VERSIONS = """
    HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/1.9 HTTP/2.0 HTTP/3.0 HTTP/9.9 HTTP/0.9 HTTP/1 HTTP/1. HTTP/.1 HTTP/1.10 HTTP/01.1
    HTTP/11.1 HTTP/4294967297.1 HTTP/1.1.1 HTTP/1.1x http/1.1 Http/1.1 HTTP HTTP/ HTTP/-1.1 HTTP/a.b HTTP/1,1 HTTP//1.1
    HTTPS/1.1 ICY/1.1
"""

_LINES = {
    "two spaces after the method": b"GET  /letters.txt HTTP/1.1",
    "two spaces before the version": b"GET /letters.txt  HTTP/1.1",
    "a space at the beginning": b" GET /letters.txt HTTP/1.1",
    "a space at the end": b"GET /letters.txt HTTP/1.1 ",
    "a space in the version": b"GET /letters.txt HTTP 1.1",
    "a tab after the method": b"GET\t/letters.txt HTTP/1.1",
    "a tab before the version": b"GET /letters.txt\tHTTP/1.1",
    "a tab at the end": b"GET /letters.txt HTTP/1.1\t",
    "a fourth word": b"GET /letters.txt HTTP/1.1 x",
    "a space in the target": b"GET /with space.txt HTTP/1.1",
    "a method and no more": b"GET",
    "a method and a space": b"GET ",
    "no word at all": b" ",
    "what is no HTTP": b"EHLO test",
    "a NUL at the beginning": b"\0GET /letters.txt HTTP/1.1",
    "a NUL at the end": b"GET /letters.txt HTTP/1.1\0",
    "a bare CR at the end": b"GET /letters.txt HTTP/1.1\r",
    "a bare CR before the version": b"GET /letters.txt\rHTTP/1.1",
    "a UTF-8 byte order mark": b"\xef\xbb\xbfGET /letters.txt HTTP/1.1",
}

_BEFORE = {
    "an empty line": b"\r\n",
    "a bare LF": b"\n",
    "two empty lines": b"\r\n\r\n",
    "nine empty lines": b"\r\n" * 9,
    "a bare CR": b"\r",
}

_LINE_ENDS = {
    "LF after the request line": GET + b"\n" + HOST + b"\r\n\r\n",
    "LF after a header": GET + b"\r\nX: y\n" + HOST + b"\r\n\r\n",
    "LF after the last header": GET + b"\r\n" + HOST + b"\n\r\n",
    "LF for the empty line": GET + b"\r\n" + HOST + b"\r\n\n",
    "LF everywhere": GET + b"\n" + HOST + b"\n\n",
    "CR after a header": GET + b"\r\nX: y\r" + HOST + b"\r\n\r\n",
    "CR CR LF after a header": GET + b"\r\nX: y\r\r\n" + HOST + b"\r\n\r\n",
    "LF CR after a header": GET + b"\r\n" + HOST + b"\r\nX: y\n\r\r\n\r\n",
}

_CUT_OFF = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a part of the request line": b"GET /lett",
    "the request line": GET + b"\r\n",
    "the headers without the empty line": GET + b"\r\n" + HOST + b"\r\n",
    "a part of a header": GET + b"\r\nHost: te",
    "a part of the body": GET + b"\r\n" + HOST + b"\r\nContent-Length: 10\r\n\r\nhello",
    "a part of a chunk": GET + b"\r\n" + HOST + b"\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
}


def methods() -> Iterator[Case]:
    for method in _METHODS.split():
        yield request(f"method: {shown(method)}", b"%b /letters.txt HTTP/1.1" % method.encode(), method=method)
    for method in _NO_METHODS:
        yield request(f"method: {shown(method)}", b"%b /letters.txt HTTP/1.1" % method.encode("latin-1"))
    for size in (500, 2_000, 9_000, 40_000, 70_000):
        yield request(f"method: one of {size:,} bytes", b"%b /letters.txt HTTP/1.1" % (b"M" * size))
    for name, line, *fields in (
        ("HEAD of a directory", b"HEAD /dir/"),
        ("HEAD of a listing", b"HEAD /list/"),
        ("HEAD without a slash", b"HEAD /dir"),
        ("HEAD of nothing", b"HEAD /nothing"),
        ("HEAD with a range", b"HEAD /letters.txt", b"Range: bytes=0-4"),
        ("HEAD with a range past the end", b"HEAD /letters.txt", b"Range: bytes=99-"),
        ("CONNECT", b"CONNECT test:80"),
        ("CONNECT to a path", b"CONNECT /letters.txt"),
        ("OPTIONS *", b"OPTIONS *"),
        ("GET *", b"GET *"),
    ):
        yield request(f"method: {name}", line + b" HTTP/1.1", *fields, method=name.split()[0])
    for name, path in (("", b"/letters.txt"), (" to a directory", b"/dir/"), (" to nothing", b"/nothing")):
        line = b"POST %b HTTP/1.1" % path
        yield request(f"method: POST with a body{name}", line, b"Content-Length: 5", body=b"hello", method="POST")


def request_lines() -> Iterator[Case]:
    for version in _VERSIONS.split():
        yield request(f"version: {version}", b"GET /letters.txt %b" % version.encode())
    yield Case("version: none, with GET", b"GET /letters.txt\r\n")
    yield Case("version: none, with HEAD", b"HEAD /letters.txt\r\n")
    yield Case("version: none, and a space", b"GET /letters.txt \r\n\r\n")
    yield Case("version: HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    for name, line in _LINES.items():
        yield request(f"line: {name}", line)
    for name, data in _BEFORE.items():
        yield Case(f"line: {name} before it", data + GET + b"\r\n" + HOST + b"\r\n\r\n")
    for name, data in _LINE_ENDS.items():
        yield Case(f"line end: {name}", data)
    for name, data in _CUT_OFF.items():
        yield Case(f"end of input: after {name}", data, ends=True)
