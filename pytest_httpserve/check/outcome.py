"""What a client did with one entry: how its command ended, and the requests that the server saw."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_httpserve.check.command import Ended
from pytest_httpserve.scripting.record.exchange import Exchange

_FIRST_NT_ERROR = 0xC0000000


@dataclass(frozen=True)
class Asked:
    """A request of the client, with its time and its answer."""

    method: str
    target: str
    begun: float
    answered: float | None
    status: int | None
    accepted: str
    version: tuple[int, int]
    found: bool

    @classmethod
    def of(cls, exchange: Exchange) -> Asked:
        request, times = exchange.request, exchange.times
        return cls(
            request.method,
            request.target,
            times.request_begun,
            times.response_ended,
            exchange.status,
            request.headers.get("Accept-Encoding", ""),
            request.version,
            exchange.route is not None,
        )

    def accepts(self, coding: str) -> bool:
        """Whether the client asked for this coding by name; accepting any coding does not count."""
        for item in self.accepted.lower().split(","):
            name, *parameters = (part.strip() for part in item.split(";"))
            if name == coding:
                return not any(parameter.replace(" ", "") in ("q=0", "q=0.0") for parameter in parameters)
        return False


@dataclass(frozen=True)
class Outcome:
    """A run and its requests. The only measures of a client are its exit status and its output."""

    ended: Ended
    asked: tuple[Asked, ...]
    connections: int

    @classmethod
    def of(cls, ended: Ended, exchanges: Iterable[Exchange], connections: int) -> Outcome:
        return cls(ended, tuple(Asked.of(one) for one in exchanges if not one.refused), connections)

    @property
    def repeated(self) -> int:
        """How many requests were repeated; if no request came at all, how many connections followed the first."""
        if not self.asked:
            return max(self.connections - 1, 0)
        return len(self.asked) - len({(one.method, one.target) for one in self.asked})

    @property
    def crashed(self) -> bool:
        """Whether the system killed the client."""
        status = self.ended.exit_status
        return status is not None and (status < 0 or (sys.platform == "win32" and status >= _FIRST_NT_ERROR))

    @property
    def facts(self) -> str:
        """Exit status, requests and time, in words."""
        status, count = self.ended.exit_status, len(self.asked)
        requests = f"{count or 'no'} request{'' if count == 1 else 's'}"
        if self.repeated:
            requests += f", {self.repeated} of them repeated" if self.asked else f", {self.connections} connections"
        how = [] if status is None else [f"signal {_signal(-status)}" if status < 0 else f"exit {status}"]
        return ", ".join([*how, requests, f"{self.ended.seconds:.1f} s"])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
