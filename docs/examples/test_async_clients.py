"""Async clients: many requests at once, and calls that arrive while the event loop runs."""

import asyncio
import threading

import aiohttp
import httpx

from pytest_httpserve import HTTPServe, Request


async def fetch_all(urls: list[str]) -> list[str]:
    """The code under test: fetches all pages at once."""
    async with httpx.AsyncClient(timeout=5) as client:
        return [response.text for response in await asyncio.gather(*map(client.get, urls))]


def test_ten_pages_are_fetched_at_once(httpserve: HTTPServe) -> None:
    everybody = threading.Barrier(10)

    @httpserve.on("GET", "/pages/{number:int}")
    def page(request: Request) -> str:
        everybody.wait(timeout=5)  # no request is answered before all ten have arrived
        return f"page {request.path_params['number']}"

    texts = asyncio.run(fetch_all([httpserve.url_for(f"/pages/{number}") for number in range(10)]))

    assert texts == [f"page {number}" for number in range(10)]


async def limited(urls: list[str], at_once: int) -> None:
    """The code under test: uses only a few connections."""
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(5)) as session:

        async def fetch(url: str) -> str:
            async with session.get(url) as response:
                return await response.text()

        await asyncio.gather(*map(fetch, urls))


def test_no_more_connections_than_allowed(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/pages/{number:int}").respond(text="a page").expect(times=20)

    asyncio.run(limited([httpserve.url_for(f"/pages/{number}") for number in range(20)], at_once=3))

    assert {exchange.request.connection_index for exchange in httpserve.exchanges} <= {0, 1, 2}


async def heartbeat(url: str) -> None:
    """The code under test: sends reports until it is cancelled."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        while True:
            async with session.post(url, json={"alive": True}):
                await asyncio.sleep(0)


def test_a_task_reports_that_it_is_alive(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/alive", json={"alive": True}).respond(204)

    async def main() -> None:
        task = asyncio.create_task(heartbeat(httpserve.url_for("/alive")))
        await asyncio.to_thread(httpserve.wait_for, "POST", "/alive", times=3, timeout=5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
