"""The figures to reach, from the issues, and the judging of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .peers import BASELINE, ENGINE, FIXTURE, LIMIT, NGINX, OURS, RAW_TLS, REFERENCES, SUBPROCESS
from .plan import Figure

STDLIB = "stdlib"
HTTPSERVER = "pytest-httpserver"

MARGIN = 1.1
"""How many times better than ours a peer must be before ours is called beaten: less is noise on a busy machine."""


@dataclass(frozen=True)
class Target:
    """A bound for one of ours: in multiples of another server's figure, or, without one, in the figure's own unit."""

    figure: str
    ours: str
    bound: float
    against: str | None = None
    issue: int = 2


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
    for ours in OURS:
        for size in ("files.1k", "files.1m"):
            yield Target(size, ours, 5.0, STDLIB, issue=3)
        yield Target("download", ours, 0.8, NGINX, issue=3)
        for script in ("cgi.sh", "cgi.py"):
            yield Target(script, ours, 1.2, SUBPROCESS, issue=3)
    yield Target("tls", ENGINE, 1 / 1.3, RAW_TLS, issue=3)
    yield Target("scripting.json", FIXTURE, 8.0, HTTPSERVER, issue=4)
    yield Target("scripting.exact", FIXTURE, 2.0, issue=4)
    yield Target("scripting.templates", FIXTURE, 2.0, issue=4)
    yield Target("scripting.journal", FIXTURE, 3.0, issue=4)
    yield Target("scripting.memory", FIXTURE, 50.0, issue=4)


TARGETS = tuple(_targets())


def compared(key: str) -> set[str]:
    """Everyone whose value of this figure a target needs."""
    names = {name for target in TARGETS if target.figure == key for name in (target.ours, target.against) if name}
    return names | {BASELINE} if names else names


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
        if self.measured is None:
            return False
        bound = self.target.bound
        return self.measured <= bound if self.figure.better == "lower" else self.measured >= bound

    @property
    def beaten(self) -> bool:
        """A peer, not a reference, is better by more than the margin, in the median and in every round."""
        if self.target.against in (None, *REFERENCES) or self.measured is None or self.spread is None:
            return False
        if self.figure.better == "lower":
            return min(self.measured, *self.spread) > MARGIN
        return max(self.measured, *self.spread) < 1 / MARGIN

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
