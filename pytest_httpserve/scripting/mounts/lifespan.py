"""ASGI lifespan, version 2.0: tell an application when it starts and when it ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_httpserve.scripting.live.event_loop import EventLoop

Message = dict[str, Any]

# Seconds that an application may take to start.
_PATIENCE = 10.0


class Lifespan:
    """The lifespan of one application, once for each event loop on which it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: EventLoop | None = None  # where it has started
        self._state: Message = {}
        self._failure = ""

    def begin(self, loop: EventLoop, application: Any) -> Message:
        """Start it, unless it has started. Returns its state for requests. Raises RuntimeError if starting failed."""
        with self._lock:
            if self._loop is not loop:
                self._loop, self._state, self._failure = loop, {}, ""
                self._begin(loop, application)
        if self._failure:
            raise RuntimeError(self._failure)
        return self._state

    def _begin(self, loop: EventLoop, application: Any) -> None:
        over = threading.Event()
        running = loop.start(self._live(loop, application, over), over.set)
        if not over.wait(_PATIENCE):
            running.cancel()
            self._failure = f"the application did not start (lifespan.startup) within {_PATIENCE} s"

    async def _live(self, loop: EventLoop, application: Any, begun: threading.Event) -> None:
        asked: asyncio.Queue[Message] = asyncio.Queue()
        answered: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        life = asyncio.ensure_future(application(scope, asked.get, answered.put))
        answer = asyncio.ensure_future(answered.get())

        async def end() -> None:
            await asked.put({"type": "lifespan.shutdown"})
            await life

        await asked.put({"type": "lifespan.startup"})
        await asyncio.wait((life, answer), return_when=asyncio.FIRST_COMPLETED)
        if answer.done() and answer.result()["type"] == "lifespan.startup.failed":
            self._failure = f"the application could not start: {answer.result().get('message', '')}"
        elif answer.done():
            loop.at_end(end)
        else:
            answer.cancel()
            life.exception()  # mostly raised on purpose: it does not support lifespan, and can be called without
        begun.set()
