"""Section "Are the maps worth anything on this model?": the reliability tests, and what follows for the scores."""

from __future__ import annotations

from typing import Any

from bias_audit.report.cells import estimate
from bias_audit.run.result import AuditResult


def maps_section(result: AuditResult) -> dict[str, Any]:
    """The tests of rule BA908, and those that failed: then attention scores are shown in grey."""
    judged = [outcome for outcome in result.outcomes if outcome.code == "BA908" and outcome.subject]
    return {
        "tests": [
            {
                "name": outcome.subject,
                "status": outcome.status,
                "sentence": outcome.sentence,
                "estimate": estimate(outcome.measured, outcome.low, outcome.high),
            }
            for outcome in judged
        ],
        "failed": [outcome.subject for outcome in judged if outcome.found],
    }
