"""Scenarios: routes that answer by a state, and change it."""

from __future__ import annotations

import re
from typing import Any

from pytest_httpserve.scripting.matchers import Matcher, match
from pytest_httpserve.scripting.routes import Route, Routes, calling_place


class Scenario:
    """A state that routes ask for (``when``) and change (``then``). It begins as ``new``.

    ::

        flow = httpserve.scenario("order")
        flow.on("GET", "/orders/1").when("new").respond(json={"state": "open"}).then("paid")
        flow.on("GET", "/orders/1").when("paid").respond(json={"state": "paid"})
    """

    def __init__(self, name: str, routes: Routes) -> None:
        self.name = name
        self.state = "new"
        self._routes = routes

    def on(
        self, method: str | Matcher, path: str | re.Pattern[str] = "*", *, priority: int = 0, **criteria: Any
    ) -> Route:
        """A route of the scenario; the arguments are those of ``httpserve.on``."""
        matcher = method if isinstance(method, Matcher) else match(method, path, **criteria)
        return Route(matcher, calling_place(1), priority=priority).join(self._routes, self)

    def __repr__(self) -> str:
        return f"<Scenario {self.name!r} in state {self.state!r}>"
