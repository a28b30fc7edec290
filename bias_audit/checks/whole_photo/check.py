"""Declaration of the check `whole_photo`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured, Option, Rule
from bias_audit.checks.whole_photo.columns import WHOLE_PHOTO
from bias_audit.checks.whole_photo.rule import GLOBAL_CUE, global_cue

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Page
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.run.result import AuditResult

TABLE = "whole_photo"


class WholePhoto(Check):
    """The check `whole_photo`: are photos of other classes taken for a class when they get its colour or the like?

    The properties are colour, brightness, sharpness and border of the whole photo.
    """

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
    tables = {TABLE: WHOLE_PHOTO}  # noqa: RUF012 - a literal that nothing changes
    rules = (GLOBAL_CUE,)

    def measure(self, context: Context) -> Measured:
        """Measure the table `whole_photo`: one row per property and class; no rows where the check is switched off."""
        from bias_audit.checks.whole_photo.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """Why a finished run exchanged nothing for want of a model; "" where it had one."""
        from bias_audit.checks.whole_photo.measure import why_not

        return why_not(result)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """Outcomes of BA301, one per class."""
        return global_cue(rule, evidence, evidence.table(TABLE))

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: a row per property and class; None where nothing was exchanged."""
        from bias_audit.checks.whole_photo.section import section

        return section(measured.tables[TABLE], page)
