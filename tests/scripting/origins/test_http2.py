"""HTTP/2 through tunnels to origins, and tunnels over HTTP/2."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from socket import create_connection, create_server, socket
from typing import Any, cast

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Delay, GoAway, Refuse, Reset, ResetStream
from tests.scripting.alone import alone
from tests.scripting.http2.client import Client, client_of

Tunnel = Callable[..., socket]
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def server() -> Iterator[HTTPServe]:
    """Started, and speaks HTTP/2; what goes wrong on it is in ``failures`` and fails no test by itself."""
    with alone(http2=True) as server:
        yield server


@pytest.fixture
def context(server: HTTPServe) -> ssl.SSLContext:
    context = server.ca.client_ssl_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


class Inside:
    """A tunnel over a stream of HTTP/2 as a socket, and ``secure()`` as one over TLS in it."""

    def __init__(self, client: Client, authority: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        self.client = client
        self.id = client.connect(authority, fields)
        self.answer = client.answers[self.id]
        self._taken = 0

    @property
    def status(self) -> int:
        return self.answer.status

    def sendall(self, data: bytes) -> None:
        self.client.send(self.id, data, ends=False)

    def recv(self, size: int) -> bytes:
        self.client.receive_until(lambda: len(self.answer.body) > self._taken or self.answer.over)
        data = self.answer.body[self._taken :][:size]
        self._taken += len(data)
        return data

    def ask(self, target: str) -> bytes:
        """Send a request of HTTP/1.1, and return what comes of its answer at once."""
        self.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return self.recv(65_536)

    def secure(self, context: ssl.SSLContext, name: str) -> Secure:
        return Secure(self, context, name)

    def settimeout(self, seconds: float) -> None:
        """The client that carries it has one."""

    def setsockopt(self, *option: int) -> None:
        """The same."""

    def close(self) -> None:
        """It ends with the client that carries it."""


class Secure(Inside):
    """TLS within a tunnel."""

    def __init__(self, tunnel: Inside | Hasty, context: ssl.SSLContext, name: str) -> None:
        self._tunnel = tunnel
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._do(self.ssl.do_handshake)

    def sendall(self, data: bytes) -> None:
        self._do(lambda: self.ssl.write(data))

    def recv(self, size: int) -> bytes:
        return cast("bytes", self._do(lambda: self.ssl.read(size)))

    def _do(self, act: Callable[[], Any]) -> Any:  # what the act returns
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                self._send()
                data = self._tunnel.recv(65_536)
                self._incoming.write(data) if data else self._incoming.write_eof()
            else:
                self._send()
                return result

    def _send(self) -> None:
        if data := self._outgoing.read():
            self._tunnel.sendall(data)


def over(sock: Any) -> Client:  # a socket, or what acts as one
    return Client(sock, "a.test")


# HTTP/2 in a tunnel


def test_a_client_chooses_it_in_the_handshake(server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="inside")
    secure = tunnel(server, "a.test:443", context)
    assert cast("ssl.SSLSocket", secure).selected_alpn_protocol() == "h2"
    with over(secure) as client:
        numbers = [client.begin("GET", "/") for _ in range(3)]
        assert [client.answer(number).body for number in numbers] == [b"inside"] * 3
        assert client.request("GET", "/", b"x" * 200_000).body == b"inside"

    opened, *asked = server.exchanges
    assert (opened.request.method, opened.version, opened.origin) == ("CONNECT", (1, 1), None)
    assert [(one.version, one.origin) for one in asked] == [((2, 0), "https://a.test")] * 4
    assert [one.stream_id for one in asked] == [1, 3, 5, 7]
    assert origin.exchanges == tuple(asked)
    assert [record.tunnel for record in server.connections] == ["https://a.test"]
    assert server.failures == ()


def test_a_client_may_speak_http_1_all_the_same(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask
) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="inside")
    context.set_alpn_protocols(["http/1.1"])
    secure = tunnel(server, "a.test:443", context)
    assert [ask(secure, "/"), ask(secure, "/")] == [(200, b"inside")] * 2
    assert server.failures == ()


def test_by_prior_knowledge_in_a_tunnel_without_tls(server: HTTPServe, tunnel: Tunnel, ask: Ask) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    with over(tunnel(server, "a.test:80")) as client:
        assert client.get("/").body == b"inside"
    assert ask(tunnel(server, "a.test:80"), "/") == (200, b"inside")
    assert server.failures == ()


def test_an_origin_offers_what_its_server_speaks(tunnel: Tunnel) -> None:
    with HTTPServe() as server:
        server.origin("https://a.test")
        context = server.ca.client_ssl_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        secure = tunnel(server, "a.test:443", context)
        assert cast("ssl.SSLSocket", secure).selected_alpn_protocol() == "http/1.1"


def test_a_proxy_is_asked_over_http_1() -> None:
    with HTTPServe(http2="only") as server, pytest.raises(UsageError, match="http2='only'"):
        server.origin("https://a.test")


def test_a_handshake_that_does_not_wait_for_the_tunnel(server: HTTPServe, context: ssl.SSLContext) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="inside")
    with create_connection((server.host, server.port), timeout=20) as sock:
        client = over(Secure(Hasty(sock, "a.test:443"), context, "a.test"))
        assert client.get("/").body == client.get("/").body == b"inside"
        server.stop()  # with the connection idle
        with pytest.raises(OSError):  # an end of TCP or of TLS, whichever is faster
            client.receive_until(lambda: False)
    assert server.failures == ()


class Hasty:
    """A tunnel whose first bytes are sent with the request for it."""

    def __init__(self, sock: socket, authority: str) -> None:
        self._socket = sock
        self._asks = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
        self._opened = False

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(self._asks + data)
        self._asks = b""

    def recv(self, size: int) -> bytes:
        if not self._opened:
            self._opened = True
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self._socket.recv(1)
            assert head.startswith(b"HTTP/1.1 200 ")
        return self._socket.recv(size)


@pytest.mark.parametrize("tls", ["expired", "self_signed"])
def test_a_bad_certificate_is_bad_here_too(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, tls: str
) -> None:
    server.origin("https://a.test", tls=tls)
    with pytest.raises(ssl.SSLCertVerificationError):
        tunnel(server, "a.test:443", context)
    assert server.failures == ()


@pytest.mark.parametrize("whole", [False, True], ids=["one exchange", "the connection"])
def test_faults_of_the_origin(server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, whole: bool) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="inside")
    fault = ResetStream("ENHANCE_YOUR_CALM")
    if whole:
        origin.fault(fault)
    else:
        origin.on("GET", "/").respond(text="never", fault=fault)
    with over(tunnel(server, "a.test:443", context)) as client:
        assert client.get("/").reset == 0xB
    assert [exchange.faults for exchange in origin.exchanges] == [(fault,)]


def test_a_goaway_in_a_tunnel(server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="inside", fault=GoAway())
    with over(tunnel(server, "a.test:443", context)) as client:
        client.get("/")
        client.receive_until(lambda: client.gone_away is not None)
    assert [exchange.faults for exchange in origin.exchanges] == [(GoAway(),)]


def test_exchanges_are_numbered_on_after_an_upgrade(server: HTTPServe) -> None:
    """The number of an exchange on its connection, which had some before it was upgraded."""
    server.on("GET", "/").respond(text="well")
    with create_connection((server.host, server.port), timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not sock.recv(65_536).endswith(b"well"):
            pass
        upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
        sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n\r\n".encode())
        server.wait_for("GET", "/", times=2)
    assert [exchange.request.exchange_index for exchange in server.exchanges] == [0, 1]


# Tunnels over HTTP/2


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_a_stream_carries_a_tunnel(server: HTTPServe, context: ssl.SSLContext, protocol: str) -> None:
    server.on("GET", "/").respond(text="the server")
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="x" * 300_000)
    context.set_alpn_protocols([protocol])
    with client_of(server) as client:
        tunnels = [Inside(client, "a.test:443") for _ in range(2)]
        assert [tunnel.status for tunnel in tunnels] == [200, 200]
        assert tunnels[0].answer.headers.keys().isdisjoint({"content-length", "upgrade"})
        for tunnel in tunnels:
            secure = tunnel.secure(context, "a.test")
            assert secure.ssl.selected_alpn_protocol() == protocol
            if protocol == "h2":
                with over(secure) as inner:
                    assert inner.get("/").body == inner.get("/").body == b"x" * 300_000
            else:
                got = secure.ask("/")
                while not got.endswith(b"x" * 300_000):
                    got += secure.recv(65_536)
            assert client.get("/").body == b"the server"

    assert [exchange.stream_id for exchange in server.exchanges if exchange.request.method == "CONNECT"] == [1, 3]
    assert [record.tunnel for record in server.connections] == [None, "https://a.test", "https://a.test"]
    assert {exchange.origin for exchange in origin.exchanges} == {"https://a.test"}
    assert len(origin.connections) == 2
    session = origin.connections[0].tls
    assert session is not None and session.sni == "a.test" and session.alpn == protocol
    assert server.failures == ()


def test_each_side_may_end_it(server: HTTPServe) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    with client_of(server) as client:
        tunnel = Inside(client, "a.test:80")
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.answer(tunnel.id)
        assert tunnel.answer.body.endswith(b"inside")
        assert tunnel.answer.ended

        tunnel = Inside(client, "a.test:80")
        assert tunnel.ask("/").endswith(b"inside")
        client.send(tunnel.id, b"", ends=True)
        assert client.answer(tunnel.id).ended

        tunnel = Inside(client, "a.test:80")
        assert tunnel.ask("/").endswith(b"inside")
        client.h2.reset_stream(tunnel.id)
        client.flush()
        assert client.get("/").body == b"the server"
    server.assert_all_closed()
    assert [record.closed_by for record in server.connections] == ["client", "server", "client", "client"]
    assert server.failures == ()


def test_a_reset_in_a_tunnel_is_one_of_its_stream(server: HTTPServe) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://a.test").on("GET", "/").respond(text="x" * 100, fault=Reset(after=10))
    with client_of(server) as client:
        tunnel = Inside(client, "a.test:80")
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.receive_until(lambda: tunnel.answer.over)
        assert tunnel.answer.body.endswith(b"\r\n\r\n" + b"x" * 10)
        assert tunnel.answer.reset == 0xA  # RFC 9113 section 8.5: CONNECT_ERROR
        assert client.get("/").body == b"the server"
    assert server.failures == ()


def test_a_tunnel_ends_with_its_connection(server: HTTPServe) -> None:
    origin = server.origin("http://a.test")
    origin.on("GET", "/").respond(text="inside")
    with client_of(server) as client:
        assert Inside(client, "a.test:80").ask("/").endswith(b"inside")
    server.assert_all_closed()
    assert server.failures == ()


def test_a_stop_waits_for_the_response_in_hand(server: HTTPServe) -> None:
    asked, stopping = threading.Event(), threading.Event()

    def slow(request: object) -> str:
        asked.set()
        stopping.wait(20)
        return "inside"

    server.origin("http://a.test").on("GET", "/").handle(slow)
    with client_of(server) as client:
        tunnel, idle = Inside(client, "a.test:80"), Inside(client, "a.test:80")
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(20)
        stop = threading.Thread(target=server.stop)
        stop.start()
        client.answer(idle.id)  # ends at once
        stopping.set()
        assert client.answer(tunnel.id).body.endswith(b"inside")
        stop.join()
    assert server.failures == ()


def test_bytes_that_are_let_through(server: HTTPServe) -> None:
    with create_server(("127.0.0.1", 0)) as real:
        server.origin("https://a.test", tunnel="raw", to=f"127.0.0.1:{real.getsockname()[1]}")
        with client_of(server) as client:
            tunnel = Inside(client, "a.test:443")
            accepted, _ = real.accept()
            with accepted:
                tunnel.sendall(b"to")
                assert accepted.recv(2) == b"to"
                accepted.sendall(b"fro")
                assert tunnel.recv(3) == b"fro"
                client.send(tunnel.id, b"the end", ends=True)
                with accepted.makefile("rb") as file:
                    assert file.read() == b"the end"
                accepted.sendall(b"heard")
            assert client.answer(tunnel.id).body == b"froheard"
            assert tunnel.answer.ended
    assert server.failures == ()


def test_a_host_that_cannot_be_reached(server: HTTPServe) -> None:
    with create_server(("127.0.0.1", 0)) as real:
        port = real.getsockname()[1]
    server.origin("https://a.test", tunnel="raw", to=f"127.0.0.1:{port}")
    with client_of(server) as client:
        tunnel = Inside(client, "a.test:443")
        assert client.answer(tunnel.id).status == 502
        assert "error=connection_refused" in tunnel.answer.headers["proxy-status"]


def test_a_host_that_no_origin_answers_for(server: HTTPServe) -> None:
    server.origin("https://a.test")
    with client_of(server) as client:
        tunnel = Inside(client, "b.test:443")
        assert client.answer(tunnel.id).status == 502
        assert b"no origin answers b.test port 443" in tunnel.answer.body
    (failure,) = server.failures
    assert "origin('https://b.test')" in failure


@pytest.mark.parametrize("authority", ["a.test", "a.test:0", "a.test:65536", "u@a.test:443"])
def test_a_bad_authority(server: HTTPServe, authority: str) -> None:
    server.origin("https://a.test")
    with client_of(server) as client:
        assert client.answer(client.connect(authority)).status == 400


def test_credentials(server: HTTPServe) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    server.proxy_auth("me", "secret")
    with client_of(server) as client:
        refused = client.connect("a.test:80")
        assert client.answer(refused).status == 407
        tunnel = Inside(client, "a.test:80", (("proxy-authorization", "Basic bWU6c2VjcmV0"),))
        assert tunnel.status == 200
        assert tunnel.ask("/").endswith(b"inside")
    assert server.failures == ()


@pytest.mark.parametrize("whose", ["of the origin", "of the server"])
def test_the_proxy_refuses_a_tunnel(server: HTTPServe, whose: str) -> None:
    origin = server.origin("http://a.test")
    origin.on("GET", "/").respond(text="inside")
    (origin if whose == "of the origin" else server).fault([Delay(0, phase="connect"), Refuse(503)])
    with client_of(server) as client:
        assert client.answer(client.connect("a.test:80")).status == 503
    assert server.exchanges[0].faults == (Delay(0, phase="connect"), Refuse(503))
    server.check_expectations()


def test_a_fault_within_a_tunnel(server: HTTPServe) -> None:
    origin = server.origin("http://a.test")
    origin.on("GET", "/").respond(text="inside")
    origin.fault(Reset())
    with client_of(server) as client:
        tunnel = Inside(client, "a.test:80")
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.answer(tunnel.id).over
        assert b"inside" not in tunnel.answer.body
        assert Inside(client, "a.test:80").ask("/").endswith(b"inside")
    assert [str(event.fault) for event in server.fault_events] == [str(Reset())]


# Requests that name an origin


def test_a_request_names_its_origin_by_scheme_and_authority(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="the server")
    origin = server.origin("http://a.test")
    origin.on("GET", "/a").respond(text="the origin")
    origin.on("OPTIONS").respond(204)
    with client_of(server) as client:
        assert client.get("/a").body == b"the server"
        client.authority = "a.test"
        assert client.get("/a").body == b"the origin"
        assert client.request("OPTIONS", "*").status == 204
        client.authority = "unknown.test"
        assert client.get("/a").body == b"the server"
    assert [exchange.request.target for exchange in server.exchanges] == [
        "/a",
        "http://a.test/a",
        "http://a.test",
        "/a",
    ]
    assert [exchange.origin for exchange in server.exchanges] == [None, "http://a.test", "http://a.test", None]
    assert server.failures == ()
