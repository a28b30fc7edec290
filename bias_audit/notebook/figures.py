"""Figures of a run for paper and slides, drawn by Matplotlib: the gaps of the classes, and strips of pictures.

A figure is made without pyplot: it opens no window, no list keeps it, and a notebook shows it once.
"""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure
from numpy.typing import NDArray

from bias_audit.checks.outcomes import number
from bias_audit.errors import ResultError
from bias_audit.notebook.run_html import RATES, rate, worst_first
from bias_audit.notebook.strips import NO_PICTURES, Tile, strips
from bias_audit.run.printable import printable
from bias_audit.run.result import AuditResult

MOST_CLASSES = 40
"""Most classes of a figure that a reader can tell apart."""

MOST_STRIPS = 3

FOUND, QUIET, LINE = "#b3261e", "#3b5b7a", "#8a8f98"
"""Colours of a class with a finding, of one without, and of lines; the first two differ in lightness, too."""

RIGHT, WRONG = "\N{CHECK MARK}", "\N{BALLOT X}"


class Figure(MatplotlibFigure):
    """A figure of Matplotlib that a notebook shows, whether or not pyplot was imported there."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings():  # a box in the place of a sign says as much
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        return buffer.getvalue()


def gaps(result: AuditResult, most: int = MOST_CLASSES) -> Figure:
    """Draw the background gap of each class with its 95 % interval, the largest at the top.

    Args:
        result: a finished run.
        most: most classes that are drawn, those with the largest gaps; the figure says how many were left out.

    Raises:
        ResultError: no class has a background gap.
    """
    rows = [(row, level) for row, level in worst_first(result) if number(row.get("background_gap")) is not None]
    if not rows:
        reasons = sorted({str(row.get("reliance_reason") or "") for row in result.class_rows} - {"", "ok"})
        why = f": {', '.join(reasons)}" if reasons else ""
        raise ResultError(f"no class of this run has a background gap to draw{why}", "A gap needs masks or boxes.")
    rows.sort(key=lambda each: -float(each[0]["background_gap"]))
    shown = rows[: max(most, 1)]
    figure = Figure(figsize=(7.2, 1.3 + 0.3 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    names = []
    for place, (row, level) in enumerate(shown):
        value, low, high = (number(row.get(name)) for name in ("background_gap", "gap_low", "gap_high"))
        colour = FOUND if level else QUIET
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot([100 * float(value or 0)], [place], color=colour, marker="o" if level else "D", markersize=6)
        names.append(printable(f"{_short(str(row['class_name']))}{f' ({level})' if level else ''}"))
    axes.axvline(0, color=LINE, linewidth=1, zorder=0)
    axes.set_yticks(range(len(names)), labels=names, parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("background gap in percentage points, with 95% intervals")
    axes.grid(axis="x", color=LINE, alpha=0.25)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if said := _left_out(len(shown), len(rows), len(result.class_rows)):
        axes.set_title(said, fontsize="small", color="#555555", loc="left")
    return figure


def strip_figure(result: AuditResult, subject: str | None = None) -> Figure:
    """Draw photos of a class, their objects on other backgrounds, and what the model says of each.

    Args:
        result: a finished run.
        subject: name of the class; None = the worst class that has pictures.

    Raises:
        ResultError: there is no such class, or the run keeps no such pictures.
    """
    made = strips(result, subject)[:MOST_STRIPS]
    if not made:
        raise ResultError(
            NO_PICTURES if subject is None else f"the run holds no pictures of pasted objects of {subject!r}",
            "An audit keeps them of classes with findings, and of a few others.",
        )
    columns = max(len(strip.tiles) for strip in made)
    figure = Figure(figsize=(2.1 * columns, 2.4 * len(made) + 0.5), layout="constrained")
    title = textwrap.fill(_title(result, made[0].subject), 26 * columns)
    figure.suptitle(title, parse_math=False, x=0.01, ha="left", fontsize="small")
    panels = figure.subplots(len(made), columns, squeeze=False)
    for strip, line in zip(made, panels, strict=True):
        for axes in line:
            axes.set_axis_off()
        for tile, axes in zip(strip.tiles, line, strict=False):
            _draw(axes, tile)
    return figure


def _draw(axes: Any, tile: Tile) -> None:
    axes.imshow(_decoded(tile.jpeg))
    axes.set_title(_wrapped(tile.text), fontsize="small", parse_math=False)
    mark = {True: f"{RIGHT} ", False: f"{WRONG} ", None: ""}[tile.right]
    colour = FOUND if tile.right is False else "black"
    said = printable(f"{mark}{_short(tile.said)}")
    place = {"transform": axes.transAxes, "ha": "center", "va": "top"}
    axes.text(0.5, -0.04, said, color=colour, parse_math=False, **place)


def _title(result: AuditResult, subject: str) -> str:
    row = next(row for row in result.class_rows if row["class_name"] == subject)
    rates = "; ".join(f"{name} {rate(row, *columns)}" for name, *columns in RATES)
    return printable(f"{_short(subject)}, recognised: {rates}")


def _left_out(shown: int, tested: int, total: int) -> str:
    parts = [f"the {shown:,} largest of {tested:,} gaps"] if shown < tested else []
    untested = total - tested
    parts += [f"{untested:,} class{'' if untested == 1 else 'es'} could not be tested"] if untested else []
    return "; ".join(parts)


def _decoded(jpeg: str) -> NDArray[np.uint8]:
    """A picture as (H, W, 3) uint8 RGB; a damaged one is a grey tile."""
    buffer = np.frombuffer(base64.b64decode(jpeg), np.uint8)
    picture = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    if picture is None:
        return np.full((8, 8, 3), 200, np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(printable(text), 24)[:3])


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
