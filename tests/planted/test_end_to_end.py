"""One small case from world to report: a biased model is trained, verified, audited and scored."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from bias_audit.config import Thresholds
from bias_audit.errors import ResultError
from bias_audit.planted.benchmark import grid, records, unit
from bias_audit.planted.benchmark.by_unit import score_units
from bias_audit.planted.benchmark.judging import judged_again
from bias_audit.planted.benchmark.report import write_report
from bias_audit.planted.benchmark.run import WORK
from bias_audit.planted.benchmark.score import score
from bias_audit.planted.benchmark.table import Made
from bias_audit.planted.benchmark.unit import finished_unit, make_unit, outcomes_of, unit_folder
from bias_audit.planted.benchmark.units import read_units, thresholds_digest
from bias_audit.planted.shapes import ShapesPlan
from bias_audit.run.json_values import plain


@pytest.mark.heavy
@pytest.mark.slow
def test_a_case_from_world_to_report(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "SETTINGS", small := {**grid.SETTINGS, "version": 0, "probe": 12})
    monkeypatch.setattr(unit, "SETTINGS", small)
    plan = ShapesPlan(cue="snow", guilty=(2,), rho=1.0)
    case = grid.Case(10, "planted", "gap", plan, train=800, epochs=4, test=24)
    work = tmp_path / WORK
    record = make_unit(case, work)
    assert record["reliance"][2]["sufficiency"] > 0.5
    folder = unit_folder(case, work)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [unit.UNIT, unit.MODEL, unit.TRUTH, unit.RUN, unit.OUTCOMES]
    )
    assert make_unit(case, work) == finished_unit(case, work) == record

    # The same model with other masks: nothing is trained again, and the truth is the same.
    monkeypatch.setattr(unit.truth, "measure", lambda *_, **__: pytest.fail("trained again"))
    boxed = dataclasses.replace(case, masks="boxes")
    assert make_unit(boxed, work)["reliance"] == record["reliance"]
    assert not (unit_folder(boxed, work) / unit.MODEL).exists()
    assert {outcome.code for outcome in outcomes_of(boxed, work).outcomes} >= {"BA201"}

    units, findings = read_units([case], work)
    assert list(units["truth"]) == list(units["truth_any"]) == ["negative", "negative", "positive", "negative"]
    assert units["attract"].idxmax() == 2
    assert units["accused"][2]
    assert units["model_accused"].all()
    assert "BA201" in units["accused_by"][2]
    assert findings[findings["code"] == "BA201"]["guilty"].any()
    # Judged again from the kept run, without the model and the photos: the same outcomes and the same numbers.
    again = judged_again(folder / unit.RUN)
    assert plain([dataclasses.asdict(dataclasses.replace(one, image_ids=())) for one in again.outcomes]) == plain(
        [dataclasses.asdict(one) for one in outcomes_of(case, work).outcomes]
    )
    assert plain(list(again.classes)) == list(outcomes_of(case, work).classes)
    strict, _ = read_units([case], work, Thresholds(min_gap=1.0))
    assert not strict["flagged"].any()

    made = Made("d24a023", record["package"], (record["package"],), thresholds_digest(Thresholds()))
    with pytest.raises(ResultError, match="not all report seeds"):  # units are reported on seeds of their own
        write_report(None, score_units(units), units, made, {}, tmp_path)
    text = write_report(score(units, findings, resamples=5), None, units, made, {}, tmp_path)
    assert (tmp_path / "benchmark.md").read_text() == text
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert content["models"] == 1
    assert (content["commit"], content["audited_by"]) == ("d24a023", [record["package"]])
    assert content["rules"]["verdict"]["tpr"]["n"] == content["rules"]["any rule"]["tpr"]["k"] == 1
    assert content["required"][0]["holds"]
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    records.write_records(tmp_path, (units, findings))
    kept = records.read_records(tmp_path, [case, grid.cases(10)[0]], record["package"])
    assert kept is not None
    for read, written in zip(kept, (units, findings), strict=True):
        pd.testing.assert_frame_equal(read, written.reset_index(drop=True))
    assert records.without([case, grid.cases(10)[0]], kept) == [grid.cases(10)[0]]
    with pytest.raises(ResultError, match="no finished audit"):
        read_units([grid.cases(10)[0]], work)
    (folder / unit.RUN).write_bytes((folder / unit.RUN).read_bytes()[:1000])
    with pytest.raises(ResultError, match="damaged"):
        judged_again(folder / unit.RUN)
