"""The rule BA908: heatmaps that fail a reliability test say nothing about this model, so no rule reads them.

See docs/science.md#map-reliability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.map_reliability.kinds import CLASSES, RANDOMISATION, STABILITY
from bias_audit.checks.outcomes import RuleOutcome, answered, not_applicable
from bias_audit.checks.reasons import NO_MAPS, NOT_MEASURED, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.config import Thresholds
from bias_audit.run.quantities import beside_bound, bound, quantity

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.map_reliability.similarity import Reliability


@dataclass(frozen=True)
class Criterion:
    """How a reliability test is judged.

    A test fails only where the whole 95 % interval of the median similarity lies on the wrong side of the bound, so few
    photos do not convict the maps.

    Attributes:
        bound: gives the bound of the median similarity, from the thresholds.
        wants_high: True where the similarity must reach the bound, False where it must not exceed it.
        says: what was done, as text with {median} for the median similarity in words.
        fault: what a failure means, as text.
    """

    bound: Callable[[Thresholds], float]
    wants_high: bool
    says: str
    fault: str


CRITERIA = {
    RANDOMISATION: Criterion(
        lambda bounds: bounds.max_random_similarity,
        False,
        "With all weights of the model shuffled, maps keep a rank correlation of {median} with the original ones",
        "they do not depend on what the model learned",
    ),
    CLASSES: Criterion(
        lambda bounds: bounds.max_class_similarity,
        False,
        "The maps of the most probable and of the second class have a rank correlation of {median}",
        "they do not say why one class was predicted and not the other",
    ),
    STABILITY: Criterion(
        lambda bounds: bounds.min_stability,
        True,
        "With photos shifted by one cell, maps keep a rank correlation of {median} with the original ones",
        "they depend on where the photo lies, not on what it shows",
    ),
}


def map_reliability(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA908: heatmaps that do not react to shuffled weights, another class or a shift of the photo as they should.

    Each test is judged by the median of its Spearman correlations (Adebayo et al. 2018) over photos, or groups of them,
    with the interval of Thompson 1936: maps that ignore the model have a correlation of exactly 1 on every photo, of
    which no bootstrap makes an interval.
    """
    tests: tuple[Reliability, ...] = evidence.own("map_reliability") or ()
    scored = evidence.images.get("attention_status")
    if not tests and scored is not None and (scored == NO_MAPS).any() and not (scored == OK).any():
        return [not_applicable(rule, "dataset", "", "There are no heatmaps to test.", NO_MAPS)]
    if not tests:
        return [not_applicable(rule, "dataset", "", "The maps were not tested in this run.", NOT_MEASURED)]
    return [_judged(rule, test, evidence.thresholds) for test in tests]


def _judged(rule: Rule, test: Reliability, bounds: Thresholds) -> RuleOutcome:
    import numpy as np

    from bias_audit import stats

    known = np.isfinite(test.similarity)
    values = test.similarity[known]
    codes = None if test.groups is None else np.array(test.groups, np.intp)[known]
    if test.status != OK or len(values) < stats.ENOUGH_GROUPS:
        few = f"only {len(values)} photos have a usable map, {stats.ENOUGH_GROUPS} are needed"
        reason, code = (few, TOO_FEW) if test.status == OK else (test.status, test.status)
        return not_applicable(rule, "dataset", test.name, f"No test of {test.name}: {reason}.", code)
    if (units := stats.count_units(len(values), codes)) < stats.ENOUGH_GROUPS:
        few = f"{len(values)} photos with a usable map come from {units} groups, {stats.ENOUGH_GROUPS} are needed"
        return not_applicable(rule, "dataset", test.name, f"No test of {test.name}: {few}.", TOO_FEW_GROUPS)
    criterion = CRITERIA[test.name]
    of_units = stats.group_means(values, codes)
    median, limit = float(np.median(of_units)), criterion.bound(bounds)
    low, high = stats.median_interval(of_units)
    asked = f"{'at least' if criterion.wants_high else 'at most'} {bound(limit, 'number')}"
    said = beside_bound(median, limit, "number")
    failed = high < limit if criterion.wants_high else low > limit
    if not failed and (median < limit if criterion.wants_high else median > limit):
        few = f"{len(values)} photos, with a median of {said}, do not tell whether it is {asked}"
        return not_applicable(rule, "dataset", test.name, f"No test of {test.name}: {few}.", TOO_FEW)
    sentence = f"{criterion.says.format(median=said)} (median of {len(values)} photos; wanted: {asked})"
    if failed:
        sentence += f": {criterion.fault}. Do not use the attention columns of this audit"
    else:
        end = f"low as {quantity(low, 'number')}" if criterion.wants_high else f"high as {quantity(high, 'number')}"
        sentence += f". One as {end} cannot be excluded"
    return answered(
        rule,
        "dataset",
        test.name,
        failed,
        "MODEL WARNING",
        f"{sentence}.",
        measured=median,
        threshold=limit,
        low=low,
        high=high,
        n=len(values),
        evidence={
            "between_photos": None if np.isnan(test.reference) else test.reference,
            "maps_without_evidence": test.blank,
        },
    )


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA908",
        title="heatmaps fail a reliability test",
        about="heatmaps that do not react as they should to shuffled weights, another class or a shift of one cell",
        scope="dataset",
        measures=("rank correlation", "number"),
        highest="MODEL WARNING",
        more="How maps were tested",
        role="doubts the maps",
        explains=("BA902", "BA904"),
    ): map_reliability,
}
"""Rules of the check -> the function that judges each."""
