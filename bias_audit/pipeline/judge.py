"""Tables + thresholds -> outcomes. Each rule says found, passed or not applicable of each subject, and why.

A new rule is one function, one line in RULES and one in SUMMARIES. Codes never change meaning: BA1xx attention, BA2xx
reliance, BA3xx cues (recurring, global), BA4xx leakage of the data, BA9xx health of the audit, of which BA906 and BA907
doubt its input (pixels, names of outputs), BA908 its maps and BA909 its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from bias_audit.checks import registry
from bias_audit.checks.attention.rule import class_attention, image_attention
from bias_audit.checks.background.image_rule import image_reliance, image_reliance_outliers
from bias_audit.checks.background.rule import class_reliance
from bias_audit.checks.base import Check
from bias_audit.checks.base import Rule as DeclaredRule
from bias_audit.checks.drawn_regions.rule import drawn_region
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.health.rule import (
    accuracy_at_chance,
    maps_without_tie,
    too_few_images,
    uncertain_masks,
    unreadable_images,
)
from bias_audit.checks.inputs.rule import class_order, preprocessing
from bias_audit.checks.map_reliability.rule import map_reliability
from bias_audit.checks.mask_quality.rule import estimated_masks, marked
from bias_audit.checks.outcomes import RuleCount, RuleOutcome
from bias_audit.checks.recurring_cues.rule import recurring_cue
from bias_audit.checks.slices.rule import slice_attention, slice_reliance, worst_slice
from bias_audit.pipeline.verdict import convicted, verdict

__all__ = ["RULES", "SUMMARIES", "Evidence", "Rule", "convicted", "count", "judge", "rejudged", "verdict"]

Rule = Callable[[Evidence], list[RuleOutcome]]

_OWN: dict[str, Rule] = {
    "BA101": class_attention,
    "BA102": image_attention,
    "BA201": class_reliance,
    "BA202": image_reliance,
    "BA203": worst_slice,
    "BA204": image_reliance_outliers,
    "BA205": slice_attention,
    "BA206": slice_reliance,
    "BA302": recurring_cue,
    "BA303": drawn_region,
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
"""Rules that do not belong to a check in `bias_audit.checks` yet."""


def _of_check(check: Check, rule: DeclaredRule) -> Rule:
    return lambda evidence: check.judge(rule, evidence)


RULES: dict[str, Rule] = dict(
    sorted({**_OWN, **{rule.code: _of_check(check, rule) for check, rule in registry.rules()}}.items())
)
"""Every rule by its code, in the order in which they are judged and listed."""

_SUMMARIES: dict[str, str] = {
    "BA101": "a class's maps lie on the background more than those of the other classes (Mann-Whitney, BH, Cliff)",
    "BA102": "images whose attention lies on the background far more than is usual in their class (robust z)",
    "BA201": "the same objects are recognised less often on backgrounds of other classes (sign-flip test, BH, gap)",
    "BA202": "photos whose prediction survives without the object and changes on other backgrounds",
    "BA203": "a slice of a user column is recognised worse than the rest (Fisher's exact test, BH, effect floor)",
    "BA204": "photos that lose far more on other backgrounds than is usual in their class (robust z of log-odds)",
    "BA205": "attention differs between slices of a user column (Mann-Whitney, BH, Cliff's delta)",
    "BA206": "a slice of a user column pays most for the background (permutation test of the gap, BH, effect floor)",
    "BA302": "a cluster of attended spots off the object is tied to a class and proved by erasing or by pasting",
    "BA303": "a region drawn by a reviewer and tested by intervention moves the prediction",
    "BA901": "so many pictures could not be read that the audit speaks of another data set",
    "BA902": "maps hardly better than uniform, or as much on any other photo's object, though no class relies on it",
    "BA903": "predictions no better than guessing: as a rule a wrong --preprocess or a wrong class order",
    "BA904": "attention scores that hang on where exactly the masks end: on void pixels, or on half a cell of outline",
    "BA905": "classes with images, but too few usable photos to judge reliance on the background",
    "BA906": "another preprocessing makes the model right more often, or none tells it from guessing",
    "BA907": "another order of the classes explains the confusions: outputs that are called by each other's names",
    "BA908": "a heatmap that shuffled weights, another class or a shift of one cell should change or keep, and do not",
    "BA909": "estimated masks that nobody has checked, or that differ from drawn ones",
}
"""What the rules of no check find, as the first line of their docstrings says: Python drops docstrings under -OO."""

SUMMARIES: dict[str, str] = dict(
    sorted({**_SUMMARIES, **{rule.code: rule.about for _, rule in registry.rules()}}.items())
)
"""What each rule finds: the title of a rule that is ignored."""


def judge(evidence: Evidence, ignored: Sequence[str] = ()) -> tuple[RuleOutcome, ...]:
    """All outcomes of all rules; rules whose code is in `ignored` are listed, not judged."""
    outcomes: list[RuleOutcome] = []
    if "BA908" not in ignored:
        failed = tuple(outcome.subject for outcome in map_reliability(evidence) if outcome.status == "found")
        evidence = dataclasses.replace(evidence, failed_tests=failed)
    for code, rule in RULES.items():
        if code in ignored:
            sentence = "Ignored on request."
            outcomes.append(RuleOutcome(code, SUMMARIES[code], "dataset", "", "ignored", sentence))
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
