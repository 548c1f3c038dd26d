"""A peer: what a test holds of a WebSocket connection, at the server's end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_httpserve import clock
from pytest_httpserve.arguments import check_seconds
from pytest_httpserve.errors import UsageError, WebSocketClosed
from pytest_httpserve.protocol.websocket import NORMAL
from pytest_httpserve.scripting.live.awaiting import awaited
from pytest_httpserve.scripting.record.messages import Message
from pytest_httpserve.scripting.websockets.wanted import as_json, check_code, check_message, explained

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.exchange import Exchange
    from pytest_httpserve.scripting.record.request import Request
    from pytest_httpserve.scripting.websockets.link import Link

_MOST_CONTROL_BYTES = 125


class Peer:
    """The server's end of a WebSocket connection.

    ``exchange`` is that of the handshake, ``subprotocol`` what was agreed upon, None if nothing was. Iterating over it
    gives the messages as they come, and ends with the connection.
    """

    def __init__(self, link: Link, exchange: Exchange, subprotocol: str | None) -> None:
        self._link = link
        self.exchange = exchange
        self.subprotocol = subprotocol

    @property
    def request(self) -> Request:
        """The request of the handshake."""
        return self.exchange.request

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages and control frames so far, in both directions."""
        return self.exchange.messages

    @property
    def aio(self) -> PeerWaits:
        """What waits, for coroutines: ``await peer.aio.receive()`` holds no event loop up."""
        return PeerWaits(self)

    # Send

    def send(self, message: str | bytes, *, more: bool = False) -> None:
        """Send a message, text or binary; with ``more``, a fragment, which the next ``send`` goes on from.

        Raises WebSocketClosed if the connection is over.
        """
        self._link.send(check_message("send()", message), more=more)

    def send_json(self, value: Any) -> None:  # what json.dumps takes
        """Send a value as JSON, in a text message."""
        self._link.send(as_json(value))

    def ping(self, payload: bytes = b"", *, timeout: float | None = 5.0) -> None:
        """Send a ping, and wait so many seconds for its pong; None does not wait.

        Raises AssertionError if there is none in time.
        """
        __tracebackhide__ = True
        payload = _check_payload("ping()", payload)
        seconds = check_seconds("timeout=", timeout) if timeout is not None else None
        link = self._link
        with link.changed:
            link.pongs.clear()
        link.control("ping", payload)
        if seconds is None:
            return
        with link.changed:
            link.changed.wait_for(lambda: payload in link.pongs or link.closed is not None, seconds)
            if payload in link.pongs:
                return
        self._fail(f"no pong came within {timeout} s")

    def pong(self, payload: bytes = b"") -> None:
        """Send a pong, that nobody has asked for or, with ``answer_pings=False``, to answer a ping."""
        self._link.control("pong", _check_payload("pong()", payload))

    def close(self, code: int | None = NORMAL, reason: str = "") -> None:
        """Send a close frame, without waiting for that of the client; does nothing if the connection is over.

        Without a code, the frame is empty. What the client has sent before and nobody has received is no failure.
        """
        check_code(code, reason)
        self._link.expect_nothing()
        self._link.close(code, reason)

    def reset(self) -> None:
        """End the connection with a reset, without a close frame."""
        self._link.expect_nothing()
        if not self.closed:
            self._link.reset()

    # Receive

    def receive(self, timeout: float = 5.0) -> str | bytes:
        """The next message that nobody has received; waits for it ``timeout`` seconds.

        Raises AssertionError, with all messages, if there is none in time; WebSocketClosed if the connection is over.
        """
        __tracebackhide__ = True
        seconds = check_seconds("timeout=", timeout)
        self._link.ask_for_more()
        with self._link.changed:
            self._link.changed.wait_for(self._link.has_news, seconds)
            return self._take(timeout)

    def _take(self, timeout: float) -> str | bytes:
        """What ``receive`` returns, or raises, when its wait is over."""
        __tracebackhide__ = True
        message = self._link.take_out()
        return message if message is not None else self._fail(f"no message came within {timeout} s")

    def receive_json(self, timeout: float = 5.0) -> Any:  # what the client has sent
        """The next message, as JSON. Raises ValueError if it is not."""
        __tracebackhide__ = True
        return json.loads(self.receive(timeout))

    def __iter__(self) -> Iterator[str | bytes]:
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> str | bytes | None:
        self._link.ask_for_more()
        with self._link.changed:
            self._link.changed.wait_for(self._link.has_news)
            return self._link.take_out()

    def _fail(self, text: str) -> str | bytes:
        __tracebackhide__ = True
        if (closed := self._link.closed) is not None:
            raise WebSocketClosed(explained(closed.said, self.messages), closed.code, closed.reason)
        raise AssertionError(explained(text, self.messages))

    # The end

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._link.closed is not None

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with: the client's, if it sent one; 1005 for a close frame without,
        1006 if there was none. None while it is open."""
        return self._link.closed.code if self._link.closed is not None else None

    @property
    def close_reason(self) -> str:
        """The reason in the client's close frame; empty if there is none."""
        return self._link.closed.reason if self._link.closed is not None else ""

    def wait_closed(self, timeout: float = 5.0) -> None:
        """Wait until the connection is over. Raises AssertionError if it is not within ``timeout`` seconds."""
        __tracebackhide__ = True
        expiry = clock.monotonic() + check_seconds("timeout=", timeout)
        with self._link.changed:
            self._link.changed.wait_for(lambda: self.closed, max(expiry - clock.monotonic(), 0.0))
        if not self.closed:
            raise AssertionError(explained(f"the connection was still open after {timeout} s", self.messages))

    def __repr__(self) -> str:
        state = f"closed, {self.close_code}" if self.closed else "open"
        return f"<Peer of {self.exchange.request}, {state}>"


class PeerWaits:
    """What waits on a peer, to be awaited under asyncio, trio or anyio; see ``ServerWaits``.

    ``async for`` gives the messages as they come, and ends with the connection.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.send: Final = awaited(peer.send)
        self.send_json: Final = awaited(peer.send_json)
        self.ping: Final = awaited(peer.ping)
        self.wait_closed: Final = awaited(peer.wait_closed)

    async def receive(self, timeout: float = 5.0) -> str | bytes:
        """As ``receive`` of a peer. Whoever is cancelled meanwhile has taken no message."""
        __tracebackhide__ = True
        link, seconds = self._peer._link, check_seconds("timeout=", timeout)
        link.ask_for_more()
        return await link.changed.until(link.has_news, seconds, partial(self._peer._take, timeout))

    async def receive_json(self, timeout: float = 5.0) -> Any:  # what the client has sent
        """As ``receive_json`` of a peer."""
        __tracebackhide__ = True
        return json.loads(await self.receive(timeout))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._peer._link.receive()) is not None:
            yield message


def _check_payload(given: str, payload: bytes) -> bytes:
    if not isinstance(payload, bytes) or len(payload) > _MOST_CONTROL_BYTES:
        raise UsageError(f"{given} takes {_MOST_CONTROL_BYTES} bytes at most, not {payload!r}")
    return payload
