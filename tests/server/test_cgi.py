"""CGIHTTPRequestHandler: scripts that run as RFC 3875 has it, and never show their source."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import pytest_httpserve.server
from pytest_httpserve.server import CGIHTTPRequestHandler, HTTPServer, ThreadingHTTPServer, ThreadingHTTPSServer
from pytest_httpserve.server.cgi.run import MOST_LOCAL_REDIRECTS
from pytest_httpserve.server.servers import service_of
from pytest_httpserve.tls import CertificateAuthority

from ..lifeline import Cue, Lifeline

if TYPE_CHECKING:
    from tests.server.conftest import Answer, Client, Serve

pytestmark = pytest.mark.needs("select.poll")

PATIENCE = 5.0  # seconds

HELLO = "echo 'Content-Type: text/plain'; echo; echo hello"
ENVIRONMENT = "printf 'Content-Type: text/plain\\n\\n'; env"
ARGUMENTS = 'printf "Content-Type: text/plain\\n\\n"; for word; do echo "<$word>"; done'


class Site:
    """A directory with CGI scripts, served."""

    def __init__(self, root: Path, serve: Serve, connect: Callable[[HTTPServer], Client]) -> None:
        self.root = root
        self.log: list[str] = []
        self._logged = threading.Condition()
        self._serve = serve
        self._connect = connect
        self._server: HTTPServer | None = None

    def file(self, path: str, text: str, mode: int = 0o644) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def script(self, commands: str, path: str = "cgi-bin/x.sh") -> Path:
        """A shell script."""
        return self.file(path, f"#!/bin/sh\n{commands}\n", 0o755)

    def serve(self, *, server_class: Any = ThreadingHTTPServer, **attributes: Any) -> HTTPServer:
        """A server whose handler class has these attributes."""
        log, logged = self.log, self._logged

        class Handler(CGIHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            cgi_as_nobody = False  # who could not read what a test has in its directory

            def log_message(self, format: str, *args: Any) -> None:
                with logged:
                    log.append(format % args)
                    logged.notify_all()

        handler = type("Handler", (Handler,), attributes)
        self._server = self._serve(partial(handler, directory=self.root), server_class)
        return self._server

    def client(self, **attributes: Any) -> Client:
        """A connection to the server, which is started if there is none or ``attributes`` ask for another."""
        if self._server is None or attributes:
            self.serve(**attributes)
        assert self._server is not None
        return self._connect(self._server)

    def log_has(self, *lines: str) -> None:
        """Wait until these are in the log."""
        with self._logged:
            assert self._logged.wait_for(lambda: {*lines} <= {*self.log}, 5.0), self.log

    def get(self, target: str = "/cgi-bin/x.sh", *fields: str) -> Answer:
        return self.client().get(target, *fields)

    def variables(self, target: str = "/cgi-bin/x.sh", *fields: str, **attributes: Any) -> dict[str, str]:
        """What a script sees of its environment."""
        self.script(ENVIRONMENT)
        answer = self.client(**attributes).get(target, *fields)
        assert answer.status == 200
        return dict(line.split("=", 1) for line in answer.body.decode("latin-1").splitlines() if "=" in line)


@pytest.fixture
def site(tmp_path: Path, serve: Serve, connect: Callable[[HTTPServer], Client]) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site", serve, connect)


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    lifeline = Lifeline(tmp_path / "lifeline")
    yield lifeline
    lifeline.close()


@pytest.fixture
def cue(tmp_path: Path) -> Iterator[Cue]:
    cue = Cue(tmp_path / "cue")
    yield cue
    cue.close()


# Running


def test_a_script_answers(site: Site) -> None:
    site.script(HELLO)

    answer = site.get()

    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Server"].startswith("pytest-httpserve/")
    assert "Date" in answer.headers


def test_any_executable_file_is_a_script(site: Site) -> None:
    # An interpreter's path may have spaces, and a first line cannot. To Python, the second line is a string.
    start = f"#!/bin/sh\n''''exec {shlex.quote(sys.executable)} \"$0\" #'''\n"
    site.file("cgi-bin/tool.py", f"{start}print('Content-Type: text/plain\\n')\nprint(6 * 7)\n", 0o755)

    assert site.get("/cgi-bin/tool.py").body == b"42\n"


def test_files_beside_the_scripts_are_served(site: Site) -> None:
    site.script(HELLO)
    site.file("page.txt", "a page")

    assert site.get("/page.txt").body == b"a page"


@pytest.mark.parametrize("directory", ["cgi-bin", "htbin", "cgi-bin/a", "cgi-bin/a/b"])
def test_a_script_may_be_in_a_nested_directory(site: Site, directory: str) -> None:
    site.script(ENVIRONMENT, f"{directory}/x.sh")

    answer = site.get(f"/{directory}/x.sh/more/path")

    assert f"SCRIPT_NAME=/{directory}/x.sh\n".encode() in answer.body
    assert b"PATH_INFO=/more/path\n" in answer.body


@pytest.mark.parametrize("target", ["http://other.test:81/cgi-bin/x.sh/a?b", "http://other.test:81/cgi-bin%2fx.sh/a?b"])
def test_a_target_may_be_a_whole_url(site: Site, target: str) -> None:
    """RFC 9112 section 3.2.2: its host is the one that counts."""
    seen = site.variables(target)

    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/cgi-bin/x.sh", "/a", "b")
    assert seen["SERVER_NAME"] == "other.test"


def test_a_script_of_the_root_alone(site: Site) -> None:
    """With "/" among the CGI directories, as many have it: files of the root run, those beneath it are sent."""
    site.script(HELLO, "x.sh")
    site.file("pages/page.txt", "a page")
    client = site.client(cgi_directories=["/"])

    assert client.get("/x.sh").body == b"hello\n"
    assert client.get("/pages/page.txt").body == b"a page"


def test_is_cgi_may_be_overridden(site: Site) -> None:
    site.script(ENVIRONMENT, "any where.sh")

    def is_cgi(self: CGIHTTPRequestHandler) -> bool:
        self.cgi_info = "", self.path[1:]
        return True

    answer = site.client(is_cgi=is_cgi).get("/any%20where.sh/info?query")

    assert b"SCRIPT_NAME=/any where.sh\n" in answer.body
    assert b"PATH_INFO=/info\n" in answer.body
    assert b"QUERY_STRING=query\n" in answer.body


def test_the_working_directory_is_the_servers(site: Site) -> None:
    site.script("printf 'Content-Type: text/plain\\n\\n'; pwd")

    assert site.get().body.decode() == os.getcwd() + "\n"


def test_the_working_directory_can_be_the_scripts(site: Site) -> None:
    """RFC 3875 section 7.2."""
    site.script("printf 'Content-Type: text/plain\\n\\n'; pwd", "cgi-bin/a/x.sh")

    assert site.client(cgi_in_place=True).get("/cgi-bin/a/x.sh").body.decode() == f"{site.root}/cgi-bin/a\n"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", b""),
        ("one", b"<one>\n"),
        ("one+two%20words+%2b", b"<one>\n<two words>\n<+>\n"),
        ("a=b", b""),
        ("a+b=c", b""),
        ("%3D", b"<=>\n"),
        ("-s", b""),
        ("one+-d+allow_url_include%3d1", b""),
        ("%2dn", b""),
        ("a%00b", b""),
        ("$(id)+;id+`id`", b"<$(id)>\n<;id>\n<`id`>\n"),
    ],
)
def test_an_indexed_query_gives_arguments(site: Site, query: str, words: bytes) -> None:
    """RFC 3875 section 4.4; but never an option (CVE-2012-1823), and never by way of a shell."""
    site.script(ARGUMENTS)

    assert site.get(f"/cgi-bin/x.sh?{query}").body == words


def test_python_runs_scripts_where_files_are_not_marked_executable(site: Site) -> None:
    site.file("cgi-bin/x.py", "import sys\nprint('Content-Type: text/plain\\n')\nprint(sys.argv[1:])\n")

    answer = site.client(have_fork=False).get("/cgi-bin/x.py?word")

    assert (answer.status, answer.body) == (200, b"['word']\n")


@pytest.mark.needs("root")
def test_root_runs_scripts_as_nobody(serve: Serve, connect: Callable[[HTTPServer], Client]) -> None:
    with contextlib.ExitStack() as stack:
        root = tempfile.mkdtemp()
        stack.callback(shutil.rmtree, root)
        site = Site(Path(root), serve, connect)
        site.root.chmod(0o755)
        site.script("printf 'Content-Type: text/plain\\n\\n'; id -u; id -g; id -G")

        answer = site.client(cgi_as_nobody=True).get("/cgi-bin/x.sh")

    uid, group, groups = answer.body.decode().splitlines()
    assert int(uid) == pytest_httpserve.server.nobody_uid() != 0
    assert group == groups != "0"


@pytest.mark.needs("root")
def test_a_script_that_nobody_cannot_reach_is_403(site: Site) -> None:
    site.script(HELLO)
    site.root.parent.chmod(0o700)

    assert site.client(cgi_as_nobody=True).get("/cgi-bin/x.sh").status == 403


# Variables


def test_the_variables_of_cgi(site: Site) -> None:
    """RFC 3875 section 4.1."""
    seen = site.variables("/cgi-bin/x.sh/a%20b/c?d=%20&e+f", "Content-Type: text/x", "Content-Length: 0")
    assert site._server is not None
    expected = {
        "CONTENT_LENGTH": "0",
        "CONTENT_TYPE": "text/x",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": "/a b/c",
        "PATH_TRANSLATED": f"{site.root}/a b/c",
        "QUERY_STRING": "d=%20&e+f",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/cgi-bin/x.sh/a%20b/c?d=%20&e+f",
        "SCRIPT_FILENAME": f"{site.root}/cgi-bin/x.sh",
        "SCRIPT_NAME": "/cgi-bin/x.sh",
        "SERVER_NAME": "test",
        "SERVER_PORT": str(site._server.server_port),
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert seen["SERVER_SOFTWARE"].startswith("pytest-httpserve/")
    assert not {"AUTH_TYPE", "REMOTE_USER", "HTTPS"} & seen.keys()


def test_what_is_not_there_is_empty(site: Site) -> None:
    seen = site.variables()

    assert {seen[name] for name in ("CONTENT_LENGTH", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_COOKIE")} == {
        ""
    }
    assert not {"CONTENT_TYPE", "PATH_TRANSLATED"} & seen.keys()


@pytest.mark.parametrize(
    ("host", "name"),
    [("example.test:81", "example.test"), ("[::1]:81", "[::1]"), ("[::1]", "[::1]"), ("", "127.0.0.1")],
)
def test_the_server_is_named_as_the_client_names_it(site: Site, host: str, name: str) -> None:
    site.script(ENVIRONMENT)
    client = site.client()
    client.send(f"GET /cgi-bin/x.sh HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert f"\nSERVER_NAME={name}\n".encode() in client.answer().body


def test_every_header_has_a_variable(site: Site) -> None:
    fields = ("X-Two-Words: 1", "x-two-words: 2", "Cookie: a=1", "Cookie: b=2", "Content-Encoding: gzip")

    seen = site.variables("/cgi-bin/x.sh", *fields)

    assert seen["HTTP_X_TWO_WORDS"] == "1,2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_CONTENT_ENCODING"] == "gzip"
    assert seen["HTTP_HOST"] == "test"


def test_bytes_of_a_header_and_a_path_arrive_as_they_are(site: Site) -> None:
    site.script(ENVIRONMENT)
    client = site.client()
    client.send("GET /cgi-bin/x.sh/%C3%A9%ff HTTP/1.1\r\nHost: test\r\nX-Name: é\r\n\r\n".encode())

    body = client.answer().body

    assert b"\nHTTP_X_NAME=\xc3\xa9\n" in body
    assert b"\nPATH_INFO=/\xc3\xa9\xff\n" in body


def test_a_proxy_header_sets_no_proxy(site: Site) -> None:
    """httpoxy, CVE-2016-5385: HTTP_PROXY is where a script's own HTTP client looks for its proxy."""
    assert not [name for name in site.variables("/cgi-bin/x.sh", "Proxy: http://evil.test") if "PROXY" in name.upper()]


