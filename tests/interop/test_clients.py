"""HTTP clients of Python, all reading one tree."""

import asyncio
import os
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests

from pytest_httpserve import HTTPServe

TREE = {
    "index.html": b"<a href='data/'>data</a>",
    "empty": b"",
    "data/small.json": b'{"a": 1}',
    "data/large.bin": os.urandom(2_000_000),
    "data/na\u00efve name.txt": "grüße".encode(),
}


@pytest.fixture
def tree(httpserve: HTTPServe, tmp_path: Path) -> list[str]:
    """The URLs of a served tree with the files of TREE, in their order."""
    for name, content in TREE.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    httpserve.serve_dir(tmp_path, at="/tree")
    return [httpserve.url_for(f"/tree/{name}") for name in TREE]


def with_requests(urls: Iterable[str]) -> list[bytes]:
    with requests.Session() as session:
        session.trust_env = False
        return [session.get(url, timeout=30).content for url in urls]


def with_httpx(urls: Iterable[str]) -> list[bytes]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return [client.get(url).content for url in urls]


def with_httpx_async(urls: Iterable[str]) -> list[bytes]:
    async def read() -> list[bytes]:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return [(await client.get(url)).content for url in urls]

    return asyncio.run(read())


def with_aiohttp(urls: Iterable[str]) -> list[bytes]:
    async def read() -> list[bytes]:
        contents = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            for url in urls:
                async with session.get(url) as answer:
                    contents.append(await answer.read())
        return contents

    return asyncio.run(read())


def with_urllib(urls: Iterable[str]) -> list[bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    contents = []
    for url in urls:
        with opener.open(url, timeout=30) as answer:
            contents.append(answer.read())
    return contents


KEEPING = [with_requests, with_httpx, with_httpx_async, with_aiohttp]
Read = Callable[[Iterable[str]], list[bytes]]


def connections(server: HTTPServe) -> int:
    return len({exchange.request.client_address for exchange in server.exchanges})


@pytest.mark.parametrize("read", [*KEEPING, with_urllib])
def test_a_client_reads_the_tree(tree: list[str], read: Read) -> None:
    assert read(tree) == list(TREE.values())


@pytest.mark.parametrize("read", KEEPING)
def test_a_client_keeps_its_connection(httpserve: HTTPServe, tree: list[str], read: Read) -> None:
    read(tree * 3)

    assert len(httpserve.exchanges) == len(tree) * 3
    assert connections(httpserve) == 1


def test_urllib_asks_for_a_new_connection_each_time_and_gets_it(httpserve: HTTPServe, tree: list[str]) -> None:
    with_urllib(tree)

    assert connections(httpserve) == len(tree)


@pytest.mark.parametrize("read", KEEPING)
def test_a_connection_outlives_answers_without_body_and_unread_requests(
    httpserve: HTTPServe, tree: list[str], read: Read
) -> None:
    httpserve.on("GET", "/nothing").respond(204)
    httpserve.on("GET", "/same").respond(304)
    httpserve.on("GET", "/gone").respond(410, text="gone")
    read(httpserve.url_for(path) for path in ["/nothing", "/same", "/gone", "/tree/missing", "/tree/empty", "/nothing"])

    ports = [exchange.request.client_address for exchange in httpserve.exchanges]
    assert len(set(ports[:3])) == 1
    assert len(ports) == 6


def test_a_client_sends_a_stream_of_unknown_length(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/stream").respond()
    pieces = [os.urandom(50_000) for _ in range(30)]
    requests.post(httpserve.url_for("/stream"), data=iter(pieces), timeout=30, proxies={"http": ""})

    (exchange,) = httpserve.exchanges
    assert exchange.request.headers["Transfer-Encoding"] == "chunked"
    assert exchange.request.body == b"".join(pieces)


def test_two_hundred_requests_of_aiohttp_at_once_are_all_answered(httpserve: HTTPServe, tree: list[str]) -> None:
    async def read(session: aiohttp.ClientSession, url: str) -> bytes:
        async with session.get(url) as answer:
            return await answer.read()

    async def read_all() -> list[bytes]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
            return await asyncio.gather(*(read(session, tree[2]) for _ in range(200)))

    assert asyncio.run(read_all()) == [TREE["data/small.json"]] * 200
