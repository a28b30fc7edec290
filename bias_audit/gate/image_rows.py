"""Judges the numbers of single images: one row per class, about the share of its images beyond a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bias_audit.checks.levels import failed_map_tests
from bias_audit.gate.estimates import Estimates, on_estimates
from bias_audit.gate.metrics import MetricValue, is_attention
from bias_audit.gate.missing import state_of_number
from bias_audit.gate.number_row import EQUAL, MAPS_SAY_NOTHING, blank, breach, unit_of, unjudged
from bias_audit.gate.per_image import OfClass
from bias_audit.gate.screened import NOT_MADE, is_screened, of_composites
from bias_audit.gate.settings import GateConfig, MetricCheck
from bias_audit.gate.states import MAPS_FAILED, NOT_ENOUGH, SCREENED
from bias_audit.gate.values import PASSED, GateRow
from bias_audit.run.quantities import beside_bound
from bias_audit.run.quantities import bound as in_words
from bias_audit.run.result import AuditResult

_PASTED = (
    "same_", "other_", "background_gap", "random_", "next_", "swap_", "adversarial", "background_only", "control_",
    "foreground_only", "neutral_", "cut_out", "noisy_", "shapley", "cue_", "rests_on", "reliance_",
)  # fmt: skip
"""Beginnings of the names of columns that are made by interventions."""


def image_rows(
    result: AuditResult, config: GateConfig, check: MetricCheck, images: Mapping[str, OfClass]
) -> Iterator[GateRow]:
    """A row per class and bound: the share of the class's images beyond the bound, against `max_share`.

    The images of a data set are all there are, so the share is counted, not estimated: it has no interval.

    Args:
        result: the run.
        config: settings of the gate.
        check: a threshold on a column of the images table.
        images: class -> the numbers of its images.
    """
    failed = is_attention("image", check.name) and bool(failed_map_tests(result.outcomes))
    screened = {str(row.get("class_name")) for row in result.class_rows if is_screened(row)}
    estimates = Estimates(result)
    for class_name, numbers in images.items():
        own = check.classes.get(class_name, check)
        known = numbers.known
        one, least = MetricValue(class_name, None, n=known), max(1, own.min_n)
        for kind, bound in own.bounds.items():
            if failed:
                yield unjudged(own, config, one, kind, bound, MAPS_FAILED, MAPS_SAY_NOTHING)
            elif known < least:
                pasted = own.name.startswith(_PASTED)
                short = not known and own.name in of_composites("image") and class_name in screened
                state = NOT_ENOUGH if known else state_of_number(result, None, SCREENED if short else "", pasted=pasted)
                reason = f"{known} of {numbers.images} images have this number, {least} are needed"
                reason = NOT_MADE if short else reason
                yield unjudged(own, config, one, kind, bound, state, reason)
            else:
                row = _row(own, one, numbers, kind, bound)
                pasted = own.name.startswith(_PASTED)
                if row.status == PASSED and pasted and estimates.behind_number(class_name):
                    row = on_estimates(row, config, class_name, own.name, row.check, broken=breach(own), also=own.allow)
                yield row


def _row(check: MetricCheck, one: MetricValue, numbers: OfClass, kind: str, bound: float) -> GateRow:
    sign = 1 if kind == "max" else -1
    beyond, worst = numbers.beyond(lambda value: sign * (value - bound) > EQUAL, above=kind == "max")
    share = beyond / numbers.known
    unit = unit_of(check, "max")
    named = ", ".join(f"{image}: {beside_bound(value, bound, unit)}" for image, value in worst)
    side = "above" if kind == "max" else "below"
    what = check.name.replace("_", " ")
    sentence = f"{beyond} of {numbers.known} images of {one.subject!r} have a {what} {side} {in_words(bound, unit)}"
    sentence += f" ({named}{', ...' if beyond > len(worst) else ''})" if beyond else ""
    sentence += f"; at most {in_words(check.max_share, 'share')} of them are allowed."
    status = breach(check) if share > check.max_share + EQUAL else PASSED
    row = blank(check, one, kind, check.max_share)
    return replace(row, measured=share, status=status, sentence=sentence, unit="share")
