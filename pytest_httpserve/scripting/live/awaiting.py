"""Waits for coroutines, which do not block the event loop, under asyncio or trio."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pytest_httpserve import clock

if TYPE_CHECKING:
    import asyncio

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def awaited(function: Callable[Parameters, Result]) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Make a function that waits into a coroutine function for asyncio, trio or anyio.

    If the coroutine is cancelled, its thread goes on waiting until its timeout, and the result is dropped.
    """

    @wraps(function)
    async def wait(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        __tracebackhide__ = True
        call = partial(function, *args, **kwargs)
        if _runs_in_trio():
            import trio

            return await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        return await in_thread(call, _in_new_thread)

    return wait


class Condition(threading.Condition):
    """A condition that coroutines can also wait for, without a thread. A cancelled wait takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: dict[Callable[[], object], Callable[[], object]] = {}  # conditions by wakers

    def notify_all(self) -> None:
        super().notify_all()
        for wake, holds in list(self._awaited.items()):
            if holds():
                wake()

    async def until(self, holds: Callable[[], object], seconds: float | None, act: Callable[[], Result]) -> Result:
        """The result of ``act``, called under the lock as soon as ``holds`` is true, or after ``seconds``."""
        __tracebackhide__ = True
        expiry = clock.monotonic() + seconds if seconds is not None else None
        while True:
            told, wake = _bell()
            with self:
                left = expiry - clock.monotonic() if expiry is not None else None
                if holds() or (left is not None and left <= 0):
                    return act()
                self._awaited[wake] = holds
            try:
                await _within(left, told)
            finally:
                with self:
                    del self._awaited[wake]


def _bell() -> tuple[Callable[[], Awaitable[object]], Callable[[], object]]:
    """A function to await, and a function that ends that wait from any thread."""
    if _runs_in_trio():
        import trio

        rung = trio.Event()
        return rung.wait, partial(_unless_over, trio.lowlevel.current_trio_token().run_sync_soon, rung.set)
    import asyncio

    struck = asyncio.Event()
    return struck.wait, partial(_unless_over, asyncio.get_running_loop().call_soon_threadsafe, struck.set)


def _unless_over(call: Callable[..., object], *arguments: object) -> None:
    """Make a call on a loop, unless the loop has ended."""
    with contextlib.suppress(RuntimeError):  # trio.RunFinishedError is one, too
        call(*arguments)


async def _within(seconds: float | None, wait: Callable[[], Awaitable[object]]) -> None:
    """Wait at most ``seconds``."""
    if _runs_in_trio():
        import trio

        with trio.move_on_after(math.inf if seconds is None else seconds):
            await wait()
        return
    import asyncio

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wait()


def _runs_in_trio() -> bool:
    if "trio" not in sys.modules:
        return False
    import trio

    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def in_thread(call: Callable[[], Result], run: Callable[[Callable[[], object]], object]) -> Result:
    """Make a call in a thread that ``run`` provides, while the asyncio loop goes on. Returns its result.

    It does not use asyncio's own threads, since the end of the loop would wait for them.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle() -> None:
        outcome: Callable[[], object]
        try:
            outcome = partial(future.set_result, call())
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        _unless_over(loop.call_soon_threadsafe, _unless_cancelled, future, outcome)

    run(settle)
    return await future


def _in_new_thread(call: Callable[[], object]) -> None:
    threading.Thread(target=call, name="httpserve-wait", daemon=True).start()


def _unless_cancelled(future: asyncio.Future[Any], settle: Callable[[], object]) -> None:
    if not future.done():
        settle()
