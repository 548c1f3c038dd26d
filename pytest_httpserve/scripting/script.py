"""A script: what a server has been told, and what it has seen."""

from __future__ import annotations

from collections import deque

from pytest_httpserve.scripting.answers.limits import Guards
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.faults.rules import FaultRules
from pytest_httpserve.scripting.mounts.mount import Mounts
from pytest_httpserve.scripting.record.journal import FaultEvent, Journal
from pytest_httpserve.scripting.routing.routes import Routes


class Script:
    """What a server has been told, and what it has seen."""

    __slots__ = ("fault_rules", "guards", "journal", "mounts", "queue", "routes")

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.routes = Routes(journal)
        self.mounts = Mounts()
        self.queue: deque[Response] = deque()  # for requests that nothing else answers
        self.fault_rules = FaultRules()
        self.guards = Guards(journal)

    def record_fault_event(self, event: FaultEvent) -> None:
        """A fault has happened."""
        self.journal.record_fault_event(event)
        self.fault_rules.happened(event.fault)
