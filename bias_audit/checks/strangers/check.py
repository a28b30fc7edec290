"""The check `strangers`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page


class Strangers(Check):
    """What does the model take pictures for that belong to no class it knows?"""

    name = "strangers"
    title = "Strangers"

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """One group per kind of picture."""
        from bias_audit.checks.strangers.section import strangers_section

        shown = strangers_section(page.result, page.pictures, page.budget)
        return shown if shown["groups"] else None
