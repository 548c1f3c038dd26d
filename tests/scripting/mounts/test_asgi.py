"""ASGI applications beneath a prefix."""

from __future__ import annotations

import asyncio
import functools
import http.client
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe

Say = Callable[[HTTPServe, str | bytes], bytes]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come
BIG = bytes(range(256)) * 12_000  # some 3 MiB


def get(server: HTTPServe, path: str, **more: Any) -> requests.Response:
    return requests.get(server.url_for(path), timeout=PATIENCE, **more)


def on_http(application: Application) -> Application:
    """An application that knows nothing of lifespans."""

    @functools.wraps(application)
    async def called(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await application(scope, receive, send)

    return called


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def whole_body(receive: Receive) -> bytes:
    data: bytes = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        data += message["body"]
        if not message["more_body"]:
            return data


@on_http
async def echo(scope: Message, receive: Receive, send: Send) -> None:
    data = await whole_body(receive)
    await send(start(201, (b"x-length", str(len(data)).encode())))
    await send(body(data))


@pytest.fixture
def connection(server: HTTPServe) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    yield connection
    connection.close()


# What it is told


def test_the_scope_of_a_request(server: HTTPServe) -> None:
    scopes: list[Message] = []

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send(start())
        await send(body())

    server.mount("/a pi", application)
    get(server, "/a%20pi/caf%C3%A9%2Fb?c=d%20e", headers={"X-A": "1"})
    [scope] = scopes

    assert (scope["type"], scope["http_version"], scope["method"], scope["scheme"]) == ("http", "1.1", "GET", "http")
    assert scope["path"] == "/a pi/café/b"
    assert scope["raw_path"] == b"/a%20pi/caf%C3%A9%2Fb"
    assert (scope["root_path"], scope["query_string"]) == ("/a pi", b"c=d%20e")
    assert (b"x-a", b"1") in scope["headers"]
    assert scope["client"][0] == server.host
    assert scope["server"] == (server.host, server.port)
    assert scope["asgi"]["version"] == "3.0"


@pytest.mark.needs("socket.AF_UNIX")
def test_on_a_unix_socket_its_path_is_the_server() -> None:
    scopes: list[Message] = []

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send(start())
        await send(body(b"well"))

    with HTTPServe(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        server.mount("/", application)
        client.connect(str(server.socket_path))
        client.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"\r\n\r\nwell")

        assert scopes[0]["server"] == (server.socket_path, None)


@pytest.mark.parametrize("data", [b"", b"some", BIG], ids=["none", "some", "much"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_goes_in_and_out(server: HTTPServe, data: bytes, chunked: bool) -> None:
    server.mount("/", echo)
    given = iter([data]) if chunked and data else data
    answer = requests.post(server.url_for("/"), data=given, timeout=PATIENCE)

    assert (answer.status_code, answer.headers["x-length"], answer.content) == (201, str(len(data)), data)
    assert server.exchanges[0].response is not None
    assert server.exchanges[0].response.status == 201


def test_the_client_is_invited_to_send_its_body_when_the_application_asks_for_it(server: HTTPServe) -> None:
    server.mount("/", echo)
    with (
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as client,
        client.makefile("rb") as file,
    ):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        client.sendall(head)
        assert file.readline() == b"HTTP/1.1 100 Continue\r\n"
        client.sendall(b"body")
        assert file.read().endswith(b"\r\n\r\nbody")


def test_a_body_that_the_client_breaks_is_its_own_fault(server: HTTPServe, say: Say) -> None:
    server.mount("/", echo)
    answer = say(server, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nno chunk\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    [failure] = server.failures
    assert failure.startswith("refused POST /: ")


# What it answers


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_pieces_leave_as_they_come(server: HTTPServe, say: Say, version: str) -> None:
    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        for piece in (b"one,", b"", b"two"):
            await send(body(piece, more=True))
        await send(body())

    server.mount("/", application)
    answer = say(server, f"GET / HTTP/{version}\nHost: x\nConnection: close\n\n")
    head, _, data = answer.partition(b"\r\n\r\n")

    chunked = b"4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert data == (b"one,two" if version == "1.0" else chunked)
    assert (b"transfer-encoding: chunked" in head.lower()) == (version == "1.1")
    assert server.failures == ()


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("GET", 200, "4"), ("HEAD", 200, "4"), ("GET", 204, None), ("GET", 304, None)],
)
def test_a_connection_lasts(
    server: HTTPServe, connection: http.client.HTTPConnection, method: str, status: int, length: str | None
) -> None:
    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(status, (b"etag", b'"a"')))
        await send(body(b"body"))

    server.mount("/", application)
    for _ in range(3):
        connection.request(method, "/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Length"], answer.headers["ETag"]) == (status, length, '"a"')
        assert answer.read() == (b"body" if (method, status) == ("GET", 200) else b"")
        assert answer.headers["Date"]

    server.assert_reused()


