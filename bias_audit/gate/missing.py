"""Finds the named state for a rule that gave no answer, or for a number that a run does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bias_audit.checks import reasons
from bias_audit.checks.outcomes import RuleOutcome, class_of
from bias_audit.checks.registry import find_rule, with_role
from bias_audit.gate.metrics import number
from bias_audit.gate.states import (
    DID_NOT_RUN,
    FILLS_PICTURE,
    IGNORED,
    MAPS_FAILED,
    MISSING_METRIC,
    NO_INTERVENTIONS,
    NO_MAPS,
    NO_MASKS,
    NOT_ENOUGH,
    SCREENED,
)
from bias_audit.run.result import AuditResult


def state_of_rule(outcome: RuleOutcome, result: AuditResult, classes: Mapping[str, Mapping[str, Any]]) -> str:
    """Name of the state that says why a rule gave no answer about its subject.

    Args:
        outcome: what the rule said.
        result: the run.
        classes: class name -> row of its class table.
    """
    if outcome.ignored:
        return IGNORED
    if outcome.reason_code == reasons.MAPS_FAILED:
        return MAPS_FAILED
    if outcome.reason_code == reasons.FILLS_FRAME:
        return FILLS_PICTURE
    if outcome.reason_code == reasons.SCREENED:
        return SCREENED
    if outcome.reason_code == reasons.NO_MAPS:
        return NO_MAPS
    rule = find_rule(outcome.code)
    needs = frozenset() if rule is None else rule.needs
    if "masks" in needs and (_without_masks(result) or ("composites" not in needs and _estimates_only(result))):
        return NO_MASKS
    if "composites" in needs and _without_interventions(result):
        return NO_INTERVENTIONS
    row = classes.get(class_of(outcome)) if outcome.code in with_role("tests reliance") else None
    if row and number(row.get("p_fdr")) is None:
        few = number(row.get("n_interventions")) or number(row.get("n_read")) or 0
        return NOT_ENOUGH if few or not number(row.get("n")) else DID_NOT_RUN
    return NOT_ENOUGH if outcome.reason_code in reasons.FEW else DID_NOT_RUN


def state_of_number(result: AuditResult, n: int | None, reason_code: str, *, pasted: bool) -> str:
    """Name of the state that says why a metric has no value.

    Args:
        result: the run.
        n: number of images behind the metric, None = not known.
        reason_code: code of the reason in `checks.reasons`, "" = not known.
        pasted: whether interventions make the metric.
    """
    if reason_code == reasons.NO_MAPS:
        return NO_MAPS
    if reason_code == reasons.SCREENED:
        return SCREENED
    if pasted and _without_masks(result):
        return NO_MASKS
    if pasted and reason_code == reasons.FILLS_FRAME:
        return FILLS_PICTURE
    if pasted and _without_interventions(result):
        return NO_INTERVENTIONS
    return NOT_ENOUGH if n == 0 or reason_code in reasons.FEW else MISSING_METRIC


def _without_masks(result: AuditResult) -> bool:
    return result.info.mask_kind == "none" or result.info.counts.get("with_mask") == 0


def _estimates_only(result: AuditResult) -> bool:
    """Whether no mask or box is given, so that heatmaps have none to be scored against."""
    return result.info.mask_kind == "estimated" and not result.info.counts.get("attention_scored")


def _without_interventions(result: AuditResult) -> bool:
    return result.info.counts.get("interventions_done") == 0
