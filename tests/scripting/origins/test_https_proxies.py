"""A proxy over TLS: clients ask it for a tunnel within TLS, and the tunnel has TLS of its own."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest
from urllib3.util.ssltransport import SSLTransport

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import NoMoreThreads, UsageError
from pytest_httpserve.faults import Close, Delay, Reset
from pytest_httpserve.net.workers import Workers
from tests.scripting.alone import alone

Open = Callable[[str], ssl.SSLSocket]
Inside = Callable[[ssl.SSLSocket, str], SSLTransport]


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def server(request: pytest.FixtureRequest) -> Iterator[HTTPServe]:
    """Started, over TLS; what goes wrong on it is in ``failures`` and fails no test by itself."""
    with alone(tls=True, http2=request.param) as server:
        yield server


@pytest.fixture
def proxied(server: HTTPServe, monkeypatch: pytest.MonkeyPatch) -> Callable[[], httpx.Client]:
    """Makes a client that finds the proxy in the environment."""
    monkeypatch.delenv("NO_PROXY")

    def proxied() -> httpx.Client:
        for name, value in server.proxy_env().items():
            monkeypatch.setenv(name, value)
        return httpx.Client(timeout=20)

    return proxied


@pytest.fixture
def dial(server: HTTPServe) -> Iterator[Callable[[], ssl.SSLSocket]]:
    """Connects to the proxy, which the client trusts."""
    with contextlib.ExitStack() as stack:

        def dial() -> ssl.SSLSocket:
            sock = socket.create_connection((server.host, server.port), timeout=20)
            context = server.ca.client_ssl_context()
            return stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))

        yield dial


@pytest.fixture
def tunnel(dial: Callable[[], ssl.SSLSocket]) -> Open:
    """``tunnel("a.test:443")`` is a connection on which the proxy has opened a tunnel."""

    def tunnel(authority: str) -> ssl.SSLSocket:
        client = dial()
        client.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        take_established(client)
        return client

    return tunnel


@pytest.fixture
def inside(server: HTTPServe) -> Inside:
    """``inside(client, "a.test")`` is TLS within a tunnel."""
    return lambda client, name: SSLTransport(client, server.ca.client_ssl_context(), name)


def take_established(client: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 200 Connection established\r\n")


def ask(client: socket.socket | SSLTransport, fields: str = "") -> bytes:
    client.sendall(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
    answer = http.client.HTTPResponse(client)  # type: ignore[arg-type]  # it needs makefile() alone
    with contextlib.closing(answer):
        answer.begin()
        return answer.read()


def test_a_client_goes_through_it(server: HTTPServe, proxied: Callable[[], httpx.Client]) -> None:
    api, plain = server.origin("https://api.test"), server.origin("http://plain.test")
    for origin in (api, plain):
        origin.on("POST", "/").respond(body=b"x" * 3_000_000)
    with proxied() as client:
        for url in ("https://api.test/", "http://plain.test/") * 2:
            answer = client.post(url, content=b"y" * 3_000_000)
            assert answer.content == b"x" * 3_000_000
    server.assert_all_closed(by="client")

    assert [len(exchange.request.body) for exchange in api.exchanges] == [3_000_000] * 2
    assert [exchange.request.method for exchange in server.exchanges if exchange.origin is None] == ["CONNECT"]
    assert len({exchange.connection for exchange in api.exchanges}) == 1
    (within,) = api.connections
    assert within.tls is not None and within.tls.sni == "api.test" and within.tunnel == "https://api.test"
    assert all(record.tls is not None for record in server.connections)
    assert server.failures == ()


def test_the_variables_lead_over_tls(server: HTTPServe) -> None:
    assert server.proxy_env()["https_proxy"] == server.proxy_env(scheme="https")["http_proxy"] == server.base_url
    assert server.base_url.startswith("https://")
    for scheme in ("http", "socks5h"):
        with pytest.raises(UsageError, match=f"scheme= must be 'https' for a server with TLS, not '{scheme}'"):
            server.proxy_env(scheme=scheme)
    with HTTPServe() as plain, pytest.raises(UsageError, match="scheme= must be 'http', 'socks5h' or 'socks5'"):
        plain.proxy_env(scheme="https")


def test_it_may_ask_for_credentials(server: HTTPServe, proxied: Callable[[], httpx.Client]) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="well")
    server.proxy_auth("me", "secret")
    with proxied() as client:
        assert client.get("https://a.test/").text == "well"
    trusting = server.ca.client_ssl_context()
    stranger = httpx.Client(proxy=httpx.Proxy(server.base_url, ssl_context=trusting), verify=trusting)
    with stranger, pytest.raises(httpx.ProxyError, match="407"):
        stranger.get("https://a.test/")


def test_any_other_host_is_refused(server: HTTPServe, proxied: Callable[[], httpx.Client]) -> None:
    server.origin("https://a.test")
    with proxied() as client, pytest.raises(httpx.ProxyError, match="502"):
        client.get("https://b.test/")
    (failure,) = server.failures
    assert failure.startswith("no origin answers b.test port 443")


def test_a_certificate_is_that_of_the_proxy_or_of_the_origin(
    server: HTTPServe, tunnel: Open, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.origin("https://bad.test", tls="expired")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        inside(tunnel("bad.test:443"), "bad.test")
    with HTTPServe(tls="expired") as bad:
        bad.origin("https://a.test").on("GET", "/").respond()
        trusting = bad.ca.client_ssl_context()
        client = httpx.Client(proxy=httpx.Proxy(bad.base_url, ssl_context=trusting), verify=trusting)
        with client, pytest.raises(httpx.ConnectError, match="expired"):
            client.get("https://a.test/")
        assert bad.exchanges == ()
    assert server.failures == ()


def test_tunnels_to_origins_without_tls_or_beyond(server: HTTPServe, tunnel: Open, inside: Inside) -> None:
    server.origin("http://a.test").on("GET", "/").respond(text="a")
    client = tunnel("a.test:80")
    assert ask(client) == ask(client) == b"a"
    with HTTPServe(tls=True) as real:
        real.on("GET", "/").respond(text="r" * 1_000_000)
        server.origin("https://db.test:5432", tunnel="raw", to=f"127.0.0.1:{real.port}")
        server.allow("127.0.0.1")
        for authority in ("db.test:5432", f"127.0.0.1:{real.port}"):
            within = inside(tunnel(authority), "127.0.0.1")
            assert ask(within) == ask(within) == b"r" * 1_000_000
    assert server.failures == ()


def test_a_handshake_that_does_not_wait_for_the_tunnel(server: HTTPServe, dial: Callable[[], ssl.SSLSocket]) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="well")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    within = server.ca.client_ssl_context().wrap_bio(incoming, outgoing, server_hostname="a.test")
    with pytest.raises(ssl.SSLWantReadError):
        within.do_handshake()
    client = dial()
    client.sendall(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n" + outgoing.read())
    take_established(client)
    while True:
        try:
            within.do_handshake()
            break
        except ssl.SSLWantReadError:
            incoming.write(client.recv(65_536))
    within.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.sendall(outgoing.read())
    got = b""
    while not got.endswith(b"well"):
        try:
            got += within.read()
        except ssl.SSLWantReadError:
            incoming.write(client.recv(65_536))


@pytest.mark.parametrize("fault", [Reset(after=10), Close(after=10)])
def test_what_was_sent_before_a_fault_comes(
    server: HTTPServe, tunnel: Open, inside: Inside, fault: Reset | Close
) -> None:
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(body=b"x" * 100, fault=(Delay(0), fault))
    client = inside(tunnel("a.test:443"), "a.test")
    with pytest.raises((http.client.IncompleteRead, OSError)) as raised:
        ask(client)
    if isinstance(raised.value, http.client.IncompleteRead):
        assert raised.value.partial == b"x" * 10
    server.assert_all_closed(by="server")
    assert {record.closed_how for record in server.connections} == {"RST" if isinstance(fault, Reset) else "FIN"}
    assert server.failures == ()


@pytest.mark.parametrize("state", ["before the handshake", "between requests", "in a request"])
def test_a_stop_ends_tunnels(server: HTTPServe, tunnel: Open, inside: Inside, state: str) -> None:
    origin = server.origin("https://a.test")
    route = origin.on("GET", "/")
    route.respond(text="well")
    client = tunnel("a.test:443")
    if state == "between requests":
        assert ask(inside(client, "a.test")) == b"well"
    elif state == "in a request":
        route.hold("response_head", timeout=30)
        inside(client, "a.test").sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.wait_for("GET", "/")
    server.stop()

    with contextlib.suppress(OSError):
        while client.recv(65_536):
            pass
    assert server.failures == ()


def test_a_client_that_leaves_ends_both_connections(server: HTTPServe, tunnel: Open, inside: Inside) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="well")
    client, silent = tunnel("a.test:443"), tunnel("a.test:443")
    assert ask(inside(client, "a.test")) == b"well"
    client.close()
    silent.close()
    server.assert_all_closed(by="client")
    assert server.failures == ()


def test_a_client_that_speaks_plain_http_in_its_tunnel(server: HTTPServe, tunnel: Open) -> None:
    origin = server.origin("https://a.test")
    client = tunnel("a.test:443")
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(65_536).startswith(b"HTTP/1.1 400 ")
    error = origin.connections[0].tls_error
    assert error is not None and "does not speak TLS" in error.reason


def test_without_more_threads_both_connections_end(
    server: HTTPServe, tunnel: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.origin("https://a.test")

    def refuse(workers: Workers, task: Callable[[], object]) -> None:
        if "attend" in repr(task):
            raise NoMoreThreads("the system has no more threads")
        run(workers, task)

    run = Workers.run
    monkeypatch.setattr(Workers, "run", refuse)
    client = tunnel("a.test:443")
    with contextlib.suppress(OSError):
        assert client.recv(1) == b""
    server.assert_all_closed()
