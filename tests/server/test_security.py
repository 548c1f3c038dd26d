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
import sys
import types
import urllib.parse
from collections.abc import Callable
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pytest_httpserve.server.files import paths as file_paths
from pytest_httpserve.server.files.roots import FileOptions

from .weaknesses import SECRET, Files, Strict, ask, fill, get, weak

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


# Redirects


class KeepsSlashes(Files):
    def send_header(self, keyword: str, value: object) -> None:
        super().send_header(keyword, f"{self.requestline.split()[1]}/" if keyword == "Location" else value)


class KeepsBackslashes(Files):
    def send_header(self, keyword: str, value: object) -> None:
        super().send_header(keyword, f"{self.path}/" if keyword == "Location" else value)


# http.server sends back what it was sent.
WHOLE_URLS = (
    b"http://evil.test/dir",
    b"https://evil.test/dir?a",
    b"http://evil.test//evil.test/dir",
    b"http://evil.test//evil.test/..",
)


@pytest.mark.parametrize("handler", [Files, Strict, *weak(KeepsSlashes, KeepsBackslashes)])
def test_a_redirect_stays_on_its_host(serve: Serve, connect: Connect, handler: type[Files]) -> None:
    """CVE-2021-28861 (gh-87389): a target with two slashes came back as a ``Location`` that names another host.

    To a browser a backslash is a slash, and it drops tabs and line ends. A target that is a whole URL names any host.
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
        *(WHOLE_URLS if handler.strict else ()),
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


class Tolerant(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A line that would be two is a ValueError of the handler's."""


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

    answer = ask(connect(serve(Repeating, Tolerant)), get(b"/"))
    assert not re.search(rb"[\r\n]Set-Cookie", answer), answer


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
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
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


# Outside


class FollowsAnyPath(Files):
    def translate_path(self, path: str) -> str:
        return self.directory + urllib.parse.unquote(urllib.parse.unquote(path.partition("?")[0])).replace("\\", "/")

    file_options = FileOptions(follow_outside=True)


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
        return ntpath.join(self.directory, *urllib.parse.unquote(path).strip("/").split("/"))


@pytest.mark.parametrize("handler", [Files, *weak(JoinsAnything)])
def test_no_target_leads_out_of_the_directory_on_windows(monkeypatch: pytest.MonkeyPatch, handler: type[Files]) -> None:
    """Path traversal by what Windows reads in a name: backslashes, drives, and shares."""
    windows = types.SimpleNamespace(path=ntpath, curdir=".", pardir="..", fspath=os.fspath)
    monkeypatch.setattr(file_paths, "os", windows)
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
    file_options = FileOptions(follow_outside=True)


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
