"""Estimated masks: GrabCut on pictures with a clear answer, functions of users and what they do wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.data import mask_estimates as estimates
from bias_audit.data import masks
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Sample
from bias_audit.data.grabcut import grabcut
from bias_audit.errors import ConfigError
from bias_audit.run import statuses

ANY = masks.MaskReading()


def scene(height: int = 90, width: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on grainy green ground, and its mask."""
    rng = np.random.default_rng(0)
    pixels = np.clip(np.array([60, 120, 60]) + rng.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (width // 2 + 8, height // 2 - 4), height // 4, 1, -1)
    pixels[disc > 0] = (200, 60, 50)
    return pixels, disc


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


class TestGrabcut:
    @pytest.mark.parametrize("factor", [1, 4])
    def test_it_finds_a_disc(self, factor: int) -> None:
        pixels, disc = scene(90 * factor, 120 * factor)
        assert overlap(grabcut(pixels), disc) > 0.9

    def test_it_gives_the_same_every_time(self, photo) -> None:
        first = grabcut(photo(70, 90))
        cv2.setRNGSeed(17)
        assert np.array_equal(first, grabcut(photo(70, 90)))

    def test_nothing_stands_out_of_one_colour(self) -> None:
        assert not grabcut(np.full((40, 50, 3), 99, np.uint8)).any()

    @given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 5))
    def test_any_picture_has_an_answer(self, height: int, width: int, seed: int) -> None:
        mask = grabcut(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert mask.shape == (height, width)
        assert set(np.unique(mask)) <= {masks.BACKGROUND, masks.FOREGROUND}

    def test_the_rim_is_never_object(self) -> None:
        mask = grabcut(scene()[0])
        assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()


class TestReading:
    PIXELS, DISC = scene()

    @pytest.mark.parametrize(
        "given",
        [
            DISC.astype(bool),
            DISC * 255,
            DISC.astype(np.int64) * 3,
            DISC.astype(np.float32) * 0.8,
            DISC[..., None] * 0.51,
        ],
    )
    def test_every_kind_of_mask(self, given: np.ndarray) -> None:
        assert np.array_equal(estimates.read_estimate(lambda _: given, "m:f", self.PIXELS), self.DISC)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (DISC[:-1], "(89, 120)"),
            (DISC[..., None].repeat(2, axis=2), "(90, 120, 2)"),
            (DISC * 2.0, "0 to 2"),
            (np.where(DISC, np.nan, 0.0), "nan"),
            (np.full(DISC.shape, "x"), "no mask"),
            (None, "()"),
        ],
    )
    def test_what_is_no_mask_ends_in_a_sentence(self, given: object, said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            estimates.read_estimate(lambda _: given, "m:f", self.PIXELS)
        assert said in caught.value.message
        assert "'m:f'" in caught.value.message

    def test_a_function_that_fails_is_named(self) -> None:
        def broken(pixels: np.ndarray) -> np.ndarray:
            raise KeyError("sam.pth")

        with pytest.raises(ConfigError, match=r"KeyError.*sam\.pth"):
            estimates.read_estimate(broken, "m:f", self.PIXELS)

    def test_it_gets_a_copy_in_colour(self) -> None:
        seen = []

        def spoils(pixels: np.ndarray) -> np.ndarray:
            seen.append(pixels.shape)
            pixels[...] = 0
            return self.DISC

        grey = self.PIXELS[..., :1].copy()
        estimates.read_estimate(spoils, "m:f", grey)
        assert seen == [(90, 120, 3)]
        assert np.array_equal(grey, self.PIXELS[..., :1])

    @pytest.mark.parametrize("name", ["no_such_module:f", "json:nothing", "json"])
    def test_a_function_that_is_not_there(self, name: str) -> None:
        with pytest.raises(ConfigError, match="cannot import the segmenter"):
            estimates.find_function(name)


class TestEstimator:
    @pytest.mark.parametrize(
        ("area", "status"),
        [
            (0, statuses.EMPTY_ESTIMATE),
            (49, statuses.EMPTY_ESTIMATE),
            (50, statuses.OK),
            (9500, statuses.OK),
            (9501, statuses.FULL_ESTIMATE),
        ],
    )
    def test_nothing_and_everything_are_no_masks(self, area: int, status: str) -> None:
        wanted = (np.arange(10_000) < area).reshape(100, 100)
        mask, said = estimates.estimator(lambda _: wanted, "m:f")(Path("a"), np.zeros((100, 100, 3), np.uint8))
        assert said == status
        assert (mask is not None) == (status == statuses.OK)

    def test_a_photo_is_segmented_once(self) -> None:
        calls = []

        def segment(pixels: np.ndarray) -> np.ndarray:
            calls.append(1)
            return pixels[..., 0] > 100

        estimate = estimates.estimator(segment, "m:f")
        first, again = (estimate("a", scene()[0])[0] for _ in range(2))
        assert np.array_equal(first, again)
        estimate("b", scene()[0])
        assert len(calls) == 2

    def test_what_is_remembered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(estimates, "REMEMBERED", 0)
        estimate = estimates.estimator(lambda pixels: pixels[..., 0] > 100, "m:f")
        assert np.array_equal(estimate("a", scene()[0])[0], estimate("a", scene()[0])[0])


class TestLoading:
    def sample(self, folder: Path, **more: object) -> Sample:
        cv2.imwrite(str(folder / "a.png"), scene()[0][..., ::-1])
        return Sample("a.png", folder / "a.png", 0, **more)

    def geometry(self, estimate: estimates.Estimate | None) -> Geometry:
        return Geometry((45, 60), 3, "stretch", "bilinear", ANY, estimate=estimate)

    def test_a_photo_without_a_mask_gets_one(self, tmp_path: Path) -> None:
        loaded = load(self.sample(tmp_path), self.geometry(estimates.estimator(grabcut, "auto")))
        assert (loaded.mask_status, loaded.mask_kind) == (statuses.OK, masks.ESTIMATED)
        assert loaded.mask is not None
        assert overlap(loaded.mask, scene()[1][::2, ::2]) > 0.8

    def test_masks_and_boxes_go_first(self, tmp_path: Path) -> None:
        def refuse(path: Path, pixels: np.ndarray) -> tuple[None, str]:
            raise AssertionError

        cv2.imwrite(str(tmp_path / "m.png"), scene()[1] * 255)
        drawn = load(self.sample(tmp_path, mask=tmp_path / "m.png"), self.geometry(refuse))
        boxed = load(self.sample(tmp_path, boxes=((5, 5, 50, 50),)), self.geometry(refuse))
        assert (drawn.mask_kind, boxed.mask_kind) == ("mask", "box")

    def test_a_broken_mask_is_to_be_repaired_not_guessed(self, tmp_path: Path) -> None:
        (tmp_path / "m.png").write_bytes(b"no picture")
        geometry = self.geometry(estimates.estimator(grabcut, "auto"))
        loaded = load(self.sample(tmp_path, mask=tmp_path / "m.png"), geometry)
        assert (loaded.mask_status, loaded.mask_kind) == (statuses.MASK_UNREADABLE, "mask")

    def test_without_an_estimate_it_stays_without(self, tmp_path: Path) -> None:
        assert load(self.sample(tmp_path), self.geometry(None)).mask_status == statuses.NO_MASK
