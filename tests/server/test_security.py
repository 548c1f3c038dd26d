"""The published weaknesses of ``http.server``, but for those of CGI: none of them is here.

Each test runs against ours and against a tiny variant that has the weakness, for which it must fail: ``weak`` marks
those, and the suite's ``xfail_strict`` fails where such a test passes.
"""

from __future__ import annotations

import html
import io
import ntpath
import os
import re
import subprocess
import sys
import types
import urllib.parse
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, static
from pytest_httpserve.server.connection import Reader
from pytest_httpserve.wire import Framing, Limits

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

SECRET = b"the secret"
PATIENCE = 5.0


class Files(SimpleHTTPRequestHandler):
    """Ours."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE
    root: ClassVar[Path]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=self.root)

    def do_POST(self) -> None:
        size = len(self.rfile.read())
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(size))))
        self.end_headers()
        self.wfile.write(str(size).encode())


class Strict(Files):
    strict: ClassVar[bool] = True


def weak(*handlers: type[Files]) -> list[Any]:  # what parametrize takes
    """Handlers with the weakness: the test must fail for them."""
    fails = pytest.mark.xfail(raises=AssertionError, reason="it has the weakness")
    return [pytest.param(handler, marks=fails, id=handler.__name__) for handler in handlers]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The served directory, with a secret beside it."""
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "hidden.txt").write_bytes(SECRET)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "root-secret.txt").write_bytes(SECRET)
    monkeypatch.setattr(Files, "root", root, raising=False)
    return root


def ask(client: Client, data: bytes) -> bytes:
    """All that comes back, until the server ends the connection; it must do so by itself."""
    client.send(data)
    return client.rest()


