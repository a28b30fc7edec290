"""The settings of a gate: the values that a gate.toml is read into."""

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
"""A level that no finding reaches: findings of a scope with this level are not judged by the gate."""

SCOPES = ("dataset", "class", "cue", "slice", "image")
FAIL_ON = dict.fromkeys(SCOPES, FAILS_FROM) | {"image": NO_LEVEL}
WARN_ON = dict.fromkeys(SCOPES, "TOO FEW IMAGES") | {"image": NO_LEVEL}
"""Lowest level of a finding that fails (FAIL_ON) and that warns (WARN_ON), by scope."""

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
        table: "dataset", "class", "cue", "slice", "image", or the name of another package's check.
        name: column of that table (`bias_audit.run.schema`), or a number of `metrics.DATASET`.
        bounds: "min", "max", "max_increase", "max_decrease" -> bound; the bound itself is allowed.
        min_n: least number of images; a number from fewer is not judged.
        judge: "bound": the end of the interval that is nearer to a breach must keep the bound; "estimate": the value
            must.
        severity: "fail" or "warn": what a breach does.
        max_share: for a metric of images: largest share of a class's images that may lie beyond the bound, 0..1.
        allow: states that are allowed for this threshold, beside those of the file.
        classes: class -> the threshold with the class's own settings.
        line: line in gate.toml; 0 = a default.
        scope: scope of the rows.
        label: name of the rows; "" = made of bound and metric.
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
    """A finding that somebody accepts until a day, with reason and name.

    Attributes:
        reason: why the finding is accepted.
        owner: who answers for it.
        expires: last day on which the waiver counts.
        finding: `identity.finding_id`; where it is "", rule, class_name and cue name the finding.
        rule, class_name, cue: rule code, class and cue of the finding, "" for none.
        measured, low, high, level: number, interval and level that were accepted; a finding that is worse fails again.
        since: day of the acceptance, before which it does not hold; None = not known, so that the life of the waiver
            counts from today.
        line: line in gate.toml, 0 = a review decision.
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
        """The finding that the waiver is about, in words."""
        if self.finding:
            return f"finding {self.finding}"
        return ", ".join(part for part in (self.rule, self.class_name, self.cue) if part)


@dataclass(frozen=True)
class GateConfig:
    """Everything that a gate asks of a run.

    Attributes:
        fail, warn: scope -> lowest level of a finding that fails or warns, or NO_LEVEL.
        class_levels: class -> lowest level at which a finding about the class fails, in every scope.
        metrics: thresholds on numbers.
        allow: states that do not fail; "STATE: NAME" allows a state for one class, rule or metric only.
        require: codes of rules that must have given an answer.
        require_judged: whether everything must be judged, whatever the rule; `allow` then has no effect.
        classes: class names that the run must have.
        thresholds: name -> value of the thresholds that the rules of the run must have judged by (`checks.thresholds`).
        known: what a finding does that the baseline has too and that has not grown: "pass", "warn" or "fail".
        baseline_required: whether a run without baseline fails, unless that state is allowed.
        require_same_data: whether the baseline must be about the same data.
        content: content hash that the run's data must have, "" = any.
        waivers: waivers of the file.
        max_days: longest life of a waiver in days.
        use_decisions: whether review decisions count as waivers.
        at: committed file that CI shows results at, from the repository's root; "" = the gate file itself.
        help_uri: address of help about a rule, with {code} in it; "" for none.
        former: sentences about former names in the file, which are read as today's.
        source: path of the gate file, None for the defaults.
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
    thresholds: Mapping[str, float] = field(default_factory=dict)
    known: str = "warn"
    baseline_required: bool = False
    require_same_data: bool = True
    content: str = ""
    waivers: tuple[Waiver, ...] = ()
    max_days: int = MAX_DAYS
    use_decisions: bool = True
    at: str = ""
    help_uri: str = ""
    former: tuple[str, ...] = ()
    source: str | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the tables classes and images that are bounded: an audit measures them for all classes."""
        return tuple(sorted({check.name for check in self.metrics if check.table in ("class", "image")}))

    def line(self, *where: str | int) -> int:
        """Line of a key; 0 where the file does not set the key, so that its default holds."""
        return self.lines.get(where, 0)

    def origin(self, line: int) -> str:
        """Place of a setting for people: file name and line, "gate.toml:12"; "default" for line 0 or without a file."""
        return f"{Path(self.source).name}:{line}" if self.source and line else "default"

    def allows(self, state: str, *names: str, also: Sequence[str] = ()) -> bool:
        """Whether a state is allowed, in general or for one of `names` (classes, rules or metrics).

        `also` lists further allowed states. With `require_judged` nothing is allowed.
        """
        wanted = {state, *(f"{state}: {name}" for name in names if name)}
        return bool(wanted & {*self.allow, *also}) and not self.require_judged

    def fail_on(self, scope: str, class_name: str) -> str:
        """Lowest level at which a finding of a scope fails; a class may have its own level."""
        general = self.fail[scope]
        return general if general == NO_LEVEL else self.class_levels.get(class_name, general)

    @property
    def values(self) -> dict[str, Any]:
        """The main settings by their dotted key, for gate.json."""
        simple = {f"fail.{scope}": level for scope, level in self.fail.items()}
        simple |= {f"warn.{scope}": level for scope, level in self.warn.items()}
        simple |= {f"fail.classes.{name}": level for name, level in self.class_levels.items()}
        checks = [
            {"table": one.table, "name": one.name, **one.bounds, "judge": one.judge, "line": one.line}
            for one in self.metrics
        ]
        return {
            **simple, "allow": list(self.allow), "rules.require": list(self.require), "classes": list(self.classes),
            "require.thresholds": dict(self.thresholds),
            "baseline.known": self.known, "provenance.require_same_data": self.require_same_data, "metric": checks,
        }  # fmt: skip
