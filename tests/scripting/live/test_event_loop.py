"""Coroutines of a server whose loop ends before they begin."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

from pytest_httpserve.scripting.live.event_loop import EventLoop


async def answer() -> str:
    return "well"


def test_a_coroutine_that_is_cancelled_before_it_begins_is_over() -> None:
    """Otherwise its thread would wait for ever, and Python would warn that it was never awaited."""
    reports: list[str] = []
    loop = EventLoop(reports.append)
    blocked, go, done = threading.Event(), threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        go.wait(20)

    loop.start(block(), lambda: None)
    assert blocked.wait(20)
    coroutine = answer()
    running = loop.start(coroutine, done.set)
    running.cancel()
    go.set()

    assert done.wait(20)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    with pytest.raises(asyncio.CancelledError):
        running.value()
    loop.end()
    assert reports == []


def test_a_coroutine_that_comes_after_the_end_is_over() -> None:
    loop = EventLoop(lambda text: None)
    done = threading.Event()
    loop.end()

    coroutine = answer()
    running = loop.start(coroutine, done.set)

    assert done.wait(20)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    with pytest.raises(asyncio.CancelledError):
        running.value()
