"""The figures to reach, from the issues, and the judging of what was measured.

An issue speaks either of the product, or of the drop-in for ``http.server``, which is ``engine``. The product is the
fixture: ``httpserve``, the object behind it; where its start and stop count, ``httpserve-shared``, for the fixtures'
servers share their threads. A target judges the one that its issue speaks of. Where another of ours can do the same, it
has a row, too, which is informative: it is shown, and decides nothing. So have a few figures that no issue asks for,
but that say more about one that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .inputs import INPUTS, TIMES
from .measures.connections import SIZES as CONNECTIONS
from .peers import (
    BASELINE,
    CHEROOT,
    ENGINE,
    FIXTURE,
    FIXTURE_SHARED,
    HTTPBIN,
    HTTPSERVER,
    HYPERCORN,
    LIMIT,
    NGINX,
    OURS,
    REFERENCES,
    STDLIB,
    STDLIB_AS_IS,
    SUBPROCESS,
    THREADED,
    UVICORN,
    WAITRESS,
)
from .plan import Figure

ROUNDS = 2
"""How many rounds there must be: a single one may be an accident."""

MARGIN = 1.1
"""How many times better than ours a peer must be before ours is called beaten: less is noise on a busy machine."""

WITH_SHARED_SERVER = (STDLIB, HTTPSERVER, HTTPBIN, CHEROOT, WAITRESS)
"""The peers that have a part in suites; over HTTPS, all of these but waitress."""

GRACE = 1300.0
"""Milliseconds: the second that ours give to a handler that will not end, and what comes on top of it."""

STRAIGHT = 2.5
"""How many times as long twice as much may take: a square takes four times, and machines are noisy."""

NOT_YET = frozenset(
    {
        ("suite", WAITRESS),
        ("suite.xdist", WAITRESS),
        ("suite", HTTPSERVER),
        ("suite.median", HTTPSERVER),
    }
)
"""Figures and peers: ours are not faster than these peers, or only on some machines. If such a peer is ahead, the run
reports it and does not fail.

What is missing is the price of a fixture: those peers are started once, and the tests of waitress ask pytest for
nothing. Beside the one server of pytest-httpserver, a fresh server for every test has taken 0.94 times as long on one
machine, and 1.15 to 1.35 times on another.
"""


@dataclass(frozen=True)
class Target:
    """A bound for one of ours: in multiples of another server's figure, of another figure of its own, or, without
    either, in the figure's own unit."""

    figure: str
    ours: str
    bound: float
    against: str | None = None
    issue: int = 2
    of: str | None = None
    judged: bool = True

    @property
    def terms(self) -> str:
        """What the bound is in multiples of; nothing where it is in the unit."""
        return " of ".join(part for part in (self.of, self.against) if part)


def _targets() -> Iterator[Target]:
    for target in (*_of_the_product(), *_of_the_module()):
        yield target
        for ours in OURS:
            if ours != target.ours and target.figure in ALSO.get(ours, ()):
                yield replace(target, ours=ours, judged=False)


