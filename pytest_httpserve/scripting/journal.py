"""The journal: every exchange of a server, in the order in which the requests came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_httpserve.wire.headers import Headers

if TYPE_CHECKING:
    from pytest_httpserve.scripting.request import Request
    from pytest_httpserve.scripting.routes import Route


class Answer:
    """The response of an exchange as it went out."""

    __slots__ = ("_head", "status")

    def __init__(self, status: int, head: bytes) -> None:
        self.status = status
        self._head = head

    @property
    def headers(self) -> Headers:
        """All headers that were sent, with those that the server added."""
        lines = self._head.decode("latin-1").split("\r\n")[1:-2]
        return Headers((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class Exchange:
    """A request and its response. ``response`` is None until there is one; ``route`` None where no route gave it.

    ``notes`` are lines on what went on beside it: what a CGI script wrote to its stderr, how it ended.
    """

    __slots__ = ("notes", "request", "response", "route")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Answer | None = None
        self.route: Route | None = None
        self.notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Exchange {self.request} -> {self.response.status if self.response else 'no answer yet'}>"


class Journal:
    """Exchanges, and what went wrong with them. Written by the server's threads, read by the test's."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self._failures: list[str] = []
        self._taken = 0

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All exchanges so far."""
        return tuple(self._exchanges)

    @property
    def failures(self) -> tuple[str, ...]:
        """What must fail the test, each as a text to read."""
        return tuple(self._failures)

    def record(self, exchange: Exchange) -> None:
        """Add an exchange; its response may follow."""
        self._exchanges.append(exchange)

    def record_failure(self, text: str) -> None:
        """Add what must fail the test."""
        self._failures.append(text)

    def take_failures(self) -> tuple[str, ...]:
        """The failures since the last time this was called."""
        failures = self.failures
        taken, self._taken = self._taken, len(failures)
        return failures[taken:]

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges = []
        self._failures, self._taken = [], 0
