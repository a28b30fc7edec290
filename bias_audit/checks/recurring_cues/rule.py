"""The rule BA302: a recurring cue moves the prediction when it is erased or pasted onto other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import (
    CONTEXT,
    MOST_IDS,
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
from bias_audit.checks.reasons import (
    MASKS_IN_DOUBT,
    NOT_MEASURED,
    NOT_TESTED,
    NOT_TIED,
    NOTHING_RECURS,
    TOO_FEW_GROUPS,
)
from bias_audit.checks.reliance import gap_of_minority, masks_in_doubt, near_parts_in_doubt, relies
from bias_audit.config import Thresholds
from bias_audit.run.cue_titles import cue_titles
from bias_audit.run.quantities import interval, quantity
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence

EVIDENCE = (
    "class_share", "lift", "odds_ratio", "odds_ratio_low", "odds_ratio_high", "cramers_v_predicted", "cramers_v_label",
    "purity", "attention_share", "object_share", "object_estimated", "erase_effect", "erase_low", "erase_high",
    "paste_effect", "paste_low", "paste_high", "turned", "turned_control",
)  # fmt: skip


def recurring_cue(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA302: a recurring cue off the object is tied to a class and proved by erasing or by pasting.

    CONFIRMED where one of the two effects is significant after correction and large enough. One is enough: where a
    second cue is present, erasing the first may cost nothing, though it turns other images when pasted. The level is
    WATCH where both effects are too small for their uncertainty, or where the masks of the class are in doubt, and
    CONTEXT where a reviewer has judged the cue legitimate. A cue that lies mostly on the object shows what the
    class looks like, and is no finding.
    """
    bounds, cues = evidence.thresholds, evidence.table("cues")
    why_not = evidence.own("recurring_cues")
    if cues is None or why_not:
        reason = why_not or "the run holds no table of them"
        return [not_applicable(rule, "dataset", "", f"Recurring cues were not looked for: {reason}.", NOT_MEASURED)]
    tested = cues[cues["proof_status"] == OK]
    titles = cue_titles(cues.reset_index().to_dict("records"))
    found = [
        _outcome(rule, str(name), row, titles[str(name)], evidence)
        for name, row in tested.iterrows()
        if moves(row, bounds)
    ]
    if found:
        return found
    if cues.empty:
        reason = "the model looks at nothing in enough images to call it recurring."
        return [not_applicable(rule, "dataset", "", f"No recurring cue: {reason}", NOTHING_RECURS)]
    tied = int((cues["proof_status_code"] != NOT_TIED).sum())
    sentence = (
        f"{len(cues)} recurring cues were found; {tied} go with a class, {len(tested)} were erased and pasted. "
        "None that lies off the object was shown to move the prediction."
    )
    if len(tested) == 0 and tied:
        sentence = f"{tied} recurring cues could not be erased and pasted"
        if (cues["proof_status_code"] == TOO_FEW_GROUPS).any():
            sentence += ": their images come from too few groups"
            return [not_applicable(rule, "dataset", "", f"{sentence}.", TOO_FEW_GROUPS)]
        return [not_applicable(rule, "dataset", "", f"{sentence}.", NOT_TESTED)]
    beside = tested[[not on_object(row, bounds) for _, row in tested.iterrows()]]
    sentence += f" {_open_still(beside)}" if len(beside) else ""
    return [answered(rule, "dataset", "", False, None, sentence, n=int(cues["n_proof"].max()))]


def on_object(row: pd.Series, bounds: Thresholds) -> bool:
    """Whether a cue lies on the object so far that it shows what the class looks like.

    Args:
        row: a row of the table `cues`.
        bounds: thresholds of the rules.
    """
    estimated = as_float(row["object_estimated"], 1) > 0
    return as_float(row["object_share"], 1) >= (bounds.max_on_estimate if estimated else bounds.max_on_object)


