"""HTTPS servers: certificates checked at construction, handshakes that disturb nobody, and HTTP as usual above them."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization

from pytest_httpserve.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    HTTPSServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPSServer,
)
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[..., Client]
    ServeTLS = Callable[..., HTTPSServer]

PATIENCE = 5.0
PASSWORD = "open sesame"
BIG = bytes(range(256)) * 8_192 + b"the end"  # past 2 MiB: many TLS records

BOTH = pytest.mark.parametrize("server_class", [HTTPSServer, ThreadingHTTPSServer])


@dataclass(frozen=True)
class Files:
    """A certificate for 127.0.0.1 in every spelling of its files, and what a client needs to trust it."""

    directory: Path
    authority: trustme.CA

    def __getattr__(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def trusting(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Files:
    files = Files(tmp_path_factory.mktemp("pem"), trustme.CA())
    leaf = files.authority.issue_cert("127.0.0.1")
    chain, key = leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    files.chain.write_bytes(chain)
    files.key.write_bytes(key)
    files.both.write_bytes(key + chain)
    files.encrypted.write_bytes(encrypted)
    files.both_encrypted.write_bytes(encrypted + chain)
    files.other_chain.write_bytes(files.authority.issue_cert("127.0.0.1").cert_chain_pems[0].bytes())
    files.text.write_bytes(b"this is no certificate, and no key\n")
    files.empty.write_bytes(b"")
    files.authority.cert_pem.write_to_path(str(files.ca))
    return files


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(f"{self.command} {self.path}".encode())

    def do_POST(self) -> None:
        self.answer(self.rfile.read())


class UntilClose(Handler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BIG)


@pytest.fixture
def serve_tls(serve: Serve, pem: Files) -> ServeTLS:
    """Starts an HTTPS server for a handler; a class attribute of the server may be given by name."""

    def serve_tls(
        handler: Callable[..., Any] = Handler,
        server_class: type[HTTPSServer] = ThreadingHTTPSServer,
        *,
        alpn_protocols: list[str] | None = None,
        **attributes: Any,
    ) -> HTTPSServer:
        wanted = type(server_class.__name__, (server_class,), attributes)
        made = partial(wanted, certfile=pem.chain, keyfile=pem.key, alpn_protocols=alpn_protocols)
        server = serve(handler, made)  # type: ignore[arg-type]  # it is called, no more
        assert isinstance(server, HTTPSServer)
        return server

    return serve_tls


@pytest.fixture
def connect_tls(connect: Connect, pem: Files) -> Connect:
    """Opens a raw TLS connection; an end without close_notify is an error in it, unless ``ragged``."""

    def connect_tls(server: HTTPServer, context: ssl.SSLContext | None = None, *, ragged: bool = False) -> Client:
        client = connect(server)
        client.socket = (context or pem.trusting()).wrap_socket(
            client.socket, server_hostname="127.0.0.1", suppress_ragged_eofs=ragged
        )
        return client

    return connect_tls


def make(server_class: type[HTTPSServer] = HTTPSServer, **arguments: Any) -> HTTPSServer:
    """A server that is made and does not listen."""
    return server_class(("127.0.0.1", 0), Handler, False, **arguments)


def check(server: HTTPSServer) -> None:
    """The server's certificate and key are a pair that can be used."""
    with server:
        assert server.context.cert_store_stats()["x509"] == 0
        assert server.context.minimum_version >= ssl.TLSVersion.TLSv1_2


# Construction


@BOTH
def test_the_constructor_has_the_documented_signature(server_class: type[HTTPSServer]) -> None:
    _, *parameters = inspect.signature(server_class.__init__).parameters.values()

    assert [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD] == [
        "server_address",
        "RequestHandlerClass",
        "bind_and_activate",
    ]
    assert {
        parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
    } == {"certfile": inspect.Parameter.empty, "keyfile": None, "password": None, "alpn_protocols": None}
    assert parameters[2].default is True


