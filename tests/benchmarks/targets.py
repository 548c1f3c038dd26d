"""The figures to reach, from issues 2 and 4, and the judging of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .peers import ENGINE, FIXTURE, LIMIT, OURS
from .plan import Figure

STDLIB = "stdlib"
HTTPSERVER = "pytest-httpserver"


@dataclass(frozen=True)
class Target:
    """A bound for one of ours: in multiples of another server's figure, or, without one, in the figure's own unit."""

    figure: str
    ours: str
    bound: float
    against: str | None = None


def _targets() -> Iterator[Target]:
    for ours in OURS:
        yield Target("cycle", ours, 1.5, LIMIT)
        yield Target("stop", ours, 1.0)
        yield Target("roundtrip", ours, 1.3, LIMIT)
        for load in ("load.8", "load.64"):
            yield Target(load, ours, 2.5, STDLIB)
            yield Target(load, ours, 8.0, HTTPSERVER)
            yield Target(load, ours, 0.5, LIMIT)
        yield Target("load.new", ours, 1.0, LIMIT)
        yield Target("memory.download", ours, 5.0)
    yield Target("memory.upload", ENGINE, 5.0)
    for suite in ("suite", "suite.median"):
        yield Target(suite, FIXTURE, 1.0, HTTPSERVER)
    yield Target("import", FIXTURE, 2.0)
    yield Target("import.heavy", FIXTURE, 0.0)
    yield Target("scripting.json", FIXTURE, 8.0, HTTPSERVER)
    yield Target("scripting.exact", FIXTURE, 2.0)
    yield Target("scripting.templates", FIXTURE, 2.0)
    yield Target("scripting.journal", FIXTURE, 3.0)
    yield Target("scripting.memory", FIXTURE, 50.0)


TARGETS = tuple(_targets())


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured, in the target's terms; None where a side of it is missing."""

    target: Target
    figure: Figure
    measured: float | None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest that a single round measured, in the target's terms."""
        ours = self.figure.rounds.get(self.target.ours, [])
        if self.target.against is None:
            values = ours
        else:
            others = self.figure.rounds.get(self.target.against, [])
            values = [first / second for first, second in zip(ours, others, strict=False) if second]
        return (min(values), max(values)) if values else None

    @property
    def _reached(self) -> bool:
        return self._within(self.target.bound)

    def _within(self, bound: float) -> bool:
        if self.measured is None:
            return False
        return self.measured <= bound if self.figure.better == "lower" else self.measured >= bound

    @property
    def beaten(self) -> bool:
        """A peer, not the limit, does better than we do."""
        compared = self.target.against not in (None, LIMIT)
        return compared and self.measured is not None and not self._within(1.0)

    @property
    def absent(self) -> bool:
        """Ours was to be measured and was not."""
        return self.figure.median(self.target.ours) is None

    @property
    def word(self) -> str:
        if self.measured is None:
            return "not measured"
        return "met" if self._reached else "beaten" if self.beaten else "not met"


def judge(figures: Sequence[Figure]) -> list[Verdict]:
    """A verdict for every target whose figure was taken."""
    taken: Mapping[str, Figure] = {figure.key: figure for figure in figures}
    return [_judged(target, taken[target.figure]) for target in TARGETS if target.figure in taken]


def _judged(target: Target, figure: Figure) -> Verdict:
    if target.against is None:
        return Verdict(target, figure, figure.median(target.ours))
    return Verdict(target, figure, figure.ratio(target.ours, target.against))
