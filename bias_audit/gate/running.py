"""Runs the gate on folders: reads run, baseline and decisions, and judges the run."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.checks.registry import not_installed, of_run
from bias_audit.gate.config import read_gate
from bias_audit.gate.settings import GateConfig
from bias_audit.gate.values import GateResult
from bias_audit.gate.verdict import judge
from bias_audit.run.result import AuditResult, load

if TYPE_CHECKING:
    from bias_audit.review.decisions import Decision


def gate_run(
    result: AuditResult,
    thresholds: str | Path | None = None,
    *,
    baseline: str | Path | AuditResult | None = None,
    today: datetime.date | None = None,
) -> GateResult:
    """Judge a run as `bias-audit gate` does.

    Args:
        result: the run.
        thresholds: a gate.toml, None = the defaults: only the command looks for a file in the working folder.
        baseline: a run or its folder. A folder without a finished run is the state "missing baseline", not an error.
        today: day for which waivers are judged, None = today in UTC.

    Raises:
        ConfigError: a wrong gate.toml.
        ResultError: a damaged baseline.
    """
    of_run(result.path)
    config = read_gate(thresholds, not_installed(result.path))
    old = baseline if isinstance(baseline, AuditResult) else _finished(baseline)
    name = str(baseline.path if isinstance(baseline, AuditResult) else baseline or "")
    decisions = _decisions(result.path, config)
    return judge(result, config, baseline=old, baseline_name=name, decisions=decisions, today=today)


def _finished(folder: str | Path | None) -> AuditResult | None:
    if folder is None or not (Path(folder) / "audit.json").is_file():
        return None
    return load(folder)


def _decisions(folder: Path, config: GateConfig) -> list[Decision]:
    """Reviewers' decisions about a run; the module that reads these is imported only where there is a file."""
    if not config.use_decisions or not (folder / "decisions.sqlite").is_file():
        return []
    from bias_audit.review.decisions import read_decisions

    return list(read_decisions(folder))