def _of_the_product() -> Iterator[Target]:
    """Issues 2, 4, 5, 7, 15, 16, 18 and 20: what a test gets."""
    # Issue 2
    yield Target("cycle", FIXTURE_SHARED, 1.5, LIMIT)
    yield Target("cycle.idle", FIXTURE_SHARED, 1.0)
    yield Target("roundtrip", FIXTURE, 1.3, LIMIT)
    for load in ("load.8", "load.64"):
        yield Target(load, FIXTURE, 2.5, STDLIB)
        yield Target(load, FIXTURE, 8.0, HTTPSERVER)
        yield Target(load, FIXTURE, 0.5, LIMIT)
    yield Target("load.new.8", FIXTURE, 1.0, LIMIT)
    for transfer in ("files", "upload"):
        yield Target(f"memory.{transfer}", FIXTURE, 5.0)
    for suite in ("suite", "suite.median"):
        yield Target(suite, FIXTURE, 1.0, HTTPSERVER)
    yield Target("import", FIXTURE, 2.0)
    yield Target("import.heavy", FIXTURE, 0.0)

    # Issue 4
    yield Target("scripting.json", FIXTURE, 8.0, HTTPSERVER, issue=4)
    yield Target("scripting.exact", FIXTURE, 2.0, issue=4)
    yield Target("scripting.templates", FIXTURE, 2.0, issue=4)
    yield Target("scripting.journal", FIXTURE, 3.0, issue=4)
    yield Target("scripting.memory", FIXTURE, 50.0, issue=4)

    # Issue 5
    yield Target("tls.cycle", FIXTURE_SHARED, 1.15, LIMIT, issue=5)
    yield Target("tls.handshakes", FIXTURE, 1 / 1.2, LIMIT, issue=5)
    for load in ("tls.1", "tls.8"):
        yield Target(load, FIXTURE, 0.5, LIMIT, issue=5)
    yield Target("tls.first", FIXTURE, 1.15, LIMIT, issue=5)  # "little more than" an import and a certificate

    # Issue 7: 1, a test of a suite
    for suite in ("suite", "suite.xdist", "suite.tls", "suite.tls.xdist"):
        for peer in WITH_SHARED_SERVER:
            if not (suite.startswith("suite.tls") and peer == WAITRESS):
                yield Target(suite, FIXTURE, 1.0, peer, issue=7)
                # Without the end of a shared server, which takes half a second in some of them.
                if not suite.endswith("xdist"):
                    yield Target(f"{suite}.median", FIXTURE, 1.0, peer, issue=7, judged=False)
        yield Target(suite, FIXTURE, 1.15, LIMIT, issue=7)
    # 2, start and stop
    yield Target("cycle.both", FIXTURE_SHARED, 0.3, issue=7)
    yield Target("cycle.both", FIXTURE_SHARED, 1.5, LIMIT, issue=7)
    for stop in ("cycle.stop", "cycle.idle", "cycle.idle.many"):
        yield Target(stop, FIXTURE_SHARED, 5.0, issue=7)
    yield Target("cycle.sleeping", FIXTURE_SHARED, GRACE, issue=7)
    # 3, requests
    for peer in THREADED:
        yield Target("roundtrip", FIXTURE, 1.0, peer, issue=7)
        yield Target("roundtrip.new", FIXTURE, 1.0, peer, issue=7)
        for load in ("load.1", "load.8", "load.64", "load.512", "load.new.1", "load.new.8"):
            yield Target(load, FIXTURE, 1.0, peer, issue=7)
    for load in ("load.8", "load.64"):
        yield Target(load, FIXTURE, 10.0, HTTPSERVER, issue=7)
        yield Target(load, FIXTURE, 1.0, UVICORN, issue=7)
    for load in ("load.1", "load.8", "load.64"):
        yield Target(load, FIXTURE, 0.7, LIMIT, issue=7)
        yield Target(f"{load}.p99", FIXTURE, 2.0, LIMIT, issue=7)
    for load in ("load.new.1", "load.new.8"):
        yield Target(load, FIXTURE, 1.2, LIMIT, issue=7)
    # 4, scripted answers
    yield Target("scripting.json", FIXTURE, 0.5, LIMIT, issue=7)
    yield Target("scripting.json", FIXTURE, 8.0, HTTPSERVER, issue=7)
    yield Target("scripting.json.1000", FIXTURE, 1 / 1.5, of="scripting.json", issue=7)
    # 5, bodies
    yield Target("bulk.files", FIXTURE, 0.9, NGINX, issue=7)
    for transfer in ("files", "stream", "upload", "chunked"):
        yield Target(f"memory.{transfer}", FIXTURE, 5.0, issue=7)
    # 6, TLS
    yield Target("tls.handshakes", FIXTURE, 1 / 1.2, LIMIT, issue=7)
    yield Target("tls.cycle", FIXTURE_SHARED, 1.2, LIMIT, issue=7)
    # 7, start-up
    yield Target("import", FIXTURE, 2.0, issue=7)
    yield Target("startup", FIXTURE, 3.0, issue=7)
    # 8, scale
    most = max(CONNECTIONS)
    yield Target(f"connections.answered.{most}", FIXTURE, most, issue=7)
    yield Target(f"connections.newcomer.{most}", FIXTURE, 200.0, issue=7)
    yield Target(f"connections.memory.{most}", FIXTURE, 80.0, issue=7)

    # Issue 15: a server that has answered a million requests
    yield Target("endurance.late.p99", FIXTURE, 2.0, of="endurance.early.p99", issue=15)
    yield Target("endurance.late.p99", FIXTURE, 3.0, LIMIT, issue=15)
    yield Target("endurance.growth", FIXTURE, 60.0, issue=15)

    # Issue 16: all lines are straight, and no good client waits
    for each in INPUTS:
        half, most = (each.size * times for times in TIMES[1:])
        yield Target(f"hostile.{each.name}.{most}", FIXTURE, STRAIGHT, of=f"hostile.{each.name}.{half}", issue=16)
        yield Target(f"hostile.{each.name}.worst.{most}", FIXTURE, 50.0, issue=16)
    # Issue 20: beside the peer on the same library, and beside HTTP/1.1
    yield Target("http2.load", FIXTURE, 1.5, HYPERCORN, issue=20)
    yield Target("http2.cycle", FIXTURE_SHARED, 1.3, issue=20)
    yield Target("http2.files", FIXTURE, 0.5, issue=20)
    # Issue 18: a request through a tunnel, beside the same one made directly
    yield Target("tls.tunnel", FIXTURE_SHARED, 1.6, issue=18)


