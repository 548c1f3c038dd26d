"""All routes of a server, and which of them answers a request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.route import Route, Sought
from pytest_httpserve.wire.memory import LONGEST_TEXT
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.journal import Journal

_MOST_PATHS = 1024


class _Node:
    """A place in the tree of paths: its children by name, its child for a parameter, and the routes that end here."""

    __slots__ = ("named", "parameter", "routes")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: tuple[Route, ...] = ()

    def find(self, segments: list[str], at: int) -> tuple[Route, ...]:
        """The routes that fit ``segments`` from ``at`` on."""
        if at == len(segments):
            return self.routes
        named = self.named.get(segments[at])
        found = named.find(segments, at + 1) if named is not None else ()
        if self.parameter is not None:
            found += self.parameter.find(segments, at + 1)
        return found


class Found(NamedTuple):
    """The route for a request, if any, its path parameters, and the parameters in the form that the journal keeps."""

    route: Route | None
    parameters: Mapping[str, Any]
    kept: tuple[tuple[str, Any], ...]


NOT_FOUND = Found(None, MappingProxyType({}), ())
MISSED = Found(None, MappingProxyType({}), ())  # method and path fit a route, but its other criteria do not


class Candidates(NamedTuple):
    """The routes whose path matches, in the order in which to try them. ``compares`` says that one of them looks at
    more than method and path, ``runs_code`` that one of them may call code of the test."""

    routes: tuple[Found, ...]
    compares: bool
    runs_code: bool


class _WholeRequest(NamedTuple):
    """A request that has already been made."""

    method: str
    target: str
    request: Request

    def note_raised(self, route: Route, error: BaseException) -> None:
        """Do nothing: the reports on near misses show what criteria raise."""


class Routes:
    """All routes of a server. Of those that take a request, the one with the highest priority answers, then the latest.

    Routes are kept in a tree by the segments of their paths, so that a thousand cost little more than one. ``checks``
    are called at the end of a test, and record failures for event streams and the like that nobody accepted.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = journal  # records their calls
        self.checks: list[Callable[[], object]] = []
        self._lock = threading.Lock()  # held to change them; searches go without
        self._all: dict[Route, None] = {}
        self._tree = _Node()
        self._others: tuple[Route, ...] = ()  # those whose path is not a list of segments
        self._found: dict[str, Candidates] = {}  # earlier results, by path

    def add(self, route: Route) -> None:
        """Add a route."""
        with self._lock:
            self._all[route] = None
            self._place(route)

    def discard(self, route: Route) -> None:
        """Remove a route."""
        with self._lock:
            self._all.pop(route, None)
            rest = Routes()
            for other in self._all:
                rest.add(other)
            # Requests go on meanwhile, and must find all other routes at every moment.
            self._tree, self._others, self._found = rest._tree, rest._others, {}

    def _place(self, route: Route) -> None:
        segments = route.pattern.segments if route.pattern is not None else None
        if segments is None:
            self._others += (route,)
            self._found = {}
            return
        node = self._tree
        for segment in segments:
            if segment is None:
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.named.setdefault(segment, _Node())
        node.routes += (route,)
        self._found = {}

    def find(self, request: Request) -> Found:
        """The route that answers ``request``."""
        asked = _WholeRequest(request.method, request.target, request)
        return self.choose(self.candidates(target_of(request.target).canonical), asked)

    def choose(self, candidates: Candidates, asked: Sought) -> Found:
        """The first of the candidates that takes the request. If none does, MISSED for a near miss, else NOT_FOUND.

        A route for GET also answers HEAD, unless there is one for HEAD.
        """
        method = asked.method
        for sought in (method,) if method != "HEAD" else ("HEAD", "GET"):
            for found in candidates.routes:
                route = found.route
                if route is not None and route.takes(asked, sought):
                    if route.has_further_paths:
                        return _found(route, route.matcher.path_params(asked.request))
                    return found
        for found in candidates.routes:
            if found.route is not None and found.route.is_missed(method):
                return MISSED
        return NOT_FOUND

    def candidates(self, path: str) -> Candidates:
        """The routes whose path matches."""
        known = self._found  # if a route is added meanwhile, self._found is another dict
        if (candidates := known.get(path)) is not None:
            return candidates
        found = []
        for route in self._others + self._tree.find(path.split("/"), 0):
            parameters = route.pattern.match(path) if route.pattern is not None else {}
            if parameters is not None:
                found.append((route, parameters))
        found.sort(key=lambda one: one[0].rank, reverse=True)
        candidates = Candidates(
            tuple(_found(*one) for one in found),
            any(route.further for route, _ in found),
            any(route.matcher.runs_code for route, _ in found),
        )
        if len(path) <= LONGEST_TEXT:
            if len(known) >= _MOST_PATHS:
                known.clear()
            known[path] = candidates
        return candidates

    def __iter__(self) -> Iterator[Route]:
        return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def clear(self) -> None:
        """Forget all routes."""
        with self._lock:
            self._all.clear()
            self.checks.clear()
            self._tree, self._others, self._found = _Node(), (), {}


def _found(route: Route, parameters: Mapping[str, Any]) -> Found:
    return Found(route, MappingProxyType(dict(parameters)), tuple(parameters.items()))
