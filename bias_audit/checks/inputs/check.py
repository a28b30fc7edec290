"""The check `inputs`, declared."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.inputs.rule import JUDGES


class Inputs(Check):
    """Was the model shown what it saw in training, and are its outputs called what they were then?"""

    name = "inputs"
    title = "Inputs"
    rules = tuple(JUDGES)
    judges = JUDGES
