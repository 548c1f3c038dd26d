"""Asynchronous code runs on the server's event loop, while the thread that serves the request waits for it."""

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

# Seconds that running tasks have to end after the server.
_GRACE = 1.0


class Running(Generic[Result]):
    """An awaitable that runs on the loop. ``when_done`` is called there when it is over.

    ``refuses`` tells whether the loop has ended: then the awaitable is over, too, as if it had been cancelled.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        awaited: Awaitable[Result],
        when_done: Callable[[], object],
        refuses: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._awaited = awaited
        self._when_done = when_done
        self._refuses = refuses
        self._begun = False
        self._error: BaseException | None = None
        self._result: Result
        self._task: asyncio.Task[None] | None = None
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:  # the loop is closed
            self._give_up()

    def _begin(self) -> None:
        if self._refuses():
            self._give_up()
            return
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._check_begun)

    def _check_begun(self, task: asyncio.Task[None]) -> None:
        if not self._begun:  # cancelled before its first step, of which the coroutine does not learn
            self._give_up()

    def _give_up(self) -> None:
        self._error = asyncio.CancelledError()
        if (close := getattr(self._awaited, "close", None)) is not None:
            close()  # or Python would warn that it was never awaited
        self._when_done()

    async def _run(self) -> None:
        self._begun = True
        try:
            self._result = await self._awaited
        except BaseException as error:  # kept for the thread that waits, even SystemExit
            self._error = error
        finally:
            self._when_done()

    def cancel(self) -> None:
        """Cancel it, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so has this
            self._loop.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())

    def value(self) -> Result:
        """Its result, once it is over. Raises what it raised."""
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame


class EventLoop:
    """An asyncio loop in a separate thread. It runs until ``end`` is called.

    ``report`` is called with the text of a failure that nobody waits for: an exception of a forgotten task, or a task
    that does not end.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._left_over = False  # whether a task would not end
        self._closes = False  # whether nothing can begin any more
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
        self._closes = True
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
        """Whether the server has ended and running tasks are being cancelled."""
        return self._over.is_set()

    def at_end(self, last: Callable[[], Awaitable[object]]) -> None:
        """Await ``last()`` when the loop is about to end. Call this on the loop."""
        self._last.append(last)

    def start(self, awaited: Awaitable[Result], when_done: Callable[[], object]) -> Running[Result]:
        """Run an awaitable on the loop. ``when_done`` is called there when it is over."""
        return Running(self._loop, awaited, when_done, lambda: self._closes)

    def run(self, connection: Connection, awaited: Awaitable[Result]) -> Result:
        """Run an awaitable on the loop, wait for it in the thread that serves the connection, and return its result.

        Raises what the awaitable raises, or Interrupted as soon as the server stops.
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
        """End the loop, and all tasks on it: the server has ended."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is threading.current_thread():
            return
        if self._ended.wait(4 * _GRACE):
            self._thread.join(0 if self._left_over else _GRACE)
        else:  # something blocks it
            frame = sys._current_frames().get(self._thread.ident or 0)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
            self._report(f"the event loop of the server did not end with the server; its thread is here:\n{stack}")


# By the server's service, which ends the loop.
_of: weakref.WeakKeyDictionary[Service, EventLoop] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def event_loop_of(service: Service, report: Report) -> EventLoop:
    """The event loop of a server, started at the first call."""
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
    """The frames of a task: the first one, which is all that ``get_stack`` has, and those that it awaits."""
    awaited: Any = task.get_coro()  # whatever can be awaited
    while awaited is not None:
        if (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)) is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _nothing() -> None:
    """Do nothing: nobody waits."""
