"""What goes wrong when a client asks a proxy for a tunnel: the phase ``connect``."""

import ssl
from collections.abc import Callable
from socket import create_connection, socket

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.faults import Close, Delay, Refuse, Reset, Stall

Say = Callable[[HTTPServe, str | bytes], bytes]
Tunnel = Callable[..., socket]
Ask = Callable[..., tuple[int, bytes]]

CONNECT = "CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\n\n"
SOCKS = b"\5\1\0\5\1\0\3\6a.test\1\xbb"


@pytest.fixture(autouse=True)
def origin(server: HTTPServe) -> None:
    server.origin("https://a.test").on("GET", "/").respond(text="well")


@pytest.fixture(params=["of the origin", "of the server"])
def given(request: pytest.FixtureRequest, server: HTTPServe) -> Callable[..., None]:
    """``fault`` of an origin, or of the proxy itself."""
    if request.param == "of the server":
        return server.fault
    server.reset()
    origin = server.origin("https://a.test")
    origin.on("GET", "/").respond(text="well")
    return origin.fault


@pytest.mark.parametrize("status", [403, 407, 502, 503])
def test_the_proxy_refuses(
    server: HTTPServe, given: Callable[..., None], say: Say, tunnel: Tunnel, ask: Ask, status: int
) -> None:
    given([Delay(0, phase="connect"), Refuse(status)], expected=True)

    answer = say(server, CONNECT)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b"\r\nProxy-Authenticate: Basic " in answer) is (status == 407)
    assert ask(tunnel(server, "a.test:443", server.ca.client_ssl_context()), "/") == (200, b"well")
    first = server.exchanges[0]
    assert (first.status, first.faults) == (status, (Delay(0, phase="connect"), Refuse(status)))
    server.check_expectations()
    assert server.failures == ()


@pytest.mark.parametrize(("status", "reply"), [(403, 2), (502, 1)])
def test_over_socks_it_refuses_too(
    server: HTTPServe, given: Callable[..., None], say: Say, status: int, reply: int
) -> None:
    given(Refuse(status), expected=True)

    assert say(server, SOCKS) == b"\5\0\5%c\0\1\0\0\0\0\0\0" % reply
    server.check_expectations()


@pytest.mark.parametrize("first", [CONNECT, SOCKS])
@pytest.mark.parametrize("fault", [Reset(phase="connect"), Close(phase="connect")])
def test_the_proxy_ends_the_connection(
    server: HTTPServe, given: Callable[..., None], say: Say, first: str | bytes, fault: Reset | Close
) -> None:
    given(fault, expected=True)
    answer = b"\5\0" if first == SOCKS else b""
    if isinstance(fault, Close):
        assert say(server, first) == answer
    else:
        with pytest.raises(ConnectionResetError):
            say(server, first)
    server.assert_all_closed(by="server")
    assert server.connections[0].closed_how == ("FIN" if isinstance(fault, Close) else "RST")
    assert [event.fault.place for event in server.fault_events] == ["connect"]
    server.check_expectations()
    assert server.failures == ()


def test_the_proxy_says_nothing(server: HTTPServe, given: Callable[..., None]) -> None:
    given(Stall(phase="connect"), expected=True)
    with create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(CONNECT.replace("\n", "\r\n").encode())
        server.wait_for("CONNECT", "*")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
    server.assert_all_closed(by="client")
    server.check_expectations()
    assert server.failures == ()


def test_others_of_the_same_tunnel_happen_later(server: HTTPServe, tunnel: Tunnel) -> None:
    server.reset()
    origin = server.origin("https://a.test")
    origin.fault([Delay(0, phase="connect"), Reset(phase="tls_handshake")], expected=True)
    with pytest.raises((ConnectionError, ssl.SSLError)):
        tunnel(server, "a.test:443", server.ca.client_ssl_context())
    server.check_expectations()
    assert [event.fault.place for event in server.fault_events] == ["connect", "tls_handshake"]


def test_it_is_about_no_other_request(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/").respond(text="the server")
    server.origin("http://b.test").on("GET", "/").respond(text="the origin")
    server.fault([Reset(phase="connect"), Refuse()], times=2)
    for target in ("/", "http://b.test/"):
        assert say(server, f"GET {target} HTTP/1.1\nHost: b\nConnection: close\n\n").startswith(b"HTTP/1.1 200 ")
    assert server.fault_events == ()


def test_a_raw_tunnel_may_be_refused(server: HTTPServe, say: Say) -> None:
    server.origin("https://db.test:5432", tunnel="raw", to="127.0.0.1:9").fault(Refuse(504), expected=True)
    assert say(server, "CONNECT db.test:5432 HTTP/1.1\nHost: db\n\n").startswith(b"HTTP/1.1 504 ")
    server.check_expectations()
