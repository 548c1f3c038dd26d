"""Waits as coroutines await them: a thread waits, and no event loop is held up, be it asyncio's or trio's."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import asyncio

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def awaited(function: Callable[Parameters, Result]) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """A function that waits, as one to be awaited, under asyncio, trio or anyio.

    Where the coroutine is cancelled, the thread goes on waiting, for as long as its timeout says, and nobody is told.
    """

    @wraps(function)
    async def wait(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        __tracebackhide__ = True
        call = partial(function, *args, **kwargs)
        if _runs_in_trio():
            import trio

            return await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        return await _in_thread(call)

    return wait


def _runs_in_trio() -> bool:
    if "trio" not in sys.modules:
        return False
    import trio

    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def _in_thread(call: Callable[[], Result]) -> Result:
    """Not one of asyncio's own threads, which the end of its loop waits for."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        settle: Callable[[], object]
        try:
            settle = partial(future.set_result, call())
        except BaseException as error:
            settle = partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_unless_cancelled, future, settle)

    threading.Thread(target=run, name="httpserve-wait", daemon=True).start()
    return await future


def _unless_cancelled(future: asyncio.Future[Any], settle: Callable[[], object]) -> None:
    if not future.done():
        settle()
