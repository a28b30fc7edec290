"""The rules on leaks in the data, BA401 to BA404. A leak does not convict the model, so the level is at most WATCH."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Rule
from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered, as_float, not_applicable, not_excluded, number
from bias_audit.checks.reasons import NO_VARIATION, NOT_MEASURED, NOT_TESTED
from bias_audit.run.quantities import interval, p_value, quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.config import Thresholds

MOST_NAMED = 5
"""Largest number of classes named in a sentence."""

NOT_THE_MODEL = "Whether this model uses it is a separate question"


@dataclass(frozen=True)
class Looked:
    """Which data the check examined.

    Attributes:
        reason: why nothing was examined; "" where the data were examined.
        train: number of training pictures that were compared; None = no training folder was given.
        estimated: number of photos whose object was estimated for want of a mask.
    """

    reason: str = ""
    train: int | None = None
    estimated: int = 0


def background_leak(rule: Rule, bounds: Thresholds, table: pd.DataFrame | None, seen: Looked) -> list[RuleOutcome]:
    """BA401: whether a linear model on colours and textures of the background alone predicts the label.

    Found where the class with the largest AUC passes both bounds; its p is corrected for the number of classes.
    """
    rows = _rows(table, seen, "background")
    if rows is None:
        return [not_applicable(rule, "dataset", "", _why(seen), NOT_MEASURED)]
    if rows.empty:
        reason = "Fewer than two classes have 10 photos with enough background beside their object."
        return [not_applicable(rule, "dataset", "", reason, NOT_TESTED)]
    first = rows.iloc[0]
    whole = _rows(table, seen, "whole image")
    beside = ""
    if whole is not None and len(whole):
        beside = f", on the whole image {quantity(whole.iloc[0]['value'], 'number')}"
    classes = rows.iloc[1:].sort_values("value", ascending=False, kind="stable")
    each = ", ".join(
        f"{row['class_name']} {quantity(row['value'], 'number')}" for _, row in classes.head(MOST_NAMED).iterrows()
    )
    # One class with a cue among many hardly moves the mean. A class's p is corrected for their number.
    top = classes.iloc[0]
    guess = " There were no masks, so the place of the object was estimated." if seen.estimated else ""
    found = as_float(top["p"], 1) <= bounds.fdr and as_float(top["value"]) >= bounds.min_leak
    n, widest = int(first["n"]), classes.sort_values("high", ascending=False).iloc[0]
    still = "" if found else f" {not_excluded('an AUC', widest['high'], 'number', n, where=widest['class_name'])}"
    auc = interval(top["value"], number(top["low"]), number(top["high"]), "number")
    sentence = (
        f"From the background alone, with the object cut out, a linear model tells {top['class_name']} from the other "
        f"classes with an AUC of {auc} ({p_value(as_float(top['p'], 1))}, corrected for {len(classes)} classes; {n} "
        f"photos, cross-validated). By class: {each}; on average {quantity(first['value'], 'number')}{beside}. "
        f"{NOT_THE_MODEL if found else 'Chance is 0.50'}.{still}{guess}"
    )
    return [
        answered(rule, "dataset", "", found, "WATCH", sentence, measured=float(top["value"]),
            threshold=bounds.min_leak, low=number(top["low"]), high=number(top["high"]), n=int(first["n"]),
            p_value=number(top["p"]), evidence={"class_name": top["class_name"], "auc": float(first["value"])},
        )
    ]  # fmt: skip


def property_leak(rule: Rule, bounds: Thresholds, table: pd.DataFrame | None, seen: Looked) -> list[RuleOutcome]:
    """BA402: whether brightness, format, camera or a column of the user is associated with the label."""
    rows = _rows(table, seen, "property")
    if rows is None:
        return [not_applicable(rule, "dataset", "", _why(seen), NOT_MEASURED)]
    if rows.empty:
        reason = "No property varies, or there are fewer than 10 photos."
        return [not_applicable(rule, "dataset", "", reason, NO_VARIATION)]
    rows = rows.assign(strength=list(map(strength, rows["measure"], rows["value"])))
    least = 2 * bounds.min_leak - 1
    hits = rows[(rows["p_fdr"] <= bounds.fdr) & (rows["strength"] >= least)].sort_values("strength", ascending=False)
    if hits.empty:
        ranges = [strength_range(row["measure"], row["low"], row["high"]) for _, row in rows.iterrows()]
        place = max(range(len(rows)), key=lambda i: as_float(ranges[i][1], -1))
        top, n = rows.iloc[place], int(rows.iloc[place]["n"])
        still = not_excluded("an association of strength", ranges[place][1], "number", n, where=_where(top))
        return [
            answered(
                rule, "dataset", "", False, None,
                f"None of {rows['name'].nunique()} properties was shown to go with the label. {still}",
                measured=number(top["strength"]), threshold=least, low=number(ranges[place][0]),
                high=number(ranges[place][1]), n=n, p_value=number(top["p_fdr"]),
            )
        ]  # fmt: skip
    said = "; ".join(_said(row) for _, row in hits.head(6).iterrows())
    more = f"; and {len(hits) - 6} more, see leakage.csv" if len(hits) > 6 else ""
    top = hits.iloc[0]
    ends = strength_range(top["measure"], top["low"], top["high"])
    return [
        answered(
            rule, "dataset", "", True, "WATCH", f"{said}{more}. {NOT_THE_MODEL}.",
            measured=float(top["strength"]), threshold=least, low=ends[0], high=ends[1], n=int(top["n"]),
            p_value=float(top["p_fdr"]), evidence={"properties": ", ".join(map(str, hits["name"]))},
        )
    ]  # fmt: skip


def copies(rule: Rule, bounds: Thresholds, table: pd.DataFrame | None, seen: Looked) -> list[RuleOutcome]:
    """BA403: whether pictures are in the test set twice, or in the training set as well; one outcome for each."""
    rows = _rows(table, seen, "training copy", "test copy")
    if rows is None:
        return [not_applicable(rule, "dataset", "", _why(seen), NOT_MEASURED)]
    outcomes = []
    for kind, subject in (("training copy", "training set"), ("test copy", "test set")):
        own = rows[rows["kind"] == kind]
        if kind == "training copy" and seen.train is None:
            reason = "The training set is not known; --train names it."
            outcomes.append(not_applicable(rule, "dataset", subject, reason, NOT_MEASURED))
            continue
        images = list(dict.fromkeys([*own["name"], *(own["typical"] if kind == "test copy" else ())]))
        pairs = f", for instance {own.iloc[0]['name']} and {own.iloc[0]['typical']}" if len(own) else ""
        against = f" ({_counted(seen.train or 0, 'training picture', 'training pictures')} compared)"
        verb = "is" if len(images) <= 1 else "are"
        sentence = (
            f"{len(images) or 'None'} of the test photos {verb} also in the training set, exactly or "
            f"nearly{against}{pairs}."
            if kind == "training copy"
            else f"{_counted(len(images), 'photo is', 'photos are') if len(images) else 'No photo is'} in the test set "
            f"more than once, exactly or nearly{pairs}."
        )
        outcomes.append(
            answered(rule, "dataset", subject, len(images) > 0, "WATCH", sentence,
                measured=float(len(images)), threshold=0.0, image_ids=tuple(map(str, images[:MOST_IDS])),
            )
        )  # fmt: skip
    return outcomes


def label_conflicts(rule: Rule, bounds: Thresholds, table: pd.DataFrame | None, seen: Looked) -> list[RuleOutcome]:
    """BA404: whether copies of one picture have different labels."""
    rows = _rows(table, seen, "training copy", "test copy")
    if rows is None:
        return [not_applicable(rule, "dataset", "", _why(seen), NOT_MEASURED)]
    known = rows[rows["other_label"] != ""]
    torn = known[known["class_name"] != known["other_label"]]
    if torn.empty:
        sentence = "No pair of copies with known labels was found."
        if len(known):
            sentence = f"None of {_counted(len(known), 'pair of copies', 'pairs of copies')} has two labels."
        return [answered(rule, "dataset", "", False, None, sentence)]
    said = "; ".join(
        f"{row['name']} is {row['class_name']}, {row['typical']} is {row['other_label']}"
        for _, row in torn.head(4).iterrows()
    )
    pairs = _counted(len(torn), "pair of copies has", "pairs of copies have")
    sentence = f"{pairs} two labels, of which one must be wrong: {said}."
    ids = tuple(map(str, dict.fromkeys(torn["name"])))[:MOST_IDS]
    return [
        answered(
            rule, "dataset", "", True, "WATCH", sentence, measured=float(len(torn)), threshold=0.0,
            image_ids=ids,
        )
    ]  # fmt: skip


def strength(measure: str, value: Any) -> float:
    """Strength of an association on one scale, 0 = none to 1 = perfect; NaN for a missing value.

    Args:
        measure: "AUC", of which the distance from chance is taken, or "Cramér's V", which is kept.
        value: the measure.
    """
    known = as_float(value)
    return abs(2 * known - 1) if measure == "AUC" else known


def strength_range(measure: str, low: Any, high: Any) -> tuple[float, float]:
    """The interval of a measure as an interval of its `strength`; from 0 where it holds chance.

    Args:
        measure: as in `strength`.
        low, high: ends of the interval of the measure.
    """
    ends = sorted((strength(measure, low), strength(measure, high)))
    chance = measure == "AUC" and as_float(low) < 0.5 < as_float(high)
    return 0.0 if chance else ends[0], ends[1]


def _where(row: pd.Series) -> str:
    return f"{row['name']} of {row['class_name']}" if row["class_name"] else str(row["name"])


def _said(row: pd.Series) -> str:
    ends = strength_range(row["measure"], row["low"], row["high"])
    raw = f"{row['measure']} {quantity(row['value'], 'number')}, " if row["measure"] == "AUC" else ""
    return f"{_where(row)}: strength {interval(row['strength'], *ends, 'number')} ({raw}{row['typical']})"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _rows(table: pd.DataFrame | None, seen: Looked, *kinds: str) -> pd.DataFrame | None:
    return None if table is None or seen.reason else table[table["kind"].isin(kinds)]


def _why(seen: Looked) -> str:
    return f"The data were not searched for leaks: {seen.reason or 'the run holds no such table'}."


Judge = Callable[[Rule, "Thresholds", "pd.DataFrame | None", Looked], list[RuleOutcome]]

JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA401",
        title="the background alone predicts the label",
        about="a linear model on colours and textures of the background alone predicts the label",
        scope="dataset",
        measures=("AUC of the background alone, strongest class", "number"),
        highest="WATCH",
        more="Every class and property",
    ): background_leak,
    Rule(
        code="BA402",
        title="a property of the files goes with the label",
        about="brightness, format, camera or a user's column goes with the label",
        scope="dataset",
        measures=("strength of the association, 0..1", "number"),
        highest="WATCH",
        more="Every class and property",
    ): property_leak,
    Rule(
        code="BA403",
        title="the same picture twice",
        about="pictures that are in the test set twice, or in the training set as well",
        scope="dataset",
        measures=("photos with a copy", "count"),
        highest="WATCH",
        more="The copies",
    ): copies,
    Rule(
        code="BA404",
        title="one picture, two labels",
        about="copies of one picture that have different labels",
        scope="dataset",
        measures=("pairs with two labels", "count"),
        highest="WATCH",
        more="The copies",
    ): label_conflicts,
}
"""Rules of the check -> the function that judges each."""
