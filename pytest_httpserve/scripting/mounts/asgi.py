"""ASGI applications under a prefix (ASGI 3.0: HTTP, WebSocket and lifespan), run on the server's event loop."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_httpserve.scripting.mounts.asgi_call import Call, Message
from pytest_httpserve.scripting.mounts.lifespan import Lifespan
from pytest_httpserve.scripting.mounts.mount import ApplicationMount
from pytest_httpserve.scripting.mounts.outgoing import Outgoing

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked


@dataclass(frozen=True, slots=True)
class ASGIMount(ApplicationMount):
    """An ASGI application; the prefix is its ``root_path``."""

    lifespan: Lifespan = field(default_factory=Lifespan)

    def serve(self, asked: Asked, below: str) -> None:
        """Let the application answer the request."""
        state = self.lifespan.begin(asked.event_loop, self.application)
        scope = _scope(asked, self.prefix, state)
        opens = asked.stream.asks_to_leave and _is_handshake(asked)
        with Outgoing(asked, chunk=asked.stream.version >= (1, 1)) as response:
            call = Call(asked, response)
            if opens:
                # Imported only here, since it needs an extra.
                from pytest_httpserve.scripting.mounts.asgi_websocket import WebSocketCall

                call.run(WebSocketCall(asked, call).run(self.application, scope))
            else:
                call.run(self.application(scope, call.receive, call.send))


def _is_handshake(asked: Asked) -> bool:
    return asked.method == "GET" and asked.stream.headers.get("upgrade", "").lower() == "websocket"


def _scope(asked: Asked, prefix: str, state: Message) -> Message:
    """The connection scope of a request (ASGI HTTP, version 2.4)."""
    address: object = asked.server.server_address
    major, minor = asked.stream.version
    path = asked.parts.path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": f"{major}.{minor}" if major < 2 else f"{major}",
        "method": asked.method,
        "scheme": "http" if asked.connection.transport.plain else "https",
        "path": urllib.parse.unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": (asked.parts.query or "").encode("latin-1"),
        "root_path": urllib.parse.unquote_to_bytes(prefix).decode("utf-8", "replace"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in asked.stream.headers.fields
        ],
        "client": asked.client,
        "server": address[:2] if isinstance(address, tuple) else (address, None),
        "state": dict(state),
        "extensions": {},
    }
