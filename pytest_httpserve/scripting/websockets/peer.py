"""A peer: the server's end of a WebSocket connection, in the hands of the test."""

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

    ``exchange`` is the handshake's, ``subprotocol`` is the agreed subprotocol; None if there is none. Iterating over a
    peer gives the messages as they come, and ends with the connection.
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
        """The waiting methods for coroutines: ``await peer.aio.receive()`` does not block the event loop."""
        return PeerWaits(self)

    # Send

    def send(self, message: str | bytes, *, more: bool = False) -> None:
        """Send a text or binary message; with ``more``, a fragment of one, which the next ``send`` continues.

        Raises WebSocketClosed if the connection is over.
        """
        self._link.send(check_message("send()", message), more=more)

    def send_json(self, value: Any) -> None:  # what json.dumps takes
        """Send a value as JSON in a text message."""
        self._link.send(as_json(value))

    def ping(self, payload: bytes = b"", *, timeout: float | None = 5.0) -> None:
        """Send a ping, and wait up to ``timeout`` seconds for its pong. None does not wait.

        Raises AssertionError if no pong comes in time.
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
        """Send an unsolicited pong or, with ``answer_pings=False``, answer a ping."""
        self._link.control("pong", _check_payload("pong()", payload))

    def close(self, code: int | None = NORMAL, reason: str = "") -> None:
        """Send a close frame, without waiting for the client's. Does nothing if the connection is over.

        Without a code, the frame is empty. Messages that nobody has received do not fail the test after this.
        """
        check_code(code, reason)
        self._link.expect_nothing()
        self._link.close(code, reason)

    def reset(self) -> None:
        """Reset the connection, without a close frame."""
        self._link.expect_nothing()
        if not self.closed:
            self._link.reset()

    # Receive

    def receive(self, timeout: float = 5.0) -> str | bytes:
        """The next message. Waits for it up to ``timeout`` seconds.

        Raises AssertionError, which lists all messages, if none comes in time, and WebSocketClosed if the connection is
        over.
        """
        __tracebackhide__ = True
        seconds = check_seconds("timeout=", timeout)
        self._link.ask_for_more()
        with self._link.changed:
            self._link.changed.wait_for(self._link.has_news, seconds)
            return self._take(timeout)

    def _take(self, timeout: float) -> str | bytes:
        """Return or raise what ``receive`` does when its wait is over."""
        __tracebackhide__ = True
        message = self._link.take_out()
        return message if message is not None else self._fail(f"no message came within {timeout} s")

    def receive_json(self, timeout: float = 5.0) -> Any:  # what the client has sent
        """The next message as JSON. Raises ValueError if it is not JSON."""
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
        """The code with which the connection was closed: the client's, if it sent one; 1005 for a close frame without a
        code, 1006 without a close frame. None while it is open."""
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
    """The waiting methods of a peer, to be awaited under asyncio, trio or anyio; see ``ServerWaits``.

    ``async for`` gives the messages as they come, and ends with the connection.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.send: Final = awaited(peer.send)
        self.send_json: Final = awaited(peer.send_json)
        self.ping: Final = awaited(peer.ping)
        self.wait_closed: Final = awaited(peer.wait_closed)

    async def receive(self, timeout: float = 5.0) -> str | bytes:
        """Like ``Peer.receive``. If it is cancelled, it takes no message."""
        __tracebackhide__ = True
        link, seconds = self._peer._link, check_seconds("timeout=", timeout)
        link.ask_for_more()
        return await link.changed.until(link.has_news, seconds, partial(self._peer._take, timeout))

    async def receive_json(self, timeout: float = 5.0) -> Any:  # what the client has sent
        """Like ``Peer.receive_json``."""
        __tracebackhide__ = True
        return json.loads(await self.receive(timeout))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._peer._link.receive()) is not None:
            yield message


def _check_payload(given: str, payload: bytes) -> bytes:
    if not isinstance(payload, bytes) or len(payload) > _MOST_CONTROL_BYTES:
        raise UsageError(f"{given} takes at most {_MOST_CONTROL_BYTES} bytes, not {payload!r}")
    return payload
