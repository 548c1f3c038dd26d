"""Code that awaits: functions that answer, and tests that wait."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
import requests
import trio
from websockets.sync.client import connect

from pytest_httpserve import HTTPServe, Request, Response

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def run_by_asyncio(main: Callable[[], Any]) -> Any:
    return asyncio.run(main())


def run_by_anyio_over_trio(main: Callable[[], Any]) -> Any:
    return anyio.run(main, backend="trio")


OF_TRIO = pytest.mark.needs("more than select")  # without which it does not run on Linux
LOOPS = pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_by_asyncio, id="asyncio"),
        pytest.param(trio.run, id="trio", marks=OF_TRIO),
        pytest.param(anyio.run, id="anyio"),
        pytest.param(run_by_anyio_over_trio, id="anyio-trio", marks=OF_TRIO),
    ],
)


def get(server: HTTPServe, path: str, **more: Any) -> requests.Response:
    return requests.get(server.url_for(path), timeout=PATIENCE, **more)


# Functions that answer


def test_a_coroutine_answers(server: HTTPServe) -> None:
    @server.on("GET", "/users/{id:int}")
    async def user(request: Request) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"id": request.path_params["id"]}

    assert get(server, "/users/7").json() == {"id": 7}
    assert user is not None, "the function is what it was"


async def who(name: str, request: Request) -> str:
    return name


class Whoever:
    async def __call__(self, request: Request) -> Response:
        return Response(201, text="whoever")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (functools.partial(who, "Ada"), "Ada"),
        (Whoever(), "whoever"),
        (lambda request: who("Grace", request), "Grace"),
    ],
    ids=["partial", "object", "lambda"],
)
def test_whatever_gives_a_coroutine_answers(server: HTTPServe, function: Any, text: str) -> None:
    server.on("GET", "/a").handle(function)

    assert get(server, "/a").text == text


@pytest.mark.parametrize("returned", [False, True], ids=["generator", "coroutine"])
def test_an_asynchronous_generator_is_streamed(server: HTTPServe, returned: bool) -> None:
    closed = threading.Event()

    async def pieces(request: Request) -> AsyncIterator[str]:
        try:
            for number in range(3):
                await asyncio.sleep(0)
                yield f"{number},"
        finally:
            closed.set()

    async def answer(request: Request) -> AsyncIterator[str]:
        return pieces(request)

    server.on("GET", "/a").handle(answer if returned else pieces)
    answered = get(server, "/a")

    assert (answered.text, answered.headers["Transfer-Encoding"]) == ("0,1,2,", "chunked")
    assert closed.wait(PATIENCE)


def test_what_a_coroutine_raises_fails_the_test(server: HTTPServe) -> None:
    @server.on("GET", "/a")
    async def answer(request: Request) -> None:
        await asyncio.sleep(0)
        assert request.path == "/b"

    answered = get(server, "/a")
    [failure] = server.failures

    assert (answered.status_code, answered.text) == (500, failure)
    lines = failure.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[2].endswith("in answer"), "the first frame is the test's"


def test_a_stop_cancels_a_coroutine_and_fails_nothing(server: HTTPServe) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    @server.on("GET", "/a")
    async def answer(request: Request) -> None:
        begun.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            cancelled.set()

    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(PATIENCE)
        server.stop()

    assert cancelled.wait(PATIENCE)
    assert server.failures == ()


def test_all_coroutines_of_a_server_share_a_loop_that_ends_with_it(server: HTTPServe) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def answer(request: Request) -> None:
        loops.append(asyncio.get_running_loop())

    server.on("GET", "/a").handle(answer)
    server.on("GET", "/b").handle(answer)
    for path in ("/a", "/b"):
        get(server, path)
    assert loops[0] is loops[1]
    assert not loops[0].is_closed()

    server.stop()
    assert loops[0].is_closed()


def test_a_task_that_is_left_ends_with_the_server(server: HTTPServe) -> None:
    tasks: list[asyncio.Task[None]] = []

    @server.on("GET", "/a")
    async def answer(request: Request) -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(3_600)))

    get(server, "/a")
    server.stop()

    assert tasks[0].cancelled()
    assert server.failures == ()


def test_a_task_that_will_not_end_is_named(server: HTTPServe) -> None:
    gone = threading.Event()

    async def stubborn() -> None:
        while not gone.is_set():
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                continue

    @server.on("GET", "/a")
    async def answer(request: Request) -> None:
        asyncio.create_task(stubborn(), name="the stubborn one")  # noqa: RUF006  it is not to be kept
        tasks.extend(asyncio.all_tasks())

    tasks: list[asyncio.Task[Any]] = []
    get(server, "/a")
    server.stop()
    gone.set()
    for task in tasks:
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            task.get_loop().call_soon_threadsafe(task.cancel)

    [failure] = server.failures
    assert failure.startswith("a task did not end with the server, though it was cancelled:\nthe stubborn one, ")
    assert "in stubborn" in failure


# Tests that wait


@LOOPS
def test_each_wait_can_be_awaited(server: HTTPServe, run: Run) -> None:
    gate = server.on("GET", "/held").respond(text="held").hold()
    server.on("GET", "/a").respond(text="well")
    answers: list[str] = []

    def ask(path: str) -> None:
        answers.append(get(server, path).text)

    clients = [threading.Thread(target=ask, args=(path,)) for path in ("/a", "/held")]

    async def main() -> None:
        for client in clients:
            client.start()
        [exchange] = await server.aio.wait_for("GET", "/a", timeout=PATIENCE)
        assert exchange.request.path == "/a"
        taken = {(await server.aio.take_request(timeout=PATIENCE)).path for _ in range(2)}
        assert taken == {"/a", "/held"}
        (await gate.aio.arrived(timeout=PATIENCE)).release()
        await server.aio.assert_all_closed(by="client", timeout=PATIENCE)

    run(main)
    for client in clients:
        client.join(PATIENCE)
    assert sorted(answers) == ["held", "well"]


@LOOPS
def test_a_wait_in_vain_fails_as_it_does_elsewhere(server: HTTPServe, run: Run) -> None:
    async def main() -> None:
        await server.aio.wait_for("GET", "/never", timeout=0)

    with pytest.raises(AssertionError, match=r"^GET /never was not requested within 0 s"):
        run(main)


def test_others_run_meanwhile(server: HTTPServe) -> None:
    server.on("GET", "/a").respond(text="well")

    async def main() -> str:
        waiting = asyncio.create_task(server.aio.take_request(timeout=PATIENCE))
        answer = await asyncio.to_thread(get, server, "/a")  # which could not be, were the loop held up
        return f"{(await waiting).path} {answer.text}"

    assert asyncio.run(main()) == "/a well"


def test_a_wait_is_cancelled_at_once(server: HTTPServe) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.aio.take_request(timeout=1), 0.01)

    asyncio.run(main())


@LOOPS
def test_the_waits_of_websockets_can_be_awaited(server: HTTPServe, run: Run) -> None:
    chat = server.websocket("/chat")

    def talk() -> None:
        with connect(server.url_for("/chat", scheme="ws"), proxy=None) as client:
            client.send("hi")
            client.send('{"count": 2}')
            client.send("3")
            client.send("4")
            assert [client.recv(PATIENCE) for _ in range(2)] == ["hello", '{"count": 3}']

    async def main() -> None:
        client = threading.Thread(target=talk)
        client.start()
        peer = await chat.aio.accept(timeout=PATIENCE)
        assert await peer.aio.receive(timeout=PATIENCE) == "hi"
        assert await peer.aio.receive_json(timeout=PATIENCE) == {"count": 2}
        await peer.aio.send("hello")
        await peer.aio.send_json({"count": 3})
        assert [message async for message in peer.aio] == ["3", "4"]
        await chat.aio.wait_for_message("hi", timeout=PATIENCE)
        await peer.aio.wait_closed(timeout=PATIENCE)
        client.join(PATIENCE)

    run(main)


@LOOPS
def test_a_wait_for_a_message_that_is_given_up_has_taken_none(server: HTTPServe, run: Run) -> None:
    """And it has no thread."""
    import anyio

    chat = server.websocket("/chat")
    url = server.url_for("/chat", scheme="ws")

    async def main() -> None:
        before = {*threading.enumerate()}
        with anyio.move_on_after(0.01) as given_up:
            await chat.aio.accept(timeout=PATIENCE)
        assert given_up.cancelled_caught
        with connect(url, proxy=None) as client:
            peer = await chat.aio.accept(timeout=PATIENCE)
            with anyio.move_on_after(0.01) as given_up:
                await peer.aio.receive(timeout=PATIENCE)
            assert given_up.cancelled_caught
            with pytest.raises(AssertionError, match=r"^no message came within 0\.01 s"):
                await peer.aio.receive(timeout=0.01)
            client.send("hi")
            assert await peer.aio.receive(timeout=PATIENCE) == "hi"
            peer.close()
            client.close()
        assert not [one for one in {*threading.enumerate()} - before if one.name == "httpserve-wait"]

    run(main)


def test_each_message_is_received_once(server: HTTPServe) -> None:
    chat = server.websocket("/chat")

    async def main() -> None:
        with connect(server.url_for("/chat", scheme="ws"), proxy=None) as client:
            peer = await chat.aio.accept(timeout=PATIENCE)
            waiting = [asyncio.create_task(peer.aio.receive(timeout=PATIENCE)) for _ in range(5)]
            await asyncio.sleep(0)
            for number in range(5):
                await asyncio.to_thread(client.send, str(number))
            assert sorted(await asyncio.gather(*waiting)) == ["0", "1", "2", "3", "4"]
            peer.close()

    asyncio.run(main())


@LOOPS
def test_the_waits_of_event_streams_can_be_awaited(server: HTTPServe, run: Run) -> None:
    events = server.on("GET", "/events").events()

    def read() -> None:
        with get(server, "/events", stream=True) as answer:
            assert next(answer.iter_lines()) == b"data: one"

    async def main() -> None:
        client = threading.Thread(target=read)
        client.start()
        stream = await events.aio.accept(timeout=PATIENCE)
        stream.send("one")
        assert await stream.aio.gone(timeout=PATIENCE)
        client.join(PATIENCE)

    run(main)
