"""Tables + thresholds -> outcomes. Each rule says found, passed or not applicable of each subject, and why.

A new rule is one function and one line in RULES. Codes never change meaning: BA1xx attention, BA2xx reliance, BA3xx
cues (recurring, global), BA4xx leakage of the data, BA9xx health of the audit, of which BA906 and BA907 doubt its input
(pixels, names of outputs), BA908 its maps and BA909 its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from bias_audit.checks import registry
from bias_audit.checks.base import Check
from bias_audit.checks.base import Rule as DeclaredRule
from bias_audit.checks.outcomes import RuleCount, RuleOutcome
from bias_audit.rules.attention import class_attention, image_attention
from bias_audit.rules.clusters import recurring_cue
from bias_audit.rules.evidence import Evidence
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
from bias_audit.rules.masks import estimated_masks, marked
from bias_audit.rules.reliability import map_reliability
from bias_audit.rules.reliance import class_reliance
from bias_audit.rules.slices import slice_attention, slice_reliance, worst_slice
from bias_audit.rules.verdict import convicted, verdict

__all__ = ["RULES", "Evidence", "Rule", "convicted", "count", "judge", "rejudged", "verdict"]

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


def judge(evidence: Evidence, ignored: Sequence[str] = ()) -> tuple[RuleOutcome, ...]:
    """All outcomes of all rules; rules whose code is in `ignored` are listed, not judged."""
    outcomes: list[RuleOutcome] = []
    if "BA908" not in ignored:
        failed = tuple(outcome.subject for outcome in map_reliability(evidence) if outcome.status == "found")
        evidence = dataclasses.replace(evidence, failed_tests=failed)
    for code, rule in RULES.items():
        if code in ignored:
            sentence = "Ignored on request."
            outcomes.append(RuleOutcome(code, _summary(code, rule), "dataset", "", "ignored", sentence))
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


def _summary(code: str, rule: Rule) -> str:
    if declared := registry.find_rule(code):
        return declared.about
    return (rule.__doc__ or "").split(":", 1)[1].strip().rstrip(".")
