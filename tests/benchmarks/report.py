"""What a run says: tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import math
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

from .peers import LIMIT, OURS
from .plan import Figure, Plan
from .targets import MARGIN, Verdict


def text(figures: Sequence[Figure], verdicts: Sequence[Verdict], plan: Plan) -> str:
    """All tables, and what else there is to say."""
    seen = dict.fromkeys(peer for figure in figures for peer in figure.rounds)
    peers = sorted(seen, key=lambda peer: (peer in OURS, peer != LIMIT, peer))
    parts = [
        heading(plan),
        matrix("Medians", figures, peers, lambda figure, peer: figure.median(peer)),
        matrix(f"Multiples of {LIMIT}, the limit", figures, peers, lambda figure, peer: figure.ratio(peer, LIMIT)),
    ]
    for ours in (name for name in OURS if name in peers):
        others = [peer for peer in peers if peer not in OURS]
        parts.append(matrix(f"{ours} in multiples of each", figures, others, _ratio_of(ours)))
    parts.append(growths(figures))
    parts.append(judgement(verdicts))
    if plan.notes:
        parts.append("\n".join(["Notes", *(f"- {note}" for note in plan.notes)]))
    return "\n\n".join(part for part in parts if part)


def _ratio_of(ours: str) -> Callable[[Figure, str], float | None]:
    return lambda figure, peer: figure.ratio(ours, peer)


def heading(plan: Plan) -> str:
    """When, on what and how long it was measured."""
    about = machine()
    return (
        f"{about['date']}, {about['python']} on {about['platform']}, {about['cpus']} CPUs; "
        f"{plan.repeat} rounds, {plan.seconds:g} s of load a turn"
    )


def machine() -> dict[str, str]:
    """What a figure depends on."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(" ", "minutes"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": str(os.cpu_count()),
    }


def matrix(
    title: str, figures: Sequence[Figure], peers: Sequence[str], value: Callable[[Figure, str], float | None]
) -> str:
    """Figures down, peers across; rows without a value are left out."""
    rows = []
    for figure in figures:
        values = [value(figure, peer) for peer in peers]
        if any(each is not None for each in values):
            rows.append([figure.title, figure.unit, *("" if each is None else number(each) for each in values)])
    return table([title, "", *peers], rows) if rows else ""


def growths(figures: Sequence[Figure]) -> str:
    """Of each series, how the figure grows over its last tenfold."""
    rows = []
    for key, points in series(figures).items():
        for peer, values in points.items():
            if (power := growth(values)) is not None:
                last = number(values[-1][1])
                rows.append([key, peer, f"{values[-1][0]:,}", last, f"{power:.2f}", shape(power)])
    return table(["Growth", "", "size", "there", "power", "shape"], rows) if rows else ""


def series(figures: Sequence[Figure]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """The figures that were taken at several sizes: key -> peer -> sizes and medians."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for figure in figures:
        for peer in figure.rounds:
            median = figure.median(peer)
            if figure.at is not None and median is not None:
                key = figure.key.rpartition(".")[0]
                found.setdefault(key, {}).setdefault(peer, []).append((figure.at, median))
    return found


def growth(values: Sequence[tuple[int, float]]) -> float | None:
    """The power of the size with which the figure grows, over the last two sizes: 0 is flat, 1 is a straight line."""
    (size, first), (larger, last) = values[-2:] if len(values) > 1 else ((0, 0.0), (0, 0.0))
    if first <= 0 or last <= 0:
        return None
    return math.log(last / first) / math.log(larger / size)


def shape(power: float) -> str:
    """The power in words. A rate falls as the time of each grows."""
    if abs(power) < 0.15:
        return "flat"
    if power < 0:
        return "falls"
    if power < 0.85:
        return "less than a straight line"
    return "a straight line" if power <= 1.15 else "more than a straight line"


def judgement(verdicts: Sequence[Verdict]) -> str:
    """The targets and what became of them."""
    rows = []
    for verdict in verdicts:
        target, figure = verdict.target, verdict.figure
        bound = "at most" if figure.better == "lower" else "at least"
        terms = f"times {target.terms}" if target.terms else figure.unit
        spread = "" if verdict.spread is None else " to ".join(map(number, verdict.spread))
        measured = "" if verdict.measured is None else number(verdict.measured)
        judged = target.ours if target.judged else f"({target.ours})"
        row = [figure.key, f"issue {target.issue}", judged, f"{bound} {number(target.bound)} {terms}"]
        rows.append([*row, measured, spread, verdict.word])
    if not rows:
        return ""
    legend = (
        f"beaten: the peer is better by more than {MARGIN - 1:.0%}, in the median and in every round, of two at least\n"
        "in brackets: for information, it decides nothing"
    )
    return table(["Targets", "", "of", "target", "measured", "by round", "verdict"], rows) + f"\n{legend}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be: what looks like a number to the right, the rest to the left."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    numeric = [all(_numeric(cell) for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


def _numeric(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(",", "").replace(".", "").isdigit()


def number(value: float) -> str:
    """Three digits that count."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}" if value else "0"


def data(figures: Sequence[Figure], verdicts: Sequence[Verdict], plan: Plan) -> dict[str, Any]:
    """Everything, with each round's values."""
    return {
        **machine(),
        "seconds": plan.seconds,
        "repeat": plan.repeat,
        "figures": {
            figure.key: {
                "title": figure.title.strip(),
                "unit": figure.unit,
                "better": figure.better,
                "rounds": figure.rounds,
                "median": {peer: figure.median(peer) for peer in figure.rounds},
            }
            for figure in figures
        },
        "targets": [
            {
                "figure": verdict.target.figure,
                "issue": verdict.target.issue,
                "ours": verdict.target.ours,
                "judged": verdict.target.judged,
                "against": verdict.target.against,
                "of": verdict.target.of,
                "bound": verdict.target.bound,
                "measured": verdict.measured,
                "spread": verdict.spread,
                "verdict": verdict.word,
            }
            for verdict in verdicts
        ],
        "notes": plan.notes,
    }
