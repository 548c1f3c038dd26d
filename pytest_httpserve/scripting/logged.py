"""The log of a scripted server. Its handlers belong to the test, and may send requests to this very server."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection

logger: logging.Logger = logging.getLogger("pytest_httpserve.scripting")
_NAME = logger.name.encode()
# Seconds that another thread may spend in a handler to write a line. One that takes longer may be waiting for this very
# server.
_MOMENT = 0.05


def is_wanted(request: bytes) -> bool:
    """Whether to log this request. One that itself delivers such a log line is not logged, or each line would cause
    another."""
    return logger.isEnabledFor(logging.DEBUG) and _NAME not in request


def write_line(connection: Connection, format: str, *args: object) -> None:
    """Write a line at once, or as soon as the log handlers are free.

    Each handler has a lock. A thread that logs to this server through logging.handlers.HTTPHandler holds it until it
    has the response, and this line comes before that.
    """
    if _are_free(_MOMENT):
        logger.debug(format, *args)
    elif (loop := connection.turn.loop) is not None:
        with contextlib.suppress(RuntimeError):  # there are no more threads
            loop.workers.run(lambda: _write_later(connection, format, *args))


def _write_later(connection: Connection, format: str, *args: object) -> None:
    if _are_free(-1) and not connection.closing:
        logger.debug(format, *args)


def _are_free(seconds: float) -> bool:
    """Whether no other thread is in a handler, or leaves it within ``seconds``; -1 waits for ever."""
    for handler in _handlers():
        if handler.lock is not None:
            if not handler.lock.acquire(timeout=seconds):
                return False
            handler.lock.release()
    return True


def _handlers() -> Iterator[logging.Handler]:
    source: logging.Logger | None = logger
    while source is not None:
        yield from source.handlers
        source = source.parent if source.propagate else None
