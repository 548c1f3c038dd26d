"""The life of an ASGI application (ASGI lifespan, version 2.0): it is told of its beginning and of its end."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_httpserve.scripting.live.event_loop import EventLoop

Message = dict[str, Any]

# How long an application may take to begin, in seconds.
_PATIENCE = 10.0


class Lifespan:
    """That of one application, once on each event loop that it comes to run on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: EventLoop | None = None  # where it has begun
        self._state: Message = {}
        self._failure = ""

    def begin(self, loop: EventLoop, application: Any) -> Message:
        """Have it begin, unless it has; what it has put down for its requests. Raises RuntimeError if it has failed."""
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
            self._failure = f"the application did not begin (lifespan.startup) within {_PATIENCE} s"

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
            self._failure = f"the application could not begin: {answer.result().get('message', '')}"
        elif answer.done():
            loop.at_end(end)
        else:
            answer.cancel()
            life.exception()  # raised on purpose, most often: it knows of no lifespan, and is called without
        begun.set()
