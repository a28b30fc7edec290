"""The check `recurring_cues`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.recurring_cues.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page


class RecurringCues(Check):
    """Does a thing that the network keeps looking at move the prediction when it is erased and pasted?"""

    name = "recurring_cues"
    title = "Cues"
    anchor = "clusters"
    rules = tuple(JUDGES)
    judges = JUDGES

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """The strongest cues, confirmed ones first."""
        from bias_audit.checks.recurring_cues.section import clusters_section

        shown = clusters_section(page.result, page.pictures, page.budget)
        return shown if shown["clusters"] else None
