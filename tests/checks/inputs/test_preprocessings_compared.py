"""Which preprocessing a model was trained with, with models that are right on exactly one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.checks.inputs import measure as preprocess_check
from bias_audit.checks.inputs.measure import FIRST, MOST, Candidate, check_preprocess
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.errors import DataError
from bias_audit.models.base import Predictions
from bias_audit.run.folder import Run

GEOMETRY = Geometry((4, 4), 3, "stretch", "bilinear", MaskReading())
GREY = Geometry((4, 4), 1, "stretch", "bilinear", MaskReading())
RED, BLUE = (200, 40, 40), (40, 40, 200)


class Trained:
    """Tells red from blue where pixels lie in its range; says class a to everything else. Counts what it sees."""

    def __init__(self, low: float, high: float, *, red: int = 0, noise: float = 0.0) -> None:
        self.low, self.high, self.red, self.noise, self.seen = low, high, red, noise, 0

    def predict(self, images: np.ndarray) -> Predictions:
        self.seen += len(images)
        fits = (images.min() >= self.low) & (images.max() <= self.high) & (np.ptp(images) > (self.high - self.low) / 2)
        blue = images[..., self.red].mean(axis=(1, 2)) < images[..., -1 - self.red].mean(axis=(1, 2))
        odds = np.where(fits & blue, 1.0, -1.0)[:, None] * np.array([-1.0, 1.0])
        return Predictions(1 / (1 + np.exp(-odds)), odds.astype(np.float32), np.zeros(len(images), np.float32))


def _dataset(folder: Path, per_class: int = 80, size: int = 4) -> Dataset:
    samples = []
    for label, colour in enumerate((RED, BLUE)):
        path = folder / f"{label}.png"
        Image.new("RGB", (size, size), colour).save(path)
        samples += [Sample(f"{'ab'[label]}/{i}.png", path, label) for i in range(per_class)]
    return Dataset(tuple(samples), ("a", "b"), "folder")


def _raw(red: int = 0) -> Trained:
    return Trained(0, 255, red=red)


def test_the_right_one_costs_the_first_photos_only(tmp_path: Path) -> None:
    model = _raw()
    checked = check_preprocess("none", model, _dataset(tmp_path), GEOMETRY, 0)
    assert (checked.name, checked.chosen, checked.n, checked.hits, checked.most) == ("none", False, 32, 32, 16)
    assert model.seen == 8 * FIRST
    others = {other.name: other for other in checked.others}
    assert others["unit"] == Candidate("unit", 32, 16, 0, 16)
    assert others["bgr"] == Candidate("bgr", 32, 0, 0, 32)


def test_a_better_one_is_tried_on_more_photos(tmp_path: Path) -> None:
    model = _raw()
    checked = check_preprocess("unit", model, _dataset(tmp_path), GEOMETRY, 0)
    assert (checked.name, checked.n, checked.hits) == ("unit", MOST, 64)
    better = {other.name: other for other in checked.others}["none"]
    assert better == Candidate("none", MOST, 128, 64, 0)
    assert model.seen == 8 * FIRST + 2 * (MOST - FIRST)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (_raw(), "none"),
        (_raw(red=2), "bgr"),
        (Trained(0, 1), "unit"),
        (Trained(0, 1, red=2), "unit_bgr"),
        (Trained(-1, 1), "signed"),
        (Trained(-1, 1, red=2), "signed_bgr"),
    ],
)
def test_auto_finds_what_the_model_was_trained_with(tmp_path: Path, model: Trained, name: str) -> None:
    checked = check_preprocess("auto", model, _dataset(tmp_path), GEOMETRY, 0)
    assert (checked.name, checked.chosen) == (name, True)
    assert checked.hits == checked.n
    assert name not in {other.name for other in checked.others}
    assert len(checked.others) == 7


def test_equals_are_told_by_their_order(tmp_path: Path) -> None:
    checked = check_preprocess("auto", Trained(5000, 6000), _dataset(tmp_path), GEOMETRY, 0)  # always says a
    assert (checked.name, checked.n, checked.hits) == ("none", MOST, MOST // 2)


def test_a_function_of_the_users_own_is_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_pixels.py").write_text("def tenth(x):\n    return x / 10\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    checked = check_preprocess("own_pixels:tenth", Trained(0, 1), _dataset(tmp_path), GEOMETRY, 0)
    assert (checked.name, checked.hits, len(checked.others)) == ("own_pixels:tenth", MOST // 2, 8)
    assert max(checked.others, key=lambda other: other.hits).name == "unit"


def test_grey_models_have_no_colours_to_swap(tmp_path: Path) -> None:
    checked = check_preprocess("unit", _raw(), _dataset(tmp_path), GREY, 0)
    assert [other.name for other in checked.others] == ["none", "signed"]


def test_a_resumed_run_does_not_ask_again(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start({}, resume=False, overwrite=False)
    dataset = _dataset(tmp_path)
    first = check_preprocess("auto", _raw(), dataset, GEOMETRY, 0, run)
    model = Trained(0, 1)
    assert check_preprocess("auto", model, dataset, GEOMETRY, 0, run) == first
    assert model.seen == 0


def test_unreadable_photos(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, per_class=3)
    dataset.samples[0].path.write_bytes(b"nothing")
    half = check_preprocess("none", _raw(), dataset, GEOMETRY, 0)
    assert (half.n, half.hits, half.most) == (3, 3, 3)
    dataset.samples[-1].path.write_bytes(b"nothing")
    assert check_preprocess("none", _raw(), dataset, GEOMETRY, 0).n == 0
    with pytest.raises(DataError, match="none of 6 sampled images could be read"):
        check_preprocess("auto", _raw(), dataset, GEOMETRY, 0)


def test_pixels_are_decoded_once_for_all_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    original = preprocess_check.load_pixels
    monkeypatch.setattr(preprocess_check, "load_pixels", lambda d, at, g: loads.append(len(at)) or original(d, at, g))
    check_preprocess("unit", _raw(), _dataset(tmp_path), GEOMETRY, 0)
    assert loads == [FIRST, MOST - FIRST]
