"""Tables + thresholds -> outcomes. Each rule says found, passed or not applicable of each subject, and why.

A new rule is one function and one line in RULES. Codes never change meaning: BA1xx attention, BA2xx reliance, BA3xx
cues (recurring, global), BA4xx leakage of the data, BA9xx health of the audit, of which BA906 and BA907 doubt its input
(pixels, names of outputs), BA908 its maps and BA909 its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pandas as pd

from bias_audit.result import LEVELS, RuleCount, RuleOutcome
from bias_audit.rules.attention import class_attention, image_attention
from bias_audit.rules.clusters import recurring_cue
from bias_audit.rules.evidence import Evidence, as_float
from bias_audit.rules.global_cues import global_cue
from bias_audit.rules.health import (
    accuracy_at_chance,
    maps_without_tie,
    too_few_images,
    uncertain_masks,
    unreadable_images,
)
from bias_audit.rules.hypotheses import drawn_region
from bias_audit.rules.image_reliance import image_reliance, image_reliance_outliers
from bias_audit.rules.inputs import class_order, preprocessing
from bias_audit.rules.leakage import background_leak, copies, label_conflicts, property_leak
from bias_audit.rules.masks import estimated_masks, marked
from bias_audit.rules.reliability import map_reliability
from bias_audit.rules.reliance import class_reliance
from bias_audit.rules.slices import slice_attention, slice_reliance, worst_slice

__all__ = ["RULES", "Evidence", "Rule", "convicted", "count", "judge", "rejudged", "verdict"]

Rule = Callable[[Evidence], list[RuleOutcome]]

RULES: dict[str, Rule] = {
    "BA101": class_attention,
    "BA102": image_attention,
    "BA201": class_reliance,
    "BA202": image_reliance,
    "BA203": worst_slice,
    "BA204": image_reliance_outliers,
    "BA205": slice_attention,
    "BA206": slice_reliance,
    "BA301": global_cue,
    "BA302": recurring_cue,
    "BA303": drawn_region,
    "BA401": background_leak,
    "BA402": property_leak,
    "BA403": copies,
    "BA404": label_conflicts,
    "BA901": unreadable_images,
    "BA902": maps_without_tie,
    "BA903": accuracy_at_chance,
    "BA904": uncertain_masks,
    "BA905": too_few_images,
    "BA906": preprocessing,
    "BA907": class_order,
    "BA908": map_reliability,
    "BA909": estimated_masks,
}


CUES = ("BA301", "BA302", "BA303")
"""Rules that prove a cue of a class; the class stands in `evidence["class_name"]`."""


_KINDS = {
    "BA302": "a cue that recurs in the images",
    "BA303": "a region that a reviewer drew and had tested",
    "BA301": "a property of the whole photo",
}


def judge(evidence: Evidence, ignored: Sequence[str] = ()) -> tuple[RuleOutcome, ...]:
    """All outcomes of all rules; rules whose code is in `ignored` are listed, not judged."""
    outcomes: list[RuleOutcome] = []
    if "BA908" not in ignored:
        failed = tuple(outcome.subject for outcome in map_reliability(evidence) if outcome.status == "found")
        evidence = dataclasses.replace(evidence, failed_tests=failed)
    for code, rule in RULES.items():
        if code in ignored:
            sentence = "Ignored on request."
            outcomes.append(RuleOutcome(code, _summary(rule), "dataset", "", "ignored", sentence))
        else:
            outcomes.extend(rule(evidence))
    return tuple(marked(outcomes, evidence))


def rejudged(outcomes: Sequence[RuleOutcome], code: str, evidence: Evidence) -> tuple[RuleOutcome, ...]:
    """The same with what one rule says now, in the place of what it said; a rule that is ignored stays so."""
    if any(outcome.code == code and outcome.status == "ignored" for outcome in outcomes):
        return tuple(outcomes)
    before = list(RULES)[: list(RULES).index(code)]
    kept = [outcome for outcome in outcomes if outcome.code != code]
    place = max((i + 1 for i, outcome in enumerate(kept) if outcome.code in before), default=0)
    return (*kept[:place], *RULES[code](evidence), *kept[place:])


def count(outcomes: Sequence[RuleOutcome]) -> tuple[RuleCount, ...]:
    """Per rule how many subjects were judged, passed, found and could not be judged."""
    counts = []
    for code in dict.fromkeys(outcome.code for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.code == code]
        passed = sum(outcome.status == "passed" for outcome in own)
        found = sum(outcome.status == "found" for outcome in own)
        counts.append(
            RuleCount(code, own[0].title, own[0].scope, passed + found, passed, found, len(own) - passed - found)
        )
    return tuple(counts)


def convicted(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Reliance outcomes that accuse a class, the one whose background pulls most first; a victim is not accused.

    The class whose background pulls the others is the one that was learned with its cue.
    """
    found = [outcome for outcome in outcomes if outcome.code == "BA201" and outcome.status == "found"]
    return _by_pull([outcome for outcome in found if outcome.level != "COLLATERAL"])


