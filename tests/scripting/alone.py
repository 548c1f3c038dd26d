"""A server whose failures fail no test by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING


@contextmanager
def alone(**settings: Any) -> Iterator[HTTPServe]:  # the arguments of HTTPServe
    """Started; what goes wrong on it is in ``failures``, and the plugin does not know of it."""
    server = HTTPServe(**settings).start()
    RUNNING.discard(server)
    try:
        yield server
    finally:
        server.stop()