def get(target: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: test", b"Connection: close", *fields, b"", b""])


# Redirects


class KeepsSlashes(Files):
    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self.path = self.requestline.split()[1]
        return parsed


class KeepsBackslashes(Files):
    def _redirect_to_slash(self) -> None:
        self._send_fields(static.HTTPStatus.MOVED_PERMANENTLY, {"Location": f"{self.path}/", "Content-Length": "0"})


@pytest.mark.parametrize("handler", [Files, Strict, *weak(KeepsSlashes, KeepsBackslashes)])
def test_a_redirect_stays_on_its_host(serve: Serve, connect: Connect, handler: type[Files]) -> None:
    """CVE-2021-28861 (gh-87389): a target with two slashes came back as a ``Location`` that names another host.

    To a browser a backslash is a slash, and it drops tabs and line ends.
    """
    server = serve(handler)
    for target in (
        b"//evil.test/..",
        b"//evil.test/%2e%2e",
        b"///evil.test/..",
        b"//evil.test/../dir",
        b"//evil.test//dir/../..",
        b"/\\evil.test/..",
        b"/\\/evil.test/..",
        b"\\\\evil.test/..",
        b"//evil.test/..?/dir",
        b"/dir?//evil.test/",
    ):
        answer = ask(connect(server), get(target))
        for location in re.findall(rb"(?m)^Location: (.*)\r$", answer):
            seen_by_browsers = location.decode().replace("\\", "/")
            host = urllib.parse.urlsplit(urllib.parse.urljoin("http://test/x", seen_by_browsers)).netloc
            assert host == "test", f"{target!r} leads to {location!r}"


# Lines of a response


class SendsAnything(Files):
    def send_response_only(self, code: int, message: str | None = None) -> None:
        super().send_response_only(code)
        self._headers_buffer[-1] = f"HTTP/1.1 {code} {message or ''}\r\n".encode("latin-1")

    def send_header(self, keyword: str, value: object) -> None:
        self._headers_buffer.append(f"{keyword}: {value}\r\n".encode("latin-1"))


INJECTED = "x\r\nSet-Cookie: a=b"


@pytest.mark.parametrize("handler", [Files, *weak(SendsAnything)])
@pytest.mark.parametrize("text", [INJECTED, INJECTED.replace("\r", ""), INJECTED.replace("\n", ""), INJECTED + "\0"])
@pytest.mark.parametrize("place", ["value", "name", "reason", "error"])
def test_what_a_handler_sends_on_a_line_stays_on_it(
    serve: Serve, connect: Connect, handler: type[Files], place: str, text: str
) -> None:
    """Header injection, or response splitting: ``send_header``, ``send_response`` and ``send_error`` wrote whatever
    text they were given into the head. A handler that repeats its client's words there lets the client write heads."""

    class Repeating(handler):  # type: ignore[misc, valid-type]
        def do_GET(self) -> None:
            if place == "error":
                self.send_error(404, text)
                return
            self.send_response(200, text if place == "reason" else None)
            self.send_header(f"X-{text}" if place == "name" else "X", text if place == "value" else "y")
            self.send_header("Content-Length", "0")
            self.end_headers()

    answer = ask(connect(serve(Repeating)), get(b"/"))
    assert not re.search(rb"[\r\n]Set-Cookie", answer), answer


@pytest.fixture
def serve(serve: Serve, request: pytest.FixtureRequest) -> Serve:
    """As in conftest; the ValueError of a line that would be two goes to nobody."""
    if "place" in request.fixturenames:
        serve._keep_error = lambda *_: None  # type: ignore[method-assign]
    return serve


# Logs


class LogsAnything(Files):
    def log_message(self, format: str, *args: Any) -> None:
        sys.stderr.write(f"{self.address_string()} {format % args}\n")


@pytest.mark.parametrize("handler", [Files, Strict, *weak(LogsAnything)])
def test_a_request_writes_nothing_of_its_own_into_the_log(
    serve: Serve, connect: Connect, capfd: pytest.CaptureFixture[str], handler: type[Files]
) -> None:
    """gh-100001: control characters of a request line went to the log, and so to the terminal that shows it."""
    server = serve(handler)
    for octets in (b"\x1b[31m", b"\x07", b"\x7f", b"\x9b31m", b"\x0b", b"\x85", b"\r127.0.0.1 - - all is well"):
        ask(connect(server), get(b"/a" + octets))
        ask(connect(server), octets + b"\r\n\r\n")
    log = capfd.readouterr().err
    assert log
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", log), ascii(log)
    assert all(line.startswith("127.0.0.1 - - [") for line in log.splitlines()), log


@pytest.mark.parametrize("handler", [Files, *weak(LogsAnything)])
def test_an_escape_in_the_log_is_not_of_the_clients_making(
    serve: Serve, connect: Connect, capfd: pytest.CaptureFixture[str], handler: type[Files]
) -> None:
    """gh-100001, its second part: a backslash as sent must differ from that of an escaped character."""
    ask(connect(serve(handler)), get(rb"/\x1b"))
    assert r"/\\x1b" in capfd.readouterr().err


# Pages


class Markup(HTMLParser):
    """The tags of a page, and the links in it."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


class Unescaped(str):
    """A page with its values as they are."""

    def __mod__(self, values: Any) -> str:
        return super().__mod__({name: html.unescape(str(value)) for name, value in values.items()})


class ErrorsAsTheyAre(Files):
    error_message_format = Unescaped(BaseHTTPRequestHandler.error_message_format)


SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize("handler", [Files, Strict, *weak(ErrorsAsTheyAre)])
def test_an_error_page_repeats_no_markup(serve: Serve, connect: Connect, handler: type[Files]) -> None:
    """Cross-site scripting by error pages, which show what was wrong with the request, or what a handler says of it."""

    class Repeating(handler):  # type: ignore[misc, valid-type]
        def do_GET(self) -> None:
            self.send_error(404, SCRIPT, urllib.parse.unquote(self.path))

    server = serve(Repeating)
    for data in (
        get(b"/%3Cscript%3E"),
        get(b"/<script>"),
        get(b"/", b"X <script>: y"),
        get(b"/", b"Host: <script>"),
        get(b"/", b"Content-Length: <script>"),
        get(b"/", b"Transfer-Encoding: <script>"),
        get(b"/", b"Expect: <script>"),
        b"<script> / HTTP/1.1\r\n\r\n",
        b"SCRIPT / <script>\r\n\r\n",
        b"<script>\r\n\r\n",
    ):
        answer = ask(connect(server), data)
        page = answer.partition(b"\r\n\r\n")[2]
        assert "script" not in Markup(page).tags, f"{data!r} got {answer!r}"
        assert re.search(rb"(?i)\ncontent-type: text/html; ?charset=utf-8\r", answer), answer


class ListsAnything(Files):
    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO:
        rows = "".join(f'<a href="{name}">{name}</a>' for name in os.listdir(path))
        page = f"<title>{urllib.parse.unquote(self.path)}</title>{rows}".encode()
        self._send_fields(static.HTTPStatus.OK, {"Content-Type": "text/html; charset=utf-8"})
        return io.BytesIO(page)


class ListsWithoutCharset(Files):
    def send_header(self, keyword: str, value: object) -> None:
        super().send_header(keyword, str(value).partition(";")[0])


@pytest.mark.parametrize("handler", [Files, Strict, *weak(ListsAnything, ListsWithoutCharset)])
def test_a_listing_repeats_no_markup(serve: Serve, connect: Connect, handler: type[Files], root: Path) -> None:
    """Cross-site scripting by the names in a listing and by the path above it; and CVE-2011-4940, a listing without a
    charset, of which a browser made its own by what it found in the page."""
    folder = root / "<script>alert(1)<"
    names = [
        "<script>x",
        '"><img src=x onerror=alert(1)>',
        "' onclick='",
        "javascript:alert(1)",
        "a?b#c",
        "&lt;",
        "%3C",
    ]
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    target = urllib.parse.quote(f"/{folder.name}/").encode()
    answer = ask(connect(serve(handler)), get(target + b"?<script>"))
    head, _, page = answer.partition(b"\r\n\r\n")
    assert re.search(rb"(?i)\ncontent-type: text/html; ?charset=utf-8\r?", head + b"\r"), head
    markup = Markup(page)
    assert markup.tags.isdisjoint({"script", "img"}), page
    base = f"http://test{target.decode()}"
    linked = [urllib.parse.urljoin(base, link) for link in markup.links]
    assert sorted(linked) == sorted(base + urllib.parse.quote(name) for name in names), page


# Reading without end


ENDLESS = Limits(*[1 << 40] * 7)


class ReadsAnything(Files):
    timeout: ClassVar[float | None] = 0.2  # after which it is clear that it wants more
    limits = ENDLESS

    def _take_request_line(self, reader: Reader) -> bytes:
        while (line := reader.readline()) in (b"\r\n", b"\n"):
            pass
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
from pytest_httpserve.server.conditions import accepted_codings
from pytest_httpserve.server.dates import parse_http_date
from pytest_httpserve.server.ranges import parse_ranges
from pytest_httpserve.wire import Limits, grammar
from pytest_httpserve.wire.framing import ChunkedDecoder
from pytest_httpserve.wire.message import parse_header_block, parse_line

if sys.argv[1:] == ["weak"]:
    grammar.FIELD_LINE = re.compile(r"^((?:[!-9;-~]+)*):[ \t]*(.*?)[ \t]*\r\n", re.MULTILINE)
seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime + 2
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1,) * 2)

def header(value, name=b"X"):
    try:
        parse_header_block(b"Host: test\r\n" + name + b": " + value + b"\r\n", (1, 1))
    except RequestError:
        pass

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
for text in (b" " * N + b"\0", b" \t" * (N // 2) + b"x\0", b"x" * N, b"x " * (N // 2) + b"\0", b"," * N, b", " * (N // 2)):
    for name in (b"X", b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X" + text[:9_000]):
        header(text, name)
    parse_ranges("bytes=" + text.decode(), 100)
    parse_http_date(text.decode())
    accepted_codings({"Accept-Encoding": text.decode()})
for text in (b"chunked," * (N // 8), b"1:" * (N // 2), b":" * N, b"%41" * (N // 3), b"[" * N, b"9" * N, b"a." * (N // 2)):
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


@pytest.mark.parametrize("how", ["ours", pytest.param("weak", marks=pytest.mark.xfail(raises=AssertionError))])
def test_no_text_of_a_client_takes_long_to_be_parsed(how: str) -> None:
    """Quadratic parsing (and worse): patterns that try a text again from every place in it, numbers of thousands of
    digits, lines that are copied for every piece of them."""
    result = subprocess.run([sys.executable, "-c", HOSTILE, how], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("done\n", ""), f"it ended with {result.returncode}"


# Outside


class FollowsAnyPath(Files):
    def translate_path(self, path: str) -> str:
        return self.directory + urllib.parse.unquote(urllib.parse.unquote(path.partition("?")[0])).replace("\\", "/")

    def _leads_out(self, path: str) -> bool:
        return False


WAYS_OUT = """
    /../secret.txt /..//secret.txt /dir/../../secret.txt /./../secret.txt //../secret.txt /%2e%2e/secret.txt
    /.%2e/secret.txt /%2e./secret.txt /..%2fsecret.txt /%2e%2e%2fsecret.txt /dir%2f..%2f..%2fsecret.txt
    /%252e%252e/secret.txt /..%252fsecret.txt /%25252e%25252e/secret.txt /..%5csecret.txt /..%255csecret.txt
    /%c0%ae%c0%ae/secret.txt /..%c0%afsecret.txt /%uff0e%uff0e/secret.txt /..;/secret.txt /...//secret.txt
    /dir/..%00/../secret.txt /../secret.txt%00 /../secret.txt%00.html /../secret.txt? /../secret.txt;x
    /../root-secret.txt /../root-secret.txt/ -secret.txt ../secret.txt http://test/../secret.txt
    http://test/%2e%2e/secret.txt http://../secret.txt file:///../secret.txt
"""


@pytest.mark.parametrize("handler", [Files, Strict, *weak(FollowsAnyPath)])
def test_no_target_leads_out_of_the_directory(serve: Serve, connect: Connect, handler: type[Files], root: Path) -> None:
    """Path traversal: dot segments, plain, encoded once or more often, behind slashes, backslashes and NUL, in targets
    of any form; whole paths of the system; a directory beside the served one whose name begins alike."""
    absolute = urllib.parse.quote(f"{root.parent}/secret.txt").encode()
    targets = [*WAYS_OUT.encode().split(), rb"/..\secret.txt", rb"\..\secret.txt", absolute, b"/" + absolute]
    server = serve(handler)
    found = [target for target in targets if SECRET in ask(connect(server), get(target))]
    assert not found, f"served to {found}"


class JoinsAnything(Files):
    def translate_path(self, path: str) -> str:
        return static.os.path.join(self.directory, *urllib.parse.unquote(path).strip("/").split("/"))


@pytest.mark.parametrize("handler", [Files, *weak(JoinsAnything)])
def test_no_target_leads_out_of_the_directory_on_windows(monkeypatch: pytest.MonkeyPatch, handler: type[Files]) -> None:
    """Path traversal by what Windows reads in a name: backslashes, drives, and shares."""
    windows = types.SimpleNamespace(path=ntpath, curdir=".", pardir="..", fspath=os.fspath)
    monkeypatch.setattr(static, "os", windows)
    files = handler.__new__(handler)
    files.directory = root = r"C:\site\root"
    for target in (
        *("/..%5csecret.txt", "/dir%5c..%5c..%5c..%5csecret.txt", r"/..\secret.txt", "/..%2f..%5csecret.txt"),
        *(
            "/C:/secret.txt",
            "/C:secret.txt",
            "/D:%5csecret.txt",
            "/%5csecret.txt",
            "/%5c%5chost%5cshare",
            "/C:",
            "/D:/",
        ),
        *("/%5c%5c%3f%5cC:%5csecret.txt", "/..%5c", "/dir/..%5c..%5c../x", r"\\host\share", "/C:%5cwindows/x"),
    ):
        path = ntpath.normpath(files.translate_path(target))
        assert path == root or path.startswith(root + "\\"), f"{target} is {path}"


class FollowsLinks(Files):
    follow_outside = True


@pytest.mark.parametrize("handler", [Files, Strict, *weak(FollowsLinks)])
def test_no_link_leads_out_of_the_directory(serve: Serve, connect: Connect, handler: type[Files], root: Path) -> None:
    """Symbolic links: ``http.server`` follows them wherever they lead, to a file, through a directory, in several
    steps, as an index page."""
    (root / "file").symlink_to("../secret.txt")
    (root / "absolute").symlink_to(root.parent / "secret.txt")
    (root / "parent").symlink_to("..")
    (root / "dir" / "step").symlink_to("../file")
    (root / "dir" / "index.html").symlink_to("../../secret.txt")
    server = serve(handler)
    targets = (b"/file", b"/absolute", b"/parent/secret.txt", b"/parent/", b"/dir/step", b"/dir/", b"/parent/root/file")
    found = [target for target in targets if re.search(rb"the secret|secret\.txt", ask(connect(server), get(target)))]
    assert not found, f"served to {found}"


# Requests inside of requests


class Careless(Reader):
    """Knows of no bodies, as http.server does not."""

    def read_fields(self, *, lenient: bool) -> bytes:
        return re.sub(rb"(?im)^(transfer-encoding|content-length)[^\n]*\n", b"", super().read_fields(lenient=lenient))


class IgnoresBodies(Files):
    def setup(self) -> None:
        super().setup()
        assert self._connection is not None
        self.rfile = Careless(self._connection)


class Lengths(Reader):
    """Knows of lengths only, and of them the last."""

    def begin_body(self, framing: Framing) -> None:
        super().begin_body(Framing("length", int(self.said[-1])) if self.said else Framing("none"))

    def read_fields(self, *, lenient: bool) -> bytes:
        fields = super().read_fields(lenient=lenient)
        self.said = re.findall(rb"(?im)^content-length: *(\d+)\r?\n", fields)
        return re.sub(rb"(?im)^(transfer-encoding|content-length)[^\n]*\n", b"", fields)


class BelievesLengths(Files):
    def setup(self) -> None:
        super().setup()
        assert self._connection is not None
        self.rfile = Lengths(self._connection)


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
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
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
