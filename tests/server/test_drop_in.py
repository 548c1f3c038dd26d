"""Code that was written for http.server, run over ours: known recipes, the standard library's own, and its tests."""

from __future__ import annotations

import functools
import http.client
import importlib.util
import io
import os
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tarfile
import threading
import types
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pytest
import trustme

import pytest_httpserve.server
from pytest_httpserve.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
BIG = bytes(range(256)) * 4096  # 1 MiB: more than one write, sent by sendfile


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"hello")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# Handlers


def test_a_handler_with_arguments_of_its_own(serve: Serve, connect: Connect) -> None:
    class Greeting(Hello):
        def __init__(self, greeting: bytes, *args: Any, **kwargs: Any) -> None:
            self.greeting = greeting
            super().__init__(*args, **kwargs)

        def do_GET(self) -> None:
            self.answer(self.greeting)

    def make(*args: Any) -> Greeting:
        return Greeting(b"good morning", *args)

    assert connect(serve(make)).get().body == b"good morning"
    assert connect(serve(functools.partial(Greeting, b"good night"))).get().body == b"good night"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_partial_with_a_directory(serve: Serve, connect: Connect, tmp_path: Path, kind: type) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    server = serve(functools.partial(SimpleHTTPRequestHandler, directory=kind(tmp_path)))
    assert connect(server).get("/a.txt").body == b"a"


