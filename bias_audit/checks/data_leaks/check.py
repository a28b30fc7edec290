"""Declaration of the check `data_leaks`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured, Option, Rule
from bias_audit.checks.data_leaks.columns import LEAKAGE
from bias_audit.checks.data_leaks.rule import JUDGES, Looked

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Given, Page
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.run.result import AuditResult

TABLE = "leakage"


class DataLeaks(Check):
    """The check `data_leaks`: can the label be told without looking at the object, whatever the audited model does?"""

    name = "data_leaks"
    title = "Data"
    options = (
        Option("leakage", "--leakage", "N", "images on which the data are probed for leaks (default 1000; 0 = none)"),
    )
    tables = {TABLE: LEAKAGE}  # noqa: RUF012 - a literal that nothing changes
    rules = tuple(JUDGES)

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Hash of the listing of the training pictures; "" where no training folder was given."""
        if given.train is None:
            return {"training pictures": ""}
        from bias_audit.checks.data_leaks.measure import fingerprint

        return {"training pictures": fingerprint(given.train, given.reach)}

    def measure(self, context: Context) -> Measured:
        """Measure the table `leakage`: associations of backgrounds and properties with the label, and copies."""
        from bias_audit.checks.data_leaks.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """What a finished run says that was looked at."""
        from bias_audit.checks.data_leaks.measure import recalled

        return recalled(result)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """Outcomes of one of the rules BA401 to BA404, on the whole data set."""
        seen = evidence.own(self.name) or Looked("the run holds no such table")
        return JUDGES[rule](rule, evidence.thresholds, evidence.table(TABLE), seen)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: outcomes of the rules, strongest associations, and copies."""
        from bias_audit.checks.data_leaks.section import section

        return section(measured.tables[TABLE], page)
