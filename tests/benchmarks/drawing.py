"""Figures for people: plain SVG, small, readable in light and in dark.

For each measure one drawing: a panel of bars for each figure, or, where a figure was taken at several sizes, a panel of
lines with both axes logarithmic, beside a dashed one that grows in proportion to the size.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from .peers import OURS, REFERENCES
from .plan import Figure
from .report import number, series

WIDTH = 640
_MARGIN, _LINE, _BAR = 16, 18, 12
_LABELS = 170  # width of the column with the names
_PLOT = 200  # height of a panel of lines
_LONGEST = 6  # times the median bar, without a gap
_COLOURS = ("#3b7dd8", "#d8743b", "#3ba66b", "#a65bc9", "#c9a53b", "#5bb8c9", "#c95b7d", "#7d8a3b", "#8a8a8a")

_STYLE = """\
text { font: 12px sans-serif; fill: #222 }
.title { font-weight: bold } .ground { fill: #fff } .axis { stroke: #888; fill: none }
.peer { fill: #9aa7b5 } .reference { fill: #cfd6dd } .ours { fill: #3b7dd8 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .ground { fill: #1a1c1e } .peer { fill: #6b7886 } .reference { fill: #464e57 }
}"""


def draw(figures: Sequence[Figure], directory: Path) -> list[Path]:
    """Write a drawing for each measure into the directory, which is made if it is not there; the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for measure in dict.fromkeys(figure.measure for figure in figures):
        mine = [figure for figure in figures if figure.measure == measure and figure.rounds]
        if mine:
            path = directory / f"{measure}.svg"
            path.write_text(drawing(mine), encoding="utf-8")
            written.append(path)
    return written


def drawing(figures: Sequence[Figure]) -> str:
    """All panels of one measure, one below the other."""
    lines: list[str] = []
    top = _MARGIN
    for height, panel in panels(figures):
        lines += [f'<g transform="translate(0 {top})">', *panel, "</g>"]
        top += height + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{top}"/>',
            *lines,
            "</svg>\n",
        ]
    )


def panels(figures: Sequence[Figure]) -> Iterator[tuple[int, list[str]]]:
    """Each panel with its height."""
    title = ""
    for figure in figures:
        # A title that is indented goes on from the one before.
        title = f"{title.partition(':')[0]}: {figure.title.strip()}" if figure.title[0] == " " else figure.title
        if figure.at is None:
            yield bars(f"{title}, {figure.unit} ({figure.better} is better)", figure)
    for key, points in series(figures).items():
        unit = next(figure.unit for figure in figures if figure.key.startswith(f"{key}."))
        yield lines(f"{key}{f', {unit}' if unit else ''}", points)


def bars(title: str, figure: Figure) -> tuple[int, list[str]]:
    """A bar for each peer, as long as its median, which stands beside it; the best comes first.

    A bar that would leave no room to the others has a gap: it is longer than it looks.
    """
    values = {peer: figure.median(peer) or 0.0 for peer in figure.rounds}
    most, middle = max(values.values()), statistics.median(values.values())
    longest = min(most, _LONGEST * middle if middle > 0 else most)
    if longest <= 0:  # nothing has a length
        longest = 1.0
    room = WIDTH - _LABELS - 90 - _MARGIN
    elements = [text(_MARGIN, 12, title, "title")]
    best_first = sorted(values.items(), key=lambda pair: pair[1], reverse=figure.better == "higher")
    for row, (peer, value) in enumerate(best_first):
        y = 22 + row * _LINE
        kind = "ours" if peer in OURS else "reference" if peer in REFERENCES else "peer"
        length = min(max(value / longest, 0.0), 1.0) * room
        elements += [
            text(_LABELS - 8, y + 10, peer, anchor="end"),
            f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR}"/>',
            text(_LABELS + length + 6, y + 10, number(value)),
        ]
        if value > longest:
            elements.append(f'<rect class="ground" x="{_LABELS + 0.9 * room:.1f}" y="{y}" width="6" height="{_BAR}"/>')
    return 22 + len(values) * _LINE, elements


def lines(title: str, points: dict[str, list[tuple[int, float]]]) -> tuple[int, list[str]]:
    """A line for each peer over the sizes, both axes logarithmic; what is not above nothing is left out."""
    kept = {peer: [(size, value) for size, value in pairs if value > 0] for peer, pairs in points.items()}
    sizes = sorted({size for pairs in kept.values() for size, _ in pairs}) or [1]
    values = [value for pairs in kept.values() for _, value in pairs] or [1.0]
    left, right, top, bottom = 70.0, WIDTH - _LABELS - 10.0, 24.0, _PLOT - 20.0
    across, up = _scale(sizes, left, right), _scale(values, bottom, top)
    elements = [
        text(_MARGIN, 12, title, "title"),
        f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>',
        *(text(left - 6, up(value) + 4, number(value), anchor="end") for value in {min(values), max(values)}),
        *(text(across(size), bottom + 16, f"{size:,}", anchor="middle") for size in sizes),
    ]
    legend = [*zip(kept, _colours(), strict=False)]
    if growing := [pairs for pairs in kept.values() if len(pairs) > 1 and pairs[-1][1] > 2 * pairs[0][1]]:
        # It ends where they are, at the largest size, so that it can be seen how they came there.
        size, value = max((pairs[-1] for pairs in growing), key=lambda pair: pair[1])
        first = max(sizes[0], size * min(values) / value)
        ends = f"{across(first):.1f},{up(value * first / size):.1f} {across(size):.1f},{up(value):.1f}"
        elements.append(f'<polyline class="axis" points="{ends}" stroke-dasharray="4"/>')
        legend.append(("- - in proportion", "none"))
    for row, (peer, colour) in enumerate(legend):
        path = [(f"{across(size):.1f}", f"{up(value):.1f}") for size, value in kept.get(peer, [])]
        spots = " ".join(f"{x},{y}" for x, y in path)
        elements.append(f'<polyline points="{spots}" fill="none" stroke="{colour}" stroke-width="2"/>')
        elements += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in path]
        y = top + row * _LINE
        elements.append(f'<rect x="{right + 14}" y="{y}" width="12" height="{_BAR}" fill="{colour}"/>')
        elements.append(text(right + 32, y + 10, peer))
    return max(_PLOT, 24 + len(legend) * _LINE), elements


def _colours() -> Iterator[str]:
    """Colours without end; with more lines than colours, two have the same."""
    while True:
        yield from _COLOURS


class _scale:
    """From a value to a coordinate, by its logarithm."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        logarithms = [math.log(value) for value in values]
        self._low, self._start = min(logarithms), start
        self._factor = (end - start) / ((max(logarithms) - self._low) or 1.0)

    def __call__(self, value: float) -> float:
        return self._start + (math.log(value) - self._low) * self._factor


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text."""
    named = f' class="{kind}"' if kind else ""
    placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}{placed}>{escape(content)}</text>'
