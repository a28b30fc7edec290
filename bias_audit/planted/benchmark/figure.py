"""Draws the scored benchmark: which score tells biased classes from others, and how attract grows with the bias."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from bias_audit.planted.benchmark.grid import CUES
from bias_audit.planted.benchmark.score import Scored
from bias_audit.planted.benchmark.truth import NEGATIVE, POSITIVE

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Colours of Okabe & Ito, one per cue."""

_MARKS = ("o", "s", "^", "D", "v")


def draw(scored: Scored, units: pd.DataFrame) -> bytes:
    """PNG with two panels: AUROC of each score with its interval, and attract against reliance of guilty classes.

    Args:
        scored: the scores.
        units: table of `units.read_units`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _scores(left, scored.scores)
    _dose(right, units)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _scores(axes: Any, scores: pd.DataFrame) -> None:
    rows = scores.iloc[::-1].reset_index(drop=True)
    for place, row in rows.iterrows():
        colour = "#888888" if row["baseline"] else "#0072b2"
        axes.plot([row["auroc_low"], row["auroc_high"]], [place, place], color=colour, linewidth=2)
        axes.plot(row["auroc"], place, "o", color=colour, markersize=6)
    axes.axvline(0.5, color="#bbbbbb", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), list(rows["title"]))
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("AUROC over classes, 95 % bootstrap over models (grey: baselines)")
    axes.set_title("Which number tells a biased class?")
    axes.spines[["top", "right"]].set_visible(False)


def _dose(axes: Any, units: pd.DataFrame) -> None:
    guilty = units[(units["kind"] == "planted") & units["guilty"]]
    axes.axvspan(NEGATIVE, POSITIVE, color="#eeeeee")
    for cue, colour, mark in zip(CUES, _COLOURS, _MARKS, strict=True):
        for flagged in (True, False):
            rows = guilty[(guilty["cue"] == cue) & (guilty["flagged"] == flagged)]
            axes.plot(
                rows["reliance"],
                rows["attract"],
                mark,
                color=colour,
                fillstyle="full" if flagged else "none",
                markersize=6,
                label=cue.replace("_", " ") if flagged else None,
            )
    axes.set_xlabel("verified reliance (grey band: neither biased nor clean)")
    axes.set_ylabel("attract, as the audit measures it")
    axes.set_title("Dose and response (filled: convicted)")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
