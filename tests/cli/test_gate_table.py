"""The verdict of a gate in a terminal of any width and in a log: the same rows, in lines that fit."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bias_audit.cli.gate_table import show_gate
from bias_audit.run.printable import printable
from bias_audit.run.result import AuditResult


@pytest.mark.parametrize("columns", ["60", "80", "", "300"])
def test_every_row_is_a_few_lines_that_fit(
    result: AuditResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    gate = result.gate()
    show_gate(gate, "Thresholds: defaults")
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(cell_len, lines)) <= min(int(columns or 80), 100)
    assert lines[0] == "Thresholds: defaults"
    said = "".join(out.split())
    assert printable(gate.summary).replace(" ", "") in said
    shown = [row for row in gate.rows if row.status != "passed"]
    assert len(shown) > 3
    for row in shown:
        assert printable(row.sentence).replace(" ", "") in said
    assert "failed: husky: BA201 (default), 75 pp [25 to 90]" in lines