@pytest.mark.parametrize("name", ["X_Real_IP", "X.Real.IP", "X!Real~IP"])
def test_a_name_that_is_spelt_alike_is_no_other_header(site: Site, name: str) -> None:
    seen = site.variables("/cgi-bin/x.sh", f"{name}: spoofed", "X-Real-IP: true")

    assert seen["HTTP_X_REAL_IP"] == "true"
    assert "spoofed" not in seen.values()


@pytest.mark.parametrize("name", ["Content_Length", "HTTPS", "Remote_User", "Script_Name", "Transfer_Encoding"])
def test_no_header_sets_a_variable_of_the_servers(site: Site, name: str) -> None:
    assert site.variables("/cgi-bin/x.sh", f"{name}: spoofed").get(name.upper()) != "spoofed"


def test_who_the_client_says_it_is(site: Site) -> None:
    seen = site.variables("/cgi-bin/x.sh", "Authorization: Basic YWRhOnNlY3JldA==")

    assert (seen["AUTH_TYPE"], seen["REMOTE_USER"]) == ("Basic", "ada")
    assert "HTTP_AUTHORIZATION" not in seen


@pytest.mark.parametrize("value", ["Bearer secret", "Basic", "Basic !!!", "Basic YQpiOmM=", "Basic AGI6Yw=="])
def test_other_credentials_name_nobody(site: Site, value: str) -> None:
    seen = site.variables("/cgi-bin/x.sh", f"Authorization: {value}")

    assert seen["AUTH_TYPE"] == value.split(" ")[0]
    assert "REMOTE_USER" not in seen


