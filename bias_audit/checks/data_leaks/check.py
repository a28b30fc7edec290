"""Declaration of the check `data_leaks`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
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
    """Can the label be told without looking at the object, whatever this model does?"""

    name = "data_leaks"
    title = "Data"
    options = (
        Option("leakage", "--leakage", "N", "images on which the data are probed for leaks (default 1000; 0 = none)"),
    )
    tables = {TABLE: LEAKAGE}  # noqa: RUF012 - a literal that nothing changes
    rules = tuple(JUDGES)

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Of the listing of the training pictures."""
        if given.train is None:
            return {"training pictures": ""}
        from bias_audit.checks.data_leaks.measure import fingerprint

        return {"training pictures": fingerprint(given.train)}

    def measure(self, context: Context) -> Measured:
        """What goes with the label in the data, and pairs of copies."""
        from bias_audit.checks.data_leaks.measure import measure

        return measure(context)

    def recall(self, result: AuditResult) -> Measured:
        """The table of a finished run; what was looked at is read from its shard when a rule asks."""
        return Measured({TABLE: result.table(TABLE)}, own=partial(_looked, result))

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """BA401 to BA404, of the data set."""
        seen = evidence.own(self.name) or Looked("the run holds no such table")
        return JUDGES[rule](rule, evidence.thresholds, evidence.table(TABLE), seen)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """What the rules say, the strongest associations, and copies."""
        from bias_audit.checks.data_leaks.section import section

        return section(measured.tables[TABLE], page)


def _looked(result: AuditResult) -> Looked:
    from bias_audit.checks.data_leaks.measure import recalled

    return recalled(result)
