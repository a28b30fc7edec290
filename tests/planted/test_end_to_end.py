"""One small case from world to report: a biased model is trained, verified, audited and scored."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bias_audit.config import Thresholds
from bias_audit.errors import ResultError
from bias_audit.planted.benchmark import grid, unit
from bias_audit.planted.benchmark.report import write_report
from bias_audit.planted.benchmark.run import WORK
from bias_audit.planted.benchmark.score import score
from bias_audit.planted.benchmark.unit import finished_unit, make_unit, unit_folder
from bias_audit.planted.benchmark.units import judge_again, read_units, thresholds_digest
from bias_audit.planted.shapes import ShapesPlan
from bias_audit.run.folder import plain


@pytest.mark.heavy
@pytest.mark.slow
def test_a_case_from_world_to_report(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "SETTINGS", small := {"version": 0, "train": 800, "test": 24, "probe": 12, "epochs": 4})
    monkeypatch.setattr(unit, "SETTINGS", small)
    case = grid.Case(5, "planted", "gap", ShapesPlan(cue="snow", guilty=(2,), rho=1.0))
    work = tmp_path / WORK
    record = make_unit(case, work)
    assert record["reliance"][2]["sufficiency"] > 0.5
    assert sorted(path.name for path in unit_folder(case, work).iterdir()) == sorted(
        [unit.UNIT, unit.MODEL, unit.TRUTH, *unit.KEPT]
    )
    assert make_unit(case, work) == finished_unit(case, work) == record

    units = read_units([case], work)
    assert list(units["truth"]) == ["negative", "negative", "positive", "negative"]
    assert units["attract"].idxmax() == 2
    audited = json.loads((unit_folder(case, work) / "audit.json").read_text())["outcomes"]
    judged = [
        [outcome for outcome in outcomes if outcome["code"] < "BA3"]  # what the kept tables are enough for
        for outcomes in (
            plain([dataclasses.asdict(one) for one in judge_again(unit_folder(case, work), Thresholds())]),
            audited,
        )
    ]
    assert judged[0] == judged[1]
    assert not read_units([case], work, Thresholds(min_gap=1.0))["flagged"].any()  # judged anew, without the model

    text = write_report(score(units, resamples=5), units, thresholds_digest(Thresholds()), {}, tmp_path)
    assert (tmp_path / "benchmark.md").read_text() == text
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert content["models"] == 1
    assert content["rules"]["verdict"]["tpr"]["n"] == 1
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "units.csv").read_text().splitlines()) == 5
    with pytest.raises(ResultError, match="no finished audit"):
        read_units([grid.cases(5)[0]], work)
