"""How measuring is done: figures, the size of a run, and the rounds in which peers take turns."""

from __future__ import annotations

import faulthandler
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .peers import Peer


class UnavailableError(Exception):
    """A measure that cannot be taken on this machine, and why."""


@dataclass
class Figure:
    """One number per peer and round. Those of a series have one key but for the size at its end."""

    key: str
    title: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    at: int | None = None  # the size at which it was taken, in a series of such
    rounds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """The measure, or the series, that it belongs to."""
        return self.key.partition(".")[0]

    def add(self, peer: str, value: float) -> None:
        self.rounds.setdefault(peer, []).append(value)

    def median(self, peer: str) -> float | None:
        values = self.rounds.get(peer)
        return statistics.median(values) if values else None

    def ratio(self, ours: str, against: str) -> float | None:
        """The first's median in multiples of the second's."""
        first, second = self.median(ours), self.median(against)
        return None if first is None or not second else first / second


@dataclass
class Plan:
    """The size of a run: how long one turn of load is, how many rounds; and what is to be said below the tables.

    A short run leaves out every peer that ``wanted`` does not name for a figure. Past ``deadline`` (of time.monotonic),
    each figure has one round only.
    """

    seconds: float
    repeat: int
    notes: list[str]
    wanted: Callable[[str], set[str]] | None = None
    deadline: float = math.inf

    @property
    def short(self) -> bool:
        return self.wanted is not None

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def interleave(
    figures: Sequence[Figure], peers: Sequence[Peer], plan: Plan, turn: Callable[[Peer], Sequence[float]]
) -> list[Figure]:
    """Let the peers take turns in every round; a turn gives one value for each figure. Who fails is out."""
    failed: set[str] = set()
    if plan.wanted is not None:
        wanted = {name for figure in figures for name in plan.wanted(figure.key)}
        peers = [peer for peer in peers if peer.name in wanted]
    for number in range(plan.repeat):
        if number and time.monotonic() > plan.deadline:
            plan.note("the machine is slow: there was no time for all rounds")
            break
        start = number % max(1, len(peers))
        for peer in [*peers[start:], *peers[:start]]:
            if peer.name in failed:
                continue
            progress(f"{figures[0].key}: round {number + 1}, {peer.name}")
            try:
                values = _watched(turn, peer, plan)
            except Exception as error:
                failed.add(peer.name)
                plan.note(f"{figures[0].key}: {peer.name} failed, {type(error).__name__}: {error}")
                continue
            for figure, value in zip(figures, values, strict=True):
                figure.add(peer.name, value)
    for figure, name in ((figure, name) for figure in figures for name in failed):
        figure.rounds.pop(name, None)
    return list(figures)


def _watched(turn: Callable[[Peer], Sequence[float]], peer: Peer, plan: Plan) -> Sequence[float]:
    """Take a turn with a clean heap; a server that hangs ends the run with every thread's stack."""
    gc.collect()
    faulthandler.dump_traceback_later(
        (60 if plan.short else 600) + 10 * plan.seconds, exit=True, file=2
    )  # sys.stderr may be no file
    try:
        return turn(peer)
    finally:
        faulthandler.cancel_dump_traceback_later()


def progress(text: str) -> None:
    """Say on a terminal what is going on, in place of what was said before."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def repeat_for(seconds: float, action: Callable[[], float]) -> list[float]:
    """What the action returns, again and again until the time is over, but once at least."""
    until = time.perf_counter() + seconds
    values = [action()]
    while time.perf_counter() < until:
        values.append(action())
    return values


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]
