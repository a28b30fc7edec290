"""The rule BA303: a region that a reviewer drew moves the prediction when pasted onto photos of other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import (
    WATCH,
    RuleOutcome,
    answered,
    as_float,
    cue_proven,
    not_applicable,
    not_excluded,
    number,
    small_effect,
    visible,
)
from bias_audit.config import Thresholds
from bias_audit.run.quantities import bound, interval, quantity
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence

EVIDENCE = (
    "area", "object_share", "object_estimated", "probability", "probability_erased", "erase_effect", "p_erase",
    "n_places", "turned", "turned_control", "own_effect",
)  # fmt: skip


def drawn_region(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA303: a region drawn by a reviewer and tested by intervention moves the prediction.

    CONFIRMED where pasting the region raises the class's probability significantly (corrected over all regions tested
    in this run) and by enough, and the region lies off the object; WATCH where the effect is too small for its
    uncertainty. There is one outcome per region, and none where
    nobody has drawn one: an audit does not wait for reviewers.
    """
    regions = evidence.table("hypotheses")
    if regions is None:
        return []
    return [_outcome(rule, str(name), row, evidence.thresholds) for name, row in regions.iterrows()]


def _outcome(rule: Rule, subject: str, row: pd.Series, bounds: Thresholds) -> RuleOutcome:
    given = {"class_name": str(row["class_name"]), "name": str(row["name"]), "reviewer": str(row["reviewer"])}
    where = f"{row['name']!r}, drawn by {row['reviewer'] or 'a reviewer'} on {row['image_id']}"
    if row["reason"] != OK:
        return not_applicable(rule, "cue", subject, f"{where}: {row['reason']}.", str(row["reason_code"]))
    most = bounds.max_on_estimate if as_float(row["object_estimated"], 0) > 0 else bounds.max_on_object
    on_object = as_float(row["object_share"], 1) >= most
    moves = (
        as_float(row["p_fdr"], 1) <= bounds.fdr
        and as_float(row["paste_effect"], 0) >= bounds.min_cue
        and as_float(row["paste_low"], 0) > 0
    )
    rise = interval(as_float(row["paste_effect"]), number(row["paste_low"]), number(row["paste_high"]), "points")
    sentence = (
        f"{where}: pasted onto {int(row['n_hosts'])} photos of other classes, it raises the probability of "
        f"{row['class_name']} by {rise} more than pieces of other photos of their own class do, and turns "
        f"{quantity(row['turned'], 'share')} of them (the other pieces: {quantity(row['turned_control'], 'share')}). "
        f"{_erased(row)}"
    )
    if moves and on_object:
        share = quantity(row["object_share"], "share")
        sentence += f" {share} of it lies on the object: this is what the class looks like, not a bias."
    elif not moves:
        beyond = as_float(row["p_fdr"], 1) <= bounds.fdr and as_float(row["paste_low"], 0) > 0
        least = bound(bounds.min_cue, "points")
        what = f"The effect is below {least} and does not count" if beyond else "No effect beyond chance was shown"
        still = not_excluded("a rise", row["paste_high"], "points", int(row["n_hosts"]))
        sentence = f"{what}: {sentence} {still}"
    found = moves and not on_object
    clear = cue_proven(row["paste_effect"], row["paste_low"], bounds)
    if found and not clear:
        sentence += f" {small_effect(row['paste_low'], bounds)}"
    values: dict[str, Any] = {key: number(row[key]) for key in EVIDENCE}
    return answered(
        rule,
        "cue",
        subject,
        found,
        "CONFIRMED" if clear else WATCH,
        sentence,
        measured=number(row["paste_effect"]),
        threshold=bounds.min_cue,
        low=number(row["paste_low"]),
        high=number(row["paste_high"]),
        n=int(row["n_hosts"]),
        p_value=number(row["p_fdr"]),
        image_ids=(str(row["image_id"]),),
        evidence={**given, **values},
    )


def _erased(row: pd.Series) -> str:
    before, after = row["probability"], row["probability_erased"]
    said = (
        f"Erasing it on its own photo changes the probability from {quantity(before, 'share')} to "
        f"{quantity(after, 'share')}"
    )
    if number(row["erase_effect"]) is None:
        return f"{said}; there is no room for an equal piece to compare with."
    if not visible(row["erase_effect"]):
        return f"{said}, no more than erasing equal pieces elsewhere does."
    n, effect = int(row["n_places"]), as_float(row["erase_effect"])
    pieces = f"{n} equal piece{'' if n == 1 else 's'} elsewhere does"
    lowers = "lowers it by" if effect > 0 else "raises it by"
    return f"{said}; it {lowers} {quantity(abs(effect), 'points')} more than erasing {pieces}."


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA303",
        title="region drawn by a reviewer moves the prediction",
        about="a region drawn by a reviewer and tested by intervention moves the prediction",
        scope="cue",
        measures=("rise of the probability beyond a control", "points"),
        more="The region, erased and pasted",
        role="proves a cue",
        cue="a region that a reviewer drew and had tested",
        by_hand=True,
    ): drawn_region,
}
"""Rules of the check -> the function that judges each."""
