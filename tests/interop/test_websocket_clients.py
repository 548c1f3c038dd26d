"""Clients of WebSocket that people have, over the echo of a server: text, binary, pings, compression, the end."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe, Peer
from tests.interop.browser import driven
from tests.needs import there

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


# Over TLS, it reads in one thread what it writes in another, and once in some hundred times loses its own handshake:
# with its own server, too.
@pytest.mark.parametrize("echo", ["ws"], indirect=True)
def test_websockets(echo: HTTPServe) -> None:
    from websockets.sync.client import connect

    with connect(echo.url_for("/echo", scheme="ws"), subprotocols=["echo"], proxy=None) as client:  # type: ignore[list-item]  # its NewType
        assert client.protocol.extensions != []
        assert client.ping().wait(10)
        for text in TEXTS:
            client.send(text)
            assert client.recv(10) == text
        client.send([b"a", b"b"])
        assert client.recv(10) == b"ab"


def test_websockets_of_asyncio(echo: HTTPServe) -> None:
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    async def talk() -> None:
        context = echo.ca.client_ssl_context() if echo.certificate is not None else None
        url = echo.url_for("/echo", scheme="ws")
        async with connect(url, ssl=context, subprotocols=[Subprotocol("echo")], proxy=None) as client:
            await (await client.ping())
            for text in TEXTS:
                await client.send(text)
                assert await client.recv() == text
            await client.send([b"a", b"b"])
            assert await client.recv() == b"ab"

    asyncio.run(talk())


def test_httpx_ws(echo: HTTPServe) -> None:
    import httpx
    from httpx_ws import WebSocketSession, connect_ws

    client: WebSocketSession
    verify = echo.ca.client_ssl_context() if echo.certificate is not None else True
    url = echo.url_for("/echo", scheme="ws")
    with (
        httpx.Client(verify=verify, trust_env=False) as session,
        connect_ws(url, session, subprotocols=["echo"]) as client,
    ):
        assert client.ping().wait(10)
        for text in TEXTS:
            client.send_text(text)
            assert client.receive_text(10) == text
        client.send_bytes(b"\0\xff")
        assert client.receive_bytes(10) == b"\0\xff"


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


# Of browsers and of Node, the same.
TALK = """
async function talk(url, texts) {
  const client = new WebSocket(url, ["echo"]), heard = [];
  client.binaryType = "arraybuffer";
  const next = () => new Promise((go, fail) => { client.onmessage = go; client.onclose = fail; });
  await new Promise((go, fail) => { client.onopen = go; client.onerror = fail; });
  for (const text of texts) {
    client.send(text);
    heard.push((await next()).data);
  }
  client.send(new Uint8Array([0, 255]));
  heard.push([...new Uint8Array((await next()).data)]);
  const closed = new Promise((go) => { client.onclose = go; });
  client.close(1000, "enough");
  const {code, wasClean} = await closed;
  return [heard, client.protocol, client.extensions.split(";")[0], code, wasClean];
}
"""
HEARD = [[*TEXTS, [0, 255]], "echo", "permessage-deflate", 1000, True]


@pytest.mark.needs("Node 24")
def test_node(echo: HTTPServe) -> None:
    said = "talk(...JSON.parse(process.argv[1])).then((said) => console.log(JSON.stringify(said)))"
    environment = {"NODE_EXTRA_CA_CERTS": str(echo.ca.pem_path)} if echo.certificate is not None else {}
    arguments = json.dumps([echo.url_for("/echo", scheme="ws"), TEXTS])
    ran = subprocess.run(
        [there("node"), "--eval", TALK + said, arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == HEARD


@pytest.mark.needs("chromium")
def test_chromium(echo: HTTPServe, tmp_path: Path) -> None:
    echo.on("GET", "/page").respond(html=f"<script>{TALK}</script>")
    echo.on("GET", "/favicon.ico").respond(204).optional()
    trusted = (
        [f"--ignore-certificate-errors-spki-list={echo.certificate.spki_hash}"] if echo.certificate is not None else []
    )
    with driven({"HOME": str(tmp_path), "PATH": ""}, there("chromium"), tmp_path, *trusted) as page:
        page.open(echo.url_for("/page"))
        assert page.ask(f"talk({json.dumps(echo.url_for('/echo', scheme='ws'))}, {json.dumps(TEXTS)})") == HEARD


@pytest.mark.needs("chromium")
def test_chromium_over_http2(httpserve_factory: object, tmp_path: Path) -> None:
    assert callable(httpserve_factory)
    server = httpserve_factory(tls=True, http2=True)
    assert isinstance(server, HTTPServe)
    server.on("GET", "/page").respond(html=f"<script>{TALK}</script>")
    server.on("GET", "/favicon.ico").respond(204).optional()

    @server.websocket("/echo", subprotocols=["echo"], compression=True)
    def answer(peer: Peer) -> None:
        for message in peer:
            peer.send(message)

    assert server.certificate is not None
    trusted = [f"--ignore-certificate-errors-spki-list={server.certificate.spki_hash}"]
    with driven({"HOME": str(tmp_path), "PATH": ""}, there("chromium"), tmp_path, *trusted) as page:
        page.open(server.url_for("/page"))
        assert page.ask(f"talk({json.dumps(server.url_for('/echo', scheme='ws'))}, {json.dumps(TEXTS)})") == HEARD
    talk = next(exchange for exchange in server.exchanges if exchange.request.path == "/echo")
    assert talk.version == (2, 0)
    assert talk.messages[-1].type == "close"
