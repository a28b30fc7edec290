"""Tables + thresholds -> outcomes. Each rule says found, passed or not applicable of each subject, and why.

The rules are those of the checks in `checks.registry`. Codes never change meaning: BA1xx attention, BA2xx
reliance, BA3xx cues (recurring, global), BA4xx leakage of the data, BA9xx health of the audit, of which BA906 and BA907
doubt its input (pixels, names of outputs), BA908 its maps and BA909 its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from bias_audit.checks import registry
from bias_audit.checks.base import Check
from bias_audit.checks.base import Rule as DeclaredRule
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.mask_quality.rule import marked
from bias_audit.checks.outcomes import RuleCount, RuleOutcome
from bias_audit.pipeline.verdict import convicted, verdict

__all__ = ["RULES", "SUMMARIES", "Evidence", "Rule", "convicted", "count", "judge", "rejudged", "verdict"]

Rule = Callable[[Evidence], list[RuleOutcome]]


def _of_check(check: Check, rule: DeclaredRule) -> Rule:
    return lambda evidence: check.judge(rule, evidence)


_DECLARED = sorted(registry.rules(), key=lambda pair: pair[1].code)

RULES: dict[str, Rule] = {rule.code: _of_check(check, rule) for check, rule in _DECLARED}
"""Every rule by its code, in the order in which they are judged and listed."""

SUMMARIES: dict[str, str] = {rule.code: rule.about for _, rule in _DECLARED}
"""What each rule finds: the title of a rule that is ignored."""


def judge(evidence: Evidence, ignored: Sequence[str] = ()) -> tuple[RuleOutcome, ...]:
    """All outcomes of all rules; rules whose code is in `ignored` are listed, not judged."""
    outcomes: list[RuleOutcome] = []
    if "BA908" not in ignored:
        failed = tuple(outcome.subject for outcome in RULES["BA908"](evidence) if outcome.status == "found")
        evidence = dataclasses.replace(evidence, failed_tests=failed)
    for code, rule in RULES.items():
        if code in ignored:
            sentence = "Ignored on request."
            outcomes.append(RuleOutcome(code, SUMMARIES[code], "dataset", "", "ignored", sentence))
        else:
            outcomes.extend(rule(evidence))
    return tuple(marked(outcomes, evidence, registry.rules_that_need("masks")))


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
