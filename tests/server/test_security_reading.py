"""The published weaknesses of ``http.server`` in reading requests: without end, for too long, past the end of a body.

As in test_security, each test must fail for a variant that has the weakness.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.server import HTTPServer, running
from pytest_httpserve.server.running import http1_of
from pytest_httpserve.wire import Limits

from .weaknesses import SECRET, Files, Strict, ask, fill, weak

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The served directory."""
    root = tmp_path / "root"
    fill(root)
    monkeypatch.setattr(Files, "root", root, raising=False)
    return root


# Reading without end


ENDLESS = Limits(*[1 << 62] * 7)


class ReadsAnything(Files):
    timeout: ClassVar[float | None] = 0.2  # after which it is clear that it wants more
    limits = ENDLESS

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it may come when the test is over."""

    def setup(self) -> None:
        super().setup()
        reader = http1_of(self).reader
        setattr(reader, "request_line", partial(any_line, reader))  # noqa: B010


def any_line(reader: Reader) -> bytes:
    """The first one that is not empty, however many are."""
    line = b"\n"
    while line in (b"\r\n", b"\n"):
        line = reader.readline()
    return line


POST_CHUNKS = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"X: " + b"y" * 1021


@pytest.mark.parametrize("handler", [Files, Strict, *weak(ReadsAnything)])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET /" + b"a" * 65_600, 414, id="a request line without end"),
        pytest.param(b"\r\n" * 20, 400, id="empty lines without end"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"y" * 262_200, 431, id="a header without end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"y" * 65_600 + b"\r\n\r\n", 431, id="a large header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431, id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"\r\n".join([PIECE] * 300), 431, id="headers without end"),
        pytest.param(POST_CHUNKS + b"1;" + b"x" * 4_200, 400, id="a chunk extension without end"),
        pytest.param(POST_CHUNKS + b"0" * 4_200, 400, id="a chunk size without end"),
        pytest.param(POST_CHUNKS + b"0\r\nX: " + b"y" * 65_600, 400, id="a trailer without end"),
        pytest.param(POST_CHUNKS + b"0\r\n" + b"X: y\r\n" * 11_000, 400, id="trailers without end"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9%b\r\n\r\n" % (b"0" * 12), 413, id="a length"),
        pytest.param(POST_CHUNKS + b"fffffffffff\r\n", 413, id="a chunk of 16 TiB"),
    ],
)
def test_what_has_no_end_is_refused_before_it_ends(
    serve: Serve, connect: Connect, handler: type[Files], data: bytes, status: int
) -> None:
    """CVE-2013-1752, reads without a bound, which the standard library's HTTP modules had in several places; in
    ``http.server`` the request line, a header, and the number of headers."""
    client = connect(serve(handler))
    client.send(data)  # and then the client says no more, but does not end
    assert client.answer().status == status


# In a process of its own that may use so many seconds of the processor, however long that takes on this machine.
HOSTILE = r"""
import re, resource, sys
from pytest_httpserve.errors import RequestError
from pytest_httpserve.server.files.conditions import accepted_codings
from pytest_httpserve.server.dates import parse_http_date
from pytest_httpserve.server.files.ranges import parse_ranges
from pytest_httpserve.wire import Limits, grammar
from pytest_httpserve.wire.framing import ChunkedDecoder
from pytest_httpserve.wire.grammar import Limits
from pytest_httpserve.wire.message import parse_header_block, parse_line

if sys.argv[1:] == ["weak"]:
    grammar.FIELD_LINE = re.compile(r"^((?:[!-9;-~]+)*):[ \t]*(.*?)[ \t]*\r\n", re.MULTILINE)
seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime + 3
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))

def block(line):
    for end in (b"\r\n", b"\n", b"\r", b""):
        try:
            parse_header_block(b"Host: test\r\n" + line + end, (1, 1), strict=end != b"\n")
        except RequestError:
            pass

def header(value, name=b"X"):
    block(name + b": " + value)