def test_the_servers_own_environment_is_inherited_and_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_SERVER", "yes")
    before = dict(os.environ)

    assert site.variables()["OF_THE_SERVER"] == "yes"
    assert dict(os.environ) == before


def test_a_request_is_never_the_one_that_the_server_is_part_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTP_X_ADMIN", "REMOTE_USER", "PATH_TRANSLATED", "CONTENT_TYPE", "HTTPS"):
        monkeypatch.setenv(name, "inherited")

    assert "inherited" not in site.variables().values()


def test_variables_of_the_test(site: Site) -> None:
    seen = site.variables(cgi_env={"GIT_PROJECT_ROOT": "/srv", "REMOTE_USER": "ada"})

    assert (seen["GIT_PROJECT_ROOT"], seen["REMOTE_USER"]) == ("/srv", "ada")


def test_over_tls_a_script_is_told_so(site: Site, tmp_path: Path, serve: Serve) -> None:
    authority = CertificateAuthority()
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(authority.issue("127.0.0.1").pem)
    site.script('printf "Content-Type: text/plain\\n\\n$HTTPS "; cat')
    server = site.serve(server_class=partial(ThreadingHTTPSServer, certfile=certificate))
    context = ssl.create_default_context(cadata=authority.pem.decode())
    body = "more than one TLS record" * 10_000

    connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, context=context, timeout=PATIENCE)
    with contextlib.closing(connection):
        for _ in range(2):
            connection.request("POST", "/cgi-bin/x.sh", body)
            assert connection.getresponse().read().decode() == f"on {body}"


# Request bodies


def post(client: Client, body: bytes, *fields: str) -> Answer:
    return client.request("POST", "/cgi-bin/x.sh", *fields, body=body)


def test_a_body_is_the_scripts_stdin(site: Site) -> None:
    site.script('printf "Content-Type: text/plain\\n\\n$CONTENT_LENGTH $CONTENT_TYPE "; cat')

    answer = post(site.client(), b"a=1&b=2", "Content-Type: application/x-www-form-urlencoded")

    assert answer.body == b"7 application/x-www-form-urlencoded a=1&b=2"


def test_without_a_body_stdin_is_at_its_end(site: Site) -> None:
    site.script("printf 'Content-Type: text/plain\\n\\n'; cat; echo end")

    assert site.get().body == b"end\n"


def test_a_chunked_body_has_its_length_and_no_chunks(site: Site) -> None:
    site.script('printf "Content-Type: text/plain\\n\\n$CONTENT_LENGTH $HTTP_TRANSFER_ENCODING "; cat')
    client = site.client()
    client.send(b"POST /cgi-bin/x.sh HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n")

    assert client.answer().body == b"5  abcde"


@pytest.mark.parametrize("commands", ["", "exec <&-;", "head -c 10 >/dev/null;"], ids=["none", "closes", "little"])
def test_a_script_need_not_read_a_large_body(site: Site, commands: str) -> None:
    site.script(commands + HELLO)
    client = site.client()

    for _ in range(2):  # the second finds the connection where the first should have left it
        assert post(client, bytes(3_000_000)).body == b"hello\n"


def test_a_script_that_answers_while_it_reads_waits_for_no_one(site: Site) -> None:
    """The client sends everything before it reads anything; more than all pipes and buffers on the way would hold."""
    site.script("printf 'Content-Type: text/plain\\n\\n'; exec cat")
    body = os.urandom(1 << 20) * 24

    assert post(site.client(), body).body == body


def announce(client: Client, length: int, beginning: bytes = b"") -> None:
    """Send the head of a request with a body, and some of that."""
    client.send(b"POST /cgi-bin/x.sh HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%b" % (length, beginning))


def test_a_script_begins_before_its_body_has_come(site: Site) -> None:
    site.script('printf "Content-Type: text/plain\\n\\n$CONTENT_LENGTH"; head -c 3; printf /; exec cat')
    client = site.client()

    announce(client, 6, b"abc")
    client.until(b"/\r\n")  # in a chunk of its own, or with what came before
    client.send(b"def")

    assert client.until(b"0\r\n\r\n") == b"3\r\ndef\r\n0\r\n\r\n"


@pytest.mark.parametrize("length", [2, 1 << 41, 1 << 64])
def test_a_script_that_wants_no_body_answers_at_once(site: Site, length: int) -> None:
    site.script(HELLO)
    client = site.client(protocol_version="HTTP/1.0")

    announce(client, length, b"x")

    assert client.answer().body == b"hello\n"


@pytest.mark.parametrize("beginning", [b"", bytes(10), bytes(200_000)], ids=len)
def test_a_body_that_breaks_off_has_no_end_for_its_script(site: Site, beginning: bytes) -> None:
    site.script(f"cat >/dev/null; echo ran >>{site.root}/ran; {HELLO}")
    client = site.client()
    announce(client, 1_000_000, beginning)
    client.end_sending()

    assert client.answer().status == 400
    assert not (site.root / "ran").exists()
    assert "/cgi-bin/x.sh: it was killed, because its input broke off" in site.log


def test_a_client_that_does_not_go_on_is_given_up_and_its_script_is_not_blamed(site: Site) -> None:
    site.script(f"cat >/dev/null; echo ran >>{site.root}/ran; {HELLO}")
    client = site.client(timeout=0.3, cgi_timeout=0.1)
    announce(client, 100, b"abc")

    assert client.answer().status == 408
    assert not (site.root / "ran").exists()