def test_the_current_directory_is_served_by_default(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    assert connect(serve(SimpleHTTPRequestHandler)).get("/a.txt").body == b"a"


@pytest.mark.parametrize(("rbufsize", "wbufsize"), [(0, 0), (-1, -1), (0, 4096), (1, 1), (8192, 1 << 20)])
def test_buffer_sizes_of_the_handler(serve: Serve, connect: Connect, rbufsize: int, wbufsize: int) -> None:
    class Buffered(Hello):
        pass

    Buffered.rbufsize, Buffered.wbufsize = rbufsize, wbufsize
    client = connect(serve(Buffered))
    for _ in range(2):
        assert client.request("POST", body=b"x" * 10_000).body == b"x" * 10_000
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")
    assert client.answer().status == 400


def test_an_unbuffered_rfile_leaves_what_is_not_read_in_the_socket(serve: Serve, connect: Connect) -> None:
    class Raw(Hello):
        rbufsize = 0

        def do_POST(self) -> None:
            self.answer(self.request.recv(100))

    client = connect(serve(Raw))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n12345")
    assert client.answer().body == b"12345"


def test_headers_are_an_email_message(serve: Serve, connect: Connect) -> None:
    seen: list[object] = []

    class Reading(Hello):
        def do_GET(self) -> None:
            headers = self.headers
            seen.append(type(headers))
            seen.append((headers["x-one"], headers.get("X-TWO"), headers.get("X-Three", "-"), "X-One" in headers))
            seen.append(headers.get_all("X-Many"))
            seen.append((headers.get_content_type(), headers.get_content_charset(), headers.is_multipart()))
            seen.append(headers.items())
            seen.append(str(headers))
            super().do_GET()

    connect(serve(Reading)).get(
        "/", "X-One: 1", "x-two: 2", "X-Many: a", "X-Many: b", "Content-Type: text/plain; charset=utf-8"
    )
    assert seen == [
        http.client.HTTPMessage,
        ("1", "2", "-", True),
        ["a", "b"],
        ("text/plain", "utf-8", False),
        [
            ("Host", "test"),
            ("X-One", "1"),
            ("x-two", "2"),
            ("X-Many", "a"),
            ("X-Many", "b"),
            ("Content-Type", "text/plain; charset=utf-8"),
        ],
        "Host: test\nX-One: 1\nx-two: 2\nX-Many: a\nX-Many: b\nContent-Type: text/plain; charset=utf-8\n\n",
    ]


def test_a_message_class_of_ones_own(serve: Serve, connect: Connect) -> None:
    class Plain(Hello):
        MessageClass = dict

        def do_GET(self) -> None:
            assert type(self.headers) is dict
            self.answer(self.headers["X-A"].encode())

    assert connect(serve(Plain)).get("/", "X-A: 1").body == b"1"


def test_an_end_headers_that_adds_headers_of_its_own(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    class Cors(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def end_headers(self) -> None:
            self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

    (tmp_path / "a.txt").write_bytes(b"a")
    client = connect(serve(functools.partial(Cors, directory=tmp_path)))
    for answer in (client.get("/a.txt"), client.get("/"), client.get("/missing")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_handle_one_request_copied_from_the_standard_library(serve: Serve, connect: Connect) -> None:
    class Copied(Hello):
        def handle_one_request(self) -> None:
            try:
                self.raw_requestline = self.rfile.readline(65537)
                if len(self.raw_requestline) > 65536:
                    self.requestline = self.request_version = self.command = ""
                    self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
                    return
                if not self.raw_requestline:
                    self.close_connection = True
                    return
                if not self.parse_request():
                    return
                getattr(self, "do_" + str(self.command))()
                self.wfile.flush()
            except TimeoutError as error:
                self.log_error("Request timed out: %r", error)
                self.close_connection = True

        def do_OPTIONS(self) -> None:
            self.send_response(200)
            self.send_header("Connection", "keep-alive")
            self.send_header("Content-Length", "0")
            self.end_headers()

    client = connect(serve(Copied))
    assert client.request("OPTIONS").status == 200
    assert client.request("POST", body=b"x").body == b"x"
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert [client.answer().body, client.answer().body] == [b"hello", b"hello"]
    assert client.request("GET", "/", "Connection: close").body == b"hello"
    assert client.rest() == b""


def test_a_setup_of_ones_own_over_makefile(serve: Serve, connect: Connect) -> None:
    class OwnFiles(Hello):
        def setup(self) -> None:
            self.connection = self.request
            self.rfile = self.request.makefile("rb", self.rbufsize)
            self.wfile = self.request.makefile("wb", self.wbufsize)

        def finish(self) -> None:
            super().finish()
            self.rfile.close()
            self.wfile.close()

    client = connect(serve(OwnFiles))
    assert client.get().body == b"hello"
    assert client.request("POST", body=b"x").body == b"x"


def test_a_handle_that_speaks_a_protocol_of_its_own(serve: Serve, connect: Connect) -> None:
    class Upper(BaseHTTPRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line.upper())

    client = connect(serve(Upper))
    client.send(b"one\ntwo\n")
    assert client.until(b"TWO\n") == b"ONE\nTWO\n"


def test_a_handler_that_uses_the_socket_itself(serve: Serve, connect: Connect) -> None:
    class Direct(Hello):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.connection.sendall(b"he")
            os.write(self.wfile.fileno(), b"llo")
            self.close_connection = True

    assert connect(serve(Direct)).get().body == b"hello"


def test_a_child_process_may_write_to_wfile(serve: Serve, connect: Connect) -> None:
    class Child(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            out = self.wfile.fileno()
            subprocess.run([sys.executable, "-c", "print('from a child')"], stdout=out, check=True)

    assert connect(serve(Child)).get().body == b"from a child\n"


class Offline:
    """The request object of a well-known recipe: only what a handler cannot do without."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sent = b""

    def makefile(self, *args: object, **kwargs: object) -> io.BytesIO:
        return io.BytesIO(self.data)

    def sendall(self, data: bytes) -> None:
        self.sent += bytes(data)


@pytest.mark.parametrize("server", [None, types.SimpleNamespace(base_environ={})])
def test_a_request_object_that_is_no_socket(server: Any) -> None:
    request: Any = Offline(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    Hello(request, ("192.0.2.1", 1), server)
    assert request.sent.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert request.sent.endswith(b"\r\n\r\nhello")


def test_without_a_socket_what_follows_a_head_without_a_length_can_be_read() -> None:
    """As the tests of wsgiref do it: there is nobody on the other side who would wait."""

    class Reading(Hello):
        def do_GET(self) -> None:
            self.answer(b"".join(self.rfile))

    request: Any = Offline(b"GET / HTTP/1.0\r\n\r\nline 1\nline 2\n")
    Reading(request, ("192.0.2.1", 1), None)
    assert request.sent.endswith(b"\r\n\r\nline 1\nline 2\n")


def test_an_unbuffered_rfile_shows_its_socket(serve: Serve, connect: Connect) -> None:
    """Copies of ``run_cgi`` drop there what a client has sent behind its body."""

    class Dropping(Hello):
        rbufsize = 0
        protocol_version = "HTTP/1.0"

        def do_POST(self) -> None:
            rfile: Any = self.rfile
            body = rfile.read(int(self.headers["Content-Length"]))
            while select.select([rfile._sock], [], [], 0)[0]:
                if not rfile._sock.recv(1):
                    break
            self.answer(body)

    client = connect(serve(Dropping))
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody and more")
    assert client.answer().body == b"body"


class Parsed(BaseHTTPRequestHandler):
    """The well-known recipe to parse a request that is held in memory."""

    error_code: int | None = None

    def __init__(self, text: bytes) -> None:
        self.rfile = io.BytesIO(text)
        self.raw_requestline = self.rfile.readline()
        self.parse_request()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.error_code = code
        self.error_message = message


def test_a_handler_as_a_parser() -> None:
    parsed = Parsed(b"POST /who?x HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody")
    assert (parsed.command, parsed.path, parsed.request_version) == ("POST", "/who?x", "HTTP/1.1")
    assert parsed.headers["host"] == "here"
    assert parsed.rfile.read() == b"body"
    assert parsed.error_code is None


def test_a_handler_as_a_parser_of_what_is_no_request() -> None:
    assert Parsed(b"GET\r\n\r\n").error_code == 400


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the module cgi has gone with Python 3.13")
@pytest.mark.filterwarnings("ignore:'cgi' is deprecated:DeprecationWarning")
def test_cgi_field_storage_reads_a_form_with_a_file(serve: Serve, connect: Connect) -> None:
    cgi = importlib.import_module("cgi")

    class Upload(Hello):
        def do_POST(self) -> None:
            form = cgi.FieldStorage(
                fp=self.rfile,
                headers=self.headers,
                environ={"REQUEST_METHOD": "POST", "CONTENT_TYPE": self.headers["Content-Type"]},
            )
            self.answer(form["name"].value.encode() + form["file"].file.read())

    body = (
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nvalue\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + BIG + b"\r\n--b--\r\n"
    )
    client = connect(serve(Upload))
    answer = client.request("POST", "/", "Content-Type: multipart/form-data; boundary=b", body=body)
    assert answer.body == b"value" + BIG


def test_a_handler_that_exits_its_thread_ends_its_connection(serve: Serve, connect: Connect) -> None:
    class Exiting(Hello):
        def do_GET(self) -> None:
            sys.exit()

    server = serve(Exiting)
    client = connect(server)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.rest() == b""
    assert connect(server).request("POST", body=b"x").body == b"x"


# SimpleHTTPRequestHandler's overrides


def test_a_copyfile_that_sends_by_the_socket_itself(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    class Own(SimpleHTTPRequestHandler):
        def copyfile(self, source: IO[bytes], outputfile: object) -> None:
            self.connection.sendfile(source)

    (tmp_path / "big").write_bytes(BIG)
    assert connect(serve(functools.partial(Own, directory=tmp_path))).get("/big").body == BIG


@pytest.mark.parametrize("length", [1000, 100_000])
def test_a_send_head_that_returns_a_file_from_some_place_on(
    serve: Serve, connect: Connect, tmp_path: Path, length: int
) -> None:
    class Tail(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def send_head(self) -> IO[bytes]:
            file = open(self.translate_path(self.path), "rb")  # noqa: SIM115
            file.seek(-length, os.SEEK_END)
            self.send_response(206)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            return file

    (tmp_path / "big").write_bytes(BIG)
    assert connect(serve(functools.partial(Tail, directory=tmp_path))).get("/big").body == BIG[-length:]


@pytest.mark.parametrize("length", [1000, 100_000])
def test_a_send_head_that_returns_a_member_of_an_archive(serve: Serve, connect: Connect, length: int) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("member")
        info.size = length
        tar.addfile(info, io.BytesIO(BIG[:length]))
    archive.seek(0)

    class Archive(SimpleHTTPRequestHandler):
        def send_head(self) -> IO[bytes]:
            member = tarfile.open(fileobj=archive).extractfile("member")  # noqa: SIM115
            assert isinstance(member, io.BufferedReader)
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            return member

    assert connect(serve(Archive)).get().body == BIG[:length]


@pytest.mark.parametrize("length", [1000, 100_000])
def test_a_send_head_that_returns_the_end_of_a_pipe(serve: Serve, connect: Connect, length: int) -> None:
    def fill(descriptor: int) -> None:
        with open(descriptor, "wb") as pipe:
            pipe.write(BIG[:length])

    class Piped(SimpleHTTPRequestHandler):
        def send_head(self) -> IO[bytes]:
            reading, writing = os.pipe()
            threading.Thread(target=fill, args=(writing,)).start()
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            return open(reading, "rb")

    assert connect(serve(Piped)).get().body == BIG[:length]


def test_types_added_to_the_extensions_map(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    class Typed(SimpleHTTPRequestHandler):
        extensions_map: ClassVar[dict[str, str]] = {
            **SimpleHTTPRequestHandler.extensions_map,
            ".wasm": "application/x-own",
            "": "text/x-none",
        }

    (tmp_path / "a.wasm").touch()
    (tmp_path / "b").touch()
    server = serve(functools.partial(Typed, directory=tmp_path))
    assert connect(server).get("/a.wasm").headers["Content-Type"] == "application/x-own"
    assert connect(server).get("/b").headers["Content-Type"] == "text/x-none"


# Servers


def test_a_threading_mixin_over_the_serial_server(serve: Serve, connect: Connect) -> None:
    class Threaded(socketserver.ThreadingMixIn, HTTPServer):
        pass

    server = serve(Hello, Threaded)
    first, second = connect(server), connect(server)
    assert [first.get().body, second.get().body, first.get().body] == [b"hello"] * 3


FORKING = """
import socketserver
from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d" % __import__("os").getpid())

class Forking(socketserver.ForkingMixIn, HTTPServer):
    pass

with Forking(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    try:
        server.serve_forever(0.05)
    except KeyboardInterrupt:
        pass
print("closed")
"""


@pytest.mark.needs("os.fork")
def test_a_forking_mixin_over_the_serial_server() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FORKING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        pids = {urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE).read() for _ in range(3)}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert out == "closed\n", err
    assert process.returncode == 0
    assert len(pids) == 3
    assert b"%d" % process.pid not in pids


UNSEEN = """
import signal, sys, threading, urllib.request
from pytest_httpserve.server import HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer

class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

signal.signal(signal.SIGINT, signal.default_int_handler)
seen = []
signal.signal(signal.SIGUSR1, lambda *args: seen.append("USR1"))

def ask_and_signal():
    url = "http://127.0.0.1:%d/" % server.server_port
    for number in (signal.SIGUSR1, signal.SIGINT):
        urllib.request.urlopen(url, timeout=10).read()
        # To this thread: the wait of the main thread goes on.
        signal.pthread_kill(threading.get_ident(), number)

with {server}(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=ask_and_signal).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        seen.append("INT")
print(*seen, signal.set_wakeup_fd(-1))
"""


@pytest.mark.needs("signal.pthread_kill")
@pytest.mark.parametrize("server", ["HTTPServer", "ThreadingHTTPServer"])
def test_a_signal_that_interrupts_no_wait_is_seen_at_once(server: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", UNSEEN.replace("{server}", server)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert out == "USR1 INT -1\n", err
    assert process.returncode == 0


def test_connections_handed_to_a_pool_of_threads(serve: Serve, connect: Connect) -> None:
    class Pooled(socketserver.ThreadingMixIn, HTTPServer):
        pool = ThreadPoolExecutor(2)

        def process_request(self, request: Any, client_address: Any) -> None:
            self.pool.submit(self.process_request_thread, request, client_address)

    server = serve(Hello, Pooled)
    idle = connect(server)
    assert idle.get().body == b"hello"
    assert connect(server).get().body == b"hello"
    server.shutdown()
    server.server_close()
    assert idle.rest() == b""
    Pooled.pool.shutdown()


def test_a_process_request_thread_with_something_around_it(serve: Serve, connect: Connect) -> None:
    around: list[str] = []

    class Around(ThreadingHTTPServer):
        def process_request_thread(self, request: Any, client_address: Any) -> None:
            around.append("before")
            super().process_request_thread(request, client_address)
            around.append("after")

    server = serve(Hello, Around)
    assert connect(server).get("/", "Connection: close").body == b"hello"
    server.shutdown()
    server.server_close()
    assert around == ["before", "after"]


def test_a_finish_request_that_gives_the_handler_more(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    class Rooted(ThreadingHTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            make: Any = self.RequestHandlerClass
            make(request, client_address, self, directory=tmp_path)

    (tmp_path / "a.txt").write_bytes(b"a")
    assert connect(serve(SimpleHTTPRequestHandler, Rooted)).get("/a.txt").body == b"a"


def test_a_get_request_that_changes_the_connection(serve: Serve, connect: Connect) -> None:
    class Renamed(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            request, _ = super().get_request()
            request.settimeout(PATIENCE)
            return request, ("192.0.2.9", 9)

    class WhoAmI(Hello):
        def do_GET(self) -> None:
            self.answer(self.address_string().encode() + BIG)

    assert connect(serve(WhoAmI, Renamed)).get().body == b"192.0.2.9" + BIG


def test_a_verify_request_that_says_no(serve: Serve, connect: Connect) -> None:
    class Closed(ThreadingHTTPServer):
        def verify_request(self, request: object, client_address: object) -> bool:
            return False

    server = serve(Hello, Closed)
    assert connect(server).rest() == b""
    assert not service_of(server).connections


def test_a_handle_error_of_ones_own(serve: Serve, connect: Connect) -> None:
    errors: list[object] = []
    handled = threading.Event()

    class Noting(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            errors.append(sys.exc_info()[1])
            handled.set()

    class Failing(Hello):
        def do_GET(self) -> None:
            raise LookupError("not found anywhere")

    connect(serve(Failing, Noting)).get()
    assert handled.wait(PATIENCE)
    assert [str(error) for error in errors] == ["not found anywhere"]


def test_a_handler_over_a_plain_tcp_server() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=PATIENCE)
            for _ in range(2):
                connection.request("POST", "/", body=b"x")
                assert connection.getresponse().read() == b"x"
            connection.close()
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@pytest.mark.needs("socket.AF_UNIX")
@pytest.mark.parametrize("base", [HTTPServer, ThreadingHTTPServer])
def test_a_server_on_a_unix_socket(serve: Serve, connect: Connect, tmp_path: Path, base: type[HTTPServer]) -> None:
    class Unix(base):  # type: ignore[misc, valid-type]
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            socketserver.TCPServer.server_bind(self)

        def get_request(self) -> tuple[socket.socket, Any]:
            request, _ = super().get_request()
            return request, ("a unix socket", 0)

    class InPieces(Hello):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.flush()
            self.wfile.write(b"hello")

    server = Unix(str(tmp_path / "s"), InPieces)
    serve.watch(server)
    serve.start(server)
    assert connect(server).get().body == b"hello"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("base", [HTTPServer, ThreadingHTTPServer])
def test_a_listener_wrapped_in_tls(serve: Serve, tmp_path: Path, base: type[HTTPServer], authority: trustme.CA) -> None:
    (tmp_path / "small").write_bytes(b"small")
    (tmp_path / "big").write_bytes(BIG)
    server = serve(functools.partial(SimpleHTTPRequestHandler, directory=tmp_path), base, start=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serve.start(server)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    for name, content in (("small", b"small"), ("big", BIG)):
        url = f"https://127.0.0.1:{server.server_port}/{name}"
        with urllib.request.urlopen(url, timeout=PATIENCE, context=client_context) as answer:
            assert answer.read() == content


# The standard library's own users of http.server


def over_ours(name: str) -> types.ModuleType:
    """A copy of a standard module, made with http.server replaced."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "http.server", pytest_httpserve.server)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def simple_server() -> types.ModuleType:
    module = over_ours("wsgiref.simple_server")
    assert issubclass(module.WSGIServer, HTTPServer)
    assert issubclass(module.WSGIRequestHandler, BaseHTTPRequestHandler)
    return module


Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Callable[[bytes], object]]


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("X-Path", environ["PATH_INFO"]), ("X-Name", environ["SERVER_NAME"])])
    return [body]


def test_wsgiref_serves_an_application(serve: Serve, connect: Connect, simple_server: types.ModuleType) -> None:
    server: Any = serve(simple_server.WSGIRequestHandler, simple_server.WSGIServer)
    server.set_app(echo)
    answer = connect(server).request("POST", "/a%20b?q", body=BIG)
    assert answer.body == BIG
    assert (answer.headers["X-Path"], answer.headers["X-Name"]) == ("/a b", "127.0.0.1")


def test_wsgiref_streams(
    serve: Serve, connect: Connect, simple_server: types.ModuleType, gate: threading.Event
) -> None:
    def streaming(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        gate.wait(PATIENCE)
        yield b"second"

    server: Any = serve(simple_server.WSGIRequestHandler, simple_server.WSGIServer)
    server.set_app(streaming)
    client = connect(server)
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    client.until(b"first")
    gate.set()
    assert client.rest() == b"second"


def test_wsgiref_answers_though_its_application_leaves_the_body_unread(
    serve: Serve, connect: Connect, simple_server: types.ModuleType
) -> None:
    def deaf(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("403 Forbidden", [])
        return [b"no"]

    server: Any = serve(simple_server.WSGIRequestHandler, simple_server.WSGIServer)
    server.set_app(deaf)
    for _ in range(10):
        client = connect(server)
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n" + bytes(100_000))
        assert client.answer().body == b"no"
        client.send(bytes(100_000))
        client.end_sending()
        assert client.rest() == b""


def test_wsgiref_with_threads(serve: Serve, connect: Connect, simple_server: types.ModuleType) -> None:
    class Threaded(socketserver.ThreadingMixIn, simple_server.WSGIServer):  # type: ignore[name-defined, misc]
        pass

    server: Any = serve(simple_server.WSGIRequestHandler, Threaded)
    server.set_app(echo)
    connect(server)  # says nothing, and disturbs nobody
    assert connect(server).request("POST", "/", body=b"x").body == b"x"


def test_xmlrpc_server_answers_calls() -> None:
    module = over_ours("xmlrpc.server")
    assert issubclass(module.SimpleXMLRPCRequestHandler, BaseHTTPRequestHandler)

    class Versioned(module.SimpleXMLRPCRequestHandler):  # type: ignore[name-defined, misc]
        protocol_version = "HTTP/1.1"

    with module.SimpleXMLRPCServer(("127.0.0.1", 0), Versioned, logRequests=False) as server:
        server.register_function(pow)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{server.server_address[1]}/RPC2") as proxy:
                assert [proxy.pow(2, 3), proxy.pow(2, 7)] == [8, 128]
                with pytest.raises(xmlrpc.client.Fault, match="is not supported"):
                    proxy.nothing()
        finally:
            server.shutdown()
            thread.join(PATIENCE)
