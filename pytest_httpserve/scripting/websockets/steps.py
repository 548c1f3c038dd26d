"""The steps of a route without a function, taken one after the other on each of its connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_httpserve.scripting.record.readable import brief
from pytest_httpserve.scripting.websockets.peer import Peer
from pytest_httpserve.scripting.websockets.wanted import as_message, explained, is_wanted

Step = Callable[[Peer], object]
With = Any  # a str, bytes, dict or list, or a function from a message to one of these


def send(message: str | bytes) -> Step:
    """A step that sends a message."""
    return lambda peer: peer.send(message)


def expect(wanted: object, timeout: float) -> Step:
    """A step that receives a message, which must be ``wanted``."""

    def step(peer: Peer) -> str | bytes:
        message = peer.receive(timeout)
        if not is_wanted(wanted, message):
            title = f"expected the message {brief(wanted)}, got {brief(message)}"
            raise AssertionError(explained(title, peer.messages))
        return message

    return step


def reply(wanted: object, with_: With, timeout: float) -> Step:
    """A step that receives a message, which must be ``wanted``, and answers it."""
    receive = expect(wanted, timeout)

    def step(peer: Peer) -> None:
        message = receive(peer)
        peer.send(as_message("with_", with_(message) if callable(with_) else with_))

    return step


def close(code: int | None, reason: str) -> Step:
    """A step that closes the connection."""
    return lambda peer: peer.close(code, reason)
