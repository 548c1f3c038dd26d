"""SOCKS 5 (RFC 1928), which asks for a tunnel as CONNECT does, with user and password (RFC 1929)."""

import ssl
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from socket import create_connection, create_server, socket

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Reset, Slow

Say = Callable[[HTTPServe, str | bytes], bytes]
Ask = Callable[..., tuple[int, bytes]]
Connect = Callable[..., socket]

GREETING = b"\5\1\0"
OPENED = b"\5\0\0\1\0\0\0\0\0\0"


def named(host: str, port: int, command: int = 1) -> bytes:
    return bytes((5, command, 0, 3, len(host))) + host.encode() + port.to_bytes(2, "big")


def addressed(address: str, port: int) -> bytes:
    return bytes((5, 1, 0, 4 if ":" in address else 1)) + ip_address(address).packed + port.to_bytes(2, "big")


def signed(user: str, password: str) -> bytes:
    return bytes((1, len(user))) + user.encode() + bytes((len(password),)) + password.encode()


def exactly(client: socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := client.recv(count - len(data))):
        data += more
    return data


@pytest.fixture
def connect() -> Iterator[Connect]:
    """``connect(server, request)`` has shaken hands with the server, and returns the connection with its reply."""
    opened: list[socket] = []

    def connect(server: HTTPServe, request: bytes, reply: bytes = OPENED) -> socket:
        client = create_connection((server.host, server.port), timeout=10)
        opened.append(client)
        client.sendall(GREETING)
        assert exactly(client, 2) == b"\5\0"
        client.sendall(request)
        assert exactly(client, 10) == reply
        return client

    yield connect
    for client in opened:
        client.close()


def test_a_tunnel_leads_to_the_origin(server: HTTPServe, connect: Connect, ask: Ask) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="inside")
    client = connect(server, named("a.test", 443))
    with server.ca.client_ssl_context().wrap_socket(client, server_hostname="a.test") as secure:
        assert ask(secure, "/") == ask(secure, "/") == (200, b"inside")
        server.wait_for("GET", "/", times=2)

    asked, *_ = server.exchanges
    assert (asked.request.method, asked.request.target, asked.status) == ("CONNECT", "a.test:443", 200)
    assert asked.raw.request == GREETING + named("a.test", 443)
    assert asked.raw.response == b"\5\0" + OPENED
    assert [record.tunnel for record in origin.connections] == ["https://a.test"]
    assert [exchange.origin for exchange in server.exchanges] == [None, "https://a.test", "https://a.test"]


def test_an_origin_without_tls(server: HTTPServe, connect: Connect, ask: Ask) -> None:
    server.origin("http://*.test").on("GET", "/").respond(text="x" * 100_000)
    client = connect(server, named("a.test", 80))
    assert ask(client, "/") == ask(client, "/") == (200, b"x" * 100_000)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_an_origin_that_is_called_by_its_address(server: HTTPServe, connect: Connect, ask: Ask, address: str) -> None:
    where = f"[{address}]" if ":" in address else address
    server.origin(f"http://{where}").on("GET", "/").respond(text="inside")

    assert ask(connect(server, addressed(address, 80)), "/") == (200, b"inside")


