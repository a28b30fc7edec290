"""Judging of the rules: from tables and thresholds to outcomes.

For each of its subjects a rule's outcome is "found", "passed" or "not applicable", with a sentence that says why.

The rules are those of the checks in `checks.registry`. Codes never change meaning: BA1xx attention, BA2xx
reliance, BA3xx cues (recurring, global), BA4xx leakage of the data, BA9xx health of the audit, of which BA906 and BA907
doubt its input (pixels, names of outputs), BA908 its maps and BA909 its masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from bias_audit.checks import registry
from bias_audit.checks.base import Check, Rule
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import DOUBT, IGNORED, RuleOutcome, as_float, not_applicable
from bias_audit.checks.reasons import SYMPTOM
from bias_audit.errors import ConfigError

RULES: dict[str, Rule] = {rule.code: rule for _, rule in sorted(registry.rules(), key=lambda pair: pair[1].code)}
"""Code -> rule, for every rule of the checks known when this module is imported; sorted by code."""


def refuse_unknown(codes: Sequence[str]) -> None:
    """Check that every rule code to be ignored belongs to a known rule.

    Raises:
        ConfigError: a code belongs to no rule.
    """
    known = sorted(rule.code for _, rule in registry.rules())
    if unknown := sorted(set(codes) - set(known)):
        raise ConfigError(f"no rule {', '.join(unknown)} to ignore", f"Rules: {', '.join(known)}.")


def judge(
    evidence: Evidence, ignored: Sequence[str] = (), checks: Sequence[Check] = registry.CHECKS
) -> tuple[RuleOutcome, ...]:
    """Judge all rules of some checks.

    Args:
        evidence: what the rules are judged on; its `rules` and `outcomes` are filled in here.
        ignored: codes of rules that are not judged; each gets one outcome with status "ignored".
        checks: checks whose rules are judged, each after the checks that it names in `after`.

    Returns:
        outcomes of all rules, sorted by code.

    Raises:
        ValueError: checks wait for each other, or for a check that is not among them.
    """
    evidence = dataclasses.replace(evidence, rules={rule.code: rule for check in checks for rule in check.rules})
    for ready in _in_turns(checks):
        # All of a turn share the evidence, which compares the classes once, when the first of them asks.
        found = [
            outcome for check in ready for rule in check.rules for outcome in _of_rule(check, rule, evidence, ignored)
        ]
        evidence = dataclasses.replace(evidence, outcomes=(*evidence.outcomes, *found))
    outcomes: Sequence[RuleOutcome] = sorted(evidence.outcomes, key=lambda outcome: outcome.code)
    outcomes = without_symptoms(outcomes, evidence.rules)
    for check in checks:
        outcomes = check.mark(outcomes, evidence)
    return tuple(outcomes)


def without_symptoms(outcomes: Sequence[RuleOutcome], rules: Mapping[str, Rule]) -> tuple[RuleOutcome, ...]:
    """The outcomes, in which those that a found cause explains (`Rule.explains`) are not applicable.

    With permuted outputs, for instance, another preprocessing may be right more often, and to advise it would lead
    astray. Where two causes explain each other, the one that gains more is believed.

    Args:
        outcomes: outcomes of all rules.
        rules: code -> rule.
    """
    causes = [each for each in outcomes if each.found and each.level == DOUBT and rules[each.code].explains]
    explained: dict[str, RuleOutcome] = {}
    for cause in sorted(causes, key=lambda each: -as_float(each.measured, 0)):
        if cause.code not in explained:
            explained = dict.fromkeys(rules[cause.code].explains, cause) | explained
    return tuple(
        not_applicable(
            rules[each.code], each.scope, each.subject,
            f"Not judged: {explained[each.code].title} ({explained[each.code].code}), which must be fixed first.",
            SYMPTOM,
        )
        if each.judged and each.code in explained
        else each
        for each in outcomes
    )  # fmt: skip


def _of_rule(check: Check, rule: Rule, evidence: Evidence, ignored: Sequence[str]) -> list[RuleOutcome]:
    if rule.code in ignored:
        words = "Ignored on request."
        return [RuleOutcome(rule.code, rule.about, "dataset", "", IGNORED, words, reason_code=IGNORED)]
    return check.judge(rule, evidence)


def _in_turns(checks: Sequence[Check]) -> Iterator[list[Check]]:
    """The checks in turns: each check comes in a later turn than the checks that it names in `after`."""
    waiting, done = list(checks), set[str]()
    while waiting:
        ready = [check for check in waiting if done.issuperset(check.after)]
        if not ready:
            raise ValueError(f"checks wait for each other or for none: {', '.join(check.name for check in waiting)}")
        yield ready
        done.update(check.name for check in ready)
        waiting = [check for check in waiting if check not in ready]


def judge_rule(code: str, evidence: Evidence) -> list[RuleOutcome]:
    """Judge one rule, and return its outcomes.

    Args:
        code: code of a rule of a known check.
        evidence: what the rule is judged on.

    Raises:
        KeyError: no check has such a rule.
    """
    check, rule = {rule.code: (check, rule) for check, rule in registry.rules()}[code]
    return check.judge(rule, dataclasses.replace(evidence, rules=RULES))


def rejudged(outcomes: Sequence[RuleOutcome], code: str, evidence: Evidence) -> tuple[RuleOutcome, ...]:
    """The outcomes of a run, with those of one rule judged anew on new evidence.

    Args:
        outcomes: outcomes of all rules, sorted by code.
        code: code of the rule; if it was ignored, the outcomes are returned unchanged.
        evidence: the new evidence.
    """
    if any(outcome.code == code and outcome.ignored for outcome in outcomes):
        return tuple(outcomes)
    kept = [outcome for outcome in outcomes if outcome.code != code]
    return tuple(sorted([*kept, *judge_rule(code, evidence)], key=lambda outcome: outcome.code))
