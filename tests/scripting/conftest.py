"""A server that runs without the plugin, and a client that sends bytes as they are."""

import socket
from collections.abc import Callable, Iterator

import pytest

from pytest_httpserve import HTTPServe
from tests.scripting.alone import alone


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[HTTPServe]:
    """Started; what goes wrong on it is in ``failures`` and fails no test by itself."""
    with alone() as server:
        yield server


@pytest.fixture
def say() -> Callable[[HTTPServe, str | bytes], bytes]:
    """``say(server, request)`` sends the request with CRLF for LF, and returns all that comes until the server closes.

    A server that keeps the connection open ends it in a TimeoutError.
    """

    def say(server: HTTPServe, request: str | bytes) -> bytes:
        data = request.replace("\n", "\r\n").encode("latin-1") if isinstance(request, str) else request
        answer = b""
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(data)
            while piece := client.recv(65536):
                answer += piece
        return answer

    return say
