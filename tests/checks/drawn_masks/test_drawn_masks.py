"""BA911: what a cut by colour and edges finds around a drawn mask, and when it is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bias_audit.checks.base import Measured
from bias_audit.checks.drawn_masks.measure import Missed, look_around, missed_share, read_missed
from bias_audit.checks.drawn_masks.rule import LEAST_MISSED
from bias_audit.checks.evidence import Evidence
from bias_audit.config import Thresholds
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import FOREGROUND, VOID, MaskReading
from bias_audit.pipeline.judge import judge_rule
from bias_audit.planted.shapes import ShapesPlan, draw_split
from bias_audit.run.folder import Run
from bias_audit.run.statuses import DONE, DONE_BEFORE

PLAN = ShapesPlan(("bar", "cross", "disc", "triangle"))


def cut(mask: NDArray[np.uint8], share: float, *, lowest: bool) -> NDArray[np.uint8]:
    """The mask without the lowest, or the highest, of its pixels."""
    rows, columns = np.nonzero(mask)
    order = np.argsort(-rows if lowest else rows, kind="stable")[: int(share * len(rows))]
    changed = mask.copy()
    changed[rows[order], columns[order]] = 0
    return changed


def scene(radius: int = 16, channels: int = 3) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A reddish disc on greenish ground, 80 x 80, both with grain, and its mask."""
    y, x = np.mgrid[:80, :80]
    mask = ((x - 40) ** 2 + (y - 40) ** 2 <= radius**2).astype(np.uint8) * FOREGROUND
    colour = np.where(mask[..., None] > 0, (200, 60, 60), (60, 140, 60))
    pixels = colour + np.random.default_rng(0).normal(0, 10, (80, 80, 3))
    return np.clip(pixels[..., :channels], 0, 255).astype(np.float32), mask


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("lowest", [True, False])
def test_what_is_cut_away_of_a_mask_is_found_again(channels, lowest):
    pixels, mask = scene(channels=channels)
    assert missed_share(pixels, mask) == pytest.approx(0, abs=0.02)
    # 30 % are missing of which the hole's margin, which is not counted, covers a third: .3 / .7 less that.
    assert 0.2 < missed_share(pixels, cut(mask, 0.3, lowest=lowest)) < 0.43


def test_a_second_object_far_away_is_not_found():
    pixels, mask = scene(8)
    pixels[:, :12] = (200, 60, 60)
    assert missed_share(pixels, mask) < 0.05


def test_void_pixels_are_not_counted():
    pixels, mask = scene()
    smaller = cut(mask, 0.3, lowest=True)
    smaller[(mask > 0) & (smaller == 0)] = VOID
    assert missed_share(pixels, smaller) == pytest.approx(0, abs=0.02)


def test_where_nothing_can_be_seen_nothing_is_said():
    pixels, mask = scene()
    assert missed_share(pixels, np.zeros_like(mask)) is None
    assert missed_share(pixels, np.full_like(mask, FOREGROUND)) is None
    assert missed_share(pixels, scene(3)[1]) is None, "too small to be pasted"
    most = np.full_like(mask, FOREGROUND)
    most[:10] = 0
    assert missed_share(pixels, most) is not None


def written(folder: Path, share: float) -> Dataset:
    """32 photos of a shape world, with masks of which this share is cut away below."""
    split = draw_split(PLAN, "test", 8, seed=0)
    samples = []
    for i, (photo, mask, label) in enumerate(zip(split.images, split.masks, split.labels, strict=True)):
        name, beside = folder / f"{i}.png", folder / f"{i}.mask.png"
        cv2.imwrite(str(name), photo[..., ::-1])
        cv2.imwrite(str(beside), cut(mask, share, lowest=True))
        samples.append(Sample(name.name, name, int(label), mask=beside))
    return Dataset(tuple(samples), PLAN.classes, "folder")


def test_masks_of_a_shape_world(tmp_path: Path):
    """Complete masks seem incomplete in few photos; without their lowest 30 % nearly all do. It is kept and read."""
    geometry = Geometry((96, 96), 3, "stretch", "bilinear", MaskReading())
    shares = {}
    for share in (0.0, 0.3):
        data, run = tmp_path / f"data-{share}", Run(tmp_path / f"run-{share}")
        data.mkdir()
        run.start({}, resume=False, overwrite=False)
        dataset = written(data, share)
        advanced: list[int] = []
        groups = np.arange(32) // 2
        missed = look_around(dataset, list(range(32)), geometry, 0, run, advanced.append, groups)
        assert sum(advanced) == 32
        assert missed.groups == tuple(int(name.split(".")[0]) // 2 for name in missed.image_ids)
        assert read_missed(run) == missed
        assert look_around(dataset, [], geometry, 0, run, advanced.append) == missed, "of an interrupted audit"
        shares[share] = np.mean(np.array(missed.share) > LEAST_MISSED)
        assert len(missed.share) >= 30
    assert shares[0.0] < 0.2
    assert shares[0.3] > 0.8


def evidence(missed: Missed | None, *, kind: str = "mask") -> Evidence:
    names = missed.image_ids if missed else ("0",)
    images = pd.DataFrame({"mask_status": "ok", "mask_kind": kind, "intervention_status": DONE}, index=list(names))
    return Evidence(images, pd.DataFrame(), Thresholds(), {"drawn_masks": Measured(own=lambda: missed)})


def missed(bad: int, n: int, groups: tuple[int, ...] | None = None) -> Missed:
    return Missed(tuple(map(str, range(n))), (0.4,) * bad + (LEAST_MISSED,) * (n - bad), groups)


@pytest.mark.parametrize(
    ("bad", "n", "found"),
    [(64, 64, True), (40, 64, True), (39, 64, False), (34, 64, False), (0, 64, False), (4, 4, True), (3, 3, False)],
)
def test_it_warns_where_most_masks_seem_incomplete(bad, n, found):
    """By the lower limit of the Wilson interval: 40 of 64 have one of .502, 39 of 64 of .487; 4 of 4 of .51."""
    (outcome,) = judge_rule("BA911", evidence(missed(bad, n)))
    assert (outcome.status, outcome.level) == (("found", "MODEL WARNING") if found else ("passed", None))
    assert (outcome.measured, outcome.n) == (bad / n, n)
    assert f"In {bad} of {n} photos checked the mask seems to miss part of the object" in outcome.sentence
    assert ("accuse an innocent class" in outcome.sentence) == found
    assert ("does not prove" in outcome.sentence) != found
    assert len(outcome.image_ids) == (n if found else 0)


def test_groups_count_once():
    photos = missed(42, 64)
    (outcome,) = judge_rule("BA911", evidence(missed(42, 64, tuple(i // 4 for i in range(64)))))
    assert outcome.low < judge_rule("BA911", evidence(photos))[0].low
    assert outcome.status == "passed"


def test_a_mask_that_was_replaced_since_is_not_spoken_of():
    given = evidence(missed(64, 64))
    given.images.loc[given.images.index[:60], "intervention_status"] = DONE_BEFORE
    assert judge_rule("BA911", given)[0].n == 4
    given.images["intervention_status"] = DONE_BEFORE
    assert judge_rule("BA911", given)[0].reason_code == "not measured"


@pytest.mark.parametrize(
    ("kind", "code"), [("mask", "not measured"), ("box", "not needed"), ("estimated", "not needed")]
)
def test_without_a_look_it_does_not_judge(kind, code):
    (outcome,) = judge_rule("BA911", evidence(None, kind=kind))
    assert (outcome.status, outcome.reason_code) == ("not applicable", code)
