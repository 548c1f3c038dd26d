"""Clients of event streams that people have: what they make of a stream in the hands of a test."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from pytest_httpserve import HTTPServe
from tests.interop.browser import driven
from tests.needs import there

pytestmark = pytest.mark.same_everywhere

PAGE = """
<title>prices</title>
<script>
const seen = []
const source = new EventSource("/prices")
let both
const bothSeen = new Promise((go) => { both = go })
const over = new Promise((go) => { source.onerror = () => { if (source.readyState == EventSource.CLOSED) go() } })
source.addEventListener("price", (event) => {
    seen.push([event.lastEventId, event.data])
    if (seen.length == 2) both()
})
</script>
"""


@pytest.mark.needs("chromium")
def test_event_source_of_chromium_comes_back(httpserve: HTTPServe, tmp_path: Path) -> None:
    httpserve.on("GET", "/").respond(html=PAGE)
    httpserve.on("GET", "/favicon.ico").respond(404)
    route = httpserve.on("GET", "/prices")
    events = route.events()
    with driven({"HOME": str(tmp_path), "PATH": ""}, there("chromium"), tmp_path) as page:
        page.open(httpserve.url_for("/"))
        first = events.accept(timeout=30)
        first.comment("not seen")
        first.send({"tea": 7}, event="price", id="a", retry=1)
        first.close()
        second = events.accept(timeout=30)
        assert (first.last_event_id, second.last_event_id) == (None, "a")
        second.send("two\nlines", event="price", id="b")
        page.ask("bothSeen")  # a reset drops what has not been read
        route.respond(204)  # which EventSource takes for the end
        second.reset()
        page.ask("over")
        assert page.ask("seen") == [["a", json.dumps({"tea": 7})], ["b", "two\nlines"]]


@pytest.mark.serve_faults("splits")
def test_httpx_sse_in_pieces(httpserve: HTTPServe) -> None:
    from httpx_sse import connect_sse

    events = httpserve.on("GET", "/prices").events()
    with httpx.Client(trust_env=False) as client, connect_sse(client, "GET", httpserve.url_for("/prices")) as source:
        stream = events.accept()
        stream.send("\u00e9\u20ac", event="price", id="1")
        stream.send("two\nlines")
        stream.close()
        assert [(event.event, event.id, event.data) for event in source.iter_sse()] == [
            ("price", "1", "\u00e9\u20ac"),
            ("message", "1", "two\nlines"),
        ]


@pytest.mark.serve_faults("splits")
def test_aiohttp_sse_client_in_pieces(httpserve: HTTPServe) -> None:
    from aiohttp_sse_client import client as sse  # type: ignore[import-untyped]  # it comes without types

    events = httpserve.on("GET", "/prices").events()

    async def follow() -> list[tuple[str, str]]:
        async with sse.EventSource(httpserve.url_for("/prices")) as source:
            stream = await events.aio.accept()
            stream.send("one", id="1")
            stream.send("\u00e9\u20ac", id="2")
            return [(event.last_event_id, event.data) for event in [await anext(source), await anext(source)]]

    assert asyncio.run(follow()) == [("1", "one"), ("2", "\u00e9\u20ac")]


@pytest.mark.needs("openai")
@pytest.mark.serve_faults("splits")
def test_openai_in_pieces(httpserve: HTTPServe) -> None:
    from openai import OpenAI

    def chunk(word: str) -> dict[str, object]:
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        return {"data": {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}}

    httpserve.on("POST", "/v1/chat/completions").respond(events=[chunk("t\u00e9"), chunk(" is ready"), "[DONE]"])
    with OpenAI(base_url=httpserve.url_for("/v1"), api_key="test", max_retries=0) as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Well?"}], stream=True)
        assert "".join(part.choices[0].delta.content or "" for part in answer) == "t\u00e9 is ready"
