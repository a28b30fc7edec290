"""The rules on single images, BA202 and BA204: photos that rest on their background, alone or unlike their class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Rule
from bias_audit.checks.outcomes import RuleOutcome, as_float, not_applicable, not_excluded
from bias_audit.checks.reasons import OK, SCREENED, TOO_FEW
from bias_audit.checks.reliance import screened
from bias_audit.run.quantities import quantity

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import ClassRow


def image_reliance(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA202: photos whose prediction survives without the object and changes on other backgrounds.

    Judged by photos that are recognised, and only in classes whose emptied photos are called the class more often than
    those of any other class: a model must call an emptied photo something, and what it calls all of them says nothing
    of the photo.
    """
    from bias_audit.checks.background.rule import why_no_reliance
    from bias_audit.checks.evidence import images_found

    # docs/science.md#single-photos
    outcomes = []
    for name, row in evidence.rows():
        group = evidence.of_class(name)
        group = group[group["rests_on_background"].notna()]
        if group.empty:
            code = SCREENED if screened(row) else row["reliance_reason_code"]
            outcomes.append(not_applicable(rule, "image", name, why_no_reliance(row), code))
            continue
        told = recognised_without_object(row)
        resting = group[
            group["rests_on_background"].astype(bool)
            & (group["background_only_predicted"] == name)
            & (group["background_only_predicted_second_fill"] == name)
        ]
        resting = (resting if told else resting.iloc[:0]).sort_values("background_gap", ascending=False, kind="stable")
        sentence = (
            f"{len(resting)} of {len(group)} photos of {name} are still taken for it, with a probability of more than "
            "50%, when the object is removed, and for something else on most other backgrounds."
            if told
            else f"Without their object, photos of {name} are not clearly more often called {name} "
            f"({quantity(float(row['background_only_accuracy']), 'share')}) than those of another class "
            f"({quantity(as_float(row['background_only_elsewhere'], 0), 'share')}), so being called {name} without an "
            "object says nothing about a single photo."
        )
        lead = as_float(row["background_only_high"]) - as_float(row["background_only_elsewhere"])
        still = "" if told else not_excluded("a lead over them", lead, "points", len(group))
        outcomes.append(images_found(rule, name, resting, group, sentence, evidence, still))
    return outcomes


def recognised_without_object(row: ClassRow) -> bool:
    """Whether a class's emptied photos are called the class clearly more often than those of any other class.

    The lower limit of its own rate must exceed the highest rate among the other classes, under both fills.

    Args:
        row: the class's row of the class table.
    """
    return all(
        as_float(row[f"background_only{low}"], 0) > as_float(row[f"background_only_elsewhere{fill}"], 1)
        for low, fill in (("_low", ""), ("_second_fill_low", "_second_fill"))
    )


def image_reliance_outliers(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA204: photos that lose far more on other backgrounds than is usual in their class (robust z of log-odds).

    An outlier must also be rarer than chance makes it among as many photos.
    """
    from bias_audit import stats
    from bias_audit.checks.background.rule import why_no_reliance
    from bias_audit.checks.evidence import images_found

    # docs/science.md#outliers
    bounds = evidence.thresholds
    looked = int(evidence.images["swap_outlier_p"].notna().sum())
    outcomes = []
    for name, row in evidence.rows():
        judged = evidence.of_class(name)
        judged = judged[judged["swap_outlier_p"].notna()]
        if judged.empty:
            reason, code = why_no_reliance(row), str(row["reliance_reason_code"])
            if row["reliance_reason"] == OK:
                tested = int(row["n_interventions"])
                reason = f"Not enough photos: {tested} were tested, {stats.ENOUGH_FOR_OUTLIERS} are needed."
                code = TOO_FEW
            outcomes.append(not_applicable(rule, "image", name, reason, code))
            continue
        # The prediction must turn too: with log-odds of 20 a loss of 5 is unusual and without consequence.
        outliers = judged[
            (judged["swap_outlier_p"] <= bounds.fdr)
            & (judged["swap_robust_z"] > bounds.image_z)
            & (judged["background_gap"] > 0.5)
        ]
        outliers = outliers.sort_values("swap_robust_z", ascending=False, kind="stable")
        sentence = (
            f"On backgrounds of other classes {len(outliers)} of {len(judged)} photos of {name} lose far more than is "
            f"usual in the class, more than chance explains among {looked} photos, and most of these backgrounds turn "
            "their prediction."
            if len(outliers)
            else f"None of {len(judged)} photos of {name} loses far more on backgrounds of other classes than is usual "
            "in the class."
        )
        outcomes.append(images_found(rule, name, outliers, judged, sentence, evidence))
    return outcomes