def test_more_than_the_client_takes_waits_for_it(server: HTTPServe) -> None:
    given: list[int] = []

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        while sum(given) < 64 << 20:
            await send(body(bytes(65_536), more=True))
            given.append(65_536)
        await send(body())

    server.mount("/", application)
    with get(server, "/", stream=True) as answer:
        pieces = answer.iter_content(65_536)
        read = len(next(pieces))
        assert sum(given) < 32 << 20, "what the client does not read is not kept"
        assert read + sum(map(len, pieces)) == 64 << 20


def test_what_runs_behind_the_response_holds_nobody_up(server: HTTPServe) -> None:
    let_go, over = threading.Event(), threading.Event()

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"one", more=True))
        await send(body())
        await asyncio.to_thread(let_go.wait, PATIENCE)
        over.set()

    server.mount("/", application)
    assert get(server, "/").text == "one"
    assert not over.is_set()
    let_go.set()
    assert over.wait(PATIENCE)


# What goes wrong


def test_an_exception_fails_the_test_and_is_a_500(server: HTTPServe) -> None:
    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        raise ValueError("a reason")

    server.mount("/app", application)
    answer = get(server, "/app/a")
    [failure] = server.failures

    assert (answer.status_code, answer.text) == (500, failure)
    assert "in application" in failure
    assert "ValueError: a reason" in failure
    assert "event_loop.py" not in failure


def test_an_exception_later_leaves_nothing_that_looks_whole(
    server: HTTPServe, connection: http.client.HTTPConnection
) -> None:
    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"one", more=True))
        raise ValueError("a reason")

    server.mount("/", application)
    connection.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()

    assert "ValueError: a reason" in server.failures[0]


def test_an_exception_behind_a_whole_response_is_known_before_the_client_goes_on(server: HTTPServe) -> None:
    """As Starlette does: its page for an error is sent, and the error goes on."""

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(500, (b"content-length", b"4")))
        await send(body(b"page"))
        raise ValueError("a reason")

    server.mount("/", application)
    assert get(server, "/").text == "page"
    assert "ValueError: a reason" in server.failures[0]


async def returns_at_once(scope: Message, receive: Receive, send: Send) -> None:
    """Without a word."""


async def begins_alone(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())


async def ends_early(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"one", more=True))


async def body_first(scope: Message, receive: Receive, send: Send) -> None:
    await send(body(b"one"))


async def starts_twice(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    await send(start())


async def sends_text(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [("a", "b")]})


async def sends_two_lines(scope: Message, receive: Receive, send: Send) -> None:
    await send(start(200, (b"x-a", b"b\r\nc: d")))


