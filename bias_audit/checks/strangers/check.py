"""Declaration of the check `strangers`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.strangers.columns import STRANGERS

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Given, Measured, Page


class Strangers(Check):
    """What does the model take pictures for that belong to no class it knows?"""

    name = "strangers"
    title = "Strangers"
    tables = {"strangers": STRANGERS}  # noqa: RUF012 - a literal that nothing changes

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Of the listing of the strangers' folder."""
        if given.strangers is None:
            return {"strangers": ""}
        from bias_audit.checks.strangers.measure import open_strangers

        return {"strangers": open_strangers(given.strangers).fingerprint()}

    def measure(self, context: Context) -> Measured:
        """Predictions and heatmaps of the strangers."""
        from bias_audit.checks.strangers.measure import measure

        return measure(context)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """One group per kind of picture."""
        from bias_audit.checks.strangers.section import strangers_section

        shown = strangers_section(page.result, page.pictures, page.budget)
        return shown if shown["groups"] else None