def test_a_script_that_hangs_with_its_whole_body_is_blamed(site: Site) -> None:
    site.script("exec sleep 600")
    client = site.client(cgi_timeout=0.1)
    announce(client, 100)
    client.send(bytes(100))

    assert client.answer().status == 504


def test_a_script_that_closes_its_output_may_read_on(site: Site) -> None:
    site.script(f"{HELLO}; exec >&-; cat >{site.root}/got")
    client = site.client()
    announce(client, 500_000, b"abc")
    client.send(bytes(499_997))

    assert client.answer().body == b"hello\n"
    assert (site.root / "got").stat().st_size == 500_000


@pytest.mark.parametrize("target", ["/page.txt", "/", "/nothing", "/cgi-bin/../page.txt", "/cgi-binary/x"])
def test_a_post_to_what_is_no_script_is_501(site: Site, target: str) -> None:
    site.file("page.txt", "a page")

    answer = site.client().request("POST", target, body=b"x")

    assert (answer.status, answer.reason) == (501, "Can only POST to CGI scripts")


# Output


def begin(client: Client) -> None:
    client.send(b"GET /cgi-bin/x.sh HTTP/1.1\r\nHost: test\r\n\r\n")


def output(site: Site, head: str, body: str = "", **attributes: Any) -> Client:
    """A client of a script that writes just this."""
    site.file("output", head + body)
    site.script(f"cat {site.root}/output")
    return site.client(**attributes)


def test_output_is_streamed(site: Site, cue: Cue) -> None:
    site.script(f"printf 'Content-Type: text/plain\\n\\none'; {cue.wait}; printf $cue")
    client = site.client()
    begin(client)

    assert client.until(b"\r\none\r\n").endswith(b"\r\n3\r\none\r\n")
    cue.give("two")
    assert client.until(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


def test_a_head_is_not_held_back_for_its_body(site: Site, cue: Cue) -> None:
    site.script(f"printf 'Content-Type: text/plain\\n\\n'; {cue.wait}; printf $cue")
    client = site.client()
    begin(client)

    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    cue.give("body")
    assert client.until(b"0\r\n\r\n") == b"4\r\nbody\r\n0\r\n\r\n"


def test_a_large_output_arrives_whole(site: Site) -> None:
    body = "0123456789" * 500_000

    assert output(site, "Content-Type: x/y\n\n", body).get("/cgi-bin/x.sh").body.decode() == body


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_a_head_end_with_lf_or_crlf(site: Site, end: str) -> None:
    answer = output(site, f"Content-Type: x/y{end}X-A: b{end}{end}", "\nbody").get("/cgi-bin/x.sh")

    assert (answer.headers["Content-Type"], answer.headers["X-A"], answer.body) == ("x/y", "b", b"\nbody")


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        ("404 Not Found", (404, "Not Found")),
        ("299 Odd", (299, "Odd")),
        ("418", (418, "I'm a Teapot")),
        ("599", (599, "")),
    ],
)
def test_status_is_the_scripts(site: Site, status: str, answered: tuple[int, str]) -> None:
    answer = output(site, f"Status: {status}\nContent-Type: x/y\n\n", "body").get("/cgi-bin/x.sh")

    assert (answer.status, answer.reason, answer.body) == (*answered, b"body")
    assert "Status" not in answer.headers


def test_headers_are_the_scripts(site: Site) -> None:
    head = "Content-Type: x/y\nServer: mine\nDate: today\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n"

    headers = output(site, head).get("/cgi-bin/x.sh").headers

    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert (headers.get_all("Server"), headers.get_all("Date")) == (["mine"], ["today"])


def test_headers_of_the_connection_are_the_servers(site: Site) -> None:
    """RFC 3875 section 6.3.4."""
    client = output(site, "Content-Type: x/y\nConnection: close\nKeep-Alive: 1\nUpgrade: x\nTrailer: y\n\n", "body")

    for _ in range(2):
        answer = client.get("/cgi-bin/x.sh")
        assert answer.body == b"body"
        assert not {"connection", "keep-alive", "upgrade", "trailer"} & {name.lower() for name in answer.headers}


@pytest.mark.parametrize("length", ["Content-Length: 4\n", ""], ids=["announced", "chunked"])
def test_the_connection_is_kept(site: Site, length: str) -> None:
    client = output(site, f"Content-Type: x/y\n{length}\n", "body")

    assert [client.get("/cgi-bin/x.sh").body for _ in range(3)] == [b"body"] * 3


@pytest.mark.parametrize(
    ("protocol", "version"), [("HTTP/1.0", "HTTP/1.1"), ("HTTP/1.1", "HTTP/1.0"), ("HTTP/1.0", "HTTP/1.0")]
)
def test_without_chunks_the_end_of_the_connection_ends_the_output(site: Site, protocol: str, version: str) -> None:
    client = output(site, "Content-Type: x/y\n\n", "body", protocol_version=protocol)

    answer = client.request("GET", "/cgi-bin/x.sh", version=version)

    assert "Transfer-Encoding" not in answer.headers
    assert (answer.body, client.rest()) == (b"body", b"")


@pytest.mark.parametrize("length", ["", "Content-Length: 4\n"])
def test_a_head_request_gets_no_body(site: Site, length: str) -> None:
    site.script(f'printf "Content-Type: x/y\\nX-Method: $REQUEST_METHOD\\n{length}\\nbody"'.replace("\n", "\\n"))
    client = site.client()

    answer = client.request("HEAD", "/cgi-bin/x.sh")

    assert (answer.status, answer.headers["X-Method"], answer.body) == (200, "HEAD", b"")
    assert client.get("/cgi-bin/x.sh").body == b"body"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(site: Site, status: int) -> None:
    client = output(site, f"Status: {status}\nContent-Length: 4\n\n", "body")

    answers = [client.get("/cgi-bin/x.sh") for _ in range(2)]

    assert [(answer.status, answer.body) for answer in answers] == [(status, b"")] * 2
    assert ("Content-Length" in answers[0].headers) == (status == 304)


def test_more_output_than_announced_is_not_sent(site: Site) -> None:
    """Else it would be the beginning of the next response."""
    client = output(site, "Content-Type: x/y\nContent-Length: 4\n\n", "bodyHTTP/1.1 200 OK\r\n\r\n")

    assert [client.get("/cgi-bin/x.sh").body for _ in range(2)] == [b"body"] * 2
    assert [line for line in site.log if "19 bytes more than its Content-Length" in line]