def _open_still(beside: pd.DataFrame) -> str:
    """Sentence on what the negative leaves open: the largest upper limit of an effect of a cue beside the object."""
    import numpy as np

    ends = beside[["erase_high", "paste_high"]].to_numpy(float)
    what = "an effect of a cue on the probability"
    if not np.isfinite(ends).any():
        return not_excluded(what, None, "points", None)
    row = beside.iloc[int(np.nanargmax(np.nanmax(np.where(np.isfinite(ends), ends, -np.inf), axis=1)))]
    return not_excluded(what, np.nanmax(ends), "points", int(row["n_proof"]), where=str(row["class_name"]))


def moves(row: pd.Series, bounds: Thresholds) -> bool:
    """Whether a cue moves the prediction: erasing or pasting it has an effect, and it does not lie on the object.

    Args:
        row: a row of the table `cues`.
        bounds: thresholds of the rules.
    """
    return bool(proofs(row, bounds)) and not on_object(row, bounds)


def proofs(row: pd.Series, bounds: Thresholds) -> list[str]:
    """Names of the tests, "erase" and "paste", with an effect that is significant after correction and large enough.

    Args:
        row: a row of the table `cues`.
        bounds: thresholds of the rules.
    """
    return [
        name
        for name in ("erase", "paste")
        if as_float(row[f"p_{name}_fdr"], 1) <= bounds.fdr
        and as_float(row[f"{name}_effect"], 0) >= bounds.min_cue
        and as_float(row[f"{name}_low"], 0) > 0
    ]


def _outcome(rule: Rule, name: str, row: pd.Series, title: str, evidence: Evidence) -> RuleOutcome:
    from bias_audit.checks.recurring_cues.names import LEGITIMATE

    judged, bounds = str(row["judgement"]), evidence.thresholds
    spots = evidence.table("cue_spots")
    images = tuple(spots.loc[spots["cue_id"] == name, "image_id"]) if spots is not None else ()
    called = f"{title!r}" if row["name"] else title
    outline = ""
    if as_float(row["object_estimated"], 0) > 0:
        outline = " There were no masks, so the place of the object was estimated."
    shown = sorted(proofs(row, bounds), key=lambda name: -float(row[f"{name}_effect"]))
    clear = [name for name in shown if cue_proven(row[f"{name}_effect"], row[f"{name}_low"], bounds)]
    strongest = (clear or shown)[0]
    convicts = bool(clear) and judged != LEGITIMATE
    doubted = convicts and _may_be_missed(str(row["class_name"]), evidence)
    level = CONTEXT if judged == LEGITIMATE else "CONFIRMED" if convicts and not doubted else WATCH
    small = "" if clear else f" {small_effect(row[f'{strongest}_low'], bounds)}"
    verdict = " A reviewer judged it legitimate." if judged == LEGITIMATE else ""
    clauses = "; ".join(filter(None, (_erased(row), _pasted(row))))
    sentence = (
        f"The network keeps looking at {called}, in {quantity(row['class_share'], 'share')} of the images that it "
        f"takes for {row['class_name']} ({int(row['n'])} images in all). {clauses[:1].upper()}{clauses[1:]}. "
        f"Tested on {_photos(row)}.{small}{outline}{verdict}"
    )
    if doubted:
        sentence += f" {_why_doubted(str(row['class_name']), evidence)}"
    return answered(
        rule,
        "cue",
        name,
        True,
        level,
        sentence,
        measured=float(row[f"{strongest}_effect"]),
        threshold=bounds.min_cue,
        low=number(row[f"{strongest}_low"]),
        high=number(row[f"{strongest}_high"]),
        n=int(row["n_proof"]),
        p_value=float(row[f"p_{strongest}_fdr"]),
        image_ids=images[:MOST_IDS],
        evidence={
            "class_name": row["class_name"],
            "name": str(row["name"]),
            "title": title,
            **{key: number(row[key]) for key in EVIDENCE},
        },
        reason_code=MASKS_IN_DOUBT if doubted else "",
    )