@BOTH
def test_a_server_without_a_certificate_is_refused(server_class: type[HTTPSServer]) -> None:
    with pytest.raises(TypeError, match="certfile"):
        make(server_class)


def test_without_the_ssl_module_it_says_so(pem: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    with pytest.raises(RuntimeError, match="without the ssl module"):
        make(certfile=pem.both)


def test_a_subclass_may_make_the_context(pem: Files) -> None:
    class Own(HTTPSServer):
        def _create_context(self) -> ssl.SSLContext:
            context = super()._create_context()
            context.minimum_version = self.ssl.TLSVersion.TLSv1_3
            return context

    with make(Own, certfile=pem.both) as server:
        assert server.context.minimum_version == ssl.TLSVersion.TLSv1_3


@BOTH
def test_certificate_and_key_may_be_in_one_file(server_class: type[HTTPSServer], pem: Files) -> None:
    check(make(server_class, certfile=pem.both))


def test_paths_may_be_strings(pem: Files) -> None:
    check(make(certfile=str(pem.chain), keyfile=str(pem.key)))


@pytest.mark.parametrize(
    "password",
    [PASSWORD, PASSWORD.encode(), bytearray(PASSWORD.encode()), lambda: PASSWORD],
    ids=["str", "bytes", "bytearray", "function"],
)
@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_key_may_be_encrypted(pem: Files, password: Any, in_one_file: bool) -> None:
    if in_one_file:
        check(make(certfile=pem.both_encrypted, password=password))
    else:
        check(make(certfile=pem.chain, keyfile=pem.encrypted, password=password))


def test_a_password_for_a_key_that_needs_none_is_not_used(pem: Files) -> None:
    check(make(certfile=pem.chain, keyfile=pem.key, password="for nothing"))


def test_an_encrypted_key_without_a_password_is_refused(pem: Files) -> None:
    with pytest.raises(ssl.SSLError, match=f"{re.escape(str(pem.encrypted))} is encrypted, and no password was given"):
        make(certfile=pem.chain, keyfile=pem.encrypted)


def test_nobody_is_asked_for_a_password(pem: Files) -> None:
    """OpenSSL itself would ask on the terminal, or read standard input where there is none: here it would be told."""
    program = (
        "import sys\nfrom pytest_httpserve.server import HTTPSServer\n"
        "HTTPSServer(('127.0.0.1', 0), None, False, certfile=sys.argv[1], keyfile=sys.argv[2])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(pem.chain), str(pem.encrypted)],
        input=f"{PASSWORD}\n" * 3,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )

    assert "no password was given" in result.stderr
    assert "pass phrase" not in result.stdout + result.stderr


@pytest.mark.parametrize("password", ["close sesame", b"\xff", "", "a" * 2_000])
def test_a_wrong_password_is_refused(pem: Files, password: str | bytes) -> None:
    with pytest.raises(ssl.SSLError, match=f"{re.escape(str(pem.encrypted))} is encrypted, and the password is wrong"):
        make(certfile=pem.chain, keyfile=pem.encrypted, password=password)


@pytest.mark.parametrize(("wrong", "right"), [("certfile", "keyfile"), ("keyfile", "certfile")])
def test_a_path_that_leads_nowhere_is_named(pem: Files, wrong: str, right: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        make(HTTPSServer, **{wrong: pem.missing, right: pem.both})

    assert caught.value.filename == str(pem.missing)


def test_a_directory_is_no_certificate(pem: Files) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        make(certfile=pem.directory)

    assert caught.value.filename == str(pem.directory)


@pytest.mark.parametrize(("key", "password"), [("key", None), ("encrypted", PASSWORD)])
def test_a_key_that_does_not_match_is_refused(pem: Files, key: str, password: str | None) -> None:
    keyfile = getattr(pem, key)
    with pytest.raises(ssl.SSLError) as caught:
        make(certfile=pem.other_chain, keyfile=keyfile, password=password)

    assert str(caught.value) == f"the key in {keyfile} is not the key of the certificate in {pem.other_chain}"


@pytest.mark.parametrize(
    ("certfile", "keyfile"),
    [
        ("text", None),
        ("empty", None),
        ("text", "key"),
        ("chain", "text"),
        ("chain", "empty"),
        ("chain", None),
        ("key", None),
        ("key", "chain"),
    ],
)
def test_a_file_that_is_no_such_pem_is_named(pem: Files, certfile: str, keyfile: str | None) -> None:
    names = {"certfile": getattr(pem, certfile)} | ({"keyfile": getattr(pem, keyfile)} if keyfile else {})
    with pytest.raises(ssl.SSLError) as caught:
        make(HTTPSServer, **names)

    for path in names.values():
        assert str(caught.value).count(str(path)) == 1, f"{path} is not named once in: {caught.value}"


def test_a_server_that_is_refused_has_not_listened(pem: Files) -> None:
    class Binding(HTTPSServer):
        def server_bind(self) -> None:
            raise AssertionError("bound before the certificate was looked at")

    with pytest.raises(ssl.SSLError):
        Binding(("127.0.0.1", 0), Handler, certfile=pem.text)


# ALPN


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (None, ["http/1.1"], "http/1.1"),
        (None, ["h2", "http/1.1"], "http/1.1"),
        (["spam/1", "http/1.1"], ["http/1.1", "spam/1"], "spam/1"),
        (None, ["h2"], None),
        ([], ["http/1.1"], None),
        (None, [], None),
    ],
)
def test_a_protocol_is_chosen_by_the_servers_list(
    serve_tls: ServeTLS,
    connect_tls: Connect,
    pem: Files,
    ours: list[str] | None,
    theirs: list[str],
    chosen: str | None,
) -> None:
    context = pem.trusting()
    context.set_alpn_protocols(theirs)
    client = connect_tls(serve_tls(alpn_protocols=ours), context)

    assert isinstance(client.socket, ssl.SSLSocket)
    assert client.socket.selected_alpn_protocol() == chosen
    assert client.get("/").status == 200, "a client without a protocol in common is served all the same"


