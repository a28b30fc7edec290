"""Photos and masks that change after the pass over them convict nobody: they are counted, named, and fail the gate."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bias_audit import audit
from bias_audit.heatmaps import attention
from bias_audit.pipeline.changes import NOTICED
from bias_audit.run.result import load


@pytest.mark.parametrize("what", ["masks", "photos"])
def test_what_changes_after_the_pass_takes_no_part(tiny, tmp_path: Path, monkeypatch, what):
    images, masks = (Path(shutil.copytree(each, tmp_path / each.name)) for each in (tiny.images, tiny.masks))
    tie = attention.tie_to_objects

    def change_then_tie(*given, **named):
        if what == "masks":
            shutil.rmtree(masks)
        else:
            for one, other in zip(sorted((images / "a").iterdir()), sorted((images / "b").iterdir()), strict=True):
                content = one.read_bytes()
                one.write_bytes(other.read_bytes())
                other.write_bytes(content)
        return tie(*given, **named)

    monkeypatch.setattr(attention, "tie_to_objects", change_then_tie)
    result = audit(tiny.follows_object, images, masks=masks, out=tmp_path / "run", probes=0)
    table = load(tmp_path / "run").images
    assert set(table["reread_status"]) == set(table["intervention_status"]) == {"changed during the audit"}
    assert result.info.counts["changed"] == len(table) == 24
    assert len((tmp_path / "run" / NOTICED).read_text().splitlines()) == 24
    assert any("24 of 24 images changed during the audit" in note for note in result.info.notes)
    assert "changed during the audit" in (tmp_path / "run" / "report.html").read_text()
    assert not any(outcome.found and outcome.code.startswith("BA2") for outcome in result.outcomes)
    gate = result.gate()
    assert not gate.passed
    assert "changed during the audit" in {row.state for row in gate.rows}
