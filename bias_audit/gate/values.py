"""The result of a gate: the verdict, with a row per check. Pages, formats and the terminal read nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from bias_audit.gate.settings import GateConfig

PASSED, WAIVED, NOT_JUDGED, WARNED, FAILED = "passed", "waived", "not judged", "warning", "failed"
STATUSES = (FAILED, WARNED, NOT_JUDGED, WAIVED, PASSED)
"""The status of a check, in the order in which rows are shown.

FAILED fails the gate. WARNED never does. NOT_JUDGED could not be judged for a reason that the gate file allows. WAIVED
would have failed, and somebody answers for it until a date.
"""

NEW, KNOWN, WORSE = "new", "known", "worse"
"""A finding beside a baseline: absent there; present there; present there, but beyond that level or interval now."""


@dataclass(frozen=True)
class GateRow:
    """One check of one subject, with its result.

    Attributes:
        scope: "dataset", "class", "cue", "slice", "image", or "run" for classes, baseline, provenance and required
            rules.
        subject: class, cue, slice or image; "" for the whole data set.
        check: rule code, or the metric's or key's name.
        measured, low, high: the number judged and the ends of its interval, None where there is none.
        threshold: the bound, in the unit of `measured`; for a rule the rule's own.
        status: one of STATUSES.
        sentence: what was found and what was allowed, or why it was not judged.
        severity: "fail" or "warn": what a breach of this check does.
        state: why the check could not be judged, one of `states.STATES`; "" where it was judged.
        level: level of a finding, one of `checks.outcomes.LEVELS`; "" otherwise.
        cue: what is suspected beside the class (`identity.cue_of`), "" for none.
        finding_id: `identity.finding_id` of a rule's row; "" for numbers.
        change: NEW, KNOWN or WORSE; "" for numbers, for findings below the level that fails, and without a baseline.
        baseline: number of the baseline; None where there is none.
        n: number of images behind the number, None = not known.
        line: line of gate.toml that asked for the check, 0 = a default.
        waiver: who accepted the finding, why and until when, or why the waiver does not hold; "" for none. `sentence`
            ends with it.
        title: what people read in the place of `subject` and `cue` where these are ids, such as "cue 1 of wolf"; "" =
            they read these.
        unit: unit of `measured`, `low`, `high`, `threshold` and `baseline` (`quantities.Unit`), which are raw numbers.
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
    title: str = ""
    unit: str = "number"


@dataclass(frozen=True)
class GateResult:
    """The verdict of a gate on a run.

    Attributes:
        passed: whether nothing failed, and something was judged.
        rows: every check, in the order of STATUSES.
        summary: one sentence for the terminal.
        config: settings of the gate, with the thresholds.
        ignored: number of outcomes that somebody ignored on purpose with --ignore.
        baseline: the older run as given; "" for none.
        resolved: findings of the baseline that are gone, one sentence each.
        notes: sentences that a reader should know and that fail nothing, such as waivers that soon expire or are
            unused.
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
        """Exit code of the command: 0 = passed, 1 = failed."""
        return 0 if self.passed else 1

    def count(self, status: str) -> int:
        """Number of rows with this status."""
        return sum(row.status == status for row in self.rows)