def test_the_list_is_the_servers_own(pem: Files) -> None:
    mine = ["http/1.1"]
    server = make(certfile=pem.both, alpn_protocols=mine)
    mine.append("h2")

    with server:
        assert server.alpn_protocols == ["http/1.1"]


# The handshake


def client_hello(pem: Files) -> bytes:
    """What a client sends first."""
    sent = ssl.MemoryBIO()
    layer = pem.trusting().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        layer.do_handshake()
    return sent.read()


STAGES = pytest.mark.parametrize("stage", ["silent", "first byte", "half a hello", "no answer to the server's hello"])


def open_handshake(client: Client, pem: Files, stage: str) -> None:
    """Bring a connection to where its handshake waits for the client."""
    hello = client_hello(pem)
    client.send({"silent": b"", "first byte": hello[:1], "half a hello": hello[: len(hello) // 2]}.get(stage, hello))
    if stage.startswith("no answer"):
        client.until(b"\x16\x03\x03")


@STAGES
def test_a_handshake_that_stands_still_disturbs_no_other_client(
    serve_tls: ServeTLS, connect: Connect, connect_tls: Connect, pem: Files, stage: str
) -> None:
    server = serve_tls()
    for _ in range(20):
        open_handshake(connect(server), pem, stage)

    assert connect_tls(server).get("/here").body == b"GET /here"


def held_after(server: HTTPServer, client: Client) -> int:
    """How many connections but the client's a thread holds, when whoever has work has had the time to do it."""
    for _ in range(200):
        held = sum(connection.turn._owned.locked() for connection in list(service_of(server).connections.values()))
        if held <= 1:  # the client's own may be on its way to rest
            return 0
        client.get("/")
    return held


@STAGES
def test_handshakes_that_stand_still_hold_no_thread(
    serve_tls: ServeTLS, connect: Connect, connect_tls: Connect, pem: Files, stage: str
) -> None:
    server = serve_tls()
    for _ in range(50):
        open_handshake(connect(server), pem, stage)

    assert held_after(server, connect_tls(server)) == 0


def test_who_says_nothing_behind_the_handshake_holds_no_thread(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    server = serve_tls()
    silent = [connect_tls(server) for _ in range(50)]

    assert held_after(server, connect_tls(server)) == 0
    assert {client.get("/late").body for client in silent} == {b"GET /late"}


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_says_nothing_behind_the_handshake_is_left_at_the_handlers_timeout(
    serve_tls: ServeTLS, connect_tls: Connect, pem: Files, maximum: ssl.TLSVersion
) -> None:
    class Impatient(Handler):
        timeout: ClassVar[float | None] = 0.05

    context = pem.trusting()
    context.maximum_version = maximum

    assert connect_tls(serve_tls(Impatient, handshake_timeout=3600), context).rest() == b""


def test_a_finish_request_around_the_handshake_is_called_once(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    called: list[object] = []

    class Around(ThreadingHTTPSServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            called.append(client_address)
            super().finish_request(request, client_address)

    client = connect_tls(serve_tls(server_class=Around))

    assert [client.get(f"/{number}").status for number in range(3)] == [200] * 3
    assert called == [client.socket.getsockname()]


def test_a_finish_request_that_makes_the_handler_itself_is_held_up_by_nobody(
    serve_tls: ServeTLS, connect: Connect, connect_tls: Connect, pem: Files
) -> None:
    """As http.server's own command line does it: the handshake comes with the first read."""

    class Making(ThreadingHTTPSServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            make: Any = self.RequestHandlerClass
            make(request, client_address, self)

    server = serve_tls(server_class=Making)
    for _ in range(10):
        open_handshake(connect(server), pem, "half a hello")

    assert connect_tls(server).get("/here").body == b"GET /here"


def test_a_callback_of_the_context_that_takes_its_time_holds_nobody_up(
    serve_tls: ServeTLS, connect: Connect, connect_tls: Connect, pem: Files, gate: threading.Event
) -> None:
    server = serve_tls()
    waiting = [connect(server) for _ in range(10)]
    ports = {client.socket.getsockname()[1] for client in waiting}

    def look_up(layer: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        if isinstance(layer, ssl.SSLSocket) and layer.getpeername()[1] in ports:
            gate.wait(PATIENCE)

    server.context.sni_callback = look_up
    for client in waiting:
        client.send(client_hello(pem))

    assert connect_tls(server).get("/here").body == b"GET /here"
    gate.set()
    for client in waiting:
        client.until(b"\x16\x03\x03")


def test_a_client_that_does_not_take_the_servers_hello_holds_nobody_up(serve: Serve, pem: Files) -> None:
    """The chain of certificates is longer than what the system keeps of it while nobody reads."""

    class Narrow(ThreadingHTTPSServer):
        def server_bind(self) -> None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            super().server_bind()

    chain = pem.directory / "long.pem"
    chain.write_bytes(pem.both.read_bytes() + pem.ca.read_bytes() * 40)
    server = serve(Handler, partial(Narrow, certfile=chain))  # type: ignore[arg-type]  # it is called, no more

    def narrow() -> socket.socket:
        client = ends.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.settimeout(PATIENCE)
        client.connect(server.server_address)
        return client

    with contextlib.ExitStack() as ends:
        for _ in range(3):
            narrow().sendall(client_hello(pem))
        client = ends.enter_context(pem.trusting().wrap_socket(narrow(), server_hostname="127.0.0.1"))
        client.sendall(b"GET /here HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")


@BOTH
@STAGES
def test_a_handshake_is_given_up_after_its_timeout(
    serve_tls: ServeTLS,
    connect: Connect,
    connect_tls: Connect,
    pem: Files,
    server_class: type[HTTPSServer],
    stage: str,
) -> None:
    server = serve_tls(server_class=server_class, handshake_timeout=0.05)
    client = connect(server)
    open_handshake(client, pem, stage)
    client.rest()

    server.handshake_timeout = PATIENCE
    assert connect_tls(server).get("/here").body == b"GET /here"


def test_behind_the_handshake_the_handlers_own_timeout_is_in_force(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    class Telling(Handler):
        def do_GET(self) -> None:
            self.answer(repr(self.connection.gettimeout()).encode())

    assert connect_tls(serve_tls(Telling, handshake_timeout=3600)).get("/").body == repr(PATIENCE).encode()


def test_a_connection_that_is_idle_for_too_long_is_ended(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    class Impatient(Handler):
        timeout: ClassVar[float | None] = 0.05

    client = connect_tls(serve_tls(Impatient))

    assert client.get("/").status == 200
    assert client.rest() == b""


@BOTH
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "QUERY"])
def test_plain_http_is_answered_with_a_400_that_says_why(
    serve_tls: ServeTLS, connect: Connect, server_class: type[HTTPSServer], method: str
) -> None:
    client = connect(serve_tls(server_class=server_class))
    client.send(f"{method} /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
    answer = client.answer()

    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert b"HTTPS" in answer.body
    client.end_sending()
    assert client.rest() == b""


def test_plain_http_disturbs_no_other_client(serve_tls: ServeTLS, connect: Connect, connect_tls: Connect) -> None:
    server = serve_tls()
    before = connect_tls(server)
    plain = connect(server)
    plain.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")

    assert connect_tls(server).get("/after").body == b"GET /after"
    assert before.get("/before").body == b"GET /before"
    assert plain.answer().status == 400


def test_plain_http_with_a_body_reads_its_answer(serve_tls: ServeTLS, connect: Connect) -> None:
    """Input that was never read would turn the end of the connection into a reset, which overtakes the answer."""
    client = connect(serve_tls())
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))

    assert client.answer().status == 400


def test_requests_shows_the_answer_to_plain_http(serve_tls: ServeTLS) -> None:
    with requests.Session() as session:
        session.trust_env = False  # the settings of this machine
        answer = session.get(f"http://127.0.0.1:{serve_tls().server_port}/", timeout=PATIENCE)

    assert answer.status_code == 400
    assert "plain HTTP" in answer.text


@BOTH
@STAGES
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_client_that_goes_away_in_its_handshake_is_forgotten(
    serve_tls: ServeTLS,
    connect: Connect,
    connect_tls: Connect,
    pem: Files,
    server_class: type[HTTPSServer],
    stage: str,
    end: str,
) -> None:
    server = serve_tls(server_class=server_class)
    client = connect(server)
    open_handshake(client, pem, stage)
    if end == "reset":
        client.vanish()
    else:
        client.socket.close()

    assert connect_tls(server).get("/here").body == b"GET /here"


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05nope!", b"\x80\x2e\x01\x00\x02" + bytes(60), b"\xff" * 600])
def test_garbage_disturbs_no_other_client(
    serve_tls: ServeTLS, connect: Connect, connect_tls: Connect, data: bytes
) -> None:
    server = serve_tls()
    client = connect(server)
    client.send(data)
    with contextlib.suppress(OSError):  # the server may have ended the connection by now
        client.end_sending()
        client.rest()

    assert connect_tls(server).get("/here").body == b"GET /here"


def test_a_client_that_does_not_trust_the_certificate_disturbs_no_other(
    serve_tls: ServeTLS, connect_tls: Connect
) -> None:
    server = serve_tls()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect_tls(server, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    assert connect_tls(server).get("/here").body == b"GET /here"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_versions_before_tls_1_2_are_refused(
    serve_tls: ServeTLS, connect_tls: Connect, pem: Files, version: str
) -> None:
    context = pem.trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else the client itself would not try
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises(ssl.SSLError) as caught:
        connect_tls(serve_tls(), context)

    assert caught.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_later_versions_are_served(
    serve_tls: ServeTLS, connect_tls: Connect, pem: Files, version: ssl.TLSVersion
) -> None:
    context = pem.trusting()
    context.minimum_version = context.maximum_version = version
    client = connect_tls(serve_tls(UntilClose), context)

    assert client.get("/").body == BIG


# HTTP above it


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "small.txt").write_bytes(b"0123456789")
    (tmp_path / "big").write_bytes(BIG)
    return tmp_path


@pytest.fixture
def files(serve_tls: ServeTLS, connect_tls: Connect, root: Path) -> Client:
    class Static(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout: ClassVar[float | None] = PATIENCE

    client: Client = connect_tls(serve_tls(partial(Static, directory=root)))
    return client


def test_files_arrive_whole(files: Client) -> None:
    assert files.get("/small.txt").body == b"0123456789"
    assert files.get("/big").body == BIG
    assert files.get("/small.txt").body == b"0123456789"


@pytest.mark.parametrize(("first", "last"), [(0, 0), (100, 99_999), (1_000_000, 2_000_000)])
def test_a_range_of_a_file_arrives(files: Client, first: int, last: int) -> None:
    answer = files.get("/big", f"Range: bytes={first}-{last}")

    assert (answer.status, answer.body) == (206, BIG[first : last + 1])


def test_a_file_that_is_missing_is_answered_with_404(files: Client) -> None:
    assert files.get("/missing").status == 404


def test_bodies_of_any_size_come_in(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    client = connect_tls(serve_tls())

    assert client.request("POST", body=b"small").body == b"small"
    assert client.request("POST", body=BIG).body == BIG
    assert client.request("POST", body=b"small").body == b"small"


@BOTH
def test_a_connection_takes_many_requests(
    serve_tls: ServeTLS, connect_tls: Connect, server_class: type[HTTPSServer]
) -> None:
    client = connect_tls(serve_tls(server_class=server_class))

    assert [client.get(f"/{n}").body for n in range(30)] == [b"GET /%d" % n for n in range(30)]


def test_requests_sent_in_one_record_are_answered_in_order(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    client = connect_tls(serve_tls())
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(20)))

    assert [client.answer().body for _ in range(20)] == [b"GET /%d" % n for n in range(20)]


def test_many_clients_at_once_are_served(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    server = serve_tls()
    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda n: connect_tls(server).get(f"/{n}").body, range(64)))

    assert bodies == [b"GET /%d" % n for n in range(64)]


def test_a_client_that_goes_away_between_requests_is_forgotten(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    server = serve_tls()
    client = connect_tls(server)
    client.get("/")
    client.vanish()

    assert connect_tls(server).get("/here").body == b"GET /here"


def test_requests_trusts_the_servers_ca(serve_tls: ServeTLS, pem: Files) -> None:
    url = f"https://127.0.0.1:{serve_tls().server_port}/a"
    with requests.Session() as session:
        session.verify = os.fspath(pem.ca)
        session.trust_env = False  # the settings of this machine

        assert session.get(url, timeout=PATIENCE).text == "GET /a"
        assert session.post(url, data=BIG, timeout=PATIENCE).content == BIG


# How a connection ends


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_body_that_ends_with_the_connection_ends_with_close_notify(
    serve_tls: ServeTLS, connect_tls: Connect, version: str
) -> None:
    client = connect_tls(serve_tls(UntilClose))
    client.send(f"GET / {version}\r\nHost: test\r\n\r\n".encode())
    client.until(b"\r\n\r\n")

    assert client.rest() == BIG, "an SSLEOFError here would mean that the end could be an attacker's"


def test_a_connection_that_the_client_wants_to_end_ends_with_close_notify(
    serve_tls: ServeTLS, connect_tls: Connect
) -> None:
    client = connect_tls(serve_tls())
    client.get("/", "Connection: close")

    assert client.rest() == b""


def test_a_request_that_is_refused_ends_with_close_notify(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    client = connect_tls(serve_tls())
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n")

    assert client.answer().status == 400
    assert client.rest() == b""


def test_a_response_before_the_body_has_come_ends_with_close_notify(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    client = connect_tls(serve_tls(UntilClose))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\npart")
    client.until(b"\r\n\r\n")

    assert client.rest() == BIG


def test_the_servers_end_wakes_idle_connections(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    server = serve_tls()
    clients = [connect_tls(server, ragged=True) for _ in range(5)]
    for client in clients:
        client.get("/")
    server.server_close()

    assert [client.rest() for client in clients] == [b""] * 5


@BOTH
@STAGES
def test_the_servers_end_wakes_open_handshakes(
    serve_tls: ServeTLS, connect: Connect, pem: Files, server_class: type[HTTPSServer], stage: str
) -> None:
    accepted = threading.Event()

    def verify_request(self: HTTPSServer, request: object, client_address: object) -> bool:
        accepted.set()
        return True

    server = serve_tls(server_class=server_class, handshake_timeout=3600, verify_request=verify_request)
    client = connect(server)
    open_handshake(client, pem, stage)
    assert accepted.wait(PATIENCE)
    server.shutdown()
    server.server_close()

    client.rest()
    assert service_of(server).connections == {}


def test_a_shutdown_does_not_wait_for_a_client_that_was_just_accepted(serve_tls: ServeTLS, connect: Connect) -> None:
    def verify_request(self: HTTPSServer, request: object, client_address: object) -> bool:
        self.shutdown()
        return True

    server = serve_tls(server_class=HTTPSServer, handshake_timeout=3600, verify_request=verify_request)

    assert connect(server).rest() == b""


def test_the_servers_end_wakes_a_client_that_was_answered_in_plain(serve_tls: ServeTLS, connect: Connect) -> None:
    server = serve_tls()
    client = connect(server)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.answer()
    server.server_close()

    assert client.rest() == b""


def test_a_response_in_hand_is_finished_by_the_servers_end(
    serve_tls: ServeTLS, connect_tls: Connect, gate: threading.Event
) -> None:
    begun = threading.Event()

    class Waiting(Handler):
        def do_GET(self) -> None:
            begun.set()
            gate.wait(PATIENCE)
            self.answer(BIG)

    server = serve_tls(Waiting, grace=PATIENCE)
    client = connect_tls(server)
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert begun.wait(PATIENCE)
    closing = threading.Thread(target=server.server_close)
    closing.start()
    gate.set()

    assert client.answer().body == BIG
    closing.join(PATIENCE)
    assert not closing.is_alive()


def test_a_server_may_be_bound_later(serve: Serve, connect_tls: Connect, pem: Files) -> None:
    server = ThreadingHTTPSServer(("127.0.0.1", 0), Handler, False, certfile=pem.chain, keyfile=pem.key)
    server.server_bind()
    server.server_activate()
    serve.watch(server)
    serve.start(server)

    assert connect_tls(server).get("/here").body == b"GET /here"


def test_a_handler_sees_the_tls_connection(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    class Telling(Handler):
        def do_GET(self) -> None:
            assert isinstance(self.connection, ssl.SSLSocket)
            self.answer(str(self.connection.version()).encode())

    assert connect_tls(serve_tls(Telling)).get("/").body == b"TLSv1.3"


def test_nagles_algorithm_is_off(serve_tls: ServeTLS, connect_tls: Connect) -> None:
    """With it, the response would wait for the acknowledgement of the session tickets."""

    class Telling(Handler):
        def do_GET(self) -> None:
            self.answer(str(self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0).encode())

    assert connect_tls(serve_tls(Telling)).get("/").body == b"True"
