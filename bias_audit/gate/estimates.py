"""Finds out what rests on estimated masks that no drawn mask has checked: nothing passes on them unless allowed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from bias_audit.checks.outcomes import RuleOutcome, class_of
from bias_audit.checks.registry import find_rule, with_role
from bias_audit.gate.metrics import number
from bias_audit.gate.settings import GateConfig
from bias_audit.gate.states import ESTIMATED_MASKS
from bias_audit.gate.values import FAILED, NOT_JUDGED, WARNED, GateRow
from bias_audit.run.result import AuditResult

EVIDENCE = "estimated_masks"
"""Share of the masks behind an outcome that are estimated, in its evidence; of a class, a column of the class table."""

_SAID = (
    "This rests on estimated masks that were not checked against drawn ones: draw a few dozen masks and audit again "
    "with --masks DIR --segmenter auto."
)


class Estimates:
    """What of a run rests on estimated masks; the run is looked through once, whatever its number of classes.

    Args:
        result: the run.
    """

    def __init__(self, result: AuditResult) -> None:
        self._result = result

    def behind(self, outcome: RuleOutcome) -> bool:
        """Whether composites behind an outcome were made with estimated masks, and nothing says that these are good."""
        rule = find_rule(outcome.code)
        if rule is None or not {"masks", "composites"} <= rule.needs or self._checked:
            return False
        if number(outcome.evidence.get(EVIDENCE)):
            return True
        # Runs of older versions say it in their class table alone.
        return self._share(class_of(outcome)) > 0

    def behind_number(self, class_name: str) -> bool:
        """Whether a number that composites of a class gave was made with estimated masks; "" = of any class.

        True only where no drawn masks have shown that the estimates are good.
        """
        return not self._checked and self._share(class_name) > 0

    @functools.cached_property
    def _checked(self) -> bool:
        """Whether drawn masks have shown that the estimates are good."""
        doubting = with_role("doubts the estimates")
        return any(outcome.passed for outcome in self._result.outcomes if outcome.code in doubting)

    def _share(self, class_name: str) -> float:
        """Largest share of estimated masks among the masks of a class; "" or an unknown class = of all classes."""
        return self._shares.get(class_name, self._largest)

    @functools.cached_property
    def _shares(self) -> dict[str, float]:
        known = {str(row.get("class_name")): number(row.get(EVIDENCE)) or 0.0 for row in self._result.class_rows}
        for outcome in self._result.outcomes:
            if outcome.scope == "class" and outcome.subject in known:
                known[outcome.subject] = max(known[outcome.subject], number(outcome.evidence.get(EVIDENCE)) or 0.0)
        return known

    @functools.cached_property
    def _largest(self) -> float:
        return max(self._shares.values(), default=0.0)


def on_estimates(
    row: GateRow, config: GateConfig, *names: str, broken: str = FAILED, also: Sequence[str] = ()
) -> GateRow:
    """A row that would pass, on estimates alone: it is `broken` unless the state is allowed.

    Then it was not judged, and a finding below the level that fails is WARNED of.

    Args:
        row: the row, which has not failed.
        config: settings of the gate.
        names: subject, and names of what was judged, see `GateConfig.allows`.
        broken: status of a row that may not pass.
        also: states that the threshold itself allows.
    """
    allowed = config.allows(ESTIMATED_MASKS, *names, also=also)
    status = broken if not allowed else WARNED if row.level else NOT_JUDGED
    return replace(row, status=status, state=ESTIMATED_MASKS, sentence=f"{row.sentence} {_SAID}")
