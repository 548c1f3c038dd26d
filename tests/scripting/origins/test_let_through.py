"""What is let through: to the real host, here another server."""

from collections.abc import Callable, Iterator
from socket import create_connection, create_server, socket

import pytest

from pytest_httpserve import HTTPServe

Say = Callable[[HTTPServe, str | bytes], bytes]
Tunnel = Callable[..., socket]
Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture
def real() -> Iterator[HTTPServe]:
    with HTTPServe() as real:
        yield real


def test_a_request_goes_to_the_real_host_and_its_answer_comes_back(
    server: HTTPServe, real: HTTPServe, say: Say
) -> None:
    route = real.on("POST", "/a", query={"q": "1"}, body="a body").respond(
        201, stream=["piece ", "by piece"], headers={"X-From": "there", "Keep-Alive": "timeout=5"}
    )
    server.allow(f"127.0.0.1:{real.port}")
    answer = say(
        server,
        f"POST {real.url_for('/a?q=1')} HTTP/1.1\nHost: elsewhere\nX-To: there\nProxy-Authorization: Basic YTpi\n"
        "Connection: close, X-Hop\nX-Hop: 1\nTransfer-Encoding: chunked\n\n3\na b\n3\nody\n0\n\n",
    )

    assert answer.startswith(b"HTTP/1.1 201 Created\r\nX-From: there\r\n")
    assert b"Keep-Alive" not in answer
    assert b"6\r\npiece \r\n8\r\nby piece\r\n0\r\n\r\n" in answer
    (exchange,) = route.calls
    assert exchange.request.headers["Host"] == f"127.0.0.1:{real.port}"
    assert exchange.request.headers["X-To"] == "there"
    left_out = {"proxy-authorization", "x-hop", "transfer-encoding"}
    assert left_out.isdisjoint(name.lower() for name in exchange.request.headers)
    assert server.exchanges[0].origin == real.base_url
    assert server.failures == ()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body(server: HTTPServe, real: HTTPServe, say: Say, method: str, status: int) -> None:
    real.on(method, "/").respond(status)
    server.allow("127.0.0.1")
    answer = say(server, f"{method} {real.url_for('/')} HTTP/1.1\nHost: a\nConnection: close\n\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"\r\n\r\n")


def test_a_whole_url_of_a_real_host_over_tls(server: HTTPServe, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServe(tls=True) as real:
        real.on("GET", "/").respond(text="over TLS")
        server.allow("127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(real.ca.pem_path))
        assert b"over TLS" in say(server, f"GET {real.url_for('/')} HTTP/1.1\nHost: a\nConnection: close\n\n")


def test_a_tunnel_to_a_real_host_is_left_as_it_is(server: HTTPServe, tunnel: Tunnel, ask: Ask) -> None:
    with HTTPServe(tls=True) as real:
        real.on("GET", "/").respond(text="x" * 1_000_000)
        server.allow("127.0.0.1")
        client = tunnel(server, f"127.0.0.1:{real.port}", real.ca.client_ssl_context())
        assert ask(client, "/") == (200, b"x" * 1_000_000)
        assert ask(client, "/") == (200, b"x" * 1_000_000)
        client.close()
        server.assert_all_closed(by="client")
        (exchange,) = server.exchanges
        assert (exchange.request.method, exchange.origin) == ("CONNECT", None)
        assert exchange.raw.bytes_sent > 2_000_000
    assert server.failures == ()


def test_a_raw_tunnel_leads_where_its_origin_says(server: HTTPServe, real: HTTPServe, tunnel: Tunnel, ask: Ask) -> None:
    real.on("GET", "/").respond(text="there")
    server.origin("https://db.test:5432", tunnel="raw", to=f"127.0.0.1:{real.port}")

    assert ask(tunnel(server, "db.test:5432"), "/") == (200, b"there")


def test_bytes_behind_connect_are_the_first_of_a_raw_tunnel(server: HTTPServe, real: HTTPServe, say: Say) -> None:
    real.on("GET", "/").respond(text="there")
    server.allow("127.0.0.1")
    connect = f"CONNECT 127.0.0.1:{real.port} HTTP/1.1\nHost: a\n\n"

    assert say(server, f"{connect}GET / HTTP/1.1\nHost: a\nConnection: close\n\n").endswith(b"\r\n\r\nthere")


def test_either_side_may_end_its_half_of_a_raw_tunnel(server: HTTPServe, tunnel: Tunnel) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        server.origin("https://echo.test", tunnel="raw", to=f"127.0.0.1:{listener.getsockname()[1]}")
        client = tunnel(server, "echo.test:443")
        there, _ = listener.accept()
        with there:
            client.sendall(b"all of it")
            client.shutdown(1)
            got = b""
            while data := there.recv(100):
                got += data
            there.sendall(got.upper())
        assert client.recv(100) == b"ALL OF IT"
        assert client.recv(100) == b""


@pytest.mark.parametrize("kind", ["CONNECT", "GET"])
def test_a_real_host_that_cannot_be_reached(server: HTTPServe, say: Say, kind: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server.allow("127.0.0.1")
    target = f"127.0.0.1:{port}" if kind == "CONNECT" else f"http://127.0.0.1:{port}/"
    answer = say(server, f"{kind} {target} HTTP/1.1\nHost: a\nConnection: close\n\n")

    assert answer.startswith(b"HTTP/1.1 502 ")
    assert f"127.0.0.1 port {port} cannot be reached" in answer.decode()
    assert server.failures == ()  # as on the internet


@pytest.mark.parametrize("leaves", [True, False])
def test_a_real_host_that_breaks_off_matters_to_a_client_that_is_there(server: HTTPServe, leaves: bool) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server.allow("127.0.0.1")
        client = create_connection((server.host, server.port), timeout=10)
        client.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        there, _ = listener.accept()
        with there:
            there.recv(1000)
            there.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            answer = b""
            while b"one" not in answer:
                answer += client.recv(1000)
            if leaves:
                client.close()
        if not leaves:
            while client.recv(1000):
                pass
    client.close()
    server.assert_all_closed(timeout=10)
    server.stop()

    assert (server.failures == ()) == leaves


def test_an_origin_goes_before_what_is_let_through(server: HTTPServe, say: Say) -> None:
    server.allow("*")
    server.origin("http://127.0.0.1:1").on("GET", "/").respond(text="the origin")

    assert say(server, "GET http://127.0.0.1:1/ HTTP/1.1\nHost: a\nConnection: close\n\n").endswith(b"the origin")


@pytest.mark.parametrize("kind", ["tunnel", "request"])
def test_a_stop_ends_what_is_let_through(server: HTTPServe, tunnel: Tunnel, kind: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server.allow("127.0.0.1")
        if kind == "tunnel":
            client = tunnel(server, f"127.0.0.1:{port}")
            there, _ = listener.accept()
        else:
            client = create_connection((server.host, server.port), timeout=10)
            client.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            there, _ = listener.accept()
            assert there.recv(100).startswith(b"GET / HTTP/1.1\r\n")
        server.stop()
        there.settimeout(5)
        with there, client:
            while there.recv(1000):
                pass
    assert not any("did not end" in failure for failure in server.failures)


def test_names_are_looked_up_for_what_is_let_through_alone(
    server: HTTPServe, real: HTTPServe, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    real.on("GET", "/").respond(text="found")
    looked_up = []

    def look_up(host: str, port: int, *arguments: object, **options: object) -> list[object]:
        looked_up.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", real.port))]

    with monkeypatch.context() as patched:
        patched.setattr("socket.getaddrinfo", look_up)
        server.ignore("unanswered")
        server.allow("*.real.test")
        for host in ("a.real.test", "a.other.test"):
            request = f"GET http://{host}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            with socket() as client:
                client.connect((server.host, server.port))
                client.sendall(request.encode())
                status = client.recv(65536).partition(b" ")[2][:3]
            assert status == (b"200" if "real" in host else b"502")
    assert looked_up == ["a.real.test"]
