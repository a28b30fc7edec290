"""Section "Are the maps worth anything on this model?": the reliability tests, and what follows for the scores."""

from __future__ import annotations

from typing import Any

from bias_audit.report.cells import estimate
from bias_audit.run.result import AuditResult


def maps_section(result: AuditResult) -> dict[str, Any]:
    """Values of the section: outcomes of rule BA908, one per test.

    Returns:
        tests: list of {name, status, sentence, estimate}.
        failed: names of the tests that the maps failed; if any, the page shows attention scores in grey.
    """
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