def test_less_output_than_announced_ends_the_connection(site: Site) -> None:
    client = output(site, "Content-Type: x/y\nContent-Length: 40\n\n", "body")

    with pytest.raises(EOFError, match="after 4 bytes"):
        client.get("/cgi-bin/x.sh")


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("", "wrote nothing"),
        ("Content-Type: x/y\n", "wrote no blank line"),
        ("hello\n\n", "has no colon"),
        ("HTTP/1.1 200 OK\nContent-Type: x/y\n\n", "colon"),
        ("Content Type: x/y\n\n", "not a token"),
        ("Content-Type: x/y\nX: a\n b\n\n", "folded"),
        ("Content-Type: x/y\nX: a\rSet-Cookie: b\n\n", "control character"),
        ("Content-Type: x/y\nX: a\0b\n\n", "control character"),
        ("Content-Type: x/y\nContent-Type: x/z\n\n", "more than one Content-Type"),
        ("Content-Type: x/y\nContent-Length: 1\nContent-Length: 2\n\n", "more than one Content-Length"),
        ("Content-Type: x/y\nContent-Length: -1\n\n", "not a number of bytes"),
        ("Content-Type: x/y\nContent-Length: " + "1" * 5000 + "\n\n", "not a number of bytes"),
        ("Content-Type: x/y\nTransfer-Encoding: chunked\n\n", "Transfer-Encoding"),
        ("Status: fine\n\n", "must be a final status code"),
        ("Status: 100 Continue\n\n", "must be a final status code"),
        ("Status: 2000\n\n", "must be a final status code"),
        # An id of its own: pytest 8.0 puts the whole of it into a variable, and no program can be started with that.
        pytest.param("X: " + "x" * 200_000, "does not end within", id="no end"),
    ],
)
def test_output_that_is_no_response_is_502(site: Site, head: str, reason: str) -> None:
    answer = output(site, head).get("/cgi-bin/x.sh")

    assert (answer.status, answer.reason) == (502, "Bad Gateway")
    assert [line for line in site.log if reason in line]
    assert reason.encode() in answer.body


def test_headers_without_one_of_cgi_are_for_the_lenient(site: Site) -> None:
    """RFC 3875 section 6.3 asks for Content-Type, Location or Status; http.server does not."""
    assert output(site, "X-A: b\n\n", "body").get("/cgi-bin/x.sh").body == b"body"
    assert output(site, "\n", "body").get("/cgi-bin/x.sh").body == b"body"
    assert output(site, "X-A: b\n\n", "body", strict=True).get("/cgi-bin/x.sh").status == 502


def test_a_script_that_dies_before_its_head_is_502_and_its_stderr_is_logged(site: Site) -> None:
    site.script("echo oh no >&2; echo really >&2; exit 3")

    assert site.get().status == 502
    assert site.log[:2] == ["/cgi-bin/x.sh: oh no", "/cgi-bin/x.sh: really"]
    assert "ended with exit status 3" in site.log[2]


def test_what_a_script_that_was_killed_has_said_does_not_pass_for_all(site: Site) -> None:
    site.script(f"{HELLO}; kill -9 $$")

    with pytest.raises(EOFError):
        site.get()
    assert "/cgi-bin/x.sh: it was ended by SIGKILL" in site.log


def test_stderr_cannot_write_lines_of_the_log(site: Site) -> None:
    site.script("printf 'half' >&2; printf ' a line\\r\\n\\033[31mred' >&2;" + HELLO)
    site.get()

    assert [line for line in site.log if line.startswith("/cgi-bin")] == [
        "/cgi-bin/x.sh: half a line",
        "/cgi-bin/x.sh: \x1b[31mred",  # what log_message escapes is not its caller's business
    ]


def test_much_on_stderr_stops_no_one(site: Site) -> None:
    site.script("head -c 3000000 /dev/zero >&2; yes | head -c 3000000 >&2;" + HELLO)

    assert site.get().body == b"hello\n"
    assert len(site.log) < 100_000


def test_many_empty_lines_on_stderr_are_not_all_logged(site: Site) -> None:
    """200,000 of them took 29 s."""
    site.script("yes '' | head -n 200000 >&2;" + HELLO)

    assert site.get().body == b"hello\n"
    lines = [line for line in site.log if line.startswith("/cgi-bin/x.sh:")]
    assert 1_000 < len(lines) < 1_100
    assert lines[-1] == "/cgi-bin/x.sh: (says more on stderr than is shown)"


def test_a_variable_that_is_too_large_is_named(site: Site) -> None:
    site.script(HELLO)

    assert site.client(cgi_env={"IN_THE_WAY": "x" * 4_000_000}).get("/cgi-bin/x.sh").status == 502
    assert [line for line in site.log if "variables and arguments, the variable IN_THE_WAY has 4000000" in line]


# Redirects


@pytest.mark.parametrize("location", ["http://other.test/a?b", "//other.test/a", "/a b", "relative"])
def test_a_client_redirect(site: Site, location: str) -> None:
    answer = output(site, f"Location: {location}\n\n").get("/cgi-bin/x.sh")

    assert (answer.status, answer.reason, answer.headers["Location"]) == (302, "Found", location)


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Status: 303 See Other\nLocation: /a\n\n", "", 303),
        ("Content-Type: x/y\nLocation: /a\n\n", "moved", 302),
        ("Location: /a\n\n", "moved", 302),
        ("Status: 201 Created\nLocation: /a\nContent-Type: x/y\n\n", "made", 201),
    ],
)
def test_a_location_with_anything_else_is_for_the_client(site: Site, head: str, body: str, status: int) -> None:
    answer = output(site, head, body).get("/cgi-bin/x.sh")

    assert (answer.status, answer.headers["Location"], answer.body) == (status, "/a", body.encode())


def test_a_local_redirect_is_answered_by_what_it_names(site: Site) -> None:
    """RFC 3875 section 6.2.2."""
    site.script(ENVIRONMENT, "cgi-bin/other.sh")
    client = output(site, "Location: /cgi-bin/other.sh/info?query\n\n")

    answer = client.request("POST", "/cgi-bin/x.sh?own", "Content-Type: x/y", body=b"body")

    lines = answer.body.decode().splitlines()
    assert answer.status == 200
    assert {"REQUEST_METHOD=GET", "PATH_INFO=/info", "QUERY_STRING=query", "CONTENT_LENGTH="} <= set(lines)
    assert not [line for line in lines if line.startswith("CONTENT_TYPE=")]


