"""Charts of a number over runs, as inline SVG; the colours come from the style sheet."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 150, 44, 22, 8

Point = tuple[float, float | None, float | None, bool]
"""(value, lower end and upper end of its interval or None, whether the run's data are not those of the latest run)."""


def line(points: Sequence[Point | None], labels: Sequence[str], scale: tuple[float, float], title: str) -> str:
    """A chart with a dot and its interval per run, for one class.

    A line joins the dots of runs on the data of the latest run.

    Args:
        points: one per run, oldest first; None = the run has no such number.
        labels: labels of the runs; the first and the last stand below the axis.
        scale: values at the lower and upper end of the axis; dots beyond are drawn at the end.
        title: the chart in words.
    """
    xs, parts = _across(len(points)), [_frame(labels, scale)]
    drawn = [(x, point) for x, point in zip(xs, points, strict=True) if point is not None]
    for x, (_, low, high, _) in drawn:
        if low is not None and high is not None:
            ends = _y(low, scale), _y(high, scale)
            parts.append(f'<line class="error" x1="{x:z.1f}" x2="{x:z.1f}" y1="{ends[0]:z.1f}" y2="{ends[1]:z.1f}"/>')
    for (x, one), (next_x, two) in itertools.pairwise(drawn):
        if not one[3] and not two[3]:
            y, next_y = _y(one[0], scale), _y(two[0], scale)
            parts.append(f'<line class="line" x1="{x:z.1f}" y1="{y:z.1f}" x2="{next_x:z.1f}" y2="{next_y:z.1f}"/>')
    for x, (value, _, _, other) in drawn:
        kind = "other" if other else "dot"
        parts.append(f'<circle class="{kind}" cx="{x:z.1f}" cy="{_y(value, scale):z.1f}" r="4"/>')
    return _svg(parts, title)


def band(columns: Sequence[Sequence[float]], labels: Sequence[str], scale: tuple[float, float], title: str) -> str:
    """A chart of many classes: the median of each run as a line, and a band from the lowest to the highest class.

    Args:
        columns: values of the classes for each run, oldest first; empty = the run has none.
        labels, scale, title: as for `line`.
    """
    xs = _across(len(columns))
    known = [(x, sorted(values)) for x, values in zip(xs, columns, strict=True) if values]
    upper = [f"{x:z.1f},{_y(values[-1], scale):z.1f}" for x, values in known]
    lower = [f"{x:z.1f},{_y(values[0], scale):z.1f}" for x, values in reversed(known)]
    middle = [f"{x:z.1f},{_y(statistics.median(values), scale):z.1f}" for x, values in known]
    parts = [_frame(labels, scale), f'<polygon class="band" points="{" ".join((*upper, *lower))}"/>']
    parts.append(f'<polyline class="line" points="{" ".join(middle)}"/>')
    parts += [f'<circle class="dot" cx="{place.split(",")[0]}" cy="{place.split(",")[1]}" r="4"/>' for place in middle]
    return _svg(parts, title)


def _across(count: int) -> list[float]:
    width = WIDTH - LEFT - 16
    return [LEFT + 8 + (width * i / (count - 1) if count > 1 else width / 2) for i in range(count)]


def _y(value: float, scale: tuple[float, float]) -> float:
    share = (value - scale[0]) / ((scale[1] - scale[0]) or 1.0)
    return HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - BOTTOM - TOP)


def _frame(labels: Sequence[str], scale: tuple[float, float]) -> str:
    parts = []
    for value in (scale[0], (scale[0] + scale[1]) / 2, scale[1]):
        y = _y(value, scale)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:z.1f}" y2="{y:z.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:z.1f}" text-anchor="end">{value:g}</text>')
    if labels:
        parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(labels[0])}</text>')
    if len(labels) > 1:
        parts.append(f'<text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{escape(labels[-1])}</text>')
    return "".join(parts)


def _svg(parts: Sequence[str], title: str) -> str:
    label = escape(title)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
