"""All numbers of a run as one flat dict, for trackers of experiments; docs/how-to/in-python.md lists the names."""

from __future__ import annotations

from bias_audit.checks.outcomes import LEVELS
from bias_audit.gate.metrics import CLASS, DATASET, MetricValue, measured
from bias_audit.run.result import AuditResult

WORST: dict[str, bool] = {"accuracy": False, "background_gap": True, "background_excess": True}
"""Metric of the classes whose worst value is told of the run -> whether the largest is the worst."""


def flat(result: AuditResult) -> dict[str, float]:
    """Numbers of the run, of its rules and of its classes by name; what was not measured has no entry.

    Returns:
        NAME, NAME_low and NAME_high for the data set (`metrics.DATASET`); worst/NAME for the worst class (WORST);
        findings/total and findings/LEVEL; rule/CODE/judged and rule/CODE/found; class/CLASS/NAME, likewise
        (`metrics.CLASS`). No name is the beginning of another up to a /: trackers make folders of them.
    """
    numbers: dict[str, float] = {}
    for name in DATASET:
        _add(numbers, name, (measured(result, "dataset", name) or [MetricValue("", None)])[0])
    found = [outcome for outcome in result.outcomes if outcome.found]
    numbers["findings/total"] = float(len(found))
    for level in LEVELS:
        name = level.lower().replace(" ", "_")
        numbers[f"findings/{name}"] = float(sum(outcome.level == level for outcome in found))
    for rule in result.rules:
        numbers[f"rule/{rule.code}/judged"], numbers[f"rule/{rule.code}/found"] = float(rule.judged), float(rule.found)
    for name in CLASS:
        values = measured(result, "class", name) or []
        for value in values:
            _add(numbers, f"class/{value.subject}/{name}", value)
        known = [value.value for value in values if value.value is not None]
        if name in WORST and known:
            numbers[f"worst/{name}"] = max(known) if WORST[name] else min(known)
    return numbers


def _add(numbers: dict[str, float], name: str, value: MetricValue) -> None:
    parts = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    numbers.update({each: number for each, number in parts.items() if number is not None})
