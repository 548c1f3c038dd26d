"""What a hostile input may cost is counted in calls and in bytes, the same everywhere; never in time."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING

Measure = Callable[[Callable[[], object]], int]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServe]:
    """What goes wrong on it fails no test by itself."""
    monkeypatch.setenv("NO_PROXY", "*")
    server = HTTPServe().start()
    RUNNING.discard(server)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def calls() -> Measure:
    """Counts the calls of functions, those of C included, that some code takes in this thread."""

    def count(code: Callable[[], object]) -> int:
        counted = 0

        def note(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            code()
        finally:
            sys.setprofile(before)
        return counted

    return count


@pytest.fixture
def bytes_kept() -> Measure:
    """Measures the memory that is there after some code, and was not before."""

    def measure(code: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            code()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return after - before

    return measure


@pytest.fixture
def most_bytes() -> Measure:
    """Measures the most memory that some code has at any time."""

    def measure(code: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            code()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return peak - before

    return measure
