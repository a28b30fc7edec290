"""What is done to each photo, and that the rows say what the model said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.checks.background import composites as reliance
from bias_audit.checks.background.composites import count_composites, predict_composites
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.interventions.donors import Plan, plan, prepare_backgrounds
from bias_audit.models.base import Predictions

NAMES = ("fox", "husky", "wolf")


class TestIntervene:
    """A flat world: class 0 is a dark square on 200, class 1 a bright one on 100; the "model" reads one corner."""

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        samples = []
        for label, (ground, thing) in enumerate(((200, 20), (100, 250))):
            for i in range(4):
                pixels = np.full((32, 32, 3), ground + i, np.uint8)
                mask = np.zeros((32, 32), np.uint8)
                pixels[14:20, 14:22], mask[14:20, 14:22] = thing, 255
                stem = tmp_path / f"{NAMES[label]}{i}"
                Image.fromarray(pixels).save(stem.with_suffix(".png"))
                Image.fromarray(mask).save(stem.with_suffix(".mask.png"))
                samples.append(Sample(stem.name, stem.with_suffix(".png"), label, mask=stem.with_suffix(".mask.png")))
        return Dataset(tuple(samples), NAMES[:2], "folder")

    LEFT = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [3, 1, 0, 0], [0, 0, 0, 0]], np.float32)
    """A map that points to the left edge, in the lower half."""

    geometry = Geometry((32, 32), 3, "stretch", "bilinear", MaskReading())

    @staticmethod
    def _reads_the_corner(images: np.ndarray) -> Predictions:
        background_is_dark = images[:, 0, 0, 0] < 150
        p = np.where(background_is_dark, 0.9, 0.2).astype(np.float32)
        probabilities = np.stack([1 - p, p], axis=1)
        odds = np.log(probabilities / (1 - probabilities))
        return Predictions(probabilities, odds, np.zeros(len(images), np.float32))

    @classmethod
    def _knows_bright_corners_only(cls, images: np.ndarray) -> Predictions:
        """As `_reads_the_corner`, but an output outside the class map takes what has a dark corner."""
        said = cls._reads_the_corner(images)
        dark = images[:, 0, 0, 0] < 150
        shared = np.where(dark[:, None], said.probabilities / 4, said.probabilities)
        return Predictions(shared, said.log_odds, np.where(dark, 0.75, 0).astype(np.float32), dark)

    def _run(
        self, dataset: Dataset, batch: int, keep=lambda *_: None, predict=_reads_the_corner
    ) -> list[reliance.Composite]:
        todo = plan(dataset, dict.fromkeys(range(8), 0.14), photos=3, donors=3, seed=0)
        advanced: list[int] = []
        maps = dict.fromkeys(range(8), self.LEFT)
        backgrounds = prepare_backgrounds(dataset, todo, self.geometry, maps, 0, advanced.append, Path("."))
        assert sum(advanced) == 8
        assert len(backgrounds.pictures) == 16  # two fills
        assert set(backgrounds.regions) == set(range(8))
        rows: list[reliance.Composite] = []
        for group in predict_composites(
            dataset, 0, todo, backgrounds, self.geometry, maps, predict,
            batch=batch, donors=3, seed=0, keep=keep,
        ):  # fmt: skip
            assert 1 <= len(group) <= batch
            rows.extend(group)
        assert Counter(row.arm for row in rows) == {
            arm: 3 * count
            for arm, count in {
                "same": 6, "other": 6, "same_grown_holes": 3, "other_grown_holes": 3, "next": 1, "background_only": 5,
                "foreground_only": 4, "control_hole": 2,
                "noisy_object": 1, "noisy_background": 1, "cue_removed": 1, "cue_removed_control": 1, "cue_lent": 1,
                "cue_lent_control": 1,
            }.items()
        }  # fmt: skip
        assert len(rows) == count_composites(Plan({0: todo.photos[0]}, todo.donors, {}), 3)
        return rows

    def test_a_model_that_reads_the_background_is_shown_to_do_so(self, dataset: Dataset) -> None:
        becomes_husky = {
            ("other", "inpaint"), ("other", "blur_noise"), ("other_grown_holes", "inpaint"), ("next", "inpaint"),
            ("foreground_only", "black"), ("foreground_only", "grey"),
        }  # fmt: skip
        for row in self._run(dataset, 5):
            donor_label = dataset.samples[row.donor].label if row.donor >= 0 else -1
            assert row.donor_label == donor_label
            if row.arm in ("foreground_only", "noisy_background") and row.fill in ("noise", ""):
                continue  # what the corner shows is chance
            expected = 1 if (row.arm, row.fill) in becomes_husky else 0
            assert row.predicted == expected, row
            assert row.probability == pytest.approx(0.8 if expected == 0 else 0.1)
            assert row.probability_predicted == pytest.approx(0.8 if expected == 0 else 0.9)
            assert row.log_odds == pytest.approx(np.log(4) if expected == 0 else -np.log(9), rel=1e-5)
            if row.donor >= 0:
                assert row.donor_probability == pytest.approx(
                    row.probability if donor_label == 0 else 1 - row.probability
                )
            assert np.isnan(row.donor_probability) == (row.donor < 0)
            assert (row.arm in (reliance.SAME, reliance.GROWN_SAME)) <= (donor_label == 0)
            others = (reliance.OTHER, reliance.GROWN_OTHER, reliance.NEXT, reliance.CUE_LENT)
            assert (row.arm in others) <= (donor_label == 1)

    def test_an_object_becomes_none_of_these(self, dataset: Dataset) -> None:
        for row in self._run(dataset, 5, predict=self._knows_bright_corners_only):
            if row.fill in ("noise", "") or row.arm == reliance.CUE_LENT:
                continue
            none = row.arm in (reliance.OTHER, reliance.GROWN_OTHER, reliance.NEXT) or row.fill in ("black", "grey")
            assert row.predicted == (2 if none else 0), row
            assert row.probability == pytest.approx(0.1 / 4 if none else 0.8)
            assert row.probability_predicted == pytest.approx(0.75 if none else 0.8)
            if none and row.donor >= 0:
                assert row.donor_probability == pytest.approx(0.9 / 4)  # husky is still the likelier of the two

    def test_batches_do_not_change_the_rows(self, dataset: Dataset) -> None:
        assert self._run(dataset, 1) == self._run(dataset, 7) == self._run(dataset, 100)

    def test_the_first_of_each_arm_is_kept_with_its_own_pixels(self, dataset: Dataset) -> None:
        kept: dict[tuple[int, str], tuple[int, np.ndarray]] = {}

        def keep(photo: int, arm: str, donor: int, pixels: np.ndarray) -> None:
            assert (photo, arm) not in kept
            kept[photo, arm] = donor, pixels

        rows = self._run(dataset, 4, keep)
        assert set(kept) == {(row.photo, row.arm) for row in rows if row.arm in reliance.SHOWN}
        for (photo, arm), (donor, pixels) in kept.items():
            corner, centre = pixels[0, 0, 0], pixels[17, 17, 0]
            if donor >= 0:
                assert corner == (200 if arm == reliance.SAME else 100) + donor % 4
                assert centre == pytest.approx(20, abs=2)
            elif arm == reliance.FOREGROUND:
                assert (corner, centre) == (0, pytest.approx(20, abs=2))
            else:
                assert centre == pytest.approx(200 + photo, abs=4)
