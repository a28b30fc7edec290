"""Declaration of the check `recurring_cues`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured, Option
from bias_audit.checks.recurring_cues.columns import CUE_SPOTS, CUES
from bias_audit.checks.recurring_cues.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Given, Page
    from bias_audit.run.result import AuditResult


class RecurringCues(Check):
    """The check `recurring_cues`: does a recurring cue move the prediction when it is erased or pasted?"""

    name = "recurring_cues"
    title = "Cues"
    anchor = "cues"
    options = (Option("discovery", "--discovery", "N", "images per class searched for cues (default 200; 0 = none)"),)
    tables = {"cues": CUES, "cue_spots": CUE_SPOTS}  # noqa: RUF012 - a literal that nothing changes
    rules = tuple(JUDGES)
    judges = JUDGES

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """No hashes, since names of cues change no number; but the file of names must exist and be readable."""
        from bias_audit.checks.recurring_cues.measure import known_names

        known_names(given)
        return {}

    def measure(self, context: Context) -> Measured:
        """Look for recurring cues, and erase and paste the strongest, or read those of an interrupted audit."""
        from bias_audit.checks.recurring_cues.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """Why no cues were looked for in a finished run; "" where they were."""
        from bias_audit.checks.recurring_cues.measure import why_not

        return why_not(result)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: the strongest cues, confirmed ones first; None where there are none."""
        from bias_audit.checks.recurring_cues.section import cues_section

        shown = cues_section(page.result, page.pictures, page.budget)
        return shown if shown["cues"] else None