def line(data):
    for strict in (True, False):
        try:
            parse_line(data + b"\r\n", strict=strict)
        except RequestError:
            pass

def chunks(data):
    for size in (1, 100, len(data)):
        decoder = ChunkedDecoder(Limits(chunk_line=60_000))
        try:
            for start in range(0, len(data), size):
                decoder.decode(data[start : start + size])
        except RequestError:
            pass

N = 60_000
blanks = (b" " * N + b"\0", b" \t" * (N // 2) + b"x\0", b"x " * (N // 2) + b"\0")
for text in (*blanks, b"x" * N, b"," * N, b", " * (N // 2)):
    for name in (b"X", b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X" + text[:9_000]):
        header(text, name)
    block(text)
    parse_ranges("bytes=" + text.decode(), 100)
    parse_http_date(text.decode())
    accepted_codings({"Accept-Encoding": text.decode()})
repeated = (b"chunked,", b"1:", b":", b"%41", b"[", b"9", b"a.")
for text in (unit * (N // len(unit)) for unit in repeated):
    for name in (b"Host", b"Content-Length", b"Transfer-Encoding"):
        header(text, name)
        header(b"[" + text + b"]", name)
    for form in (b"GET %b HTTP/1.1", b"GET http://%b HTTP/1.1", b"CONNECT %b HTTP/1.1", b"%b / HTTP/1.1", b"GET / %b"):
        line(form % text)
for text in (b" ", b"\t ", b"/", b"/..", b"GET ", b"HTTP/1.1 "):
    line(b"GET " + text * (N // len(text)))
for text in (b"1" + b" ;a" * (N // 3), b'1;a="' + b"\\a" * (N // 2), b"1;" + b"a" * N, b"1" + b" " * N, b"0" * N):
    chunks(text[:9_000] + b"\0\r\n")
chunks(b"1\r\na\r\n" * 2_000 + b"0\r\n" + b"X: y\r\n" * 2_000 + b"\r\n")
parse_ranges("bytes=" + "0-0," * (N // 4), 100)
parse_ranges("bytes=" + "9" * N + "-", 100)
parse_http_date("Sun, 06 Nov " + "9" * N + " 08:49:37 GMT")
print("done")
"""


@pytest.mark.same_everywhere
@pytest.mark.parametrize("how", ["ours", pytest.param("weak", marks=pytest.mark.xfail(raises=AssertionError))])
def test_no_text_of_a_client_takes_long_to_be_parsed(how: str) -> None:
    """Quadratic parsing (and worse): patterns that try a text again from every place in it, numbers of thousands of
    digits, lines that are copied for every piece of them."""
    result = subprocess.run([sys.executable, "-c", HOSTILE, how], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("done\n", ""), f"it ended with {result.returncode}"


# Requests inside of requests


def rewritten(fields: bytes, *more: bytes) -> bytes:
    """A head that says nothing of the body but ``more``."""
    return b"".join([b"Host: test\r\n", *re.findall(rb"(?im)^connection:[^\n]*\n", fields), *more])


class LineByLine(Reader):
    """Takes no head as a whole."""

    def take_head(self, line: bytes, limits: Limits, strict: bool) -> None:
        return None


class NoBodies(LineByLine):
    """Knows of no bodies, as http.server does not."""

    def read_fields(self, *, lenient: bool) -> bytes:
        return rewritten(super().read_fields(lenient=lenient))

    def request_line(self) -> bytes:
        line = b"\n"
        while line and b" HTTP/" not in line:
            line = self.readline()
        return line


class IgnoresBodies(Files):
    def setup(self) -> None:
        super().setup()
        http1 = running.http1_of(self)
        http1.reader = self.rfile = NoBodies(http1.reader.source)


class LastLength(LineByLine):
    """Knows of lengths only, and takes the last that it finds, wherever."""

    def read_fields(self, *, lenient: bool) -> bytes:
        fields = super().read_fields(lenient=lenient)
        lengths = re.findall(rb"(?i)content-length *:[ +]*(\d+)", fields)
        return rewritten(fields, *(b"Content-Length: %b\r\n" % last for last in lengths[-1:]))


class BelievesLengths(Files):
    def setup(self) -> None:
        super().setup()
        http1 = running.http1_of(self)
        http1.reader = self.rfile = LastLength(http1.reader.source)


HIDDEN = b"GET /hidden.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
LAST = b"GET /a.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


BODIES = {
    "a length": (length(len(HIDDEN)), HIDDEN),
    "a chunk": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    "a chunk extension": (b"Transfer-Encoding: chunked\r\n", b'0;x="\r\n' + HIDDEN + b'"\r\n\r\n'),
    "trailers": (b"Transfer-Encoding: chunked\r\n", b"0\r\nX: y\r\n" + HIDDEN),
}

AMBIGUOUS = {
    "CL.TE": (length(5 + len(HIDDEN)) + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "TE.CL": (b"Transfer-Encoding: chunked\r\n" + length(4), b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    "two lengths": (length(len(HIDDEN)) + length(0), HIDDEN),
    "two lengths in one": (b"Content-Length: %d, 0\r\n" % len(HIDDEN), HIDDEN),
    "a signed length": (b"Content-Length: +%d\r\n" % len(HIDDEN), HIDDEN),
    "a folded length": (b"X: y\r\n Content-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "a blank before the colon": (b"Content-Length : %d\r\n" % len(HIDDEN), HIDDEN),
    "a length behind a bare CR": (b"X: y\rContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "chunked, hidden by a blank": (b"Transfer-Encoding : chunked\r\n" + length(0), b"0\r\n\r\n" + HIDDEN),
    "chunked, hidden by VT": (b"Transfer-Encoding: \vchunked\r\n" + length(0), b"0\r\n\r\n" + HIDDEN),
    "chunked, but not at the end": (b"Transfer-Encoding: chunked, x\r\n" + length(0), b"0\r\n\r\n" + HIDDEN),
    "a coding that is none": (b"Transfer-Encoding: xchunked\r\n" + length(0), b"0\r\n\r\n" + HIDDEN),
    "a chunk of a signed size": (b"Transfer-Encoding: chunked\r\n", b"+0\r\n\r\n" + HIDDEN),
    "a chunk with a bare LF": (b"Transfer-Encoding: chunked\r\n", b"0;\n\r\n" + HIDDEN),
}


@pytest.mark.parametrize("handler", [Files, Strict, *weak(IgnoresBodies)])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_is_never_the_next_request(
    serve: Serve, connect: Connect, handler: type[Files], method: bytes, body: tuple[bytes, bytes]
) -> None:
    """Request smuggling: ``http.server`` leaves a body that its handler does not read in the connection, where it is
    taken for the next request, and knows nothing of chunks."""
    fields, data = body
    request = method + b" /a.txt HTTP/1.1\r\nHost: test\r\n" + fields + b"\r\n" + data
    answer = ask(connect(serve(handler)), request + LAST)
    assert answer.startswith(b"HTTP/1.1 ")
    assert SECRET not in answer, answer


@pytest.mark.parametrize("handler", [Files, Strict, *weak(IgnoresBodies, BelievesLengths)])
@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_body_that_could_end_in_two_places_is_refused(
    serve: Serve, connect: Connect, handler: type[Files], body: tuple[bytes, bytes]
) -> None:
    """Request smuggling by framing that two servers in a row take differently: whoever looks, it is one request, it is
    refused, and the connection ends."""
    fields, data = body
    answer = ask(connect(serve(handler)), b"POST / HTTP/1.1\r\nHost: test\r\n" + fields + b"\r\n" + data + LAST)
    assert re.match(rb"HTTP/1\.1 (400|501) ", answer), answer
    assert answer.count(b"HTTP/1.1 ") == 1, answer
