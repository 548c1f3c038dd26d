"""Tunnels that end at an origin: CONNECT (RFC 9110 section 9.3.6), TLS inside it, and requests inside that."""

import contextlib
import ssl
from collections.abc import Callable
from http.client import HTTPResponse, IncompleteRead
from socket import create_connection, socket

import pytest
from websockets.sync.client import connect

from pytest_httpserve import TLS, TLS_GALLERY, HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Delay, Phase, Reset
from pytest_httpserve.tls.settings import CERTIFICATE_FAULTS

Say = Callable[[HTTPServe, str | bytes], bytes]
Tunnel = Callable[..., socket]
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def context(server: HTTPServe) -> ssl.SSLContext:
    return server.ca.client_ssl_context()


@pytest.mark.parametrize(
    "request_text",
    [
        "CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\n\n",
        "CONNECT a.test:443 HTTP/1.0\n\n",  # as Python's http.client before 3.12
        "CONNECT A.TEST:0443 HTTP/1.1\nHost: another.test\n\n",  # RFC 9112 section 3.2.2: the target says it
        "CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\nConnection: close\n\n",
        "CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\nContent-Length: 0\n\n",
        "CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\nProxy-Connection: keep-alive\n\n",
        "CONNECT [::1]:443 HTTP/1.1\nHost: [::1]:443\n\n",
    ],
)
def test_a_good_request_for_a_tunnel(server: HTTPServe, context: ssl.SSLContext, ask: Ask, request_text: str) -> None:
    for url in ("https://a.test", "https://[::1]"):
        server.origin(url).on("GET", "/").respond(text="inside")
    context.check_hostname = False
    with create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(request_text.replace("\n", "\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 200 Connection established\r\n")
        # RFC 9110 section 9.3.6: neither belongs into a 2xx to CONNECT.
        assert b"content-length" not in head.lower() and b"transfer-encoding" not in head.lower()
        with context.wrap_socket(client, server_hostname="a.test") as secure:
            assert ask(secure, "/") == (200, b"inside")
            assert ask(secure, "/") == (200, b"inside")
    assert server.failures == ()


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("a.test", "", 400),
        ("a.test:", "", 400),
        (":443", "", 400),
        ("a.test:0", "", 400),
        ("a.test:65536", "", 400),
        ("a.test:https", "", 400),
        ("u@a.test:443", "", 400),
        ("u:p@a.test:443", "", 400),
        ("https://a.test:443", "", 400),
        ("a.test:443/", "", 400),
        ("/", "", 400),
        ("*", "", 400),
        ("::1:443", "", 400),
        ("[::1:443", "", 400),
        ("a.test:443", "Content-Length: 3\n", 400),
        ("a.test:443", "Transfer-Encoding: chunked\n", 400),
        ("a.test:443", "Host: second\n", 400),
        ("b.test:443", "", 502),
        ("a.test:80", "", 502),
    ],
)
def test_a_bad_request_for_a_tunnel(server: HTTPServe, say: Say, target: str, fields: str, status: int) -> None:
    server.origin("https://a.test")
    # What follows belongs to no tunnel, and is no request.
    answer = say(server, f"CONNECT {target} HTTP/1.1\nHost: a\n{fields}\nabcGET / HTTP/1.1\nHost: a\n\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(server.exchanges) == 1


def test_a_request_for_a_tunnel_has_a_host_field(server: HTTPServe, say: Say) -> None:
    server.origin("https://a.test")
    assert say(server, "CONNECT a.test:443 HTTP/1.1\n\n").startswith(b"HTTP/1.1 400 ")


def test_without_origins_connect_is_a_method_like_others(server: HTTPServe, say: Say) -> None:
    server.on("CONNECT").respond(403, text="no tunnels here")

    assert say(server, "CONNECT a.test:443 HTTP/1.1\nHost: a\nConnection: close\n\n").endswith(b"no tunnels here")


def test_what_is_asked_in_a_tunnel_is_asked_of_its_origin(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask
) -> None:
    server.on("GET", "/").respond(text="the server")
    origin = server.origin("https://*.a.test")
    origin.on("GET", "/").respond(text="the origin")
    one, other = tunnel(server, "x.a.test:443", context), tunnel(server, "y.a.test:443", context)

    assert ask(one, "/") == ask(one, "/", host="elsewhere") == ask(other, "/") == (200, b"the origin")
    assert [exchange.origin for exchange in origin.exchanges] == ["https://x.a.test"] * 2 + ["https://y.a.test"]
    assert [exchange.request.method for exchange in server.exchanges].count("CONNECT") == 2
    assert [record.tunnel for record in origin.connections] == ["https://x.a.test", "https://y.a.test"]
    session = origin.connections[0].tls
    assert session is not None and session.sni == "x.a.test"
    assert [e["request"]["url"] for e in server.har()["log"]["entries"]].count("https://x.a.test/") == 2


@pytest.mark.parametrize("address", ["192.0.2.7", "[2001:db8::7]"])
def test_a_tunnel_to_an_address_has_the_certificate_that_is_asked_for(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask, address: str
) -> None:
    origin = server.origin(f"https://{address}")
    origin.on("GET", "/").respond(text="inside")
    for name in ("a.test", "b.test", address.strip("[]"), "a.test"):
        assert ask(tunnel(server, f"{address}:443", context, name), "/") == (200, b"inside")
    assert [record.tls.sni for record in origin.connections if record.tls] == ["a.test", "b.test", None, "a.test"]


def test_a_tunnel_to_a_name_has_the_certificate_of_that(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel
) -> None:
    server.origin("https://a.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        tunnel(server, "a.test:443", context, "b.test")


def test_the_certificate_of_an_origin_is_known_before_a_client_sees_it(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel
) -> None:
    origin = server.origin("https://a.test:*")
    assert origin.certificate is not None
    client = tunnel(server, "a.test:443", context)
    assert isinstance(client, ssl.SSLSocket)
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    assert ssl.DER_cert_to_PEM_cert(shown).strip() == origin.certificate.chain.decode().strip()
    assert server.origin("http://a.test:80").certificate is None
    with pytest.raises(UsageError, match="is more than one host, and each has its own certificate"):
        _ = server.origin("https://*.test").certificate


def test_what_is_wrong_with_an_origin_is_so_by_every_name(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel
) -> None:
    server.origin("https://192.0.2.7", tls="expired")
    for name in ("a.test", "192.0.2.7"):
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            tunnel(server, "192.0.2.7:443", context, name)


def test_a_request_before_the_tunnel_is_not_one_of_it(
    server: HTTPServe, context: ssl.SSLContext, ask: Ask, tunnel: Tunnel
) -> None:
    server.on("GET", "/").respond(text="the server")
    origin = server.origin("http://a.test:80")
    origin.on("GET", "/").respond(text="the origin")
    with create_connection((server.host, server.port), timeout=10) as client:
        assert ask(client, "/") == (200, b"the server")
        client.sendall(b"CONNECT a.test:80 HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = HTTPResponse(client, method="CONNECT")
        answer.begin()
        assert ask(client, "/") == (200, b"the origin")
    assert [exchange.origin for exchange in server.exchanges] == [None, None, "http://a.test"]
    assert len(origin.exchanges) == 1


def test_an_origin_without_tls_is_reached_by_a_tunnel_too(server: HTTPServe, tunnel: Tunnel, say: Say) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    # With a request that does not wait for the tunnel.
    connect = "CONNECT a.test:80 HTTP/1.1\nHost: a\n\n"
    answer = say(server, f"{connect}GET / HTTP/1.1\nHost: a\nConnection: close\n\n")

    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n")
    assert answer.endswith(b"\r\n\r\ninside")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_websocket_through_a_tunnel(server: HTTPServe, context: ssl.SSLContext, scheme: str) -> None:
    origin = server.origin(f"{scheme}://chat.test")
    origin.websocket("/chat").send("welcome").close()
    secure = context if scheme == "https" else None
    with connect(origin.url_for("/chat", scheme="ws"), proxy=server.base_url, ssl=secure) as client:
        assert client.recv() == "welcome"
    asked, joined = server.exchanges
    assert (asked.request.method, asked.status) == ("CONNECT", 200)
    assert (joined.origin, joined.status) == (f"{scheme}://chat.test", 101)
    assert server.failures == ()


def test_a_handshake_that_does_not_wait_for_the_tunnel(server: HTTPServe, context: ssl.SSLContext) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="x" * 100_000)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="a.test")
    with create_connection((server.host, server.port), timeout=10) as client:

        def go_on(act: Callable[[], object]) -> object:
            while True:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    client.sendall(outgoing.read())
                    data = client.recv(65536)
                    incoming.write(data) if data else incoming.write_eof()

        with pytest.raises(ssl.SSLWantReadError):
            secure.do_handshake()
        client.sendall(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n" + outgoing.read())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        go_on(secure.do_handshake)
        for _ in range(2):
            secure.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.sendall(outgoing.read())
            got = b""
            while not got.endswith(b"x" * 100_000):
                got += go_on(lambda: secure.read(65536))  # type: ignore[operator]  # bytes
    assert [exchange.status for exchange in server.exchanges] == [200, 200, 200]


def test_what_was_sent_before_a_fault_comes_to_such_a_client_too(server: HTTPServe, context: ssl.SSLContext) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(body=b"#" * 100_000, fault=Reset(after=90_000))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="a.test")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    with create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n" + outgoing.read())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        asked, got = False, b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                incoming.write(data)
                with contextlib.suppress(ssl.SSLWantReadError):
                    if not asked:
                        secure.do_handshake()
                        secure.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        asked = True
                    while True:
                        got += secure.read(65536)
                if left := outgoing.read():
                    client.sendall(left)
    assert got.count(b"#") == 90_000
    server.assert_all_closed(by="server")
    assert {record.closed_how for record in server.connections} == {"RST"}


def test_a_body_that_ends_with_the_connection_ends_in_tls(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel
) -> None:
    server.origin("https://a.test").on("GET", "/").respond(stream=["a", "b"])
    client = tunnel(server, "a.test:443", context)
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    got = b""
    while data := client.recv(65536):  # an end without close_notify would raise
        got += data
    assert got.endswith(b"\r\n\r\nab")


def test_a_client_that_leaves_before_its_handshake(server: HTTPServe, tunnel: Tunnel) -> None:
    origin = server.origin("https://a.test")
    tunnel(server, "a.test:443").close()
    server.assert_all_closed(by="client")

    (record,) = origin.connections
    assert record.tls is None
    assert record.tls_error is not None and record.tls_error.reason == "the client closed the connection"
    assert server.failures == ()


def test_a_client_that_speaks_no_tls_in_its_tunnel(server: HTTPServe, tunnel: Tunnel) -> None:
    origin = server.origin("https://a.test")
    client = tunnel(server, "a.test:443")
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    error = origin.connections[0].tls_error
    assert error is not None and "does not speak TLS" in error.reason


def test_a_client_that_does_not_trust_the_ca(server: HTTPServe, tunnel: Tunnel) -> None:
    origin = server.origin("https://a.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        tunnel(server, "a.test:443", ssl.create_default_context())
    error = origin.connections[0].tls_error
    assert error is not None and error.alert == "unknown_ca"
    assert server.failures == ()


@pytest.mark.parametrize("fault", [name for name in TLS_GALLERY if name not in ("old_tls", "revoked")])
def test_every_fault_of_tls_is_that_of_one_origin(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask, fault: str
) -> None:
    server.ignore("unanswered")
    server.origin("https://bad.test", tls=TLS(fault, handshake_timeout=5)).on("GET", "/").respond()
    server.origin("https://good.test").on("GET", "/").respond(text="well")

    if fault == "handshake_stall":
        tunnel(server, "bad.test:443").sendall(b"\x16\x03\x01\x00\x05hello")
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tunnel(server, "bad.test:443", context)
    assert ask(tunnel(server, "good.test:443", context), "/") == (200, b"well")


def test_a_certificate_of_an_origin_that_is_revoked(server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel) -> None:
    assert "revoked" in CERTIFICATE_FAULTS
    server.origin("https://a.test", tls="revoked")
    tunnel(server, "a.test:443", context)  # that does not look at lists
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.load_verify_locations(server.ca.crl_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        tunnel(server, "a.test:443", context)


def test_an_origin_may_ask_for_a_certificate(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask
) -> None:
    origin = server.origin("https://a.test", tls=TLS(client_cert="required", tls_versions="1.2"))
    origin.on("GET", "/").respond()
    with pytest.raises(ssl.SSLError):
        tunnel(server, "a.test:443", context)
    context.load_cert_chain(server.ca.issue_client("me@a.test").pem_path)
    assert ask(tunnel(server, "a.test:443", context), "/")[0] == 200
    session = origin.connections[1].tls
    assert session is not None and session.version == "TLSv1.2"
    assert session.peer_certificate is not None and session.peer_certificate.names == ("me@a.test",)


@pytest.mark.parametrize("phase", ["accept", "request_head", "response_head", "response_end"])
def test_a_fault_happens_on_the_next_tunnel(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask, phase: Phase
) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="well")
    origin.fault([Delay(0, phase=phase), Reset(phase=phase)], expected=True)
    client = tunnel(server, "a.test:443", None if phase == "accept" else context)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        assert ask(client, "/") == (200, b"well")
        assert phase == "response_end"
    server.assert_all_closed(by="server")
    assert origin.connections[0].closed_how == "RST"
    assert ask(tunnel(server, "a.test:443", context), "/") == (200, b"well")
    server.check_expectations()
    assert server.failures == ()
    assert {event.fault.place for event in server.fault_events} == {phase}


def test_a_fault_in_the_handshake_of_a_tunnel(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask
) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="well")
    origin.fault(Reset(phase="tls_handshake"), expected=True)
    with pytest.raises(ConnectionResetError):
        tunnel(server, "a.test:443", context)
    assert ask(tunnel(server, "a.test:443", context), "/") == (200, b"well")
    error = origin.connections[0].tls_error
    assert error is not None
    server.check_expectations()
    assert server.failures == ()


def test_a_fault_of_a_route_in_a_tunnel(server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="x" * 100, fault=Reset(after=10)).respond(text="well")
    client = tunnel(server, "a.test:443", context)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = HTTPResponse(client)
    answer.begin()
    assert answer.read(10) == b"x" * 10
    with pytest.raises((ConnectionResetError, IncompleteRead)):
        answer.read()
    assert ask(tunnel(server, "a.test:443", context), "/") == (200, b"well")


@pytest.mark.parametrize("state", ["before the handshake", "between requests", "in a request"])
def test_a_stop_ends_tunnels_at_once(
    server: HTTPServe, context: ssl.SSLContext, tunnel: Tunnel, ask: Ask, state: str
) -> None:
    origin = server.origin("https://a.test")
    route = origin.on("GET", "/")
    route.respond(text="well")
    client = tunnel(server, "a.test:443", None if state == "before the handshake" else context)
    if state == "between requests":
        assert ask(client, "/") == (200, b"well")
    elif state == "in a request":
        route.hold("response_head", timeout=30)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_for("GET", "/")
    server.stop()

    client.settimeout(5)
    with pytest.raises((ConnectionError, ssl.SSLError, AssertionError)):
        assert client.recv(100) != b""
    assert server.failures == ()
