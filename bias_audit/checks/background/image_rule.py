"""The rules on single images, BA202 and BA204: photos that rest on their background, alone or unlike their class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Rule
from bias_audit.checks.outcomes import RuleOutcome, not_applicable
from bias_audit.checks.reasons import OK, TOO_FEW

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence


def image_reliance(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA202: photos whose prediction survives without the object and changes on other backgrounds."""
    from bias_audit.checks.background.rule import why_no_reliance
    from bias_audit.checks.evidence import images_found

    outcomes = []
    for name, row in evidence.rows():
        group = evidence.images[(evidence.images["label"] == name) & evidence.images["rests_on_background"].notna()]
        if group.empty:
            outcomes.append(not_applicable(rule, "image", name, why_no_reliance(row), row["reliance_reason_code"]))
            continue
        resting = group[group["rests_on_background"].astype(bool)]
        resting = resting.sort_values("background_gap", ascending=False, kind="stable")
        sentence = (
            f"{len(resting)} of {len(group)} photos of {name} are still predicted the same, with more than "
            "50 % probability, when the object itself is removed, and differently on most other backgrounds."
        )
        outcomes.append(images_found(rule, name, resting, group, sentence, evidence))
    return outcomes


def image_reliance_outliers(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA204: photos that lose far more on other backgrounds than is usual in their class (robust z of log-odds)."""
    from bias_audit import stats
    from bias_audit.checks.background.rule import why_no_reliance
    from bias_audit.checks.evidence import images_found

    bounds = evidence.thresholds
    outcomes = []
    for name, row in evidence.rows():
        judged = evidence.of_class(name)
        judged = judged[judged["swap_robust_z"].notna()]
        if judged.empty:
            reason, code = why_no_reliance(row), str(row["reliance_reason_code"])
            if row["reliance_reason"] == OK:
                tested = int(row["n_interventions"])
                reason = f"Not enough photos: {tested} were intervened on, {stats.ENOUGH_FOR_OUTLIERS} needed."
                code = TOO_FEW
            outcomes.append(not_applicable(rule, "image", name, reason, code))
            continue
        # The prediction must turn too: with log-odds of 20 a loss of 5 is unusual and without consequence.
        outliers = judged[(judged["swap_robust_z"] > bounds.image_z) & (judged["background_gap"] > 0.5)]
        outliers = outliers.sort_values("swap_robust_z", ascending=False, kind="stable")
        sentence = (
            f"{len(outliers)} of {len(judged)} photos of {name} lose far more than is usual in the class when their "
            "object stands on backgrounds of other classes, and most of those turn the prediction."
        )
        outcomes.append(images_found(rule, name, outliers, judged, sentence, evidence))
    return outcomes
