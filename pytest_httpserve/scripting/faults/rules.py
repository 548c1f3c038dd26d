"""Rules that say which connections of a server get which faults."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_httpserve.arguments import check_count, check_number
from pytest_httpserve.errors import UsageError

if TYPE_CHECKING:
    from pytest_httpserve.scripting.faults.acts import Fault


@dataclass(slots=True)
class FaultRule:
    """Faults for some of the connections from now on. The arguments are those of ``HTTPServe.fault``."""

    faults: tuple[Fault, ...]
    times: int | None = None
    every: int | None = None
    skip: int = 0
    probability: float | None = None
    seed: int = 0
    expected: bool = False
    _seen: int = 0
    _taken: int = 0

    def __post_init__(self) -> None:
        if not self.faults:
            raise UsageError("fault() takes at least one fault")
        for name, value, least in (("times", self.times, 1), ("every", self.every, 1), ("skip", self.skip, 0)):
            if value is not None:
                check_count(f"{name}=", value, least=least)
        if self.every is not None and self.probability is not None:
            raise UsageError("fault() takes every= or probability=, not both")
        if self.probability is not None:
            check_number("probability=", self.probability, least=0, most=1)
        check_count("seed=", self.seed, least=None)
        if self.every is None and self.probability is None and self.times is None:
            self.times = 1

    def takes_next(self) -> bool:
        """Whether the rule applies to the next connection."""
        number, self._seen = self._seen - self.skip, self._seen + 1
        if number < 0 or self._taken == self.times:
            return False
        if self.every is not None:
            return (number + 1) % self.every == 0
        if self.probability is None:
            return True
        from random import Random

        return Random(f"{self.seed} {number}").random() < self.probability

    def take(self) -> tuple[Fault, ...]:
        """Give the faults to a connection."""
        self._taken += 1
        return self.faults


class FaultRules:
    """The rules of a server. Of those that apply to a new connection, the first counts."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []
        self._expected: dict[int, Fault] = {}  # expected faults that have not happened yet, by id
        self._lock = threading.Lock()

    def add(self, rule: FaultRule) -> None:
        """Add a rule."""
        with self._lock:
            self._rules.append(rule)
            if rule.expected:
                self._expected |= {id(fault): fault for fault in rule.faults}

    def next(self) -> tuple[Fault, ...]:
        """The faults for a new connection."""
        with self._lock:
            wanting = [rule for rule in self._rules if rule.takes_next()]
            return wanting[0].take() if wanting else ()

    def happened(self, fault: Fault) -> None:
        """Note that a fault has happened, whether it came from a rule or not."""
        with self._lock:
            self._expected.pop(id(fault), None)

    @property
    def unmet(self) -> tuple[Fault, ...]:
        """The expected faults that have not happened."""
        return tuple(self._expected.values())

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()
            self._expected.clear()

    def __len__(self) -> int:
        return len(self._rules)
