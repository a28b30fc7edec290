"""What a gate asks for: the values that gate.toml is read into."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bias_audit.checks.outcomes import FAILS_FROM
from bias_audit.checks.registry import with_role
from bias_audit.gate.toml_lines import Path as KeyPath

NO_LEVEL = "none"
"""A level that no finding reaches: findings of this scope are shown elsewhere and never judged here."""

SCOPES = ("dataset", "class", "cluster", "slice", "image")
FAIL_ON = dict.fromkeys(SCOPES, FAILS_FROM) | {"image": NO_LEVEL}
WARN_ON = dict.fromkeys(SCOPES, "TOO FEW IMAGES") | {"image": NO_LEVEL}
"""Lowest level of a finding that fails, and that warns, by scope."""

REQUIRED = tuple(sorted(with_role("tests reliance")))
"""Rules that must have given an answer: without reliance tested, no class was cleared of anything."""

BOUNDS = ("min", "max", "max_increase", "max_decrease")
SEVERITIES, JUDGES, KNOWN_AS = ("fail", "warn"), ("bound", "estimate"), ("pass", "warn", "fail")
MAX_DAYS = 180

Value = str | float | bool | None


@dataclass(frozen=True)
class MetricCheck:
    """A threshold on one number, for every subject of its table.

    Attributes:
        table: "dataset", "class", "cluster", "slice" or "image".
        name: column of that table (`bias_audit.run.schema`), or a number of `metrics.DATASET`.
        bounds: "min", "max", "max_increase", "max_decrease" -> bound; the bound itself is allowed.
        min_n: images without which there is no judgement.
        judge: "bound": the end of the interval that is nearer to a breach must keep the bound; "estimate": the value.
        severity: "fail" or "warn".
        max_share: of an image metric: share of images that may lie beyond the bound.
        allow: states that this check allows, beside those of the file.
        classes: class -> the same check with the class's own bounds.
        line: of gate.toml; 0 = a default.
        scope: what its rows are listed under.
        label: name of its rows, "" = made of bound and metric.
    """

    table: str
    name: str
    bounds: Mapping[str, float]
    min_n: int = 0
    judge: str = "bound"
    severity: str = "fail"
    max_share: float = 0.0
    allow: tuple[str, ...] = ()
    classes: Mapping[str, MetricCheck] = field(default_factory=dict)
    line: int = 0
    scope: str = ""
    label: str = ""


@dataclass(frozen=True)
class Waiver:
    """Somebody answers for a finding until a day.

    Attributes:
        reason, owner: why, and who.
        expires: last day on which it counts.
        finding: `identity.finding_id`; or, where it is "", rule, class_name and cue.
        measured, low, high, level: what was accepted; a finding beyond it is open again.
        since: day of the acceptance, None = not known: its life counts from today.
        line: of gate.toml, 0 = a review decision.
    """

    reason: str
    owner: str
    expires: datetime.date
    finding: str = ""
    rule: str = ""
    class_name: str = ""
    cue: str = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    level: str = ""
    since: datetime.date | None = None
    line: int = 0

    @property
    def scope(self) -> str:
        """What it is about, in words."""
        if self.finding:
            return f"finding {self.finding}"
        return ", ".join(part for part in (self.rule, self.class_name, self.cue) if part)


@dataclass(frozen=True)
class GateConfig:
    """What a gate asks for.

    Attributes:
        fail, warn: scope -> lowest level that fails or warns, or NO_LEVEL.
        class_levels: class -> lowest level at which its findings fail, of every scope.
        metrics: thresholds on numbers.
        allow: states that do not fail; "STATE: NAME" allows one for a class, a rule or a metric only.
        require: rules that must have given an answer.
        require_judged: nothing may be left unjudged, whatever the rule.
        classes: class names that the run must have.
        known: what a finding of the baseline that has not grown does: "pass", "warn" or "fail".
        baseline_required: a run without baseline is a named state.
        require_same_data: the baseline must be about the same data.
        content: content hash that the run's data must have, "" = any.
        waivers, max_days, use_decisions: waivers of the file; their longest life; whether review decisions count.
        at: committed file that CI puts results at, from the repository's root; "" = the gate file itself.
        help_uri: address of a rule's help with {code} in it, "" for none.
        source: the file, None for the defaults.
        lines: path of a key in the file -> its line.
    """

    fail: Mapping[str, str] = field(default_factory=lambda: dict(FAIL_ON))
    warn: Mapping[str, str] = field(default_factory=lambda: dict(WARN_ON))
    class_levels: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[MetricCheck, ...] = ()
    allow: tuple[str, ...] = ()
    require: tuple[str, ...] = REQUIRED
    require_judged: bool = False
    classes: tuple[str, ...] = ()
    known: str = "warn"
    baseline_required: bool = False
    require_same_data: bool = True
    content: str = ""
    waivers: tuple[Waiver, ...] = ()
    max_days: int = MAX_DAYS
    use_decisions: bool = True
    at: str = ""
    help_uri: str = ""
    source: str | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, *where: str | int) -> int:
        """Line of a key, 0 where the file does not set it: a table without the key leaves it at its default."""
        return self.lines.get(where, 0)

    def origin(self, line: int) -> str:
        """What stands at a line, for people: "gate.toml:12"; "default" for line 0. `source` has the whole path."""
        return f"{Path(self.source).name}:{line}" if self.source and line else "default"

    def allows(self, state: str, *names: str, also: Sequence[str] = ()) -> bool:
        """Whether a state is allowed, for everything or for one of these classes, rules or metrics."""
        wanted = {state, *(f"{state}: {name}" for name in names if name)}
        return bool(wanted & {*self.allow, *also}) and not self.require_judged

    def fail_on(self, scope: str, class_name: str) -> str:
        """Lowest level that fails; a class may have its own."""
        general = self.fail[scope]
        return general if general == NO_LEVEL else self.class_levels.get(class_name, general)

    @property
    def values(self) -> dict[str, Any]:
        """Every setting by its dotted key, for output."""
        simple = {f"fail.{scope}": level for scope, level in self.fail.items()}
        simple |= {f"warn.{scope}": level for scope, level in self.warn.items()}
        simple |= {f"fail.classes.{name}": level for name, level in self.class_levels.items()}
        checks = [
            {"table": one.table, "name": one.name, **one.bounds, "judge": one.judge, "line": one.line}
            for one in self.metrics
        ]
        return {
            **simple, "allow": list(self.allow), "rules.require": list(self.require), "classes": list(self.classes),
            "baseline.known": self.known, "provenance.require_same_data": self.require_same_data, "metric": checks,
        }  # fmt: skip
