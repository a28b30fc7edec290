"""Images without a valid prediction fail the gate by a state of their own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from gate_runs import WOLF, judged, outcome, run_of

from bias_audit.gate import FAILED, NOT_JUDGED
from bias_audit.gate.states import INVALID_PREDICTIONS


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"invalid_predictions": 3}, "for 3 images, of 20"),
        ({"invalid_composites": 2}, "for composites of 2 images, of 20"),
        ({"invalid_exchanges": 1}, "for 1 images with another's colour"),
        ({"invalid_cues": 4}, "for spots of recurring cues of 4 images"),
        ({"invalid_predictions": 3, "invalid_composites": 2}, "for 3 images, composites of 2 images, of 20"),
        ({"invalid_predictions": 0, "invalid_composites": 0}, ""),
        ({}, ""),  # of an older version
    ],
)
def test_every_kind_of_invalid_prediction_is_told(tmp_path: Path, counts: dict[str, int], said: str) -> None:
    run = run_of(outcome(), classes=(WOLF,))
    run = dataclasses.replace(
        run, info=dataclasses.replace(run.info, counts={**run.info.counts, "images": 20, **counts})
    )
    gate = judged(tmp_path, run, "")
    rows = [row for row in gate.rows if row.state == INVALID_PREDICTIONS]
    assert (gate.passed, [row.status for row in rows]) == (not said, [FAILED] if said else [])
    if said:
        assert said in rows[0].sentence
        allowed = judged(tmp_path, run, f'allow = ["{INVALID_PREDICTIONS}"]\n')
        assert (allowed.passed, [row.status for row in allowed.rows if row.state]) == (True, [NOT_JUDGED])
