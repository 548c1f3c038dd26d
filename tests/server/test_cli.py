"""The command line as its user has it: a process, its two streams, its signals, and clients that talk to it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from pytest_httpserve.__main__ import certify
from pytest_httpserve._version import __version__
from pytest_httpserve.server import (
    BaseHTTPRequestHandler,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
    _main,
    _make_server,
    test,
)
from pytest_httpserve.server.cli.main import main

from ..needs import there
from ..ports import unused_port

PATIENCE = 30.0  # seconds after which a process is killed, so that nothing waits for it any longer
ESCAPE = "\x1b"
MODULE = [sys.executable, "-m", "pytest_httpserve"]

ENDINGS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)


def hear_signals() -> None:
    """A process that was started by one that ignores a signal, as nohup has it, would ignore it, too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Running:
    """A started command: its first lines are read, its streams are open."""

    def __init__(self, command: list[str], directory: Path, stderr: int, environment: dict[str, str]) -> None:
        # Without a buffer of Python's own, what one reader leaves is there for the next.
        self.process = subprocess.Popen(
            command,
            bufsize=0,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            preexec_fn=hear_signals,
        )
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        self.first_line = self.said()
        found = re.fullmatch(r"Serving HTTPS? on \S+ port \d+ \((https?)://(\S+):(\d+)/\) \.\.\.\n", self.first_line)
        if found is None:
            rest = self.process.communicate()[1]
            raise AssertionError(f"no URL in the first line {self.first_line!r}; stderr: {(rest or b'').decode()}")
        self.scheme, self.host, self.port = found[1], found[2].strip("[]"), int(found[3])
        # Our own command says more.
        self.second_line = self.said() if command[: len(MODULE)] == MODULE else ""

    def said(self) -> str:
        """The next line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode(errors="surrogateescape")

    def logged(self) -> str:
        """The next line on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; exit code, and what was still to be read of stdout and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate()
        return self.process.returncode, out.decode(), (err or b"").decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)  # not a kill: it has files to remove
        self._watchdog.cancel()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Start = Callable[..., Running]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory to serve; commands are run in it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "page.txt").write_text("hello\n")
    (site / "folder").mkdir()
    return site


