"""The rule BA207: reliance is proven, and the class that was learned with the cue is not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.background import mask_words
from bias_audit.checks.background.rule import told_pulls, why_no_reliance
from bias_audit.checks.base import Rule
from bias_audit.checks.culprits import UNKNOWN, standings
from bias_audit.checks.outcomes import WATCH, RuleOutcome, answered, as_float, not_applicable
from bias_audit.checks.reasons import MASKS_IN_DOUBT, NOT_MEASURED
from bias_audit.checks.reliance import masks_in_doubt
from bias_audit.run.quantities import quantity

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence

MOST_NAMED = 10
"""Classes that the sentence names."""


def reliance_without_a_class(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA207: of some class the gap is proven, and the class to blame for it is not known.

    Its objects are pulled by a class that BA201 does not accuse, or photos are too few to show whose backgrounds pull
    them. The classes are listed and not accused: each is found by BA201 at WATCH. Those whose gap may come from what
    the masks missed of the objects do not count; where there are no others the level is WATCH.
    """
    # docs/science.md#levels
    rows = evidence.rows()
    judged = [row for _, row in rows if math.isfinite(as_float(row["p_fdr"]))]
    if not judged:
        first = rows[0][1] if rows else None
        reason = "There are no classes." if first is None else why_no_reliance(first)
        code = NOT_MEASURED if first is None else str(first["reliance_reason_code"])
        return [not_applicable(rule, "dataset", "", reason, code)]
    blamed = standings(rows, evidence.table("gap_matrix"), evidence.thresholds)
    unknown = {name: standing for name, standing in blamed.items() if standing.blame in UNKNOWN}
    table = dict(rows)
    doubted = [name for name in unknown if masks_in_doubt(table[name], evidence.thresholds)]
    lowered = 0 < len(unknown) == len(doubted)
    open_ = {name: each for name, each in unknown.items() if lowered or name not in doubted}
    gaps = {name: f"gap {quantity(as_float(row['background_gap']), 'points')}" for name, row in rows}
    pulled = [
        f"{name} ({gaps[name]}) by those of {told_pulls(each.pulls)}" for name, each in open_.items() if each.pulls
    ]
    unseen = [f"{name} ({gaps[name]})" for name, each in open_.items() if not each.pulls]
    sentence = (
        f"In {len(open_)} of {len(judged)} judged classes the prediction is proven to follow the background, but it is "
        "not known which class was learned with the cue."
        + (f" Objects are pulled by backgrounds of classes without a finding: {_told(pulled)}." if pulled else "")
        + (f" There are too few photos to show whose backgrounds pull them: {_told(unseen)}." if unseen else "")
        if open_
        else f"None of {len(judged)} judged classes has a proven background gap and is pulled by a class without a "
        "finding."
    )
    if lowered:
        sentence += f" {mask_words.missed(table[doubted[0]], evidence.thresholds)}"
        sentence += f" The same holds for {', '.join(doubted[1 : MOST_NAMED + 1])}." if len(doubted) > 1 else ""
    elif doubted:
        sentence += f" Not counted, since their masks are in doubt: {', '.join(doubted[:MOST_NAMED])}."
    return [
        answered(
            rule,
            "dataset",
            "",
            len(open_) > 0,
            WATCH if lowered else "SUSPICIOUS",
            sentence,
            measured=float(len(open_)),
            n=sum(int(row["n_interventions"]) for row in judged),
            p_value=max((min(pull.p for pull in each.pulls) for each in open_.values() if each.pulls), default=None),
            evidence={"classes": ", ".join(open_) or None, "masks_in_doubt": ", ".join(doubted) or None},
            reason_code=MASKS_IN_DOUBT if lowered else "",
        )
    ]


def _told(parts: list[str]) -> str:
    return "; ".join(parts[:MOST_NAMED]) + (
        f"; and {len(parts) - MOST_NAMED} more classes" if len(parts) > MOST_NAMED else ""
    )