def test_a_local_redirect_to_a_file(site: Site) -> None:
    site.file("page.txt", "a page")
    client = output(site, "Location: /page.txt\n\n")

    assert client.get("/cgi-bin/x.sh").body == b"a page"
    assert client.request("HEAD", "/cgi-bin/x.sh").body == b""
    assert client.get("/page.txt").body == b"a page"


def test_a_local_redirect_leaves_nothing_on_the_handler(site: Site) -> None:
    seen = []

    def do_GET(self: CGIHTTPRequestHandler) -> None:
        before = set(vars(self))
        CGIHTTPRequestHandler.do_GET(self)
        seen.append(set(vars(self)) - before)

    site.file("page.txt", "page")
    site.script("echo 'Location: /page.txt'; echo")
    client = site.client(do_GET=do_GET)
    assert [client.get("/cgi-bin/x.sh").body for _ in range(2)] == [b"page", b"page"]
    assert seen[1] == {"cgi_info"}  # of the first request, which was over before the second


def test_a_local_redirect_to_itself_ends(site: Site) -> None:
    count = site.file("count", "")
    site.script(f"echo >>{count}; printf 'Location: /cgi-bin/x.sh\\n\\n'")

    assert site.get().status == 502
    assert count.read_text().count("\n") == 1 + MOST_LOCAL_REDIRECTS


# What cannot run


@pytest.mark.parametrize("text", ["echo no interpreter\n", "#!/no/such/interpreter\n"])
def test_a_script_without_interpreter_is_502_with_advice(site: Site, text: str) -> None:
    site.file("cgi-bin/x.sh", text, 0o755)

    answer = site.get()

    assert answer.status == 502
    assert b"#!/bin/sh" in answer.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/cgi-bin/nothing", 404),
        ("/cgi-bin/nothing/x.sh", 404),
        ("/cgi-bin/plain.sh", 403),
        ("/cgi-bin/plain.sh/", 403),
        ("/cgi-bin/", 403),
        ("/cgi-bin/directory", 403),
        ("/cgi-bin/directory/", 403),
        ("/cgi-bin/out.sh", 403),
        ("/cgi-bin/out/outside.sh", 403),
        ("/cgi-bin/dangling", 403),
        ("/cgi-bin/fifo", 403),
    ],
)
def test_what_is_no_script_does_not_run(site: Site, method: str, target: str, status: int) -> None:
    outside = site.root.parent / "outside"
    site.file("../outside/outside.sh", f"#!/bin/sh\n{HELLO}\n", 0o755)
    site.file("cgi-bin/plain.sh", f"#!/bin/sh\n{HELLO}\n")
    (site.root / "cgi-bin/directory").mkdir()
    (site.root / "cgi-bin/out.sh").symlink_to(outside / "outside.sh")
    (site.root / "cgi-bin/out").symlink_to(outside)
    (site.root / "cgi-bin/dangling").symlink_to(outside / "nothing")
    os.mkfifo(site.root / "cgi-bin/fifo")

    assert site.client().request(method, target).status == status


def test_a_symbolic_link_within_the_root_is_followed(site: Site) -> None:
    site.script(HELLO, "elsewhere/x.sh")
    (site.root / "cgi-bin").mkdir()
    (site.root / "cgi-bin/x.sh").symlink_to(site.root / "elsewhere/x.sh")

    assert site.get().body == b"hello\n"


SPELLINGS = [
    "/cgi-bin/x.sh",
    "/cgi-bin/x.sh/",
    "/cgi-bin/x.sh?",
    "/cgi-bin/x.sh?a/../b",
    "/cgi-bin/x.sh%3f",
    "/cgi-bin/x.sh%00",
    "/cgi-bin/x.sh%00.txt",
    "/cgi-bin/x.sh%20",
    "/cgi-bin/x.sh;a",
    "/cgi-bin/x.sh\\",
    "/cgi-bin//x.sh",
    "//cgi-bin/x.sh",
    "///cgi-bin///x.sh",
    "/./cgi-bin/./x.sh",
    "/a/../cgi-bin/x.sh",
    "/a/b/../../cgi-bin/x.sh",
    "/../cgi-bin/x.sh",
    "/a/../../cgi-bin/x.sh",
    "/%2e/cgi-bin/x.sh",
    "/%2e%2e/cgi-bin/x.sh",
    "/a%2f..%2fcgi-bin/x.sh",
    "/cgi-bin%2fx.sh",
    "/cgi-bin%2f%2fx.sh",
    "%2fcgi-bin/x.sh",
    "cgi-bin/x.sh",
    "/cgi%2dbin/x.sh",
    "/%63%67%69-bin/%78.sh",
    "/%2563gi-bin/x.sh",
    "/cgi-bin/%252e%252e/cgi-bin/x.sh",
    "/cgi-bin/../cgi-bin/x.sh",
    "/cgi-bin/%2e%2e/cgi-bin/x.sh",
    "/page.txt/../cgi-bin/x.sh",
    "/CGI-BIN/x.sh",
    "/cgi-bin./x.sh",
    "/cgi-bin%20/x.sh",
    "/cgi-bin%00/x.sh",
    "/cgi-bin\\x.sh",
    "/cgi-bin%5cx.sh",
    "/a\\..\\cgi-bin/x.sh",
    "http://test/cgi-bin/x.sh",
    "http://test//cgi-bin/x.sh",
    "http://test/a/../cgi-bin/x.sh",
    "/link/x.sh",
    "/link//x.sh",
    "/link/nested/x.sh",
    "/linked.txt",
    "/with-index/",
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_shows_a_source(site: Site, target: str, strict: bool) -> None:
    """CVE-2011-1015, and what else has been or might be tried."""
    for directory in ("cgi-bin", "cgi-bin/nested"):
        site.script(f"{HELLO} # SECRET", f"{directory}/x.sh")
    site.file("page.txt", "a page")
    (site.root / "link").symlink_to("cgi-bin")
    (site.root / "linked.txt").symlink_to("cgi-bin/x.sh")
    (site.root / "with-index").mkdir()
    (site.root / "with-index/index.html").symlink_to("../cgi-bin/x.sh")
    site.serve(strict=strict)

    for method in ("GET", "HEAD"):
        client = site.client()
        client.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = client.rest()

        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 30", b"HTTP/1.1 4"))
        assert b"SECRET" not in answer
        assert method == "GET" or b"Content-Length: 7" not in answer
        if answer.startswith(b"HTTP/1.1 200") and method == "GET":
            assert b"hello\n" in answer or b"File listing" in answer


@pytest.mark.parametrize("target", ["/cgi-bin/x.sh", "/link/x.sh", "/linked.txt"])
def test_a_source_is_safe_even_where_is_cgi_misses_it(site: Site, target: str) -> None:
    """As on a file system that ignores case: the second look is at the file, not at its name."""
    site.script(f"{HELLO} # SECRET")
    (site.root / "link").symlink_to("cgi-bin")
    (site.root / "linked.txt").symlink_to("cgi-bin/x.sh")
    client = site.client(is_cgi=lambda handler: False)

    assert client.get(target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/cgi-bin/../secret.sh",
        "/cgi-bin/%2e%2e/secret.sh",
        "/cgi-bin/..%2fsecret.sh",
        "/cgi-bin/nested/../../secret.sh",
        "/cgi-bin/x.sh/../../secret.sh",
    ],
)
def test_nothing_outside_a_cgi_directory_runs(site: Site, target: str) -> None:
    site.script(HELLO)
    site.script(f"{HELLO} # SECRET", "secret.sh")
    site.script(HELLO, "cgi-bin/nested/x.sh")

    assert b"SECRET" in site.get(target).body  # a file like any other