@pytest.mark.parametrize(
    ("application", "wrong"),
    [
        (returns_at_once, "the application returned without a response"),
        (begins_alone, "before its response was complete"),
        (ends_early, "before its response was complete"),
        (body_first, "cannot send 'http.response.body' here"),
        (starts_twice, "cannot send 'http.response.start' here"),
        (sends_text, "pairs of bytes for headers"),
        (sends_two_lines, "x-a"),
    ],
)
def test_what_the_protocol_forbids_fails_the_test(server: HTTPServe, application: Application, wrong: str) -> None:
    server.mount("/", on_http(application))
    with (
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as client,
        client.makefile("rb") as file,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = file.read()

    assert not answer.endswith(b"\r\n0\r\n\r\n"), "it must not look whole"
    [failure] = server.failures
    assert wrong in failure.rstrip().rpartition("\n")[2]


def test_a_client_that_leaves_is_told_of_and_fails_nothing(server: HTTPServe) -> None:
    told: list[Any] = []
    over = threading.Event()

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await whole_body(receive)
        await send(start())
        await send(body(b"one", more=True))
        told.append((await receive())["type"])
        try:
            while True:
                await send(body(bytes(65_536), more=True))
        except OSError as error:
            told.append(str(error))
            raise
        finally:
            over.set()

    server.mount("/", application)
    with get(server, "/", stream=True) as answer:
        assert next(answer.iter_content(3)) == b"one"
    assert over.wait(PATIENCE)
    server.stop()

    assert told == ["http.disconnect", "the client has gone"]
    assert server.failures == ()


def test_a_stop_cancels_what_is_awaited(server: HTTPServe) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            cancelled.set()

    server.mount("/", application)
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(PATIENCE)
        server.stop()
        assert cancelled.wait(PATIENCE)

    assert server.failures == ()
    assert not [thread for thread in threading.enumerate() if thread.name == "httpserve-asyncio" and _ends(thread)]


def _ends(thread: threading.Thread) -> bool:
    """Whether it lasts, though its server has ended."""
    thread.join(PATIENCE)
    return thread.is_alive()


def test_a_task_that_nobody_waits_for_is_a_failure_when_it_raises(server: HTTPServe) -> None:
    async def task() -> None:
        raise ValueError("a reason")

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.gather(asyncio.create_task(task()), return_exceptions=True)
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await send(start())
        await send(body())

    server.mount("/", application)
    get(server, "/")
    server.stop()

    [failure] = server.failures
    assert failure.startswith("on the event loop of the server: ")
    assert "ZeroDivisionError" in failure


# Its life


class Living:
    """An application with a life, which notes what it has been told."""

    def __init__(self, answer: str = "complete", error: BaseException | None = None) -> None:
        self.told: list[str] = []
        self._answer = answer
        self._error = error

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.told.append(f"http {scope['state'].get('shared')}")
            scope["state"]["shared"] = "its own"
            await send(start())
            await send(body(b"well"))
            return
        assert (await receive())["type"] == "lifespan.startup"
        self.told.append("startup")
        if self._error is not None:
            raise self._error
        scope["state"]["shared"] = "shared"
        await send({"type": f"lifespan.startup.{self._answer}", "message": "no database"})
        if self._answer == "complete":
            assert (await receive())["type"] == "lifespan.shutdown"
            self.told.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})


def test_an_application_is_told_of_its_beginning_and_its_end(server: HTTPServe) -> None:
    application = Living()
    server.mount("/", application)
    assert application.told == []
    for _ in range(2):
        assert get(server, "/").text == "well"
    assert application.told == ["startup", "http shared", "http shared"]

    server.stop()
    assert application.told[-1] == "shutdown"
    assert server.failures == ()


def test_a_server_that_is_started_again_begins_again(server: HTTPServe) -> None:
    application = Living()
    server.mount("/", application)
    get(server, "/")
    server.stop()
    server.start()
    assert get(server, "/").text == "well"

    assert application.told == ["startup", "http shared", "shutdown", "startup", "http shared"]


def test_an_application_that_cannot_begin_answers_nothing(server: HTTPServe) -> None:
    application = Living("failed")
    server.mount("/", application)

    assert [get(server, "/").status_code for _ in range(2)] == [500, 500]
    assert application.told == ["startup"]
    assert "the application could not start: no database" in server.failures[0]


def test_an_application_that_knows_no_lifespan_is_called_without(server: HTTPServe) -> None:
    application = Living(error=ValueError("http alone"))
    server.mount("/", application)

    assert get(server, "/").text == "well"
    assert application.told == ["startup", "http None"]
    server.stop()
    assert server.failures == ()


def test_many_at_once(server: HTTPServe) -> None:
    both = asyncio.Event()
    waiting = 0

    @on_http
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 20:
            both.set()
        await both.wait()
        await send(start())
        await send(body(scope["path"].encode()))

    server.mount("/", application)
    answers: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda number=number: answers.update({number: get(server, f"/{number}").text}))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert answers == {number: f"/{number}" for number in range(20)}
