"""ASGI applications behind a prefix (ASGI 3.0, HTTP and lifespan): they run on the server's event loop.

The thread that serves a request reads its body and writes its response, as the application asks for it: what an
application awaits costs no other request anything.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answers.responses import phrase
from pytest_httpserve.scripting.live.waiting import Interrupted
from pytest_httpserve.scripting.mounts.heads import FAILED, GivenHead, given_head
from pytest_httpserve.scripting.mounts.lifespan import Lifespan
from pytest_httpserve.scripting.mounts.mount import Application, ApplicationMount
from pytest_httpserve.scripting.mounts.outgoing import Outgoing
from pytest_httpserve.wire.framing import NO_BODY
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

Message = dict[str, Any]

# So much of a response is taken from an application before it waits until its client has taken some of that.
_MOST_AHEAD = 65_536
_PIECE_BYTES = 65_536
# How often it is looked whether the client has gone while the application waits to be told so, in seconds.
_GLANCE = 0.05
# How long the end of a response waits for the end of the application, in seconds.
_MOMENT = 0.01


@dataclass(frozen=True, slots=True)
class ASGIMount(ApplicationMount):
    """An ASGI application; the prefix is its ``root_path``."""

    lifespan: Lifespan = field(default_factory=Lifespan)

    def serve(self, asked: Asked, below: str) -> None:
        """Let the application answer what is asked."""
        state = self.lifespan.begin(asked.event_loop, self.application)
        with Outgoing(asked, chunk=asked.stream.version >= (1, 1)) as response:
            _Call(asked, response).run(self.application, _scope(asked, self.prefix, state))


class _Call:
    """A call of an application for one request: on the event loop it runs, and in a thread its bytes move.

    ``_tasks`` are what that thread has to do; None if there is no more.
    """

    def __init__(self, asked: Asked, response: Outgoing) -> None:
        self._asked = asked
        self._response = response
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._head: GivenHead | None = None
        self._begun = False  # whether some of the response is on its way
        self._complete = False  # whether the application has given all of it
        self._asked_for_all = asked.stream.framing is NO_BODY  # of the body, and it was told so
        self._told_of_body = False
        self._last = b""  # the end of the response, as long as it is held back
        self._timer: asyncio.TimerHandle | None = None  # which lets it go
        self._ahead = 0  # bytes that the thread has yet to write
        self._broken: OSError | RequestError | None = None  # what has ended the client's side
        self._stopped = threading.Event()

    # In the thread

    def run(self, application: Application, scope: Message) -> None:
        """Let it answer. What it raises fails the test, unless it is what the client did."""
        loop = self._asked.event_loop
        running = loop.start(application(scope, self._receive, self._send), self._over)
        with self._asked.connection.waiting(self._stop):
            while (task := self._tasks.get()) is not None:
                self._do(task)
        if self._stopped.is_set():
            running.cancel()
            raise self._asked.connection.transport.failed(Interrupted("the server stopped while the request waited"))
        try:
            running.value()
            self._check_end()
        except BaseException as error:
            if self._broken is None or not _leads_to(error, self._broken):
                self._fail(error)
        self._do(self._write_last)
        if self._broken is not None:
            raise self._broken

    def _stop(self) -> None:
        self._stopped.set()
        self._tasks.put(None)

    def _do(self, task: Callable[[], object]) -> None:
        try:
            task()
        except (OSError, RequestError) as error:
            if not (isinstance(error, RequestError) or self._asked.is_clients(error)):
                raise
            self._broken = error

    def _read(self, received: asyncio.Future[Message]) -> None:
        message: Message = {"type": "http.disconnect"}
        try:
            if self._broken is None:
                self._asked.invite_body()
                data = self._asked.http1.reader.read1(_PIECE_BYTES)
                self._asked_for_all = self._asked.http1.reader.complete
                message = {"type": "http.request", "body": data, "more_body": not self._asked_for_all}
        finally:
            _settle(received, message)

    def _write(self, data: bytes) -> None:
        try:
            if self._broken is None:
                self._response.write(data)
        finally:
            self._ahead -= len(data)

    def _write_last(self) -> None:
        last, self._last = self._last, b""
        if self._complete and self._broken is None:
            self._response.write(last)
            self._response.finish()

    def _check_end(self) -> None:
        if self._head is None:
            raise RuntimeError("the application returned without a response")
        if not self._complete:
            raise RuntimeError("the application returned before it had given the whole of its response")

    def _fail(self, error: BaseException) -> None:
        """The application has failed, and the test with it; its client hears of that, if it has heard nothing yet."""
        text = self._asked.record_exception(error).encode()
        if self._complete:
            return
        self._response.break_off()
        if not self._begun and self._broken is None:
            self._response.write(FAILED.before(text, whole=True, method=self._asked.method))

    # On the event loop

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tasks.put(None)

    async def _receive(self) -> Message:
        if self._asked_for_all and not self._told_of_body:
            self._told_of_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._asked_for_all:
            return await self._disconnected()
        received: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._tasks.put(partial(self._read, received))
        message = await received
        self._told_of_body = not message.get("more_body", True)
        return message

    async def _disconnected(self) -> Message:
        transport = self._asked.connection.transport
        while self._broken is None and not self._complete and not transport.has_been_left():
            await asyncio.sleep(_GLANCE)
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._broken is not None:
            raise OSError("the client has gone") from self._broken
        match message["type"]:
            case "http.response.start" if self._head is None:
                self._head = _head_of(message["status"], message.get("headers", ()))
            case "http.response.body" if self._head is not None and not self._complete:
                self._complete = not message.get("more_body", False)
                self._give(self._head, message.get("body", b""))
            case kind:
                raise RuntimeError(f"an application cannot send {kind!r} here")
        if self._ahead > _MOST_AHEAD:
            written: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._tasks.put(partial(_settle, written, {}))
            await written

    def _give(self, head: GivenHead, data: bytes) -> None:
        data = bytes(data)
        if not self._begun:
            if not data and not self._complete:
                return  # a head leaves with what follows it
            self._begun = True
            data = head.before(data, whole=self._complete, method=self._asked.method)
        if self._complete:
            # Held back for a moment: what the application raises now is to be known before its client can go on. Then
            # it leaves, for there may be tasks in the background.
            self._last = data
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._tasks.put, self._write_last)
        elif data:
            self._ahead += len(data)
            self._tasks.put(partial(self._write, data))


def _settle(future: asyncio.Future[Message], message: Message) -> None:
    """Give the application, from another thread, what it awaits; unless it awaits nothing any more."""

    def give() -> None:
        if not future.done():
            future.set_result(message)

    future.get_loop().call_soon_threadsafe(give)


def _leads_to(error: BaseException | None, cause: BaseException) -> bool:
    """Whether an exception is due to this one."""
    while error is not None and error is not cause:
        error = error.__cause__ or error.__context__
    return error is cause


def _head_of(status: int, headers: Iterable[tuple[bytes, bytes]]) -> GivenHead:
    try:
        fields = tuple((bytes(name), bytes(value)) for name, value in headers)
        return given_head(f"{status} {phrase(status)}", _as_text(fields))
    except TypeError:
        raise TypeError(
            f"a response has a status and pairs of bytes for headers, not {status!r} and {headers!r}"
        ) from None


@lru_cache(256)
def _as_text(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[Field, ...]:
    # How a body ends is for the server to say.
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
    return tuple((name, value) for name, value in pairs if name.lower() != "transfer-encoding")


def _scope(asked: Asked, prefix: str, state: Message) -> Message:
    """The connection scope of a request (ASGI HTTP, version 2.4)."""
    address: object = asked.server.server_address
    major, minor = asked.stream.version
    path = asked.parts.path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": f"{major}.{minor}",
        "method": asked.method,
        "scheme": "http" if asked.connection.transport.plain else "https",
        "path": urllib.parse.unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": (asked.parts.query or "").encode("latin-1"),
        "root_path": urllib.parse.unquote_to_bytes(prefix).decode("utf-8", "replace"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in asked.stream.headers.fields
        ],
        "client": asked.client,
        "server": address[:2] if isinstance(address, tuple) else (address, None),
        "state": dict(state),
        "extensions": {},
    }
