"""The rules on slices, BA203, BA205 and BA206: values of the user's columns with worse results than the rest.

The rules report differences and not their cause, so the level is never above WATCH. Slices are judged by the difference
within classes: a column that is associated with the class must not count as a slice of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import RuleOutcome, answered, as_float, not_applicable, not_excluded, number
from bias_audit.checks.reasons import MAPS_FAILED, NO_COMPARISON, OK, TOO_FEW
from bias_audit.run.quantities import difference_unit, interval, quantity, signed

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.slices.summary import Measure


def worst_slice(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA203: a slice of a user column is recognised worse than the rest (Fisher's exact test, BH, effect floor)."""
    from bias_audit.checks.slices.summary import ACCURACY

    floor, unit = evidence.thresholds.min_gap, rule.measures[1]

    def sentence(row: pd.Series, column: str, found: bool) -> str:
        return (
            f"{'Worse' if found else 'Not clearly worse'} than the rest: of the {int(row['n'])} images with "
            f"{column} = {row['value']}, {quantity(float(row['accuracy']), 'share')} are recognised, of the others "
            f"{quantity(float(row['rest_accuracy']), 'share')}{_within(row, ACCURACY, unit)}."
            f"{_furthest(evidence, column, ACCURACY, unit)}"
        )

    return _by_column(
        evidence, rule, ACCURACY, 1,
        lambda row: float(row["accuracy_within"]) <= -floor, floor, sentence,
    )  # fmt: skip


