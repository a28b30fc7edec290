"""The check `attention`, declared."""

from __future__ import annotations

from bias_audit.checks.attention.rule import JUDGES
from bias_audit.checks.base import Check


class Attention(Check):
    """Do the heatmaps lie on the background? Triage only."""

    name = "attention"
    title = "Attention"
    rules = tuple(JUDGES)
    judges = JUDGES