@pytest.mark.parametrize("target", ["/cgi-bin/../../x.sh", "/cgi-bin/%2e%2e/%2e%2e/x.sh", "/.."])
def test_a_path_above_the_root_is_400(site: Site, target: str) -> None:
    site.script(HELLO, "../x.sh")

    assert site.get(target).status == 400


@pytest.mark.parametrize("where", ["/cgi-bin/x.sh/a{}b", "/cgi-bin/no{}thing", "/cgi-bin/no{}thing/x"])
@pytest.mark.parametrize("bad", ["%0d%0aSet-Cookie:%20evil=1", "%0aSet-Cookie:%20evil=1"])
def test_a_path_injects_no_header(site: Site, where: str, bad: str) -> None:
    """Not even through a script that repeats it in a header: RFC 3875 section 4.1.5 lets us refuse such a path."""
    site.script('printf "Content-Type: x/y\\nX-Path: $PATH_INFO\\n\\n"')

    answer = site.get(where.format(bad))

    assert answer.status == 400
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("where", ["/cgi-bin/x.sh/a{}b", "/cgi-bin/no{}thing", "/cgi-bin/{}/x", "/cgi-bin/link/{}"])
@pytest.mark.parametrize("bad", ["%00", "%ed%a0%80", "a" * 300])
def test_a_path_that_no_file_can_have_is_not_found(site: Site, where: str, bad: str) -> None:
    """Nor is it given to a script: no variable can have it. A name that is too long can be one for a script."""
    site.script(HELLO)
    site.script(HELLO, "cgi-bin/nested/x.sh")
    (site.root / "cgi-bin/link").symlink_to("nested")

    assert site.get(where.format(bad)).status == (200 if len(bad) > 9 and ".sh/" in where else 404)


# Its end


def test_a_script_that_takes_too_long_is_504_and_killed(site: Site, lifeline: Lifeline) -> None:
    site.script(f"{lifeline.hold}; echo waits >&2; sleep 1000 & sleep 1000")

    answer = site.client(cgi_timeout=0.2).get("/cgi-bin/x.sh")

    assert (answer.status, answer.reason) == (504, "Gateway Timeout")
    assert "/cgi-bin/x.sh: it kept the server waiting for 0.2 s" in site.log
    lifeline.wait_for_the_end()


def test_a_script_that_stalls_in_its_output_is_killed_and_its_response_breaks_off(
    site: Site, lifeline: Lifeline
) -> None:
    site.script(f"{lifeline.hold}; printf 'Content-Type: x/y\\n\\nbody'; sleep 1000")

    with pytest.raises(EOFError, match="after 4 bytes"):
        site.client(cgi_timeout=1).get("/cgi-bin/x.sh")
    lifeline.wait_for_the_end()


VERSIONS = pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])


@VERSIONS
def test_a_script_that_has_answered_but_does_not_end_is_killed(site: Site, lifeline: Lifeline, version: str) -> None:
    site.script(f"{lifeline.hold}; {HELLO}; exec >&- 2>&-; sleep 1000")

    answer = site.client(cgi_timeout=1).request("GET", "/cgi-bin/x.sh", version=version)

    assert answer.body == b"hello\n"
    lifeline.wait_for_the_end()


