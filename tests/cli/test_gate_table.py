"""The verdict of a gate in a narrow terminal and in a log: the same rows, in lines that fit."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bias_audit.cli.gate_table import show_gate
from bias_audit.run.printable import printable
from bias_audit.run.result import AuditResult


@pytest.mark.parametrize(
    ("columns", "is_table"), [("60", False), ("80", False), ("109", False), ("110", True), ("", True)]
)
def test_a_row_is_a_block_where_a_table_has_no_room(
    result: AuditResult,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    is_table: bool,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    gate = result.gate()
    show_gate(gate, "Thresholds: defaults")
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(cell_len, lines)) <= int(columns or 140)
    assert ("\N{BOX DRAWINGS LIGHT VERTICAL}" in out) is is_table
    assert lines[0] == "Thresholds: defaults"
    said = "".join(out.split())
    assert printable(gate.summary).replace(" ", "") in said
    shown = [row for row in gate.rows if row.status != "passed"]
    assert len(shown) > 3
    if not is_table:
        for row in shown:
            assert printable(row.sentence).replace(" ", "") in said
        assert "failed: husky: BA201 (default), 75 pp [25 to 90]" in lines
