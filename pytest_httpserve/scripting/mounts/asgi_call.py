"""A request that an ASGI application answers (ASGI HTTP, version 2.4), on the server's event loop.

The thread that serves the request reads its body and writes its response when the application asks for it, so that one
application never blocks other requests.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answers.responses import phrase
from pytest_httpserve.scripting.live.waiting import Interrupted
from pytest_httpserve.scripting.mounts.heads import FAILED, GivenHead, given_head
from pytest_httpserve.wire.framing import NO_BODY
from pytest_httpserve.wire.headers import Field

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.mounts.outgoing import Outgoing

    Beyond = Callable[[Asked, tuple[Fault, ...]], object]

Message = dict[str, Any]

# Bytes of a response that an application may be ahead of its client before it has to wait.
_MOST_AHEAD = 65_536
_PIECE_BYTES = 65_536
# Seconds between two looks whether the client has gone, while the application waits for that.
_GLANCE = 0.05
# Seconds that the end of a response waits for the end of the application.
_MOMENT = 0.01


class Call:
    """A call of an application for one request. The application runs on the event loop; a thread reads and writes.

    ``broken`` is the error with which the client broke off; ``stopped`` is set if the server has stopped. ``_tasks``
    are the jobs for the thread; None is the last one.
    """

    def __init__(self, asked: Asked, response: Outgoing) -> None:
        self._asked = asked
        self._response = response
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._head: GivenHead | None = None
        self._begun = False  # whether the response has begun
        self._complete = False  # whether the application has given the whole response
        self._asked_for_all = asked.stream.framing is NO_BODY  # whether the whole body has been read
        self._told_of_body = False
        self._last = b""  # the end of the response, while it is held back
        self._timer: asyncio.TimerHandle | None = None  # sends the end
        self._ahead = 0  # bytes that the thread has yet to write
        self.broken: OSError | RequestError | None = None
        self.stopped: threading.Event = threading.Event()
        self._left = False  # whether the connection has left HTTP

    # In the thread

    def run(self, answer: Awaitable[object]) -> None:
        """Let the application answer. If it raises, the test fails, unless the client broke off."""
        running = self._asked.event_loop.start(answer, self._over)
        with self._asked.connection.waiting(self._stop):
            while (task := self._tasks.get()) is not None:
                self._do(task)
        if self._left:
            return
        if self.stopped.is_set():
            running.cancel()
            raise self._asked.connection.transport.failed(Interrupted("the server stopped while the request waited"))
        try:
            running.value()
            self._check_end()
        except BaseException as error:
            if self.broken is None or not leads_to(error, self.broken):
                self._fail(error)
        self._do(self._write_last)
        if self.broken is not None:
            raise self.broken

    def _stop(self) -> None:
        self.stopped.set()
        self._tasks.put(None)

    def _do(self, task: Callable[[], object]) -> None:
        try:
            task()
        except (OSError, RequestError) as error:
            if not (isinstance(error, RequestError) or self._asked.is_clients(error)):
                raise
            self.broken = error

    def _read(self, received: asyncio.Future[Message]) -> None:
        message: Message = {"type": "http.disconnect"}
        try:
            if self.broken is None:
                self._asked.invite_body()
                data = self._asked.http1.reader.read1(_PIECE_BYTES)
                self._asked_for_all = self._asked.http1.reader.complete
                message = {"type": "http.request", "body": data, "more_body": not self._asked_for_all}
        finally:
            settle(received, message)

    def _write(self, data: bytes) -> None:
        try:
            if self.broken is None:
                self._response.write(data)
        finally:
            self._ahead -= len(data)

    def _write_last(self) -> None:
        last, self._last = self._last, b""
        if self._complete and self.broken is None:
            self._response.write(last)
            self._response.finish()

    def _switch(self, head: GivenHead, beyond: Beyond, failed: Callable[[], object]) -> None:
        try:
            self._response.write(head.before(b"", whole=False, method=self._asked.method))
        except BaseException:
            failed()
            raise
        self._asked.leave_http(beyond)
        self._left = True
        self._tasks.put(None)

    def _check_end(self) -> None:
        if self._head is None:
            raise RuntimeError("the application returned without a response")
        if not self._complete:
            raise RuntimeError("the application returned before its response was complete")

    def _fail(self, error: BaseException) -> None:
        """Fail the test: the application has failed. Unless a response has begun, the client gets a 500."""
        text = self._asked.record_exception(error).encode()
        if self._complete:
            return
        self._response.break_off()
        if not self._begun and self.broken is None:
            self._response.write(FAILED.before(text, whole=True, method=self._asked.method))

    # On the event loop

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._tasks.put(None)

    async def receive(self) -> Message:
        """The next message for the application."""
        if self._asked_for_all and not self._told_of_body:
            self._told_of_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._asked_for_all:
            await self.until_left()
            return {"type": "http.disconnect"}
        received: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._tasks.put(partial(self._read, received))
        message = await received
        self._told_of_body = not message.get("more_body", True)
        return message

    async def until_left(self) -> None:
        """Wait until the client has gone, or until the response is complete."""
        transport = self._asked.connection.transport
        while self.broken is None and not self._complete and not transport.has_been_left():
            await asyncio.sleep(_GLANCE)

    def check_client(self) -> None:
        """Raise OSError if the client has gone."""
        if self.broken is not None:
            raise OSError("the client has gone") from self.broken

    def switch(self, head: GivenHead, beyond: Beyond, failed: Callable[[], object]) -> None:
        """Answer with this head of a 101, and hand the connection to ``beyond``, which is called in the thread. If that
        fails, ``failed`` is called there."""
        self._head, self._begun, self._complete = head, True, True
        self._tasks.put(partial(self._switch, head, beyond, failed))

    async def send(self, message: Message) -> None:
        """Take a message from the application. Raises OSError if the client has gone."""
        self.check_client()
        match message["type"]:
            case "http.response.start" if self._head is None:
                self._head = head_of(message["status"], message.get("headers", ()))
            case "http.response.body" if self._head is not None and not self._complete:
                self._complete = not message.get("more_body", False)
                self._give(self._head, message.get("body", b""))
            case kind:
                raise RuntimeError(f"an application cannot send {kind!r} here")
        if self._ahead > _MOST_AHEAD:
            written: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._tasks.put(partial(settle, written, {}))
            await written

    def _give(self, head: GivenHead, data: bytes) -> None:
        data = bytes(data)
        if not self._begun:
            if not data and not self._complete:
                return  # a head is sent with what follows it
            self._begun = True
            data = head.before(data, whole=self._complete, method=self._asked.method)
        if self._complete:
            # Hold it back for a moment, so that an exception that the application raises now is known before the client
            # can go on. Then send it, since the application may still run background tasks.
            self._last = data
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._tasks.put, self._write_last)
        elif data:
            self._ahead += len(data)
            self._tasks.put(partial(self._write, data))


def settle(future: asyncio.Future[Message], message: Message) -> None:
    """Give the application the message that it awaits, from another thread, unless it has stopped waiting."""

    def give() -> None:
        if not future.done():
            future.set_result(message)

    future.get_loop().call_soon_threadsafe(give)


def leads_to(error: BaseException | None, cause: BaseException) -> bool:
    """Whether ``cause`` led to ``error``."""
    while error is not None and error is not cause:
        error = error.__cause__ or error.__context__
    return error is cause


def head_of(status: int, headers: Iterable[tuple[bytes, bytes]], further: tuple[Field, ...] = ()) -> GivenHead:
    """The head that an application gives, with ``further`` fields. Raises TypeError or ValueError for a wrong one."""
    try:
        fields = tuple((bytes(name), bytes(value)) for name, value in headers)
        return given_head(f"{status} {phrase(status)}", further + _as_text(fields))
    except TypeError:
        raise TypeError(
            f"a response must have a status and pairs of bytes for headers, not {status!r} and {headers!r}"
        ) from None


@lru_cache(256)
def _as_text(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[Field, ...]:
    # The server decides on the framing.
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
    return tuple((name, value) for name, value in pairs if name.lower() != "transfer-encoding")
