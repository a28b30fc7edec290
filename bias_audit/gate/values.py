"""What the gate answers: a row per check, and the verdict. Pages, formats and the terminal read nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from bias_audit.gate.settings import GateConfig

PASSED, WAIVED, NOT_JUDGED, WARNED, FAILED = "passed", "waived", "not judged", "warning", "failed"
STATUSES = (FAILED, WARNED, NOT_JUDGED, WAIVED, PASSED)
"""What a check can end as, in the order in which rows are shown.

FAILED fails the gate. WARNED never does. NOT_JUDGED could not be judged for a reason that the gate file allows.
WAIVED would have failed, and somebody answers for it until a date.
"""

NEW, KNOWN, WORSE = "new", "known", "worse"
"""A finding beside the baseline: not there before, there as well, or there and by now beyond its interval."""


@dataclass(frozen=True)
class GateRow:
    """One check of one subject.

    Attributes:
        scope: "dataset", "class", "cluster", "slice", "image", or "run" for baseline and provenance.
        subject: class, cluster, slice or image; "" for the whole data set.
        check: rule code, or the metric's or key's name.
        measured, low, high: the number judged and its interval, where there is one.
        threshold: the bound, in the unit of `measured`; for a rule the rule's own.
        status: one of STATUSES.
        sentence: what was found and what was allowed, or why it was not judged.
        severity: "fail" or "warn": what a breach of this check does.
        state: why there was nothing to judge, one of `states.STATES`; "" where something was judged.
        level: level of a finding, one of `result.LEVELS`; "" otherwise.
        cue: what is suspected beside the class (`identity.cue_of`), "" for none.
        finding_id: `identity.finding_id` of a rule's row; "" for numbers.
        change: NEW, KNOWN or WORSE; "" without a baseline.
        baseline: the baseline's number, in the unit of `measured`; None where there is none.
        n: images behind the number.
        line: line of gate.toml that asked for the check, 0 = a default.
        waiver: who accepted it, why and until when, or why that does not hold; "" for none. `sentence` ends with it.
        origin: what set the bound, or the level from which a finding fails: "gate.toml:12" (file and line) or
            "default"; `judge` fills it in.
    """

    scope: str
    subject: str
    check: str
    measured: float | None
    low: float | None
    high: float | None
    threshold: float | None
    status: str
    sentence: str
    severity: str = "fail"
    state: str = ""
    level: str = ""
    cue: str = ""
    finding_id: str = ""
    change: str = ""
    baseline: float | None = None
    n: int | None = None
    line: int = 0
    waiver: str = ""
    origin: str = ""


@dataclass(frozen=True)
class GateResult:
    """The verdict.

    Attributes:
        passed: nothing failed, and something was judged.
        rows: every check, in the order of STATUSES.
        summary: one sentence for the terminal.
        config: the thresholds judged by.
        ignored: outcomes that somebody ignored on purpose; they are no checks.
        baseline: the run compared with, as given; "" for none.
        resolved: findings of the baseline that are gone, one sentence each.
        notes: what a reader should know and nothing is judged by: waivers that run out, waivers nobody needs.
    """

    passed: bool
    rows: tuple[GateRow, ...]
    summary: str
    config: GateConfig
    ignored: int = 0
    baseline: str = ""
    resolved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    def count(self, status: str) -> int:
        """Rows with this status."""
        return sum(row.status == status for row in self.rows)
