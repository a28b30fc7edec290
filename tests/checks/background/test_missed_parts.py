"""Masks that miss a part of every object, seen by a model that knows objects alone, and by one that knows backgrounds.

Pictures of 40 x 40: a class's object is a block of its colour, of which the mask covers the upper two fifths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from bias_audit.checks.background.class_effects import class_effects
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.composites import predict_composites
from bias_audit.checks.background.photo_effects import photo_effects
from bias_audit.checks.background.screening import as_table
from bias_audit.checks.reliance import near_parts_in_doubt, relies
from bias_audit.config import Thresholds
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.interventions.donors import plan, prepare_backgrounds
from bias_audit.models.base import Predictions
from bias_audit.run.tables import frame

COLOURS, GROUNDS = ((220, 30, 30), (30, 30, 220)), ((120, 160, 120), (160, 160, 120))
PHOTOS = 12


def world(folder: Path, *, complete: bool) -> Dataset:
    """12 photos of each of two classes; the ground of each class is its own."""
    rng, samples = np.random.default_rng(0), []
    for label in (0, 1):
        for number in range(PHOTOS):
            pixels = np.tile(np.uint8(GROUNDS[label]), (40, 40, 1))
            mask = np.zeros((40, 40), np.uint8)
            y, x = rng.integers(12, 18), rng.integers(12, 20)
            pixels[y : y + 10, x : x + 8] = COLOURS[label]
            mask[y : y + (10 if complete else 4), x : x + 8] = 255
            name = folder / f"{label}-{number}"
            Image.fromarray(pixels).save(name.with_suffix(".png"))
            Image.fromarray(mask).save(name.with_suffix(".mask.png"))
            samples.append(Sample(name.name, name.with_suffix(".png"), label, mask=name.with_suffix(".mask.png")))
    return Dataset(tuple(samples), ("red", "blue"), "folder")


def said(blue: NDArray[Any]) -> Predictions:
    p = np.where(blue, 0.9, 0.1).astype(np.float32)
    probabilities = np.stack([1 - p, p], axis=1)
    return Predictions(probabilities, np.log(probabilities / (1 - probabilities)), np.zeros(len(p), np.float32))


def honest(images: NDArray[np.float32]) -> Predictions:
    """Calls a picture by the colour of objects that more of its pixels have, wherever they are."""
    red, blue = ((np.abs(images - np.float32(colour)).max(axis=-1) < 30).sum(axis=(1, 2)) for colour in COLOURS)
    return said(blue > red)


def reads_the_corner(images: NDArray[np.float32]) -> Predictions:
    return said(images[:, 0, 0, 0] > 140)


def of_red(folder: Path, predict: Any, *, complete: bool) -> dict[str, Any]:
    """The class table's row of the red class, as far as the composites of its photos tell."""
    data = world(folder, complete=complete)
    geometry = Geometry((40, 40), 3, "stretch", "bilinear", MaskReading())
    areas = {i: float((np.asarray(Image.open(sample.mask)) > 0).mean()) for i, sample in enumerate(data.samples)}
    todo = plan(data, areas, photos=PHOTOS, donors=5, seed=0)
    backgrounds = prepare_backgrounds(data, todo, geometry, {}, 0, lambda _: None, folder)
    made = [
        row
        for part in predict_composites(
            data, 0, todo, backgrounds, geometry, {}, predict, batch=64, donors=5, seed=0, keep=lambda *_: None
        )
        for row in part
    ]
    photos = pd.DataFrame({"label": 0, "predicted": 0, "log_odds_label": 2.0}, index=range(PHOTOS))
    effects = photo_effects(as_table(made, 0), photos, np.zeros(2))
    rows = effects.drop(columns=[name for name in effects if name.endswith(("_predicted", "_fill", "_class"))])
    rows = rows.assign(intervention_status="done", **{
        f"{arm}_second_fill": effects[f"{arm}_second_fill"]
        for arm in ("same_background_accuracy", "other_background_accuracy", "background_gap")
    })  # fmt: skip
    row = class_effects(frame(OF_IMAGES, rows.to_dict("records")).assign(label="red"), 10, 0)
    unknown = dict.fromkeys(("attract", "attract_grown_holes", "n_without_strongest", "attract_without_strongest"))
    return {**row, "p_fdr": row["p_sign_flip"], **unknown, "attract_low": None, "attract_without_strongest_low": None}


def test_what_the_masks_miss_convicts_no_honest_model(tmp_path: Path):
    """The rest of a blue object, 6 rows, outweighs the 4 rows of the red one that is pasted beside it."""
    row = of_red(tmp_path, honest, complete=False)
    assert relies(row, Thresholds()), "without grown holes the class would be accused"
    assert row["background_gap"] > 0.9
    assert row["background_gap_grown_holes"] == 0
    assert near_parts_in_doubt(row, Thresholds())


@pytest.mark.parametrize("complete", [True, False])
def test_a_model_that_knows_backgrounds_stays_convicted(tmp_path: Path, complete):
    row = of_red(tmp_path, reads_the_corner, complete=complete)
    assert relies(row, Thresholds())
    assert row["background_gap"] == row["background_gap_grown_holes"] == 1
    assert not near_parts_in_doubt(row, Thresholds())


def test_complete_masks_make_no_gap(tmp_path: Path):
    row = of_red(tmp_path, honest, complete=True)
    assert row["background_gap"] == row["background_gap_grown_holes"] == 0