def verdict(outcomes: Sequence[RuleOutcome], classes: pd.DataFrame) -> str:
    """One sentence: the highest level, the classes, and the numbers that carry it; before it what puts all in doubt."""
    doubts = [o.sentence for o in outcomes if o.code in ("BA906", "BA907") and o.level == "MODEL WARNING"]
    return " ".join([*doubts, _judgement(outcomes, classes)])


def _judgement(outcomes: Sequence[RuleOutcome], classes: pd.DataFrame) -> str:
    reliance = [outcome for outcome in outcomes if outcome.code == "BA201"]
    accused = convicted(outcomes)
    victims = [outcome for outcome in reliance if outcome.level == "COLLATERAL"]
    judged = [outcome for outcome in reliance if outcome.status in ("found", "passed")]
    unreadable = classes["n"].sum() - classes["n_read"].sum()
    accuracy = _weighted(classes, "accuracy", "n_read")
    tail = f" {int(unreadable)} images could not be read." if unreadable else ""
    shares = classes["estimated_masks"].dropna()
    estimated = " Estimated masks." if (shares == 1).all() else " Some masks are estimated."
    tail = (estimated if (shares > 0).any() else "") + tail
    cues = [each for each in outcomes if each.code in CUES and each.status == "found" and each.level != "CONTEXT"]
    named_cues = ", ".join(dict.fromkeys(f"{each.evidence['class_name']} ({each.code})" for each in cues))
    if cues and not accused:
        level = max((outcome.level or "WATCH" for outcome in cues), key=LEVELS.index)
        fallen = ", ".join(outcome.subject for outcome in victims)
        tail = f" Also affected, by a background: {fallen}.{tail}" if victims else tail
        what = next(text for code, text in _KINDS.items() if any(outcome.code == code for outcome in cues))
        return f"{level}: the prediction follows {what}: {named_cues}. Test accuracy is {accuracy:.2f}.{tail}"
    tail = f" Further cues that move the prediction: {named_cues}.{tail}" if cues else tail
    if accused or victims:
        named = accused or _by_pull(victims)
        level = max((outcome.level or "WATCH" for outcome in named), key=LEVELS.index)
        names = ", ".join(outcome.subject for outcome in named)
        rows = classes.loc[[outcome.subject for outcome in named]]
        same = _weighted(rows, "same_background_accuracy", "n_interventions")
        other = _weighted(rows, "other_background_accuracy", "n_interventions")
        photos = int(rows["n_interventions"].sum())
        strongest = f" The background that pulls most is that of {named[0].subject}." if len(classes) > 2 else ""
        fallen = ", ".join(outcome.subject for outcome in victims) if accused else ""
        also = f" Also affected, by another class's background: {fallen}." if fallen else ""
        return (
            f"{level}: the prediction follows the background in {len(named)} of {len(judged)} judged classes "
            f"({names}). Test accuracy is {accuracy:.2f}; pasted on backgrounds of the same class {same:.2f} of the "
            f"objects are recognised, on those of other classes {other:.2f} ({photos} photos).{strongest}{also}{tail}"
        )
    watch = sorted({outcome.code for outcome in outcomes if outcome.status == "found"})
    hints = f" To look at: {', '.join(watch)}." if watch else ""
    if not judged:
        reason = reliance[0].sentence if reliance else "the rule was ignored."
        return (
            f"NOT JUDGED: reliance on the background could not be tested. {reason} "
            f"Test accuracy is {accuracy:.2f}.{hints}{tail}"
        )
    worst = classes["background_gap"].max()
    missing = len(reliance) - len(judged)
    partly = f" {missing} classes could not be judged." if missing else ""
    return (
        f"No reliance on the background was shown in {len(judged)} judged classes (largest background gap {worst:.2f}, "
        f"test accuracy {accuracy:.2f}).{partly}{hints}{tail}"
    )


def _by_pull(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    return sorted(outcomes, key=lambda outcome: -as_float(outcome.evidence.get("attract"), -1))


def _weighted(classes: pd.DataFrame, value: str, weight: str) -> float:
    rows = classes[classes[value].notna()]
    weights = rows[weight].astype(float)
    return float((rows[value] * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def _summary(rule: Rule) -> str:
    return (rule.__doc__ or "").split(":", 1)[1].strip().rstrip(".")
