"""Requests that came before, byte for byte: a client repeats itself, and so does the choice of a route."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.request import Facts
    from pytest_httpserve.scripting.routing.routes import Route
    from pytest_httpserve.wire.head import Version


class KnownRequest(NamedTuple):
    """What the bytes of a request without a body say, and the route that takes it.

    ``line`` is the request line.
    """

    line: str
    facts: Facts
    version: Version
    keeps_alive: bool
    route: Route
