"""Declaration of the check `whole_photo`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured, Option, Rule
from bias_audit.checks.whole_photo.columns import PROBES
from bias_audit.checks.whole_photo.rule import GLOBAL_CUE, global_cue

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Page
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome

TABLE = "probes"


class WholePhoto(Check):
    """Does a class's colour, brightness, sharpness or border turn photos of other classes into it?"""

    name = "whole_photo"
    title = "Global cues"
    options = (
        Option(
            "probes",
            "--probes",
            "N",
            "photos per class whose colour, brightness, sharpness and border are exchanged (default 64; 0 = none)",
        ),
    )
    tables = {TABLE: PROBES}  # noqa: RUF012 - a literal that nothing changes
    rules = (GLOBAL_CUE,)

    def measure(self, context: Context) -> Measured:
        """One row per property and class; none where the check is switched off."""
        from bias_audit.checks.whole_photo.measure import measure

        return measure(context)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """BA301, of every class."""
        return global_cue(rule, evidence, evidence.table(TABLE))

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """A row per property and class, the strongest pulls first."""
        from bias_audit.checks.whole_photo.section import section

        return section(measured.tables[TABLE], page)
