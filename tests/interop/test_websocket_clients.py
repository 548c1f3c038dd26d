"""Clients of WebSocket that people have, over the echo of a server: text, binary, pings, compression, the end."""

import asyncio

import pytest

from pytest_httpserve import HTTPServe, Peer

pytestmark = pytest.mark.same_everywhere

TEXTS = ["tea", "", "é" * 5000]


@pytest.fixture(params=["ws", "wss"])
def echo(request: pytest.FixtureRequest, httpserve_factory: object) -> HTTPServe:
    assert callable(httpserve_factory)
    server = httpserve_factory(tls=request.param == "wss")
    assert isinstance(server, HTTPServe)

    @server.websocket("/echo", subprotocols=["echo"], compression=True)
    def answer(peer: Peer) -> None:
        for message in peer:
            peer.send(message)
        assert peer.close_code == 1000
        assert peer.subprotocol == "echo"

    return server


def test_websockets(echo: HTTPServe) -> None:
    from websockets.sync.client import connect

    context = echo.ca.client_ssl_context() if echo.certificate is not None else None
    url = echo.url_for("/echo", scheme="ws")
    with connect(url, ssl=context, subprotocols=["echo"], proxy=None) as client:  # type: ignore[list-item]  # its NewType
        assert client.protocol.extensions != []
        assert client.ping().wait(10)
        for text in TEXTS:
            client.send(text)
            assert client.recv(10) == text
        client.send([b"a", b"b"])
        assert client.recv(10) == b"ab"


def test_websocket_client(echo: HTTPServe) -> None:
    import websocket

    options = {"ca_certs": str(echo.ca.pem_path)} if echo.certificate is not None else {}
    url = echo.url_for("/echo", scheme="ws")
    client = websocket.create_connection(url, timeout=10, sslopt=options, subprotocols=["echo"], http_no_proxy=["*"])
    for text in TEXTS:
        client.send(text)
        assert client.recv() == text
    client.send_binary(b"\0\xff")
    assert client.recv() == b"\0\xff"
    client.close()


# Over TLS, a session of aiohttp leaves its sockets to the event loop, which may end before they are closed.
@pytest.mark.parametrize("echo", ["ws"], indirect=True)
def test_aiohttp(echo: HTTPServe) -> None:
    import aiohttp

    async def talk() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(echo.url_for("/echo", scheme="ws"), protocols=["echo"], compress=15) as client,
        ):
            assert client.compress == 15
            for text in TEXTS:
                await client.send_str(text)
                assert await client.receive_str(timeout=10) == text
            await client.send_bytes(b"\0\xff")
            assert await client.receive_bytes(timeout=10) == b"\0\xff"

    asyncio.run(talk())
