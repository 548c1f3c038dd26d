"""Routes: which response a request gets."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.request import canonical_path
from pytest_httpserve.scripting.responses import HeadersArgument, Response
from pytest_httpserve.wire import grammar

if TYPE_CHECKING:
    from pytest_httpserve.scripting.journal import Exchange


class Route:
    """What answers a method and a path. ``calls`` are the exchanges it has answered, ``place`` where it was written."""

    def __init__(self, method: str, path: str, place: str) -> None:
        self.method = _check_method(method)
        self.path = _check_path(path)
        self.place = place
        self.calls: list[Exchange] = []
        self._waiting: deque[Response] = deque()
        self._last: Response | None = None
        self._lock = threading.Lock()  # each response goes to one call, however many come in at once

    def respond(
        self,
        status: int = 200,
        *,
        text: str | None = None,
        html: str | None = None,
        json: object = ...,
        body: bytes | None = None,
        file: str | os.PathLike[str] | None = None,
        headers: HeadersArgument | None = None,
        reason: str | None = None,
    ) -> Route:
        """Add a response: calls are answered by one after the other, and by the last until another one is added.

        The arguments are those of ``Response``, and refused alike.
        """
        self._waiting.append(
            Response(status, text=text, html=html, json=json, body=body, file=file, headers=headers, reason=reason)
        )
        return self

    def take(self, exchange: Exchange) -> Response | None:
        """The response to this exchange, which now counts as a call; None if the route was given none."""
        with self._lock:
            self.calls.append(exchange)
            if self._waiting:
                self._last = self._waiting.popleft()
            return self._last

    def __repr__(self) -> str:
        return f"<Route {self.method} {self.path}, written at {self.place}>"


class Routes:
    """All routes of a server. Of two for the same method and path, the later one answers."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Route] = {}

    def add(self, route: Route) -> Route:
        """Add a route and hand it back."""
        self._by_key[route.method, canonical_path(route.path)] = route
        return route

    def find(self, method: str, path: str) -> Route | None:
        """The route for this method and path (canonical)."""
        return self._by_key.get((method, path))

    def __iter__(self) -> Iterator[Route]:
        return iter(list(self._by_key.values()))

    def clear(self) -> None:
        """Forget all of them."""
        self._by_key.clear()


def calling_place(depth: int) -> str:
    """``file:line`` of the code that called, ``depth`` frames above the caller of this function."""
    frame = sys._getframe(depth + 1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _check_method(method: str) -> str:
    if not isinstance(method, str) or not grammar.TOKEN.fullmatch(method):
        raise UsageError(f"a method is a word such as GET, not {method!r}")
    if method != method.upper():
        raise UsageError(f"methods are case-sensitive, and {method!r} is none that is in use: {method.upper()!r}?")
    return method


def _check_path(path: str) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"a path begins with a slash; {path!r} does not")
    if "?" in path or "#" in path:
        raise UsageError(f"a path ends before ? and #; {path!r} has one of them")
    return path
