"""A pytest plugin: how long each test took, set-up and teardown included, as JSON into the file $BENCHMARK_TIMES."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

_times: list[float] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    begun = time.perf_counter()
    try:
        return (yield)
    finally:
        _times.append(time.perf_counter() - begun)


def pytest_sessionfinish() -> None:
    Path(os.environ["BENCHMARK_TIMES"]).write_text(json.dumps(_times))
