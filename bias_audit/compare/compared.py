"""Compares two finished runs: what became better or worse in data set, classes, slices, findings and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.checks.outcomes import LEVELS, RuleOutcome, class_of
from bias_audit.checks.registry import with_role
from bias_audit.checks.slices.summary import grouped
from bias_audit.checks.thresholds import of_run
from bias_audit.compare.flips import FlipList, find_flips
from bias_audit.compare.measures import BETTER, MEASURES, NO_DIFFERENCE, WORSE, Change, Codes, apart, judged, paired
from bias_audit.compare.pairing import Pairs, pair_images
from bias_audit.compare.settings import differences
from bias_audit.run import tables
from bias_audit.run.identity import cue_of, matched
from bias_audit.run.result import AuditResult

NEW, GONE, KNOWN, UNJUDGED = "new", "gone", "known", "no longer judged"
KINDS = (NEW, UNJUDGED, KNOWN, GONE)


@dataclass(frozen=True)
class FindingChange:
    """A finding of the new run, the old run or both, and what became of it.

    Attributes:
        kind: one of KINDS. NEW: only the new run has the finding. KNOWN: both have it. UNJUDGED: the old run has it,
            and the new run could not judge it, so it is not gone. GONE: only the old run has it.
        state: for a KNOWN finding one of `measures.VERDICTS`, else "". For rules that test reliance (BA201) it comes
            from the test of the class's background gap in `Comparison.classes`, where there is one; else from the
            intervals of the finding's number in both runs.
        outcome: the finding as the new run has it; as the old run has it for UNJUDGED and GONE.
        old: the finding as the old run has it; None for a NEW finding.
        remark: what a reader must know beside the numbers; "" = nothing.
    """

    kind: str
    state: str
    outcome: RuleOutcome
    old: RuleOutcome | None
    remark: str = ""


@dataclass(frozen=True)
class Comparison:
    """The whole comparison of two runs, as the pages, the Markdown and the terminal show it.

    Attributes:
        old, new: the two runs.
        differences: sentences about what else differs between them, see `settings.differences`.
        pairs: the images that both runs have.
        data: changes over all images; empty where `pairs.enough` is False.
        classes, slices: changes of the classes and slices that both runs have.
        findings: findings of either run, in the order of KINDS.
        flips: lists of single images that changed.
    """

    old: AuditResult
    new: AuditResult
    differences: tuple[str, ...]
    pairs: Pairs
    data: tuple[Change, ...]
    classes: tuple[Change, ...]
    slices: tuple[Change, ...]
    findings: tuple[FindingChange, ...]
    flips: tuple[FlipList, ...]

    @property
    def headline(self) -> str:
        """The comparison in one sentence."""
        counts = {verdict: [each for each in self.classes if each.verdict == verdict] for verdict in (WORSE, BETTER)}
        parts = []
        for verdict, changes in counts.items():
            subjects = list(dict.fromkeys(change.subject for change in changes))
            if subjects:
                names = ", ".join(subjects[:5]) + (f" and {len(subjects) - 5} more" if len(subjects) > 5 else "")
                parts.append(f"{verdict} in {len(subjects)} of {self.compared} classes ({names})")
        for verdict in (WORSE, BETTER):
            if titles := [MEASURES[each.measure].title for each in self.data if each.verdict == verdict]:
                parts.append(f"over all images {', '.join(titles)} {verdict}")
        said = "; ".join(parts)
        if not said:
            return f"No difference shown in {self.compared} classes." if self.compared else "No class can be compared."
        return f"{said[0].upper()}{said[1:]}."

    @property
    def compared(self) -> int:
        """Number of classes with at least one change that could be computed."""
        return len({change.subject for change in self.classes})

    @property
    def matching(self) -> str:
        """How many images both runs have, how they were matched, and whether the comparison is paired; in sentences."""
        before, now = self.pairs.images
        n, both = len(self.pairs), len(self.pairs) + self.pairs.relabelled
        how = {0: "by name", both: "by content"}.get(self.pairs.by_content, "by content or name")
        said = f"{both:,} images are in both runs ({before:,} before, {now:,} now; matched {how})."
        if self.pairs.relabelled:
            said += f" {self.pairs.relabelled:,} of them have another label now and are left out."
        if self.pairs.enough:
            return f"{said} Differences are paired, over these {n:,} images."
        return f"{said} Too few to pair: the runs are compared as two samples, which is less sensitive."


def compare(old: AuditResult, new: AuditResult) -> Comparison:
    """Compare a new run with an old one.

    Thresholds for the verdicts (`min_photos`, `fdr`) are those of the new run.

    Raises:
        ResultError: a table of either run is missing or damaged.
    """
    pairs = pair_images(old.images, new.images)
    thresholds = of_run(new.info.thresholds, str(new.path))
    least, fdr = thresholds.min_photos, thresholds.fdr
    codes = _groups(old, new, pairs)
    before = set(old.info.class_names)
    common = [name for name in new.info.class_names if name in before]
    if pairs.enough:
        label = pairs.new["label"]
        places = label.groupby(label.to_numpy()).indices
        members = {name: np.asarray(places.get(name, ()), np.intp) for name in common}
        whole = np.flatnonzero(label.isin(common).to_numpy(bool))
        data = _paired_changes("data set", {"": whole}, list(MEASURES), pairs, codes)
        classes = _paired_changes("class", members, list(MEASURES), pairs, codes)
        slices = _paired_slices(old, new, pairs, codes)
    else:
        data = []
        classes = _apart_classes(old, new, common)
        slices = _apart_slices(old, new)
    # One test per measure over the whole data set: nothing to correct for.
    by_class = judged(classes, least, fdr)
    return Comparison(
        old,
        new,
        tuple(differences(old, new)),
        pairs,
        tuple(judged(data, least, fdr)),
        tuple(by_class),
        tuple(judged(slices, least, fdr)),
        tuple(_findings(old, new, by_class)),
        tuple(find_flips(pairs)),
    )


def _groups(old: AuditResult, new: AuditResult, pairs: Pairs) -> Codes | None:
    """(n,) group code per pair, such as its patient or scene; None unless both runs group photos by the same column."""
    column = new.info.config.get("group_by")
    if not column or column != old.info.config.get("group_by") or column not in pairs.new:
        return None
    return stats.group_codes(pairs.new[column])


def _paired_changes(
    scope: str, members: dict[str, Codes], names: Sequence[str], pairs: Pairs, codes: Codes | None
) -> list[Change]:
    """The changes of so many measures, of each subject by the places of its pairs."""
    changes = []
    for name in names:
        old, new = (MEASURES[name].values(table) for table in (pairs.old, pairs.new))
        for subject, inside in members.items():
            own = None if codes is None else codes[inside]
            changes.append(paired(scope, subject, name, old[inside], new[inside], own, len(members)))
    return [change for change in changes if change.n]


def _paired_slices(old: AuditResult, new: AuditResult, pairs: Pairs, codes: Codes | None) -> list[Change]:
    """Paired changes per slice; an image belongs to the slice of its value in the new run."""
    names = [name for name, measure in MEASURES.items() if measure.slices]
    known = set(tables.user_columns(old.images))
    members: dict[str, Codes] = {}
    for column in tables.user_columns(new.images):
        if column in known and (values := grouped(pairs.new[column])) is not None:
            for value in sorted(values.dropna().unique()):
                members[f"{column} = {value}"] = np.flatnonzero((values == value).to_numpy(bool, na_value=False))
    return _paired_changes("slice", members, names, pairs, codes)


def _apart_classes(old: AuditResult, new: AuditResult, common: Sequence[str]) -> list[Change]:
    before, now = ({str(row["class_name"]): row for row in run.class_rows} for run in (old, new))
    changes = [
        apart("class", name, key, before[name], now[name], (key, measure.low, measure.high, measure.n))
        for key, measure in MEASURES.items()
        for name in common
        if name in before and name in now
    ]
    return [change for change in changes if not math.isnan(change.difference)]


def _apart_slices(old: AuditResult, new: AuditResult) -> list[Change]:
    before, now = ({(row["column"], row["value"]): row for row in _rows(run.slices)} for run in (old, new))
    changes = [
        apart("slice", f"{key[0]} = {key[1]}", name, before[key], row, measure.slices)
        for name, measure in MEASURES.items()
        if measure.slices
        for key, row in now.items()
        if key in before
    ]
    return [change for change in changes if not math.isnan(change.difference)]


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in frame.astype(object).to_dict("records")]


def _findings(old: AuditResult, new: AuditResult, classes: Sequence[Change]) -> list[FindingChange]:
    gaps = {change.subject: change.verdict for change in classes if change.measure == "background_gap"}
    found = matched(new.found(), old.found())
    before_of, now_of = _Outcomes(old.outcomes), _Outcomes(new.outcomes)
    changes = []
    for outcome, partner in found:
        if partner is None:
            before = before_of.same(outcome)
            silent = before is None or not before.judged
            changes.append(FindingChange(NEW, "", outcome, None, "the old run did not judge it" if silent else ""))
            continue
        state = gaps.get(outcome.subject, "") if outcome.code in with_role("tests reliance") else ""
        changes.append(
            FindingChange(KNOWN, state or _state(outcome, partner), outcome, partner, _level(outcome, partner))
        )
    partners = {id(partner) for _, partner in found}
    for outcome in old.found():
        if id(outcome) in partners:
            continue
        now = now_of.same(outcome)
        if now is not None and not now.judged:
            changes.append(FindingChange(UNJUDGED, "", outcome, outcome, now.sentence))
        else:
            changes.append(FindingChange(GONE, "", outcome, outcome))
    return sorted(changes, key=lambda change: KINDS.index(change.kind))


class _Outcomes:
    """The outcomes of a run by rule, class and cue, so that none is looked for among all."""

    def __init__(self, outcomes: Sequence[RuleOutcome]) -> None:
        self._exact: dict[tuple[str, str, str], RuleOutcome] = {}
        self._silent: dict[str, RuleOutcome] = {}
        for each in outcomes:
            self._exact.setdefault((each.code, class_of(each), cue_of(each)), each)
            if not each.judged and not each.subject:
                self._silent.setdefault(each.code, each)

    def same(self, outcome: RuleOutcome) -> RuleOutcome | None:
        """The outcome with the rule, class and cue of another run's; None where there is none.

        Without such an outcome, that of the rule as a whole is returned where the rule could not be judged.
        """
        key = (outcome.code, class_of(outcome), cue_of(outcome))
        return self._exact.get(key, self._silent.get(outcome.code))


def _state(now: RuleOutcome, before: RuleOutcome) -> str:
    """BETTER, WORSE or NO_DIFFERENCE for a finding of both runs, from the intervals of its number.

    The runs are taken for two independent samples. On the same images this errs towards NO_DIFFERENCE.
    """
    ends = (now.measured, now.low, now.high, before.measured, before.low, before.high)
    if any(end is None or not math.isfinite(end) for end in ends):
        return NO_DIFFERENCE
    columns = ("measured", "low", "high", "n")
    one, two = ({name: getattr(each, name) for name in columns} for each in (before, now))
    change = apart("", "", "accuracy", one, two, columns)
    if change.low <= 0 <= change.high:
        return NO_DIFFERENCE
    # A slice is found by a low number, everything else by a high one.
    upwards = now.threshold is None or now.measured is None or now.measured >= now.threshold
    return WORSE if (change.difference > 0) == upwards else BETTER


def _level(now: RuleOutcome, before: RuleOutcome) -> str:
    if now.level == before.level or now.level is None or before.level is None:
        return ""
    weaker = ", a weaker level now" if LEVELS.index(now.level) < LEVELS.index(before.level) else ""
    return f"{before.level} before{weaker}"
