"""Section about how attention and reliance are distributed over images: counts in bins, never a point per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_audit.checks.outcomes import number
from bias_audit.run.result import AuditResult

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BINS = 40
MOST_CLASSES = 12
"""Most classes with a row of their own, flagged ones first."""


@dataclass(frozen=True)
class Spread:
    """One measure whose distribution over images is plotted.

    Attributes:
        column: column of the images table.
        title: heading of the plot.
        about: one sentence for readers who do not know the measure.
        threshold: name of the threshold for single images, drawn as a line; "" where no rule judges by one.
        unit: unit of the measure, see `summary.ClassColumn`.
    """

    column: str
    title: str
    about: str
    threshold: str
    unit: str


SPREADS: tuple[Spread, ...] = (
    Spread(
        "background_excess",
        "Attention on the background",
        "Background excess of each image: 0 = as good as the map's resolution allows, 1 = no better than a uniform map",
        "image_excess",
        "number",
    ),
    Spread(
        "background_gap",
        "Background gap",
        "Share of an image's composites recognised on same-class backgrounds minus that on other-class backgrounds",
        "",
        "points",
    ),
    Spread(
        "swap_log_odds",
        "Log-odds lost on other backgrounds",
        "Log-odds of the label on same-class minus on other-class backgrounds; 0 where the background does not matter",
        "",
        "number",
    ),
)


def distributions_section(result: AuditResult, flagged: Sequence[str]) -> list[dict[str, Any]]:
    """A plot for each measure that at least one image has.

    Args:
        result: a finished run.
        flagged: classes with a finding, worst first.

    Returns:
        list of {title, about, unit, scale, threshold, n, above, of_maps, rows, more}. n counts the images, above those
        above the threshold, more the classes without a row. A row is {name, n, shares, quantiles}: name None for all
        classes, shares the part of its images in each of BINS bins of `scale`, quantiles those at 5, 25, 50, 75 and 95
        %. Values beyond `scale` are counted in the bins at its ends.
    """
    known = dict.fromkeys(result.info.class_names)
    names = list(dict.fromkeys([*(name for name in flagged if name in known), *known]))
    return [plot for spread in SPREADS if (plot := _plot(spread, result, names)) is not None]


def _plot(spread: Spread, result: AuditResult, names: Sequence[str]) -> dict[str, Any] | None:
    images: pd.DataFrame = result.images
    values = images[spread.column].to_numpy("float64", na_value=np.nan)
    finite = np.isfinite(values)
    if not finite.any():
        return None
    low, high = _ends(values[finite])
    labels = images["label"].astype(str)[finite]
    places = labels.groupby(labels.to_numpy()).indices
    shown = [name for name in names if name in places]
    rows = [(None, values[finite]), *((name, values[finite][places[name]]) for name in shown[:MOST_CLASSES])]
    threshold = number(result.info.thresholds.get(spread.threshold)) if spread.threshold else None
    return {
        "title": spread.title,
        "about": spread.about,
        "unit": spread.unit,
        "scale": [low, high],
        "threshold": threshold,
        "n": int(finite.sum()),
        "above": None if threshold is None else int((values[finite] > threshold).sum()),
        "of_maps": spread.column == "background_excess",
        "rows": [_row(name, own, low, high) for name, own in rows],
        "more": max(0, len(shown) - MOST_CLASSES),
    }


def _row(name: str | None, values: NDArray[np.float64], low: float, high: float) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
    quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    return {
        "name": name,
        "n": len(values),
        "shares": (counts / len(values)).tolist(),
        "quantiles": quantiles.tolist(),
    }


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of an axis that one wild value does not stretch: the middle 99 % of the values, and 0 to 1."""
    low, high = np.quantile(values, (0.005, 0.995))
    return min(0.0, float(low)), max(1.0, float(high))