def _may_be_missed(name: str, evidence: Evidence) -> bool:
    """Whether a cue of a class may be what the masks missed, which lies off the mask in many photos, as a cue does.

    So it may where the gap of the class counts and its masks are in doubt. Where the gap does not count, the other
    classes tell: in doubt are all masks if a minority of the backgrounds makes the gap of any class. Without a gap that
    counts in any class nothing tells them apart.
    """
    rows, bounds = dict(evidence.rows()), evidence.thresholds
    if name in rows and relies(rows[name], bounds):
        return masks_in_doubt(rows[name], bounds)
    return bool(_of_minorities(evidence))


def _of_minorities(evidence: Evidence) -> list[str]:
    """Names of the classes whose gap counts, and is made by a minority of the backgrounds."""
    bounds = evidence.thresholds
    return [name for name, row in evidence.rows() if relies(row, bounds) and gap_of_minority(row, bounds)]


def _why_doubted(name: str, evidence: Evidence) -> str:
    """Sentence on what may have been missed, for a class by `_may_be_missed`."""
    rows, bounds = dict(evidence.rows()), evidence.thresholds
    own = name in rows and relies(rows[name], bounds)
    if own and near_parts_in_doubt(rows[name], bounds):
        return (
            f"Masks in doubt: the background gap of {name}, or its pull, does not hold with larger holes in the "
            "backgrounds, so this may be a part of the object that the masks miss."
        )
    whose = f"the background gap of {name}, or its pull," if own else f"the gap of {_of_minorities(evidence)[0]}"
    return (
        f"Masks in doubt: {whose} comes from a minority of the backgrounds, so this may be an object that no mask "
        "covers, a second one for instance."
    )


def _photos(row: pd.Series) -> str:
    """How many photos were changed, and of how many groups where some belong together."""
    photos, groups = int(row["n_proof"]), as_float(row["n_proof_groups"])
    return f"{photos} photos from {int(groups)} groups" if groups < photos else f"{photos} photos"


def _erased(row: pd.Series) -> str:
    """Clause on the effect of erasing the cue, beyond a control; "" where the effect rounds to nothing."""
    if not visible(row["erase_effect"]):
        return ""
    by, effect = _effect(row, "erase")
    turn = f"{'lowers' if by > 0 else 'raises'} the probability of {row['class_name']} by {effect}"
    return f"erasing it {turn} more than erasing an equal piece elsewhere does"


def _pasted(row: pd.Series) -> str:
    """Clause on the effect of pasting the cue onto images of other classes; "" where the effects round to nothing."""
    said = []
    if visible(row["paste_effect"]):
        by, effect = _effect(row, "paste")
        turn = f"{'raises' if by > 0 else 'lowers'} the probability of {row['class_name']} by {effect}"
        said.append(f"{turn} more than another piece does")
    if visible(row["turned"]):
        other = quantity(row["turned_control"], "share") if visible(row["turned_control"]) else "none"
        said.append(
            f"turns {quantity(row['turned'], 'share')} of them into {row['class_name']} (another piece: {other})"
        )
    return f"pasting it onto images of other classes {' and '.join(said)}" if said else ""


def _effect(row: pd.Series, test: str) -> tuple[float, str]:
    """The effect of "erase" or "paste", and its size with its interval in words."""
    by, low, high = (as_float(row[f"{test}_{part}"]) for part in ("effect", "low", "high"))
    return by, interval(by, low, high, "points") if by >= 0 else interval(-by, -high, -low, "points")


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA302",
        title="recurring cue that moves the prediction",
        about="a recurring cue off the object is tied to a class and proved by erasing or by pasting",
        scope="cue",
        measures=("effect on the probability beyond a control", "points"),
        more="The cue, erased and pasted",
        role="proves a cue",
        cue="a cue that recurs in the images",
    ): recurring_cue,
}
"""Rules of the check -> the function that judges each."""