def plain_environment(**changes: str) -> dict[str, str]:
    """The environment, without what decides on colours, browsers and buffers."""
    colours = {"NO_COLOR", "FORCE_COLOR", "PYTHON_COLORS"}
    unwanted = {*colours, "BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "PYTHONUNBUFFERED"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "TERM": "xterm", **changes}


@pytest.fixture
def start(site: Path) -> Iterator[Start]:
    """Starts a command, by default the module on a free port of 127.0.0.1; its process ends with the test."""
    started: list[Running] = []

    def start(
        *options: str,
        bind: str | None = "127.0.0.1",
        command: list[str] = MODULE,
        stderr: int = subprocess.PIPE,
        **environment: str,
    ) -> Running:
        address = [] if bind is None else ["--bind", bind]
        arguments = [*command, "0", *address, *options] if command is MODULE else command
        running = Running(arguments, site, stderr, plain_environment(**environment))
        started.append(running)
        return running

    yield start
    for running in started:
        running.close()


class Answer:
    """A response, whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.version = response.status, response.headers, response.version
        self.body = response.read()


def request(running: Running, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(running.host, running.port, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def send_raw(running: Running, data: bytes) -> bytes:
    """Everything that the server answers until it closes the connection."""
    with socket.create_connection((running.host, running.port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(65_536):
            received += part
        return received


# The first line


def test_the_first_lines_say_where_and_what_is_served(start: Start, site: Path) -> None:
    running = start()

    where = f"Serving HTTP on 127.0.0.1 port {running.port} (http://127.0.0.1:{running.port}/) ...\n"
    assert running.first_line == where  # as http.server has it, for programs that read it
    assert running.second_line == f"Files from {site}; Ctrl-C ends it\n"
    assert running.port != 0
    assert request(running, "/page.txt").body == b"hello\n"


def test_the_directory_can_be_chosen(start: Start, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "here.txt").write_text("the other one")

    running = start("--directory", str(other))

    assert running.second_line == f"Files from {other}; Ctrl-C ends it\n"
    assert request(running, "/here.txt").body == b"the other one"


def test_a_port_can_be_chosen(start: Start) -> None:
    free_port = unused_port()
    running = start(command=[*MODULE, str(free_port), "-b", "127.0.0.1"])

    assert running.port == free_port
    assert request(running, "/page.txt").status == 200


@pytest.mark.needs("any file name")
def test_the_name_of_a_directory_cannot_write_to_the_terminal(start: Start, tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode(b"two\nlines\x1b[31m\xff")
    strange.mkdir()

    running = start("--directory", str(strange))

    assert r"two\x0alines\x1b[31m" in running.second_line
    assert request(running, "/").status == 200


# Addresses


@pytest.mark.needs("IPv6")
def test_without_an_address_both_families_are_served(start: Start) -> None:
    running = start(bind=None)

    assert "http://127.0.0.1:" in running.first_line
    assert "at every address of this machine" in running.second_line
    for host in ("127.0.0.1", "::1"):
        running.host = host
        assert request(running, "/page.txt").body == b"hello\n"
        assert f" {host} GET /page.txt 200 " in running.logged()


@pytest.mark.needs("IPv6")
def test_an_ipv6_address_stands_in_brackets(start: Start) -> None:
    running = start(bind="::1")

    assert f"http://[::1]:{running.port}/" in running.first_line
    assert request(running, "/page.txt").status == 200


def test_a_host_name_can_be_bound(start: Start) -> None:
    assert request(start(bind="localhost"), "/page.txt").status == 200


# The end


@ENDINGS
def test_a_signal_ends_it_at_once_with_an_idle_connection_and_a_running_transfer(
    start: Start, site: Path, number: signal.Signals
) -> None:
    with open(site / "large", "wb") as large:
        large.truncate(1 << 30)
    running = start()
    idle = http.client.HTTPConnection(running.host, running.port, timeout=PATIENCE)
    idle.request("GET", "/page.txt")
    assert idle.getresponse().read() == b"hello\n"
    transfer = http.client.HTTPConnection(running.host, running.port, timeout=PATIENCE)
    transfer.request("GET", "/large")
    response = transfer.getresponse()
    response.read(1000)  # the rest is never read: the server waits for us

    code, out, err = running.end(number)

    response.close()
    transfer.close()
    idle.close()
    assert code == 0
    assert out.startswith("Served 2 requests (2 of 2xx), ")
    assert "GET /large 200 cut off" in err
    assert "Traceback" not in err


def test_the_summary_counts_requests_bytes_and_seconds(start: Start) -> None:
    running = start()
    size = 0
    for path, status in [("/page.txt", 200), ("/page.txt", 200), ("/folder", 301), ("/none", 404)]:
        answer = request(running, path)
        size += len(answer.body)
        assert answer.status == status
        assert f" GET {path} {status} {len(answer.body)} bytes " in running.logged()

    code, out, err = running.end()

    assert (code, err) == (0, "")
    expected = rf"Served 4 requests \(2 of 2xx, 1 of 3xx, 1 of 4xx\), {size} bytes, in \d+\.\d seconds\.\n"
    assert re.fullmatch(expected, out)


def test_an_error_does_not_end_a_connection_that_could_go_on(start: Start) -> None:
    running = start()
    with socket.create_connection((running.host, running.port), timeout=PATIENCE) as client:
        for path, status in [(b"/none", b"404"), (b"/%00", b"404"), (b"/page.txt", b"200")]:
            client.sendall(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
            answer = client.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"Connection: close" not in answer
        client.sendall(b"HEAD / HTTP/1.1\r\n\r\n")  # without a Host
        assert b"\r\nConnection: close\r\n" in client.recv(65_536)


def test_the_summary_of_nothing(start: Start) -> None:
    assert start().end()[1].startswith("Served 0 requests, 0 bytes, in ")


@pytest.mark.needs("sh")
def test_a_signal_that_is_ignored_by_whoever_started_it_stays_ignored(start: Start) -> None:
    script = 'trap "" INT; exec "$@"'
    running = start(command=["sh", "-c", script, "sh", *MODULE, "0", "--bind", "127.0.0.1"])

    running.process.send_signal(signal.SIGINT)

    assert request(running, "/page.txt").status == 200
    assert running.end(signal.SIGTERM)[0] == 0


# The log


def test_a_request_is_one_line_of_log(start: Start) -> None:
    running = start()
    request(running, "/page.txt?a=1")

    assert re.fullmatch(
        r"\d\d:\d\d:\d\d 127\.0\.0\.1 GET /page\.txt\?a=1 200 6 bytes \d+\.\d ms\n",
        running.logged(),
    )


def test_an_error_says_why_on_the_same_line(start: Start) -> None:
    running = start()
    request(running, "/", method="BREW")
    request(running, "/page.txt")

    assert re.search(r"BREW / 501 \d+ bytes \d+\.\d ms Unsupported method", running.logged())
    assert "GET /page.txt 200" in running.logged()


def test_the_answer_to_head_has_no_bytes(start: Start) -> None:
    running = start()
    request(running, "/page.txt", method="HEAD")

    assert "HEAD /page.txt 200 0 bytes" in running.logged()


def test_requests_on_one_connection_are_logged_one_by_one(start: Start) -> None:
    running = start()
    one = b"GET /page.txt HTTP/1.1\r\nHost: test\r\n"
    send_raw(running, one + b"\r\n" + one.replace(b"page", b"none") + b"Connection: close\r\n\r\n")

    assert "GET /page.txt 200" in running.logged()
    assert "GET /none.txt 404" in running.logged()


def test_control_characters_are_escaped_in_the_log(start: Start) -> None:
    running = start()
    send_raw(running, b"GET /\x1b[31m\x9b HTTP/1.1\r\nHost: test\r\n\r\n")

    line = running.logged()
    assert r"GET /\x1b[31m\x9b 400 " in line
    assert ESCAPE not in line


def test_the_log_may_lose_its_reader(start: Start) -> None:
    running = start()
    assert running.process.stderr is not None
    running.process.stderr.close()

    assert [request(running, "/page.txt").status for _ in range(2)] == [200, 200]
    running.process.stderr = None
    assert running.end()[0] == 0


@pytest.fixture
def terminal() -> Iterator[tuple[int, Callable[[], str]]]:
    """The end of a pseudo-terminal that a process writes to, and a function that reads a line at the other end."""
    ours, theirs = os.openpty()

    def line() -> str:
        received = b""
        while not received.endswith(b"\n"):
            received += os.read(ours, 1)
        return received.decode()

    yield theirs, line
    os.close(ours)
    os.close(theirs)


Terminal = tuple[int, Callable[[], str]]


@pytest.mark.needs("os.openpty")
@pytest.mark.parametrize(
    ("path", "status", "colour"), [("/page.txt", 200, 32), ("/folder", 301, 96), ("/none", 404, 33)]
)
def test_a_terminal_gets_the_status_in_colour(
    start: Start, terminal: Terminal, path: str, status: int, colour: int
) -> None:
    theirs, line = terminal
    request(start(stderr=theirs), path)

    assert f"GET {path} {ESCAPE}[{colour}m{status}{ESCAPE}[0m " in line()


@pytest.mark.needs("os.openpty")
@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_gets_no_colours_where_they_are_not_wanted(
    start: Start, terminal: Terminal, environment: dict[str, str]
) -> None:
    theirs, line = terminal
    request(start(stderr=theirs, **environment), "/page.txt")

    assert ESCAPE not in line()


@pytest.mark.needs("os.openpty")
def test_a_client_cannot_colour_a_terminal(start: Start, terminal: Terminal) -> None:
    theirs, line = terminal
    send_raw(start(stderr=theirs), b"GET /\x1b[41m HTTP/1.1\r\nHost: test\r\n\r\n")

    assert f"{ESCAPE}[41m" not in line()


# Options


def test_http_1_1_is_the_default(start: Start) -> None:
    answer = request(start(), "/page.txt")

    assert (answer.version, answer.headers["Connection"]) == (11, None)


def test_http_1_0_can_be_chosen(start: Start) -> None:
    assert request(start("--protocol", "HTTP/1.0"), "/page.txt").version == 10


def test_requests_are_read_strictly(start: Start) -> None:
    assert send_raw(start(), b"GET /page.txt HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_the_type_of_unknown_files_can_be_chosen(start: Start, site: Path) -> None:
    (site / "README").write_text("unknown")
    running = start("--content-type", "text/x-notes")

    assert request(running, "/README").headers["Content-Type"] == "text/x-notes"
    assert request(running, "/page.txt").headers["Content-Type"] == "text/plain"


def test_headers_can_be_added(start: Start) -> None:
    running = start("-H", "Cache-Control", "no-store", "--header", "X-Two", "a", "--header", "X-Two", "b: c")

    headers = request(running, "/page.txt").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers.get_all("X-Two") == ["a", "b: c"]


def test_a_directory_is_listed_unless_that_is_refused(start: Start) -> None:
    assert b"page.txt" in request(start(), "/").body
    assert request(start("--no-listing"), "/").status == 403


def test_a_single_page_application_answers_for_its_paths(start: Start, site: Path) -> None:
    (site / "index.html").write_text("<title>App</title>")
    running = start("--spa")

    answer = request(running, "/settings/profile", Accept="text/html")

    assert (answer.status, answer.body) == (200, b"<title>App</title>")
    assert request(running, "/page.txt").body == b"hello\n"
    assert request(running, "/missing.js").status == 404


def test_other_origins_are_let_in_on_demand(start: Start) -> None:
    origin = "http://example.test"
    assert request(start(), "/page.txt", Origin=origin).headers["Access-Control-Allow-Origin"] is None
    assert request(start("--cors"), "/page.txt", Origin=origin).headers["Access-Control-Allow-Origin"] in ("*", origin)


@pytest.mark.needs("select.poll")
@pytest.mark.needs("sh")
def test_cgi_scripts_are_run(start: Start) -> None:
    # Not below tmp_path, which only its owner can read: for root, scripts run as nobody.
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "cgi-bin", "hello")
        script.parent.mkdir()
        script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfrom a script\\n'\n")
        for path in (Path(folder), script.parent, script):
            path.chmod(0o755)
        running = start("--cgi", "--directory", folder)

        answer = request(running, "/cgi-bin/hello")

        assert f"Files and CGI scripts from {folder}" in running.second_line
        assert (answer.status, answer.body) == (200, b"from a script\n")
        assert request(start("--directory", folder), "/cgi-bin/hello").body.startswith(b"#!")
        # What is sent in chunks is counted without them.
        assert " 14 bytes " in running.logged()


@pytest.mark.needs("curl")
def test_a_browser_is_opened_on_demand(start: Start) -> None:
    running = start("--open", BROWSER=f"{there('curl')} -s -o {os.devnull} %s")

    assert " GET / 200 " in running.logged()


@pytest.mark.needs("Linux")  # others bring a browser along
def test_it_says_when_there_is_no_browser(start: Start, tmp_path: Path) -> None:
    running = start("--open", PATH=str(tmp_path))

    assert running.logged() == f"No browser was found to show http://127.0.0.1:{running.port}/\n"


# HTTPS


def secure_request(running: Running, authority: str, path: str, host: str | None = None) -> Answer:
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(host or running.host, running.port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", path)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def authority_of(running: Running) -> Path:
    return Path(running.said().rstrip("\n").removeprefix("Its certificate is signed by the CA in "))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_made_on_the_spot_is_good_for_this_machine(start: Start, host: str) -> None:
    running = start("--tls")

    assert running.scheme == "https"
    assert secure_request(running, str(authority_of(running)), "/page.txt", host).body == b"hello\n"


@pytest.mark.needs("IPv6")
def test_a_certificate_made_on_the_spot_is_good_for_ipv6(start: Start) -> None:
    running = start("--tls", bind="::1")

    assert secure_request(running, str(authority_of(running)), "/page.txt").status == 200


@pytest.mark.needs("Linux")  # all of 127/8 is here only there
def test_a_certificate_made_on_the_spot_is_good_for_the_address_bound(start: Start) -> None:
    running = start("--tls", bind="127.0.0.53")

    assert secure_request(running, str(authority_of(running)), "/page.txt").status == 200


@ENDINGS
def test_the_test_ca_is_its_owners_and_gone_at_the_end(start: Start, number: signal.Signals) -> None:
    running = start("--tls")
    authority = authority_of(running)

    assert b"PRIVATE KEY" not in authority.read_bytes()
    assert stat.S_IMODE(authority.stat().st_mode) == 0o600
    assert list(authority.parent.iterdir()) == [authority], "the server's key lies about"
    assert running.end(number)[0] == 0
    assert not authority.parent.exists()


@pytest.mark.needs("curl")
def test_curl_trusts_the_test_ca_and_nothing_less(start: Start) -> None:
    running = start("--tls")
    authority = authority_of(running)
    command = [there("curl"), "--silent", "--noproxy", "*", f"https://127.0.0.1:{running.port}/page.txt"]

    trusting = subprocess.run([*command, "--cacert", str(authority)], capture_output=True, timeout=PATIENCE)
    strange = subprocess.run(command, capture_output=True, timeout=PATIENCE)

    assert (trusting.returncode, trusting.stdout) == (0, b"hello\n")
    assert strange.returncode == 60  # the peer's certificate cannot be verified


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, a certificate, its key (plain, encrypted), the key's password, and another key."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    leaf, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    other.private_key_pem.write_to_path(str(folder / "other.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    (folder / "encrypted.pem").write_bytes(encrypted)
    (folder / "password").write_text("open sesame\n")
    (folder / "wrong").write_text("open wheat\n")
    (folder / "binary").write_bytes(b"\xff\xfe\xfd")
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ["--tls-cert", "both.pem"],
        ["--tls-cert", "cert.pem", "--tls-key", "key.pem"],
        ["--tls-cert", "cert.pem", "--tls-key", "encrypted.pem", "--tls-password-file", "password"],
    ],
    ids=["one file", "two files", "encrypted key"],
)
def test_a_certificate_of_ones_own(start: Start, certificates: Path, options: list[str]) -> None:
    running = start(*in_folder(certificates, options))

    assert running.scheme == "https"
    assert secure_request(running, str(certificates / "ca.pem"), "/page.txt").body == b"hello\n"
    assert running.end()[:2][0] == 0


def in_folder(folder: Path, options: list[str]) -> list[str]:
    return [option if option.startswith("--") else str(folder / option) for option in options]


# A proxy; more of it is in test_cli_proxy.py


def test_a_proxy_has_the_files_of_each_host(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hosts" / "api.example.com").mkdir(parents=True)
    (tmp_path / "hosts" / "api.example.com" / "me.json").write_text("7")

    running = start("--proxy", "--directory", str(tmp_path / "hosts"), "--header", "X-From", "here")

    assert running.second_line == f"Files of api.example.com from {tmp_path / 'hosts'}; Ctrl-C ends it\n"
    found = re.fullmatch(r"The certificate of these hosts is signed by the CA in (.*)\n", running.said())
    assert found is not None
    assert os.listdir(Path(found[1]).parent) == ["ca.pem"]
    context = ssl.create_default_context(cafile=found[1])
    client = http.client.HTTPSConnection(running.host, running.port, context=context, timeout=PATIENCE)
    client.set_tunnel("api.example.com")
    client.request("GET", "/me.json")
    answer = Answer(client.getresponse())
    assert (answer.body, answer.headers["X-From"]) == (b"7", "here")

    code, out, _ = running.end()
    assert code == 0
    assert out.startswith("Served 2 requests (2 of 2xx), 1 bytes, ")
    client.close()


# What is refused


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command in this process; the one line that it says when it refuses its arguments."""
    assert main(arguments, certify=certify) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m pytest_httpserve: ")
    assert err.count("\n") == 1 and err.endswith("\n")
    return err


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (["65536"], "argument port: '65536' is not a number from 0 to 65535"),
        (["-1"], "-1"),
        (["http"], "argument port: 'http' is not a number"),
        (["9" * 5000], "argument port: '999"),
        (["--directory", "/no/such/folder"], "--directory '/no/such/folder' does not exist"),
        (["--directory", __file__], "test_cli.py' is not a directory"),
        (["--directory", ""], "--directory '' does not exist"),
        (["--protocol", "HTTP/2"], "invalid choice: 'HTTP/2'"),
        (["--header", "No Name", "value"], "--header 'No Name' cannot be the name of a header"),
        (["--header", "X", "two\nlines"], r"--header X cannot have the value 'two\nlines'"),
        (["--header", "X", "\N{SNOWMAN}"], "--header X cannot have the value"),
        (["--header", "Content-Length", "5"], "--header Content-Length cannot be set: the server sets it"),
        (["--header", "X"], "expected 2 arguments"),
        (["--content-type", "text/html\r\nX: y"], "--content-type 'text/html"),
        (["--tls", "--tls-cert", "cert.pem"], "give either --tls or --tls-cert"),
        (["--tls-key", "key.pem"], "--tls-key needs --tls-cert"),
        (["--tls-password-file", "password"], "--tls-password-file needs --tls-cert"),
        (["--tls", "--tls-key", "key.pem"], "--tls-key needs --tls-cert"),
        (["--bind", "bad..name"], "cannot listen on 'bad..name': "),
        (["--bind", "192.0.2.1"], "cannot listen on 192.0.2.1 port "),  # RFC 5737: nobody has it
        (["--tls", "--bind", "127.0.0.1", "99999"], "'99999'"),
        (["--nothing-like-this"], "unrecognized arguments: --nothing-like-this"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_wrong_arguments_are_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], because: str
) -> None:
    assert because in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("options", "because"),
    [
        (["--tls-cert", "none.pem"], "none.pem"),
        (["--tls-cert", "cert.pem", "--tls-key", "none.pem"], "none.pem"),
        (["--tls-cert", "cert.pem", "--tls-key", "other.pem"], "other.pem"),
        (["--tls-cert", "password", "--tls-key", "key.pem"], "password"),
        (["--tls-cert", "cert.pem", "--tls-key", "encrypted.pem"], "no password"),
        (["--tls-cert", "cert.pem", "--tls-key", "encrypted.pem", "--tls-password-file", "wrong"], "password is wrong"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-password-file", "none"], "none' cannot be read"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-password-file", "binary"], "binary' cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_certificates_that_do_not_serve_are_refused(
    capsys: pytest.CaptureFixture[str], certificates: Path, options: list[str], because: str
) -> None:
    assert because in refused(capsys, "0", "--bind", "127.0.0.1", *in_folder(certificates, options))


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(capsys, str(port), "--bind", "127.0.0.1")

    assert f"cannot listen on 127.0.0.1 port {port}: " in message
    assert "port 0 takes a free one" in message


def test_a_refusal_leaves_no_certificates_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(capsys, str(taken.getsockname()[1]), "--bind", "127.0.0.1", "--tls")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("Linux")  # others keep a directory that is in use
def test_a_current_directory_that_is_gone_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert "the current directory cannot be served" in refused(capsys, "0", "--bind", "127.0.0.1")


def test_a_refused_command_ends_with_code_2_and_without_a_traceback(site: Path) -> None:
    done = subprocess.run(
        [*MODULE, "--directory", "none"], cwd=site, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "python -m pytest_httpserve: --directory 'none' does not exist\n"


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"], certify=certify)

    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--bind", "--directory", "--protocol", "--cgi", "--tls-cert", "--tls-key", "--tls-password-file"):
        assert f"{option} " in shown
    for option in (
        "--content-type",
        "--header",
        "--tls",
        "--version",
        "--spa",
        "--cors",
        "--no-listing",
        "--open",
        "--proxy",
    ):
        assert f"{option} " in shown


# test()


class Named(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Never called here."""


class EndsByItself(ThreadingHTTPServer):
    """Remembers what it was made of, and does not serve."""

    made: list[ThreadingHTTPServer]

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        self.made.append(self)


@pytest.fixture
def server_class() -> type[EndsByItself]:
    class Remembering(EndsByItself):
        made: list[ThreadingHTTPServer] = []  # noqa: RUF012  one for each test

    return Remembering


@pytest.mark.needs("IPv6")
def test_trying_a_handler_out_leaves_its_class_and_the_servers_as_they_were(
    server_class: type[EndsByItself], capsys: pytest.CaptureFixture[str]
) -> None:
    test(Named, server_class, protocol="HTTP/1.1", port=0, bind="::1")

    (server,) = server_class.made
    handler: Any = server.RequestHandlerClass
    assert server.address_family == socket.AF_INET6
    assert issubclass(handler, Named)
    assert handler.protocol_version == "HTTP/1.1"
    assert server_class.address_family == socket.AF_INET
    assert Named.protocol_version == "HTTP/1.0"
    where = f"::1 port {server.server_port} (http://[::1]:{server.server_port}/)"
    assert capsys.readouterr().out == f"Serving HTTP on {where} ...\n"


def test_a_partial_of_a_handler_class_can_be_tried_out(server_class: type[EndsByItself], tmp_path: Path) -> None:
    handler: Any = partial(SimpleHTTPRequestHandler, directory=tmp_path)

    test(handler, server_class, port=0, bind="127.0.0.1")

    assert server_class.made[0].RequestHandlerClass is handler


TRIAL = """
import sys
from pytest_httpserve.server import SimpleHTTPRequestHandler, test
test(SimpleHTTPRequestHandler, port=0, bind="127.0.0.1", **eval(sys.argv[1]))
"""


def test_a_handler_is_tried_out_until_ctrl_c(start: Start) -> None:
    running = start(command=[sys.executable, "-c", TRIAL, "{}"])

    answer = request(running, "/page.txt")
    assert (answer.version, answer.body) == (10, b"hello\n")
    code, _, err = running.end()
    assert code == 0
    assert "Traceback" not in err


def test_a_handler_is_tried_out_over_https(start: Start, certificates: Path) -> None:
    options = {
        "tls_cert": str(certificates / "cert.pem"),
        "tls_key": str(certificates / "encrypted.pem"),
        "tls_password": "open sesame",
    }
    running = start(command=[sys.executable, "-c", TRIAL, repr(options)])

    assert running.scheme == "https"
    assert secure_request(running, str(certificates / "ca.pem"), "/page.txt").body == b"hello\n"


def test_a_handler_that_is_tried_out_has_the_type_asked_for(server_class: type[EndsByItself]) -> None:
    test(SimpleHTTPRequestHandler, server_class, "HTTP/1.0", 0, "127.0.0.1", "text/x-special")

    handler: Any = server_class.made[0].RequestHandlerClass
    assert handler.default_content_type == "text/x-special"
    assert SimpleHTTPRequestHandler.default_content_type == "application/octet-stream"


def test_a_server_is_made_of_the_classes_given(server_class: type[EndsByItself]) -> None:
    with _make_server(Named, server_class, protocol="HTTP/1.1", port=0, bind="127.0.0.1") as server:
        handler: Any = server.RequestHandlerClass

        assert isinstance(server, server_class)
        assert issubclass(handler, Named)
        assert handler.protocol_version == "HTTP/1.1"


# The command line of http.server


DROP_IN = [sys.executable, "-m", "pytest_httpserve.server"]


def test_the_command_of_http_server(start: Start, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "here").write_text("the other one")
    options = ["-d", str(other), "--content-type", "text/x-special", "-H", "X-A", "1", "-H", "X-A", "2"]

    running = start(command=[*DROP_IN, "0", "-b", "127.0.0.1", *options])

    answer = request(running, "/here")
    assert (answer.status, answer.version, answer.body) == (200, 10, b"the other one")
    assert answer.headers["Content-Type"] == "text/x-special"
    assert answer.headers.get_all("X-A") == ["1", "2"]
    assert re.fullmatch(r'127\.0\.0\.1 - - \[.+\] "GET /here HTTP/1\.1" 200 -\n', running.logged())
    code, out, _ = running.end()
    assert (code, out) == (0, "\nKeyboard interrupt received, exiting.\n")


def test_the_command_of_http_server_over_https(start: Start, certificates: Path, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    files = [str(certificates / name) for name in ("cert.pem", "encrypted.pem")]
    options = ["--tls-cert", files[0], "--tls-key", files[1], "--tls-password-file", str(password)]

    running = start(command=[*DROP_IN, "0", "-b", "127.0.0.1", *options])

    assert running.first_line.startswith("Serving HTTPS on 127.0.0.1 port ")
    assert secure_request(running, str(certificates / "ca.pem"), "/page.txt").body == b"hello\n"
    # Handshakes are ours here, too: who speaks plain HTTP is told so.
    assert send_raw(running, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tls-key", "key.pem"], "--tls-key requires --tls-cert"),
        (["--tls-password-file", "word"], "--tls-password-file requires --tls-cert"),
        (["--tls-cert", "cert.pem", "--tls-password-file", "none"], "--tls-password-file cannot be read"),
        (["--unknown"], "--unknown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_of_http_server_refuses(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _main(arguments)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_importing_the_package_does_not_import_the_command_line() -> None:
    program = "import sys, pytest_httpserve.server; print('argparse' in sys.modules, 'trustme' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True
    )

    assert shown.stdout == "False False\n"


def test_nothing_else_of_the_package_is_made_up() -> None:
    import pytest_httpserve.server

    with pytest.raises(AttributeError, match="no attribute 'tset'"):
        getattr(pytest_httpserve.server, "tset")  # noqa: B009  a name that mypy would refuse


def test_what_is_wrong_with_a_certificate_is_said_of_it(site: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("one", "other"):
        authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate"))
    command = [*MODULE, "0", "--tls-cert", str(tmp_path / "certificate"), "--tls-key", str(tmp_path / "one.key")]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 2
    assert "the key in " in done.stderr
    assert "cannot listen" not in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("state", ["closed", "full"])
def test_a_server_that_nobody_can_read_serves_all_the_same(site: Path, stream: str, state: str) -> None:
    port = unused_port()
    number = {"stdout": 1, "stderr": 2}[stream]
    where = f"{number}>&-" if state == "closed" else f"{number}>/dev/full"
    command = ["/bin/sh", "-c", f'exec "$@" {where}', "sh", *MODULE, str(port)]
    process = subprocess.Popen(command, cwd=site, env=plain_environment())
    try:
        for _ in range(1_000):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                    client.sendall(b"GET /page.txt HTTP/1.0\r\n\r\n")
                    assert client.makefile("rb").read().endswith(b"hello\n")
                break
            except ConnectionRefusedError:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_page_for_all_paths_must_be_there(site: Path) -> None:
    done = subprocess.run(
        [*MODULE, "0", "--spa"], cwd=site, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--spa answers with index.html, and there is none in " in done.stderr


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"], certify=certify)
    assert capsys.readouterr().out == f"pytest-httpserve {__version__}\n"
