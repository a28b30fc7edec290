"""The check `mask_quality`, declared."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.mask_quality.rule import JUDGES


class MaskQuality(Check):
    """How good are estimated masks?"""

    name = "mask_quality"
    title = "Masks"
    rules = tuple(JUDGES)
    judges = JUDGES
