"""A gate's answer written by hand, for the formats: every status, and names that try to break them."""

from __future__ import annotations

import dataclasses
from typing import Any

from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, WAIVED, WARNED, GateResult, GateRow, read_gate

HOSTILE = "wolf\x1b[31m\x00 <b>&\"'|`*\n::error::x](http://a) {0} %0A, " + (
    "\x7f\x9b2J\u202e\u2066\u200b\u2028 \ud800 \ufffe ünï\N{WOLF FACE}"
)
"""Control characters, half a surrogate pair, markup of HTML, XML, Markdown, SARIF and workflow commands."""


def row(status: str = FAILED, **changes: Any) -> GateRow:
    values: dict[str, Any] = {
        "scope": "class", "subject": "wolf", "check": "BA201", "measured": 0.76, "low": 0.53, "high": 0.99,
        "threshold": 0.05, "status": status, "sentence": "SUSPICIOUS: What happened.", "level": "SUSPICIOUS",
        "finding_id": "0123456789abcdef", "n": 10, "line": 7, "unit": "points",
    }  # fmt: skip
    return GateRow(**{**values, **changes})


def number(status: str = FAILED, **changes: Any) -> GateRow:
    values: dict[str, Any] = {
        "check": "min_accuracy", "sentence": "Accuracy is 80%; at least 90% is required.", "level": "",
        "finding_id": "", "line": 12, "unit": "share",
    }  # fmt: skip
    return row(status, **{**values, **changes})


def gate(*rows: GateRow, **changes: Any) -> GateResult:
    failed = sum(each.status == FAILED for each in rows)
    values: dict[str, Any] = {
        "passed": bool(rows) and not failed, "rows": rows, "summary": f"Gate: {failed} of {len(rows)} failed.",
        "config": read_gate(None),
    }  # fmt: skip
    return GateResult(**{**values, **changes})


def one_of_each() -> GateResult:
    """A row of every status, in their order."""
    return gate(
        row(),
        number(scope="dataset", subject=""),
        row(WARNED, check="BA101", finding_id="b" * 16, severity="warn", level="WATCH"),
        row(NOT_JUDGED, check="BA204", scope="image", measured=None, low=None, high=None, threshold=None, n=None,
            level="", finding_id="", state="not applicable", sentence="Not enough photos: 10, 20 needed."),
        row(WAIVED, check="BA302", scope="cue", subject="wolf-1", cue="snow", finding_id="c" * 16,
            waiver="Dr. Ada, until 2027-01-01: wolves live in snow"),
        row(PASSED, subject="husky", finding_id="d" * 16),
        notes=("A waiver runs out.",), resolved=("BA201 of fox is gone.",), baseline="runs/old", ignored=1,
    )  # fmt: skip


def hostile() -> GateResult:
    """The same text wherever a user's text can stand."""
    rows = tuple(
        dataclasses.replace(
            each, subject=HOSTILE, sentence=HOSTILE, waiver=each.waiver and HOSTILE, finding_id=f"{i:016x}"
        )
        for i, each in enumerate(one_of_each().rows)
    )
    return gate(*rows, summary=HOSTILE, notes=(HOSTILE,), resolved=(HOSTILE,), baseline=HOSTILE)
