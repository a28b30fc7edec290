"""The check `map_reliability`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.map_reliability.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page


class MapReliability(Check):
    """Do the heatmaps say anything of this model?"""

    name = "map_reliability"
    title = "Maps"
    anchor = "maps"
    rules = tuple(JUDGES)
    judges = JUDGES

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """The tests, and which of them the maps failed."""
        from bias_audit.checks.map_reliability.section import maps_section

        shown = maps_section(page.result)
        return shown if shown["tests"] else None
