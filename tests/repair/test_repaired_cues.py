"""A recurring cue that the prediction follows is found on the training photos, erased, lent, and no longer followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_world import OBJECTS, SIDE, network
from PIL import Image

import bias_audit
from bias_audit.errors import ResultError
from bias_audit.repair import retest
from bias_audit.repair.proof import finding_table
from bias_audit.repair.result import Repair
from bias_audit.run.result import AuditResult

TAG = 7
BLUE = (60, 60, 255)
CORNERS = [(top, left) for top in (0, SIDE - TAG) for left in (0, SIDE - TAG)]


def draw(images: Path, masks: Path, count: int, seed: int) -> None:
    """All objects on the same ground; ants have a blue tag in a corner without object."""
    rng = np.random.default_rng(seed)
    for name, colour in OBJECTS.items():
        (images / name).mkdir(parents=True)
        (masks / name).mkdir(parents=True)
        for number in range(count):
            top, left = rng.integers(2, 16, 2)
            mask = np.zeros((SIDE, SIDE), bool)
            mask[top : top + 14, left : left + 14] = True
            colours = np.where(mask[..., None], colour, 60 + np.array([1, 1, 0]) * rng.uniform(-20, 80))
            if name == "ant":
                y, x = min(CORNERS, key=lambda corner: mask[corner[0] :, corner[1] :][:TAG, :TAG].sum())
                colours[y : y + TAG, x : x + TAG] = BLUE
            colours = np.clip(colours + rng.normal(0, 8, colours.shape), 0, 255).astype(np.uint8)
            Image.fromarray(colours).save(images / name / f"{number}.png")
            Image.fromarray(mask.astype(np.uint8) * 255).save(masks / name / f"{number}.png")


def effect(run: AuditResult) -> float:
    """The largest rise of a class where a cue of it is pasted; 0 without cues."""
    return max(run.cues["paste_effect"].astype(float), default=0.0)


@pytest.mark.slow
def test_the_effect_of_a_tag_goes_and_stays_in_the_control(tmp_path: Path) -> None:
    draw(tmp_path / "test", tmp_path / "test masks", 24, 1)
    draw(tmp_path / "train", tmp_path / "train masks", 20, 2)
    (tmp_path / "net.onnx").write_bytes(network(blue=0.6, middle=60 + 195 * TAG**2 / SIDE**2 / 2 + 6))
    run = bias_audit.audit(
        tmp_path / "net.onnx", tmp_path / "test", masks=tmp_path / "test masks", out=tmp_path / "run", probes=0,
        leakage=0, batch_size=16,
    )  # fmt: skip
    assert "BA302" in {each.code for each in run.found()}
    repair = run.repair(tmp_path / "net.onnx", tmp_path / "train", tmp_path / "train masks")
    assert repair.made is not None
    assert repair.control is not None
    assert {"erased", "lent"} <= set(repair.made.pictures)
    assert repair.made.pictures["erased"] == 2 * 20
    assert effect(run) > 0.5
    assert effect(repair.run) < 0.5 * effect(run)
    assert effect(repair.control) > 0.5 * effect(run)
    assert "BA302" not in {each.code for each in repair.run.found()}
    _tested_again_on_the_same_pictures(run, repair)
    assert repair.model == tmp_path / "run-repaired.onnx"
    assert repair.run.images["correct"].mean() > 0.9
    seen = run.path / "shards" / "attended.npz"
    seen.write_bytes(seen.read_bytes() + b"\0")
    with pytest.raises(ResultError, match="was changed after the run was written"):
        retest._seen(run)


def _tested_again_on_the_same_pictures(run: AuditResult, repair: Repair) -> None:
    """The numbers of the audit come out again; the control still convicts, and the repaired model does not."""
    assert repair.proof is not None
    (test,) = (each for each in repair.proof.retests if each.finding.subject == run.cues.index[0])
    row = run.cues.iloc[0]
    for name, told in (("paste", "pasted"), ("erase", "erased")):
        found = test.effects["before"].tests[told]
        numbers = [found.mean, found.low, found.high]
        assert numbers == pytest.approx([row[f"{name}_{part}"] for part in ("effect", "low", "high")], abs=1e-4)
    assert test.effects["before"].turned == pytest.approx(row["turned"])
    assert [test.effects[name].convicts for name in ("before", "control", "after")] == [True, True, False]
    assert test.known
    assert test.fell
    assert not test.left
    after = test.effects["after"].tests["pasted"].mean
    assert after < 0.5 * row["paste_effect"]
    assert f"On the same pictures {test.title}, {test.by}" in repair.sentence
    table = repair.table().set_index("what")
    assert table.loc[f"{test.title}, pasted", "after"] == pytest.approx(after)
    found = [each for each in finding_table(repair.proof) if each["code"] == "BA302" and each["levels"][0]]
    assert all(each["state"].endswith("tested again: gone") for each in found)
    assert test.title in [each["about"] for each in found]
