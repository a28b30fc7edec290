"""Declaration of the check `slices`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.slices.columns import OF_CLASSES, SLICES
from bias_audit.checks.slices.rule import JUDGES

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Measured, Page, Part, Photos


class Slices(Check):
    """The check `slices`: do accuracy, attention and background gap differ between values of the user's columns?"""

    name = "slices"
    title = "Slices"
    tables = {"slices": SLICES}  # noqa: RUF012 - a literal that nothing changes
    columns = {"classes": OF_CLASSES}  # noqa: RUF012
    rules = tuple(JUDGES)
    judges = JUDGES
    after = ("map_reliability",)

    def add(self, part: Part, measured: Measured, photos: Photos) -> pd.DataFrame:
        """Columns per class: the loss on photos of other classes' scenes, by a column of the user."""
        from bias_audit.checks.slices.summary import of_classes

        return of_classes(photos)

    def sum_up(self, measured: Measured, photos: Photos) -> Mapping[str, pd.DataFrame]:
        """The table `slices`: one row per value of each column of the user."""
        from bias_audit.checks.slices.summary import summarise

        return {"slices": summarise(photos)}

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: one table per column of the user; None where the user gave no columns."""
        from bias_audit.checks.slices.section import slices_section

        shown = slices_section(page.result)
        return shown if shown["tables"] else None