def test_a_client_that_waits_for_nothing(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    answer = say(server, GREETING + named("a.test", 80) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"\5\0" + OPENED + b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"inside")


def test_a_client_that_sends_byte_by_byte(server: HTTPServe, ask: Ask) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    with create_connection((server.host, server.port), timeout=10) as client:
        client.setsockopt(6, 1, 1)  # each in a packet of its own
        for data, reply in ((GREETING, b"\5\0"), (named("a.test", 80), OPENED)):
            for byte in data:
                client.sendall(bytes((byte,)))
            assert exactly(client, len(reply)) == reply
        assert ask(client, "/") == (200, b"inside")


@pytest.mark.parametrize(
    ("sent", "reply", "failure"),
    [
        (named("b.test", 443), b"\2", "no origin answers b.test port 443, which was asked for by CONNECT b.test:443"),
        (addressed("192.0.2.7", 80), b"\2", "with socks5h:// it would leave that to the proxy"),
        (named("a.test", 443, command=2), b"\7", "this proxy supports only CONNECT of SOCKS, not command 2"),
        (named("a.test", 443, command=3), b"\7", "answered with 501"),
        (b"\5\1\0\2abcd", b"\x08", "the address has an unknown type"),
        (named("", 443), b"\1", "the host is not a name: b''"),
        (named("a\r\nb", 443), b"\1", "RFC 1928 section 5"),
        (named("a.test:1", 443), b"\1", "CONNECT takes host:port as its target"),
        (named("u@a.test", 443), b"\1", "CONNECT takes host:port as its target"),
        (named("a.test", 0), b"\1", "no port has this number"),
        (b"\4" + named("a.test", 443)[1:], b"\1", "a request begins with 5, not with 4"),
    ],
)
def test_what_is_refused(server: HTTPServe, say: Say, sent: bytes, reply: bytes, failure: str) -> None:
    server.origin("https://a.test")
    answer = say(server, GREETING + sent + b"what follows is no request")

    assert answer == b"\5\0\5" + reply + OPENED[2:]
    assert failure in "".join(server.take_failures())
    assert len(server.exchanges) == 1


@pytest.mark.parametrize("sent", [b"\5", b"\5\3\0\1", GREETING, GREETING + b"\5\1\0\3\6a.tes"])
def test_a_client_that_leaves_before_it_has_said_all(server: HTTPServe, sent: bytes) -> None:
    server.origin("https://a.test")
    with create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(1)
        answer = exactly(client, 100)

    assert answer.startswith(b"\5\0\5\1" if sent.startswith(GREETING) else b"\5\xff")
    (failure,) = server.take_failures()
    assert "the client ended the connection within SOCKS" in failure


def test_a_client_that_falls_silent(say: Say) -> None:
    with HTTPServe(timeout=0.2) as server:
        server.origin("https://a.test")
        with create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(b"\5\2\0")
            assert client.recv(100) == b"\5\xff"
        assert "the request did not come in time" in "".join(server.take_failures())


def test_without_origins_it_is_no_request(server: HTTPServe, say: Say) -> None:
    answer = say(server, GREETING + named("a.test", 443) + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "refused" in "".join(server.take_failures())


def test_it_is_the_beginning_of_a_connection_alone(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test")
    server.on("GET", "/").respond()
    answer = say(server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + GREETING + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 400 " in answer
    assert len(server.take_failures()) == 1


# Who asks


@pytest.mark.parametrize("methods", [b"\2", b"\0\2", b"\1\2\0"])
def test_who_knows_the_password_is_let_in(server: HTTPServe, say: Say, methods: bytes) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    server.proxy_auth("user", "pass:word")
    greeting = bytes((5, len(methods))) + methods + signed("user", "pass:word")
    answer = say(server, greeting + named("a.test", 80) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"\5\2\1\0" + OPENED)
    assert answer.endswith(b"inside")
    assert server.failures == ()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (GREETING, b"\5\xff"),
        (b"\5\0", b"\5\xff"),
        (b"\5\1\2" + signed("user", "wrong"), b"\5\2\1\1"),
        (b"\5\1\2" + signed("", ""), b"\5\2\1\1"),
    ],
)
def test_who_does_not_is_sent_away_and_fails_no_test(server: HTTPServe, say: Say, sent: bytes, answer: bytes) -> None:
    server.origin("http://a.test")
    server.proxy_auth("user", "pass:word")

    assert say(server, sent + named("a.test", 80)) == answer
    assert [(exchange.request.method, exchange.status) for exchange in server.exchanges] == [("CONNECT", 407)]
    assert server.failures == ()


def test_credentials_that_are_no_such(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test")
    assert say(server, b"\5\1\2\7") == b"\5\2\1\1"
    assert "a message with credentials begins with 1, not with 7" in "".join(server.take_failures())


def test_who_need_not_say_who_they_are_may(server: HTTPServe, say: Say) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="inside")
    request = named("a.test", 80) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    assert say(server, b"\5\1\2" + signed("anybody", "") + request).endswith(b"inside")


# What is let through


def test_a_tunnel_to_a_real_host(server: HTTPServe, connect: Connect) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        server.allow("127.0.0.1")
        client = connect(server, named("127.0.0.1", listener.getsockname()[1]))
        there, _ = listener.accept()
        with there:
            there.sendall(b"hello")
            assert exactly(client, 5) == b"hello"
            client.sendall(b"goodbye")
            assert exactly(there, 7) == b"goodbye"


def test_a_real_host_that_cannot_be_reached(server: HTTPServe, connect: Connect) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server.allow("127.0.0.1")

    connect(server, addressed("127.0.0.1", port), reply=b"\5\5" + OPENED[2:])
    assert server.failures == ()


# Faults


def test_a_fault_happens_on_the_next_tunnel(server: HTTPServe, connect: Connect, ask: Ask) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="well")
    origin.fault(Reset(phase="request_head"), expected=True)
    context = server.ca.client_ssl_context()
    for _ in range(2):
        client = context.wrap_socket(connect(server, named("a.test", 443)), server_hostname="a.test")
        try:
            assert ask(client, "/") == (200, b"well")
        except (ConnectionError, ssl.SSLError):
            assert len(server.fault_events) == 1
        client.close()
    server.check_expectations()
    assert server.failures == ()


def test_faults_of_the_server(server: HTTPServe, connect: Connect, ask: Ask) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="well")
    server.fault(Slow(chunk=1, phase="request_head"), times=2, expected=True)
    assert ask(connect(server, named("a.test", 80)), "/") == (200, b"well")
    with create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"CONNECT a.test:80 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert exactly(client, 12) == b"HTTP/1.1 200"
    server.check_expectations()


def test_the_variables_say_how_the_proxy_is_asked(server: HTTPServe) -> None:
    server.proxy_auth("me", "secret")
    for scheme in ("socks5h", "socks5", "http"):
        variables = server.proxy_env(scheme=scheme)
        wanted = f"{scheme}://me:secret@127.0.0.1:{server.port}"
        assert {variables[name] for name in ("http_proxy", "HTTPS_PROXY", "all_proxy")} == {wanted}
    with pytest.raises(UsageError, match="'socks5' for a server without TLS, not 'socks4'"):
        server.proxy_env(scheme="socks4")
