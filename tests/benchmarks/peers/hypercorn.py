"""hypercorn on asyncio, for HTTP/2 alone: it speaks it by ``h2``, as ours do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from . import BODY, HYPERCORN, Peer


# The messages of ASGI have many types.
async def hello(scope: Any, receive: Any, send: Any) -> None:
    """BODY; there is nothing to do at the beginning and the end of the server."""
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


class HypercornServer:
    """BODY, served by an event loop in a thread."""

    def __init__(self, certificate: str) -> None:
        self._config = Config()
        self._config.certfile = self._config.keyfile = certificate
        self._config.alpn_protocols = ["h2", "http/1.1"]
        self._config.accesslog = self._config.errorlog = None
        self._config.keep_alive_max_requests = 1 << 40
        listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = listener.getsockname()
        self._config.bind = [f"fd://{listener.detach()}"]
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(serve(hello, self._config, shutdown_trigger=self._stopped.wait))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()


PEER = Peer(HYPERCORN, {"http2": HypercornServer}, only=("http2",))
