"""Scenarios: routes that answer depending on a state, and change it."""

from __future__ import annotations

import re
import threading
from typing import Unpack

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.routing.criteria import Criteria, as_matcher
from pytest_httpserve.scripting.routing.matchers import Matcher
from pytest_httpserve.scripting.routing.route import Otherwise, Route, calling_place
from pytest_httpserve.scripting.routing.routes import Routes


class Scenario:
    """A state that routes depend on (``when``) and change (``then``). It begins as ``new``.

    ::

        flow = httpserve.scenario("order")
        flow.on("GET", "/orders/1").when("new").respond(json={"state": "open"}).then("paid")
        flow.on("GET", "/orders/1").when("paid").respond(json={"state": "paid"})
    """

    def __init__(self, name: str, routes: Routes) -> None:
        if not isinstance(name, str) or not name:
            raise UsageError(f"a scenario needs a name, a non-empty str, not {name!r}")
        self.name = name
        self.state = "new"
        self.lock: threading.Lock = threading.Lock()  # a request reads the state and changes it in one step
        self._routes = routes

    def on(
        self,
        method: str | Matcher,
        path: str | re.Pattern[str] = "*",
        *,
        priority: int = 0,
        otherwise: Otherwise = "fail",
        **criteria: Unpack[Criteria],
    ) -> Route:
        """Add a route to the scenario. Takes the arguments of ``httpserve.on``."""
        route = Route(as_matcher(method, path, criteria), calling_place(1), priority=priority, otherwise=otherwise)
        return route.join(self._routes, self)

    def __repr__(self) -> str:
        return f"<Scenario {self.name!r} in state {self.state!r}>"
