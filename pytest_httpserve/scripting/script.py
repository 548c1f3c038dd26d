"""A script: what the test has told a server, and what the server has seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.limits import Guards
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.faults.rules import FaultRules
from pytest_httpserve.scripting.mounts.mount import Mounts
from pytest_httpserve.scripting.origins.origins import Origins
from pytest_httpserve.scripting.record.journal import FaultEvent, Journal
from pytest_httpserve.scripting.routing.route import Expectation
from pytest_httpserve.scripting.routing.routes import Routes

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.record.request import Request


def check_http2(value: object) -> bool | str:
    """Check a value of ``http2=``: True, False or ``"only"``. Raises UsageError for anything else, UnsupportedError if
    the extra is missing."""
    if value is False:
        return False
    if value is not True and value != "only":
        raise UsageError(f"http2= must be True, False or 'only', not {value!r}")
    from pytest_httpserve.protocol.http2 import check_extra

    check_extra()
    return True if value is True else "only"


class Script:
    """What the test has told a server or one of its origins, named ``whose``, and what the server has seen.

    ``origins`` are the origins of the server, once it is a proxy. ``beyond`` answers what nothing else answers; it is
    called with the connection, the request and the origin that the request names. ``advice`` is a line for the report
    on an unanswered request. ``http2`` says whether the server speaks HTTP/2, or ``"only"`` HTTP/2.
    """

    __slots__ = (
        "advice",
        "beyond",
        "fault_rules",
        "guards",
        "http2",
        "journal",
        "mounts",
        "origins",
        "queue",
        "routes",
        "whose",
    )

    def __init__(self, journal: Journal, whose: str = "") -> None:
        self.whose: str = whose
        self.advice: str = ""
        self.http2: bool | str = False
        self.origins: Origins[Any] | None = None  # Any: an Origin, which has a script itself
        self.beyond: Callable[[Connection, Request, str], Response] | None = None
        self.journal: Journal = journal
        self.routes: Routes = Routes(journal)
        self.mounts: Mounts = Mounts()
        self.queue: deque[Response] = deque()  # for requests that nothing else answers
        self.fault_rules: FaultRules = FaultRules()
        self.guards: Guards = Guards(journal)

    def clear(self) -> None:
        """Forget what the test said, and what the server saw."""
        self.routes.clear()
        self.queue.clear()
        self.fault_rules.clear()
        self.mounts.clear()
        self.guards.clear()
        self.journal.clear()
        self.advice = ""
        if self.origins is not None:
            self.origins.clear()

    def check_expectations(self, *, strict: bool) -> None:
        """Record a failure for each route that was not called as often as expected, and for each expected fault
        that did not happen. With ``strict``, a route without an expectation must be called at least once."""
        for check in self.routes.checks:
            check()
        for route in self.routes:
            expected = route.expectation
            if expected is None and strict and not route.is_optional:
                expected = Expectation(1, None)
            if expected is not None and not expected.met_by(route.call_count):
                self.journal.record_failure(route.describe_calls(expected) + "\n", "expectations", route.place)
        for fault in self.fault_rules.unmet:
            self.journal.record_failure(f"{fault!r} was expected to happen, but never did\n", "expectations")

    def record_fault_event(self, event: FaultEvent) -> None:
        """Record that a fault has happened."""
        self.journal.record_fault_event(event)
        self.fault_rules.happened(event.fault)
