"""Judges a model in a test suite: `assert_no_background_bias`, which the fixture of `pytest_plugin` calls too.

Importing this module loads no model and no table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bias_audit.gate import GateResult
    from bias_audit.run.result import AuditResult

MOST_NAMED = 10
"""Most failed checks that a message tells in full; gate.md in the run folder holds all."""


def assert_no_background_bias(
    run_or_model: Any,
    data: Any = None,
    *,
    gate: str | Path | None = None,
    baseline: str | Path | AuditResult | None = None,
    **audit_options: Any,
) -> GateResult:
    """Fail, as an assertion does, where `bias-audit gate` would exit with 1.

    Args:
        run_or_model: a finished run or its folder; with `data` a model: a path, or a Keras model in memory.
        data: what the model is audited on, as for `bias_audit.audit`; None where a run is given.
        gate: a gate.toml; None = the defaults.
        baseline: an older run or its folder. A finding that the baseline has too is known; a new or worse one fails.
        audit_options: masks, out, preprocess and whatever else `bias_audit.audit` takes; only with `data`.

    Returns:
        the verdict, for tests that ask more; gate.json, gate.md, gate.junit.xml and gate.sarif lie in the run folder.

    Raises:
        AssertionError: the gate failed; the message says what failed, why, and where the report is.
        BiasAuditError: a wrong option, gate file, model, data set or run folder.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    from bias_audit.gate import write_gate

    result = _result(run_or_model, data, audit_options, gate)
    verdict = result.gate(gate, baseline=baseline)
    write_gate(result.path, verdict)
    if not verdict.passed:
        raise AssertionError(failure_message(verdict, result.path))
    return verdict


def failure_message(verdict: GateResult, run: Path) -> str:
    """Message about a failed gate: what failed and why, where the report is, and what to do."""
    from bias_audit.gate import FAILED
    from bias_audit.gate.formats.told import is_rule, name_of, one_line
    from bias_audit.run.printable import printable

    failed = [row for row in verdict.rows if row.status == FAILED]
    lines = [one_line(verdict.summary), ""]
    lines += [f"- {name_of(row)}\n  {one_line(row.sentence)}" for row in failed[:MOST_NAMED]]
    if len(failed) > MOST_NAMED:
        lines.append(f"- and {len(failed) - MOST_NAMED} more, see {run / 'gate.md'}")
    page = run / "report.html"
    lines += ["", f"Report: {page}" if page.exists() else f"All checks: {run / 'gate.md'}"]
    if codes := sorted({row.check for row in failed if is_rule(row.check)}):
        lines.append(f"What to do: {', '.join(f'bias-audit rule {code}' for code in codes)}")
    return printable("\n".join(lines), lines=True)


def _result(run_or_model: Any, data: Any, options: dict[str, Any], gate: str | Path | None) -> AuditResult:
    from bias_audit.errors import ConfigError
    from bias_audit.run.result import AuditResult, load

    if data is not None:
        from bias_audit.gate import read_gate
        from bias_audit.pipeline.audit import audit

        read_gate(gate)  # a wrong gate file must not cost an audit first
        return audit(run_or_model, data, **options)
    if options:
        given = ", ".join(sorted(options))
        raise ConfigError(f"{given}: a finished run takes no options of an audit", "Give the model and its data.")
    if isinstance(run_or_model, AuditResult):
        return run_or_model
    if not isinstance(run_or_model, str | Path):
        kind = type(run_or_model).__name__
        raise ConfigError(f"without data a run is wanted, got {kind}", "Give the data that the model is audited on.")
    return load(run_or_model)
