"""Requests that came before, byte for byte: a client repeats itself, and so does the choice of a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_httpserve.scripting.request import Request

if TYPE_CHECKING:
    from pytest_httpserve.scripting.routes import Route
    from pytest_httpserve.wire.head import Version
    from pytest_httpserve.wire.headers import Headers


class KnownRequest(NamedTuple):
    """What the bytes of a request without a body say, and the route that takes it, with the parameters in its path.

    ``line`` is the request line.
    """

    line: str
    method: str
    target: str
    headers: Headers
    version: Version
    keeps_alive: bool
    route: Route
    path_params: Mapping[str, Any]

    def request(self, client_address: tuple[str, int], connection_index: int, exchange_index: int) -> Request:
        """The request, as one that has come over this connection."""
        return Request(
            self.method,
            self.target,
            self.headers,
            self.version,
            client_address,
            connection_index=connection_index,
            exchange_index=exchange_index,
            path_params=self.path_params,
        )
