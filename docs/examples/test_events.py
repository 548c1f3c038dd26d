"""Server-sent events, read by an async client that reconnects when the stream ends."""

import asyncio

import aiohttp

from pytest_httpserve import HTTPServe


async def first_events(url: str, count: int, last_id: str = "0") -> list[tuple[str, str]]:
    """The code under test."""
    events: list[tuple[str, str]] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        while len(events) < count:
            async with session.get(url, headers={"Last-Event-ID": last_id}) as response:
                async for line in response.content:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "id":
                        last_id = value
                    elif name == "data":
                        events.append((last_id, value))
    return events


def test_a_broken_event_stream_resumes_after_the_last_event(httpserve: HTTPServe) -> None:
    events = {"Content-Type": "text/event-stream"}
    feed = httpserve.on("GET", "/events", headers={"Last-Event-ID": "0"})
    feed.respond(stream=["id: 1\ndata: one\n\n", "id: 2\ndata: two\n\n"], headers=events)
    httpserve.on("GET", "/events", headers={"Last-Event-ID": "2"}).respond(
        stream=["id: 3\ndata: three\n\n"], headers=events
    )

    assert asyncio.run(first_events(httpserve.url_for("/events"), 3)) == [("1", "one"), ("2", "two"), ("3", "three")]
