"""uvicorn on asyncio, requests parsed in C (httptools): a reference, for it has no threads and no blocking handlers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httptools as httptools  # or uvicorn falls back to a parser in Python without a word
from uvicorn import Config, Server

from . import BODY, UVICORN, Peer
from .wsgi import pieces

# The messages of ASGI are mappings whose values have many types.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def answering(content: bytes) -> list[Message]:
    """The messages of one answer."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(content)).encode())]
    return [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": content},
    ]


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    """BODY."""
    for message in answering(BODY):
        await send(message)


async def taking(scope: Message, receive: Receive, send: Send) -> None:
    """How many bytes were posted."""
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    for message in answering(str(count).encode()):
        await send(message)


class UvicornServer:
    """An application served by an event loop in a thread."""

    def __init__(self, application: Application, certificate: str | None = None) -> None:
        config = Config(
            application,
            host="127.0.0.1",
            port=0,
            http="httptools",
            loop="asyncio",
            lifespan="off",
            log_level="critical",
            access_log=False,
            backlog=1024,
            ssl_certfile=certificate,
        )
        self._server = Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.0002)  # it has no other way to say so
        self.host, self.port = self._server.servers[0].sockets[0].getsockname()

    def _run(self) -> None:
        asyncio.run(self._server.serve())

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


def plain() -> UvicornServer:
    return UvicornServer(hello)


def secure(certificate: str) -> UvicornServer:
    return UvicornServer(hello, certificate)


def upload() -> UvicornServer:
    return UvicornServer(taking)


def stream(size: str) -> UvicornServer:
    async def application(scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/octet-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces(int(size)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return UvicornServer(application)


PEER = Peer(UVICORN, {"plain": plain, "secure": secure, "upload": upload, "chunked": upload, "stream": stream})