def _of_the_module() -> Iterator[Target]:
    """Issue 3: what stands in for ``http.server``."""
    for size in ("files.1k", "files.1m"):
        # "The standard library's", says the issue: as it comes, and, which is more, at its best.
        yield Target(size, ENGINE, 5.0, STDLIB_AS_IS, issue=3)
        yield Target(size, ENGINE, 5.0, STDLIB, issue=3)
    yield Target("bulk.files", ENGINE, 0.8, NGINX, issue=3)
    yield Target("tls.handshakes", ENGINE, 1 / 1.3, LIMIT, issue=3)
    for script in ("cgi.sh", "cgi.py"):
        yield Target(script, ENGINE, 1.2, SUBPROCESS, issue=3)


_LIFE = ("cycle", "cycle.both", "cycle.stop", "cycle.idle", "cycle.idle.many", "cycle.sleeping", "tls.cycle")

ALSO = {
    ENGINE: (
        *_LIFE, "roundtrip", "roundtrip.new", "load.1", "load.8", "load.64", "load.512", "load.new.1", "load.new.8",
        "load.1.p99", "load.8.p99", "load.64.p99", "memory.files", "memory.upload", "memory.chunked", "tls.1", "tls.8",
        *(f"connections.{what}.{max(CONNECTIONS)}" for what in ("answered", "newcomer", "memory")),
    ),
    FIXTURE: (*_LIFE, "files.1k", "files.1m", "bulk.files", "cgi.sh", "cgi.py"),
}  # fmt: skip
"""The figures of another that each has, too."""

TARGETS = tuple(_targets())


def compared(key: str) -> set[str]:
    """Everyone whose value of this figure a target needs that a peer could win; all of ours, if nobody could."""
    targets = [target for target in TARGETS if key in (target.figure, target.of)]
    against = {target.against for target in targets if target.against and target.against not in REFERENCES}
    if not targets:
        return set()
    return {target.ours for target in targets if target.judged or not against} | against | {BASELINE}


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured, in the target's terms: in the median, None where a side of it is missing, the
    lowest and the highest of single rounds, and the number of these."""

    target: Target
    figure: Figure
    measured: float | None
    spread: tuple[float, float] | None
    rounds: int

    @property
    def _reached(self) -> bool:
        if self.measured is None:
            return False
        bound = self.target.bound
        return self.measured <= bound if self.figure.better == "lower" else self.measured >= bound

    @property
    def _behind(self) -> bool:
        """The other one is better by more than the margin, in the median and in every round."""
        if self.target.against is None or self.measured is None or self.spread is None or self.rounds < ROUNDS:
            return False
        if self.figure.better == "lower":
            return min(self.measured, *self.spread) > MARGIN
        return max(self.measured, *self.spread) < 1 / MARGIN

    @property
    def beaten(self) -> bool:
        """Ours, which is judged, is behind a peer, which is no reference, and which it was ahead of before."""
        target = self.target
        new = (target.figure, target.against) not in NOT_YET
        return target.judged and new and target.against not in REFERENCES and self._behind

    @property
    def absent(self) -> bool:
        """Ours was to be measured, and was not."""
        return self.target.judged and self.figure.median(self.target.ours) is None

    @property
    def word(self) -> str:
        if self.measured is None:
            return "not measured"
        return "met" if self._reached else "beaten" if self.beaten else "not met"


def judge(figures: Sequence[Figure]) -> list[Verdict]:
    """A verdict for every target whose figures were taken; of what is informative, only if it was measured."""
    taken = {figure.key: figure for figure in figures}
    verdicts = [_judged(target, taken) for target in TARGETS if {target.figure, target.of or target.figure} <= {*taken}]
    return [verdict for verdict in verdicts if verdict.target.judged or verdict.measured is not None]


def without_gaps(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those of a short run: it leaves out who cannot win, and so what would be held against them."""
    return [verdict for verdict in verdicts if verdict.measured is not None or verdict.absent]


def _judged(target: Target, taken: Mapping[str, Figure]) -> Verdict:
    figure = taken[target.figure]
    measured, values = figure.median(target.ours), figure.rounds.get(target.ours, [])
    if target.terms:
        base, other = taken[target.of or target.figure], target.against or target.ours
        median = base.median(other) or 0.0
        # What is left above nothing may be less than nothing: that is noise, and no ratio.
        measured = measured / median if measured is not None and min(measured, median) > 0 else None
        others = base.rounds.get(other, [])
        values = [first / second for first, second in zip(values, others, strict=False) if second > 0]
    return Verdict(target, figure, measured, (min(values), max(values)) if values else None, len(values))
