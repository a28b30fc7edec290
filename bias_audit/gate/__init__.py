"""Turns a finished run into a verdict for continuous integration: thresholds in, rows and an exit code out.

The gate reads `audit.json`, and CSV tables only to pair images and for metrics of tables other than class and dataset;
of a large run not even for its images (`run.image_numbers`).
It loads no NumPy, no pandas and no model, so the command starts in a blink. A check ends as one of STATUSES; what could
not be judged never counts as passed.
"""

from __future__ import annotations

from bias_audit.gate.config import read_gate
from bias_audit.gate.files import write_gate
from bias_audit.gate.settings import GateConfig
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, STATUSES, WAIVED, WARNED, GateResult, GateRow
from bias_audit.gate.verdict import judge

__all__ = [
    "FAILED",
    "NOT_JUDGED",
    "PASSED",
    "STATUSES",
    "WAIVED",
    "WARNED",
    "GateConfig",
    "GateResult",
    "GateRow",
    "judge",
    "read_gate",
    "write_gate",
]
