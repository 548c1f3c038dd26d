"""A WebSocket connection that an ASGI application answers (ASGI WebSocket, version 2.4).

The handshake is a Call: the application accepts it, or answers it like any request. After that, the application has
the server's end of the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.errors import WebSocketClosed
from pytest_httpserve.protocol.websocket import (
    ABNORMAL,
    INTERNAL_ERROR,
    NORMAL,
    Frames,
    check_extra,
    check_handshake,
    offered_subprotocols,
    open_handshake,
)
from pytest_httpserve.scripting.live.awaiting import in_thread
from pytest_httpserve.scripting.mounts.asgi_call import Call, Message, head_of, leads_to, settle
from pytest_httpserve.scripting.websockets.link import Link
from pytest_httpserve.scripting.websockets.wanted import check_code, check_message

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.mounts.mount import Application

# The usual limit of ASGI servers for a message.
_MOST_BYTES = 16 << 20


class WebSocketCall:
    """A call of an application for one WebSocket connection; ``call`` answers its handshake.

    Raises UnsupportedError without the extra ``websocket``, RequestError for a handshake that breaks the rules.
    """

    def __init__(self, asked: Asked, call: Call) -> None:
        check_extra("a WebSocket connection to an ASGI application")
        check_handshake(asked.stream.headers, asked.stream.version)
        self._asked = asked
        self._call = call
        self._told_of_connect = False
        self._answered = False  # whether the handshake has been answered in any way
        self._accepts = False
        self._opened: asyncio.Future[Message]  # done when there is a link, or when there will never be one
        self._link: Link | None = None
        self._over: int | None = None  # set when the application is over: the code to close with
        self._closed: WebSocketClosed | None = None  # the exception raised in the application
        self._told: int | None = None  # the code of the disconnect that the application was told of

    # On the event loop

    async def run(self, application: Application, scope: Message) -> None:
        """Let the application answer. If it raises, the test fails, unless that says that the connection is over."""
        self._opened = asyncio.get_running_loop().create_future()
        code = NORMAL
        try:
            await application(self._scope(scope), self._receive, self._send)
        except BaseException as error:
            if not self._accepts:
                raise
            code = INTERNAL_ERROR
            if not self._is_told(error):
                self._asked.record_exception(error)
        self._over = code
        if self._link is not None:
            self._end(self._link, code)

    def _scope(self, scope: Message) -> Message:
        del scope["method"]
        return {
            **scope,
            "type": "websocket",
            "scheme": scope["scheme"].replace("http", "ws"),
            "subprotocols": offered_subprotocols(self._asked.stream.headers),
            "extensions": {"websocket.http.response": {}},
        }

    def _is_told(self, error: BaseException) -> bool:
        """Whether an exception only says that the connection is over."""
        if isinstance(error, asyncio.CancelledError) and (self._asked.event_loop.ends or self._call.stopped.is_set()):
            return True
        if any(one is not None and leads_to(error, one) for one in (self._closed, self._call.broken)):
            return True
        # Frameworks raise their own exception for a disconnect that they received. It has the same code.
        return self._told is not None and getattr(error, "code", None) == self._told

    async def _receive(self) -> Message:
        if not self._told_of_connect:
            self._told_of_connect = True
            return {"type": "websocket.connect"}
        if not self._accepts:
            await self._call.until_left()
        if self._accepts:
            await asyncio.wait([self._opened])
        code, reason = ABNORMAL, ""
        if (link := self._link) is not None:
            message = await link.receive()
            if message is not None:
                return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}
            if link.closed is not None:
                _, code, reason = link.closed
        self._told = code
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def _send(self, message: Message) -> None:
        link = self._link
        match message["type"]:
            case "websocket.accept" if not self._answered:
                await self._accept(message)
            case "websocket.close" if not self._answered:
                self._answered = True
                await self._call.send({"type": "http.response.start", "status": 403})
                await self._call.send({"type": "http.response.body"})
            case "websocket.http.response.start" | "websocket.http.response.body" as kind if not self._accepts:
                self._answered = True
                await self._call.send({**message, "type": kind.removeprefix("websocket.")})
            case "websocket.send" if link is not None:
                data = message.get("bytes")
                data = check_message("websocket.send", data if data is not None else message.get("text"))
                await self._say(link, partial(link.send, data))
            case "websocket.close" if link is not None:
                code, reason = message.get("code", NORMAL), message.get("reason") or ""
                check_code(code, reason)
                await self._say(link, partial(link.close, code, reason))
            case kind:
                raise RuntimeError(f"an application cannot send {kind!r} here")

    async def _accept(self, message: Message) -> None:
        stream, subprotocol = self._asked.stream, message.get("subprotocol")
        spoken = [subprotocol] if subprotocol is not None else []
        opening = open_handshake(stream.headers, stream.version, spoken, compresses=False)
        if subprotocol != opening.subprotocol:
            raise RuntimeError(f"the application accepts {subprotocol!r}, a subprotocol that the client did not offer")
        head = head_of(101, message.get("headers", ()), opening.fields)
        self._answered = self._accepts = True
        self._call.switch(head, self._open, partial(settle, self._opened, {}))
        await asyncio.wait([self._opened])
        self._call.check_client()

    async def _say(self, link: Link, say: Callable[[], object]) -> None:
        """Call ``say`` in a thread, since it may have to wait for the client."""
        try:
            link.check_open()
            await in_thread(say, link.run)
        except WebSocketClosed as error:
            self._closed = error
            raise

    # In the thread of the handshake

    def _open(self, asked: Asked, faults: tuple[Fault, ...]) -> None:
        self._link = link = Link(
            asked,
            Frames(None, _MOST_BYTES),
            asked.journal,
            answers_pings=True,
            runs_code=True,
            place="",
            faults=faults,
        )
        if self._over is not None:
            self._end(link, self._over)
        settle(self._opened, {})
        link.begin()

    def _end(self, link: Link, code: int) -> None:
        link.run(partial(link.close, code, ""))
