"""Code that awaits: it runs on an event loop of the server's, while the thread that serves its request waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_httpserve.scripting.live.waiting import Interrupted, wait

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.net.service import Service

Result = TypeVar("Result")
Report = Callable[[str], object]

# How long what still runs has to end once the server has, in seconds.
_GRACE = 1.0


class Running(Generic[Result]):
    """Something that is awaited on the loop; ``when_done`` is called there when it is over."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, awaited: Awaitable[Result], when_done: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._awaited = awaited
        self._when_done = when_done
        self._error: BaseException | None = None
        self._result: Result
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result = await self._awaited
        except BaseException as error:  # it is for who waits, SystemExit and all
            self._error = error
        finally:
            self._when_done()

    def cancel(self) -> None:
        """Have it end, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and it with the loop
            self._loop.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())

    def value(self) -> Result:
        """What it came to, once it is over. Raises what it raised."""
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # whose traceback leads to this very frame


class EventLoop:
    """A loop of asyncio in a thread of its own, until ``end``.

    ``report`` is told, as the text of a failure, of what nobody waits for: an exception of a task that was left alone,
    and a task that does not end.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._left_over = False  # whether a task would not end
        self._thread = threading.Thread(target=self._lead, name="httpserve-asyncio", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _lead(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._tell)
        self._over = asyncio.Event()
        self._last: list[Callable[[], Awaitable[object]]] = []
        self._ready.set()
        await self._over.wait()
        for last in self._last:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(last(), _GRACE)
        await self._end_tasks()
        self._ended.set()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=_GRACE)
            self._left_over = bool(left)
            for task in left:
                self._report(f"a task did not end with the server, though it was cancelled:\n{_stack_of(task)}")

    def _tell(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self._report(f"on the event loop of the server: {context['message']}\n{trace}")

    @property
    def ends(self) -> bool:
        """Whether the server has ended, and what still runs is cancelled."""
        return self._over.is_set()

    def at_end(self, last: Callable[[], Awaitable[object]]) -> None:
        """Await this when the loop is about to end. To be called on the loop."""
        self._last.append(last)

    def start(self, awaited: Awaitable[Result], when_done: Callable[[], object]) -> Running[Result]:
        """Have it awaited on the loop; ``when_done`` is called there when it is over."""
        return Running(self._loop, awaited, when_done)

    def run(self, connection: Connection, awaited: Awaitable[Result]) -> Result:
        """What it comes to, which the thread that serves the connection waits for.

        Raises what it raises, and Interrupted as soon as the server stops.
        """
        over = threading.Event()
        running = self.start(awaited, over.set)
        try:
            wait(connection, over, None)
        except Interrupted:
            running.cancel()
            raise
        try:
            return running.value()
        except asyncio.CancelledError:
            if not self.ends:
                raise
        raise connection.transport.failed(Interrupted("the server stopped while the request waited"))

    def iterate(self, connection: Connection, pieces: AsyncGenerator[Any, None]) -> Iterator[Any]:
        """The pieces of an asynchronous generator, one by one."""
        try:
            while True:
                try:
                    piece = self.run(connection, anext(pieces))
                except StopAsyncIteration:
                    return
                yield piece
        finally:
            self.start(pieces.aclose(), _nothing)

    def end(self) -> None:
        """The server has ended: so does the loop, with all that runs on it."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is threading.current_thread():
            return
        if self._ended.wait(4 * _GRACE):
            self._thread.join(0 if self._left_over else _GRACE)
        else:  # something blocks it
            frame = sys._current_frames().get(self._thread.ident or 0)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
            self._report(f"the event loop of the server did not end with it; its thread is here:\n{stack}")


# By the server's service, which ends it.
_of: weakref.WeakKeyDictionary[Service, EventLoop] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def event_loop_of(service: Service, report: Report) -> EventLoop:
    """The event loop of a server, begun when it is first asked for."""
    with _lock:
        loop = _of.get(service)
        if loop is None:
            loop = _of[service] = EventLoop(report)
            service.at_close.append(loop.end)
        return loop


def _stack_of(task: asyncio.Task[Any]) -> str:
    lines = [f"{task.get_name()}, {task.get_coro()!r}\n"]
    lines += traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames_of(task)).format()
    return "".join(lines)


def _frames_of(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Where a task waits: ``get_stack`` has its first frame only, and here follow those that are awaited there."""
    awaited: Any = task.get_coro()  # whatever can be awaited
    while awaited is not None:
        if (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)) is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _nothing() -> None:
    """Nobody waits for it."""
