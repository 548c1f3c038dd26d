"""A connection that begins with HTTP/1.1, and goes on in HTTP/2."""

from __future__ import annotations

import socket

import pytest

from pytest_httpserve import HTTPServe
from tests.scripting.http2.client import Answer, Client


def asked(server: HTTPServe, settings: str, *, method: str = "GET", body: str = "") -> str:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return (
        f"{method} /a?b=1 HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nX-Asked: yes\r\n{length}"
        f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: {settings}\r\n\r\n{body}"
    )


def read_head(sock: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return head


def test_a_request_that_asks_for_it_is_the_first_stream(plain: HTTPServe) -> None:
    plain.on("GET", "/a").respond(text="well")
    plain.on("GET", "/b").respond(text="further")

    sock = socket.create_connection((plain.host, plain.port), timeout=20)
    with Upgraded(sock, f"{plain.host}:{plain.port}") as client:
        sock.sendall(asked(plain, client.settings_header).encode())
        assert read_head(sock).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        client.flush()
        assert client.answer(1).body == b"well"
        assert client.get("/b").body == b"further"

    first, second = plain.exchanges
    assert [(one.version, one.stream_id) for one in (first, second)] == [((2, 0), 1), ((2, 0), 3)]
    assert first.request.query == {"b": "1"}
    assert first.request.headers["x-asked"] == "yes"
    assert first.request.headers.keys().isdisjoint({"upgrade", "connection", "http2-settings"})
    assert len(plain.connections) == 1
    assert plain.failures == ()


class Upgraded(Client):
    """Sends nothing before the server has switched."""

    def __init__(self, sock: socket.socket, authority: str) -> None:
        super().__init__(sock, authority)
        self.answers[1] = Answer()

    def begin_connection(self) -> None:
        self.settings_header = (self.h2.initiate_upgrade_connection() or b"").decode()


def test_one_with_a_body_is_answered_as_it_came(plain: HTTPServe) -> None:
    plain.on("POST", "/a").handle(lambda request: request.body)

    with socket.create_connection((plain.host, plain.port), timeout=20) as sock:
        sock.sendall(asked(plain, "AAMAAABk", method="POST", body="body").encode())
        assert read_head(sock).startswith(b"HTTP/1.1 200 OK\r\n")
        assert sock.recv(4) == b"body"


def test_fields_of_the_connection_do_not_reach_the_first_stream(plain: HTTPServe) -> None:
    plain.on("GET", "/a").respond(text="well")
    fields = "TE: trailers, deflate\r\nX-Hop: 1\r\nConnection: TE, X-Hop, Upgrade, HTTP2-Settings\r\n"

    sock = socket.create_connection((plain.host, plain.port), timeout=20)
    with Upgraded(sock, f"{plain.host}:{plain.port}") as client:
        request = asked(plain, client.settings_header).replace("Connection: Upgrade, HTTP2-Settings\r\n", fields)
        sock.sendall(request.encode())
        assert read_head(sock).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        client.flush()
        assert client.answer(1).body == b"well"

    assert plain.exchanges[0].request.headers.keys().isdisjoint({"te", "x-hop"})
    assert plain.failures == ()


def test_one_that_was_meant_for_a_proxy_is_answered_as_it_came(plain: HTTPServe) -> None:
    plain.on("GET", "/a").respond(text="well")

    with socket.create_connection((plain.host, plain.port), timeout=20) as sock:
        sock.sendall(asked(plain, "AAMAAABk").replace("/a", f"{plain.base_url}/a", 1).encode())
        assert read_head(sock).startswith(b"HTTP/1.1 200 OK\r\n")
        assert sock.recv(4) == b"well"

    assert plain.failures == ()


@pytest.mark.parametrize("settings", ["AAM", "AAMAAAB!"])
def test_settings_that_are_none(plain: HTTPServe, settings: str) -> None:
    plain.on("GET", "/a").respond(text="well")

    with socket.create_connection((plain.host, plain.port), timeout=20) as sock:
        sock.sendall(asked(plain, settings).encode())
        while sock.recv(65_536):
            pass

    (failure,) = plain.failures
    assert "HTTP2-Settings" in failure


def test_who_does_not_speak_http2_answers_as_it_was_asked() -> None:
    with HTTPServe() as server, socket.create_connection((server.host, server.port), timeout=20) as sock:
        server.on("GET", "/a").respond(text="well")
        sock.sendall(asked(server, "AAMAAABk").encode())
        assert read_head(sock).startswith(b"HTTP/1.1 200 OK\r\n")
