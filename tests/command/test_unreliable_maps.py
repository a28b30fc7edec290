"""A heatmap method that ignores the model: the audit says so, greys its scores out and judges nothing by them."""

from __future__ import annotations

from typing import Any

import numpy as np

import bias_audit


def middle(explainer: Any, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The same blob on every photo, whatever the model."""
    rows, columns = np.mgrid[:6, :6]
    return np.repeat(np.exp(-((rows - 2) ** 2 + (columns - 3) ** 2) / 4)[None], len(pixels), axis=0)


def test_maps_that_ignore_the_model_are_not_used(tiny, command, tmp_path):
    out = tmp_path / "run"
    method = f"{__name__}:middle"
    code, said, err = command(
        "audit",
        tiny.follows_background,
        tiny.images,
        "--masks",
        tiny.masks,
        "--out",
        out,
        "--method",
        method,
        "--verbose",
    )
    assert code == 0, err
    assert "BA908  randomisation: " in said
    run = bias_audit.load(out)
    found = {(item.code, item.subject) for item in run.found()}
    assert ("BA908", "randomisation") in found
    assert {item.status for item in run.outcomes if item.code in ("BA101", "BA102", "BA205")} == {"not applicable"}
    # The experiments need no maps: the culprits are found all the same, and nobody is called hidden by blind maps.
    assert {(item.subject, item.level) for item in run.outcomes if item.code == "BA201"} <= {
        (name, level) for name in "ab" for level in ("SUSPICIOUS", "CONFIRMED")
    }
    assert run.images["background_excess"].notna().all()  # the numbers stay, for who wants to see them
    page = (out / "report.html").read_text(encoding="utf-8")
    assert '<main class="maps-failed">' in page
    assert "Heatmaps and attention scores of this report are shown in grey" in page


def test_a_resumed_audit_takes_the_tests_that_were_made(tiny, tmp_path, monkeypatch):
    from bias_audit.checks.map_reliability import measure as map_check
    from bias_audit.run.folder import Run

    out = tmp_path / "run"
    quick = {"interventions": 0, "discovery": 0, "probes": 0, "leakage": 0}
    bias_audit.audit(tiny.follows_object, tiny.images, out=out, batch_size=4, **quick)
    stored = Run(out)
    before = map_check.check_reliability(None, None, None, 0, stored)  # type: ignore[arg-type]
    assert [test.name for test in before] == ["randomisation", "class sensitivity", "stability"]
    assert '<main class="maps-failed">' not in (out / "report.html").read_text(encoding="utf-8")
