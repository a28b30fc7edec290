"""Declaration of the check `attention`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.attention.columns import COMPARED, OF_CLASSES
from bias_audit.checks.attention.rule import JUDGES
from bias_audit.checks.base import Check

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Measured, Part, Photos


class Attention(Check):
    """The check `attention`: do the heatmaps lie on the background? Triage only."""

    name = "attention"
    title = "Attention"
    columns = {"compared": COMPARED, "classes": OF_CLASSES}  # noqa: RUF012 - a literal that nothing changes
    rules = tuple(JUDGES)
    judges = JUDGES
    after = ("map_reliability",)

    def add(self, part: Part, measured: Measured, photos: Photos) -> pd.DataFrame:
        """Columns of the heatmap scores: per class, and per photo compared with its class."""
        from bias_audit.checks.attention import summary

        return summary.compared(photos.images) if part == "compared" else summary.of_classes(photos)