@VERSIONS
@pytest.mark.parametrize("has_pidfd", [True, False])
def test_a_response_ends_with_the_output_and_the_script_may_go_on(
    site: Site, has_pidfd: bool, cue: Cue, lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    site.script(f"{HELLO}; exec >&-; {lifeline.hold}; {cue.wait}; echo $cue >&2; exit 3")
    client = site.client()

    assert client.request("GET", "/cgi-bin/x.sh", version=version).body == b"hello\n"
    lifeline.wait_for_the_start()
    if version == "HTTP/1.1":
        assert client.get("/").status == 200, "the connection does not go on without it"
    cue.give("late")
    lifeline.wait_for_the_end()
    site.log_has("/cgi-bin/x.sh: late", "/cgi-bin/x.sh: ended with exit status 3")


@VERSIONS
def test_a_script_that_goes_on_ends_with_the_server(site: Site, lifeline: Lifeline, version: str) -> None:
    site.script(f"{HELLO}; exec >&-; {lifeline.hold}; sleep 1000 & sleep 1000")

    assert site.client().request("GET", "/cgi-bin/x.sh", version=version).body == b"hello\n"
    lifeline.wait_for_the_start()
    assert site._server is not None
    site._server.server_close()
    lifeline.wait_for_the_end()


def test_what_a_script_has_left_behind_ends_with_the_server(site: Site, lifeline: Lifeline) -> None:
    site.script(f"{{ {lifeline.hold}; sleep 1000; }} >/dev/null 2>&1 & {HELLO}")

    for _ in range(3):
        assert site.get().body == b"hello\n"
        lifeline.wait_for_the_start()
    assert site._server is not None
    site._server.server_close()
    lifeline.wait_for_the_end()


ORPHAN = "setsid sh -c '{}; sleep 1000' </dev/null >/dev/null 2>&1 &"


@pytest.mark.needs("setsid", "/proc/self")
@pytest.mark.parametrize("others", ["", "sleep 1000 & "], ids=["one", "and its child"])
def test_what_has_left_the_session_of_its_script_ends_with_the_server(
    site: Site, lifeline: Lifeline, others: str
) -> None:
    site.script(ORPHAN.format(others + lifeline.hold) + HELLO)

    for _ in range(2):
        assert site.get().body == b"hello\n"
        lifeline.wait_for_the_start()
    assert site._server is not None
    site._server.server_close()
    lifeline.wait_for_the_end()


@pytest.mark.needs("setsid", "/proc/self")
def test_what_other_code_has_left_is_neither_ended_nor_taken_leave_of(site: Site, lifeline: Lifeline) -> None:
    site.script(HELLO)
    assert site.get().body == b"hello\n"  # from here on, this process adopts orphans
    subprocess.run(["/bin/sh", "-c", ORPHAN.format(f"echo $$ >{site.root}/pid; {lifeline.hold}")], check=True)
    lifeline.wait_for_the_start()
    pid = int((site.root / "pid").read_text())
    assert site._server is not None
    site._server.server_close()

    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[0] == pid


def test_a_process_that_a_script_leaves_behind_keeps_no_one_waiting(site: Site, cue: Cue) -> None:
    site.script(f"{{ {cue.wait}; }} >/dev/null & {HELLO}")

    assert site.get().body == b"hello\n"  # though stderr is still open
    cue.give("end")


BEGINNINGS = pytest.mark.parametrize("head", ["", "printf 'Content-Type: x/y\\n\\nbody';"], ids=["silent", "answering"])


@BEGINNINGS
@pytest.mark.parametrize("leaves", ["end_sending", "vanish"])
def test_when_the_client_leaves_the_script_is_killed(site: Site, head: str, leaves: str, lifeline: Lifeline) -> None:
    site.script(f"{lifeline.hold}; {head} sleep 1000 & sleep 1000")
    client = site.client()
    begin(client)
    lifeline.wait_for_the_start()
    getattr(client, leaves)()

    lifeline.wait_for_the_end()


def test_a_script_that_writes_without_end_is_killed_when_its_client_leaves(site: Site, lifeline: Lifeline) -> None:
    site.script(f"{lifeline.hold}; printf 'Content-Type: x/y\\n\\n'; exec yes")
    client = site.client()
    begin(client)
    client.until(b"y\ny\n")
    client.vanish()

    lifeline.wait_for_the_end()


def test_a_next_request_that_waits_is_not_the_clients_leaving(site: Site) -> None:
    site.script(HELLO)
    client = site.client()
    client.send(b"GET /cgi-bin/x.sh HTTP/1.1\r\nHost: test\r\n\r\n" * 3)

    assert [client.answer().body for _ in range(3)] == [b"hello\n"] * 3


@BEGINNINGS
def test_when_the_server_stops_the_script_is_killed_at_once(site: Site, head: str, lifeline: Lifeline) -> None:
    site.script(f"{lifeline.hold}; {head} sleep 1000 & sleep 1000")
    server = site.serve()
    server.grace = None  # it ends because the script does, and for no other reason
    client = site.client()
    begin(client)
    lifeline.wait_for_the_start()
    if head:
        client.until(b"body\r\n")

    server.shutdown()
    server.server_close()

    lifeline.wait_for_the_end()
    if head:
        assert client.rest() == b""
    else:
        assert client.answer().status == 503


def test_a_script_that_starts_as_the_server_stops_is_killed(site: Site, lifeline: Lifeline) -> None:
    site.script(f"{lifeline.hold}; sleep 1000")
    found, go_on = threading.Event(), threading.Event()

    def is_executable(self: CGIHTTPRequestHandler, path: str) -> bool:
        found.set()
        return go_on.wait(PATIENCE)

    server = site.serve(is_executable=is_executable)
    server.grace = None
    client = site.client()
    begin(client)
    assert found.wait(PATIENCE)
    (connection,) = service_of(server).connections.values()
    connection.close_when_idle()  # as server_close does, which would wait for the handler
    go_on.set()

    assert client.answer().status == 503
    lifeline.wait_for_the_end()


# The module


def test_the_documented_defaults() -> None:
    assert CGIHTTPRequestHandler.cgi_directories == ["/cgi-bin", "/htbin"]
    assert CGIHTTPRequestHandler.cgi_as_nobody
    assert CGIHTTPRequestHandler.cgi_timeout == 30


class Paths(CGIHTTPRequestHandler):
    """Asked without a request."""

    responses: ClassVar[Any] = {}

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "is_python"), [("a.py", True), ("a.PYW", True), ("a.pyc", False), ("a.sh", False), ("py", False)]
)
def test_is_python_goes_by_the_name(name: str, is_python: bool) -> None:
    assert Paths().is_python(name) == is_python


def test_is_executable_asks_the_system(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o644)
    assert not Paths().is_executable(str(file))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    assert Paths().is_executable(str(file))
    assert pytest_httpserve.server.executable(str(file))


def test_the_class_is_a_name_of_the_module() -> None:
    assert "CGIHTTPRequestHandler" in pytest_httpserve.server.__all__
    assert not {"executable", "nobody_uid", "_url_collapse_path"} & set(pytest_httpserve.server.__all__)


def test_importing_the_module_brings_no_heavy_one() -> None:
    program = (
        "import sys, pytest_httpserve.server; print({'subprocess', 'tempfile', 'email', 'ssl'} & set(sys.modules))"
    )
    path = os.pathsep.join(
        filter(None, [str(Path(pytest_httpserve.__file__).parents[1]), os.environ.get("PYTHONPATH")])
    )

    printed = subprocess.check_output(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, text=True, timeout=60
    )

    assert printed == "set()\n"


@pytest.mark.parametrize("pidfd", [True, False])
@pytest.mark.parametrize(
    "commands",
    [
        "printf 'Content-Type: text/plain\\n\\ndone'; sleep 60 &",
        "(exec sleep 60 </dev/null 2>/dev/null) & printf 'Content-Type: text/plain\\nContent-Length: 4\\n\\ndone'",
    ],
)
def test_what_a_script_leaves_behind_with_its_output_keeps_nobody_waiting(
    site: Site, commands: str, pidfd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pidfd:  # as where a system has none
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    site.script(commands)

    assert site.get().body == b"done"
    assert site.log[-1].startswith('"GET /cgi-bin/x.sh'), "and nothing went wrong"
