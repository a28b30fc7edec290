"""BA203: who pays. Accuracy of the user's slices; the numbers, not their cause, so never above WATCH."""

from __future__ import annotations

from bias_audit.result import RuleOutcome
from bias_audit.rules.evidence import Evidence, as_float, not_applicable, number, status_of


def worst_slice(evidence: Evidence) -> list[RuleOutcome]:
    """BA203: a slice of a user column is recognised worse than the rest (Fisher's exact test, BH, effect floor)."""
    title, bounds = "a slice of the data is recognised worse", evidence.thresholds
    outcomes = []
    for column, rows in evidence.slices.groupby("column", sort=False):
        name = str(column)
        tested = rows[rows["p_fdr"].notna()]
        if tested.empty:
            reason = f"No slice of {name} is large enough: {rows['reason'].iloc[0]}."
            outcomes.append(not_applicable("BA203", title, "slice", name, reason))
            continue
        worse = tested[(tested["p_fdr"] <= bounds.fdr) & (tested["difference"] <= -bounds.min_gap)]
        row = (worse if len(worse) else tested).sort_values("difference", kind="stable").iloc[0]
        sentence = (
            f"{'Worse' if len(worse) else 'Not clearly worse'} than the rest: of the {int(row['n'])} images with "
            f"{name} = {row['value']} {float(row['accuracy']):.0%} are right, "
            f"of the others {float(row['rest_accuracy']):.0%}."
        )
        outcomes.append(
            RuleOutcome(
                "BA203",
                title,
                "slice",
                name,
                *status_of(len(worse) > 0, "WATCH", sentence),
                measured=float(row["accuracy"]),
                threshold=float(row["rest_accuracy"]) - bounds.min_gap,
                low=float(row["accuracy_low"]),
                high=float(row["accuracy_high"]),
                n=int(row["n"]),
                p_value=as_float(row["p_fdr"]),
                evidence={
                    "value": str(row["value"]),
                    "difference": number(row["difference"]),
                    "background_gap": number(row["background_gap"]),
                    "n_interventions": number(row["n_interventions"]),
                },
            )
        )
    if not outcomes:
        outcomes.append(not_applicable("BA203", title, "dataset", "", "No user column divides the images into groups."))
    return outcomes
