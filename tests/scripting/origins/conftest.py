"""A client that names hosts which only the test answers for, and a machine that looks no name up."""

import ssl
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from socket import create_connection, getaddrinfo, socket
from typing import Any

import pytest

from pytest_httpserve import HTTPServe

Tunnel = Callable[..., socket]


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name that is looked up fails the test, in whichever thread."""

    def look_up(host: object, *arguments: Any, **options: Any) -> Any:  # as the real one has them
        if host in ("127.0.0.1", "::1"):
            return real(host, *arguments, **options)
        asked.append(host)
        raise OSError(f"{host!r} was looked up")

    real = getaddrinfo
    asked: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", look_up)
    yield
    assert asked == []


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    """``tunnel(server, "api.test:443")`` is a connection through the server; over TLS if there is a ``context``."""
    opened: list[socket] = []

    def tunnel(server: HTTPServe, authority: str, context: ssl.SSLContext | None = None, name: str = "") -> socket:
        client = create_connection((server.host, server.port), timeout=10)
        opened.append(client)
        client.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 200 Connection established\r\n"), head
        if context is None:
            return client
        secure = context.wrap_socket(client, server_hostname=name or authority.rpartition(":")[0])
        opened.append(secure)
        return secure

    yield tunnel
    for one in opened:
        one.close()


@pytest.fixture
def ask() -> Callable[..., tuple[int, bytes]]:
    """``ask(client, "/path")`` sends a request over a connection, and returns status and body."""

    def ask(client: socket, target: str, host: str = "somewhere") -> tuple[int, bytes]:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = HTTPResponse(client)
        answer.begin()
        return answer.status, answer.read()

    return ask
