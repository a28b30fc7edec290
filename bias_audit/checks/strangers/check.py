"""Declaration of the check `strangers`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.strangers.columns import STRANGERS

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Given, Measured, Page


class Strangers(Check):
    """The check `strangers`: what does the model take pictures for that belong to none of its classes?"""

    name = "strangers"
    title = "Strangers"
    tables = {"strangers": STRANGERS}  # noqa: RUF012 - a literal that nothing changes

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Hash of the listing of the folder of strangers; "" where no folder was given."""
        if given.strangers is None:
            return {"strangers": ""}
        from bias_audit.checks.strangers.measure import open_strangers

        return {"strangers": open_strangers(given.strangers, given.reach).fingerprint()}

    def measure(self, context: Context) -> Measured:
        """Predict and explain the strangers; an empty table where none were given."""
        from bias_audit.checks.strangers.measure import measure

        return measure(context)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: one group per kind of stranger; None where there are none."""
        from bias_audit.checks.strangers.section import strangers_section

        shown = strangers_section(page.result, page.pictures, page.budget)
        return shown if shown["groups"] else None