def slice_attention(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA205: attention differs between slices of a user column (Mann-Whitney, BH, Cliff's delta)."""
    from bias_audit.checks.slices.summary import ATTENTION

    bounds, unit = evidence.thresholds, rule.measures[1]
    if evidence.doubt:
        return [not_applicable(rule, "dataset", "", evidence.doubt, MAPS_FAILED)]

    def sentence(row: pd.Series, column: str, found: bool) -> str:
        return (
            f"Attention {'lies' if found else 'does not clearly lie'} further off the object than in the rest: the "
            f"background excess of the {int(row['n_attention'])} images with {column} = {row['value']} is "
            f"{quantity(float(row['background_excess']), unit)}, that of the others "
            f"{quantity(float(row['rest_excess']), unit)}{_within(row, ATTENTION, unit)}."
            f"{_furthest(evidence, column, ATTENTION, unit)}"
        )

    return _by_column(
        evidence, rule, ATTENTION, bounds.min_attention,
        lambda row: float(row["excess_delta"]) >= bounds.cliffs_delta, None, sentence,
    )  # fmt: skip


def slice_reliance(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA206: a slice of a user column loses most on other backgrounds (permutation test of the gap, BH, floor)."""
    from bias_audit.checks.slices.summary import RELIANCE

    bounds, unit = evidence.thresholds, rule.measures[1]

    def sentence(row: pd.Series, column: str, found: bool) -> str:
        return (
            f"{'Loses' if found else 'Does not clearly lose'} more than the rest: pasted onto other classes' "
            f"backgrounds, the {int(row['n_interventions'])} photos with {column} = {row['value']} lose "
            f"{quantity(float(row['background_gap']), unit)} of accuracy, the others "
            f"{quantity(float(row['rest_gap']), unit)}{_within(row, RELIANCE, unit)}."
            f"{_furthest(evidence, column, RELIANCE, unit)}"
        )

    return _by_column(
        evidence, rule, RELIANCE, bounds.min_photos,
        lambda row: float(row["gap_within"]) >= bounds.min_gap, bounds.min_gap, sentence,
    )  # fmt: skip


def _by_column(
    evidence: Evidence,
    rule: Rule,
    measure: Measure,
    enough: int,
    is_large: Callable[[pd.Series], bool],
    floor: float | None,
    sentence: Callable[[pd.Series, str, bool], str],
) -> list[RuleOutcome]:
    """One outcome per column of the user, on its worst slice.

    Args:
        evidence: what the rules are judged on.
        rule: the rule.
        measure: what slices are compared by.
        enough: images with this measure that a slice needs to be judged.
        is_large: row of a slice -> whether its effect is large enough for a finding.
        floor: smallest difference from the rest that counts, in the unit of the measure; None where the effect has
            another unit.
        sentence: (row, column, found) -> the outcome's sentence.
    """
    outcomes = []
    for column, rows in _rows(evidence).groupby("column", sort=False):
        name = str(column)
        tested = rows[rows[measure.fdr].notna() & (rows[measure.n] >= enough)]
        if tested.empty:
            outcomes.append(not_applicable(rule, "slice", name, *_why_not(name, rows, measure, enough)))
            continue
        worse = [bool(row[measure.fdr] <= evidence.thresholds.fdr and is_large(row)) for _, row in tested.iterrows()]
        found = any(worse)
        candidates = tested[worse] if found else tested
        within = measure.worse * candidates[f"{measure.prefix}_within"].to_numpy(float)
        row = candidates.iloc[int(within.argmax())]
        rest = float(row[f"rest_{measure.prefix}"])
        said = sentence(row, name, found) + ("" if found else f" {_open_still(tested, measure, rule.measures[1])}")
        outcomes.append(
            answered(
                rule,
                "slice",
                name,
                found,
                "WATCH",
                said,
                measured=float(row[measure.mean]),
                threshold=None if floor is None else rest + measure.worse * floor,
                low=number(row[f"{measure.prefix}_low"]),
                high=number(row[f"{measure.prefix}_high"]),
                n=int(row[measure.n]),
                p_value=as_float(row[measure.fdr]),
                evidence={
                    "value": str(row["value"]),
                    "difference": number(float(row[measure.mean]) - rest),
                    "difference_within_classes": number(row[f"{measure.prefix}_within"]),
                    "background_gap": number(row["background_gap"]),
                    "n_interventions": number(row["n_interventions"]),
                    **_largest_difference(rows, measure),
                },
            )
        )
    if not outcomes:
        reason = "No user column divides the images into groups."
        outcomes.append(not_applicable(rule, "dataset", "", reason, NO_COMPARISON))
    return outcomes


def _open_still(tested: pd.DataFrame, measure: Measure, unit: str) -> str:
    """Sentence on what the negative leaves open: the largest upper limit of a slice's difference from the rest."""
    import numpy as np

    worse_end = "high" if measure.worse > 0 else "low"
    ends = measure.worse * tested[f"{measure.prefix}_within_{worse_end}"].to_numpy(float)
    what, unit = "a difference from the rest", difference_unit(unit)
    if not np.isfinite(ends).any():
        return not_excluded(what, None, unit, None)
    row = tested.iloc[int(np.nanargmax(ends))]
    return not_excluded(what, np.nanmax(ends), unit, int(row[measure.n]), "images", str(row["value"]))


def _why_not(column: str, rows: pd.DataFrame, measure: Measure, enough: int) -> tuple[str, str]:
    """Why no slice of a column was tested, in words and as a code."""
    untested = rows[rows[measure.reason] != OK]
    if len(untested) < len(rows):
        return f"No slice of {column} is large enough: {enough} images with this measure are needed.", TOO_FEW
    reason = str(untested[measure.reason].mode().iloc[0])
    code = untested.loc[untested[measure.reason] == reason, f"{measure.reason}_code"].iloc[0]
    return f"No slice of {column} could be tested: {reason}.", str(code)


def _largest_difference(rows: pd.DataFrame, measure: Measure) -> dict[str, float | int | str | None]:
    """Evidence on the two slices of a column that differ most, the worse one first; {} where none can be compared."""
    difference = f"{measure.prefix}_against_difference"
    compared = rows[rows[difference].notna()]
    if compared.empty:
        return {}
    row = compared.iloc[int((measure.worse * compared[difference].to_numpy(float)).argmax())]
    return {
        "furthest": str(row["value"]),
        "furthest_from": str(row[f"{measure.prefix}_against"]),
        "largest_difference": number(row[difference]),
        "largest_difference_low": number(row[f"{measure.prefix}_against_low"]),
        "largest_difference_high": number(row[f"{measure.prefix}_against_high"]),
    }


def _rows(evidence: Evidence) -> pd.DataFrame:
    """The table `slices`."""
    slices = evidence.table("slices")
    assert slices is not None, "slices are made before rules are judged"
    return slices


def _furthest(evidence: Evidence, column: str, measure: Measure, unit: str) -> str:
    """Sentence on the two slices that differ most, as a distance, whichever way is worse; "" where none compare."""
    import numpy as np

    slices = _rows(evidence)
    rows = slices[slices["column"] == column]
    pair = _largest_difference(rows, measure)
    if not pair:
        return ""
    low, high = as_float(pair["largest_difference_low"]), as_float(pair["largest_difference_high"])
    least, most = sorted((measure.worse * low, measure.worse * high))
    distance = interval(abs(as_float(pair["largest_difference"])), least, most, difference_unit(unit))
    over = " (over all pairs of slices)" if np.isfinite(low) else ""  # else nothing varies within slices
    return f" Furthest apart are {pair['furthest']} and {pair['furthest_from']}: {distance}{over}."


def _within(row: pd.Series, measure: Measure, unit: str) -> str:
    """The difference within classes in brackets; "" where it equals the plain difference as printed."""
    raw = float(row[measure.mean]) - float(row[f"rest_{measure.prefix}"])
    said, within = (signed(each, difference_unit(unit)) for each in (raw, float(row[f"{measure.prefix}_within"])))
    return "" if said == within else f" (difference between images of the same class: {within})"


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA203",
        title="a slice of the data is recognised worse",
        about="a slice of a user column is recognised worse than the rest (Fisher's exact test, BH, effect floor)",
        scope="slice",
        measures=("accuracy of the slice", "share"),
        highest="WATCH",
        more="All slices with their intervals",
        worse="low",
    ): worst_slice,
    Rule(
        code="BA205",
        title="attention differs between slices of the data",
        about="attention differs between slices of a user column (Mann-Whitney, BH, Cliff's delta)",
        scope="slice",
        measures=("background excess of the slice", "number"),
        highest="WATCH",
        more="All slices with their intervals",
        needs=frozenset({"masks", "maps"}),
    ): slice_attention,
    Rule(
        code="BA206",
        title="a slice of the data loses most on other backgrounds",
        about="a slice of a user column loses most on other backgrounds (permutation test of the gap, BH, floor)",
        scope="slice",
        measures=("background gap of the slice", "points"),
        highest="WATCH",
        more="All slices with their intervals",
        needs=frozenset({"masks", "composites"}),
    ): slice_reliance,
}
"""Rules of the check -> the function that judges each."""
