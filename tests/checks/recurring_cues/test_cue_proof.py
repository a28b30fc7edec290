"""Erasing and pasting on models that are known: one that follows a red mark, one that follows nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.proof import Proof, prove
from bias_audit.checks.recurring_cues.spots import find_spots
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.models.base import Predictions

N, SIDE, CELL = 36, 42, 6
"""18 photos of either class, 7 x 7 cells; class 0 carries a red mark in one cell."""

GEOMETRY = Geometry((SIDE, SIDE), 3, "stretch", "bilinear", MaskReading())


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Seen]:
    folder = tmp_path_factory.mktemp("marks")
    rng = np.random.default_rng(0)
    samples, maps, objects = [], np.zeros((N, 7, 7), np.float32), np.zeros((N, 7, 7), np.float32)
    for i in range(N):
        label = i % 2
        picture = np.full((SIDE, SIDE, 3), 120, np.uint8) + rng.integers(-8, 8, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[18:24, 18:24] = 255
        objects[i, 3, 3] = 1
        picture[18:24, 18:24] = 255
        if label == 0:
            row, column = 6 * (i % 4 == 0), int(rng.integers(0, 6))
            picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = (220, 20, 20)
            maps[i, row, column] = 1
        else:
            maps[i, 6, 6] = 1
        samples.append(_saved(folder, i, label, picture, mask))
    labels = np.arange(N) % 2
    ones = np.ones_like(maps)
    seen = Seen(
        np.arange(N), labels, labels, maps, ones - objects, objects, np.ones(N, bool), find_spots(maps, ones),
        np.zeros((N, 1), np.float32), np.zeros((N, 1), np.float32),
    )  # fmt: skip
    return Dataset(tuple(samples), ("marked", "plain"), "folder"), seen


def _saved(folder: Path, i: int, label: int, picture: np.ndarray, mask: np.ndarray) -> Sample:
    for kind, content in (("image", picture[..., ::-1]), ("mask", mask)):
        (folder / f"{kind}{i:02d}.png").write_bytes(cv2.imencode(".png", content)[1].tobytes())
    return Sample(f"image{i:02d}.png", folder / f"image{i:02d}.png", label, folder / f"mask{i:02d}.png")


def follows_red(pixels: np.ndarray) -> Predictions:
    """p(marked) = 1 where a quarter of a cell or more is red."""
    red = ((pixels[..., 0] > 180) & (pixels[..., 1] < 80)).sum(axis=(1, 2)) >= CELL * CELL / 4
    p = np.stack([red, ~red], axis=1).astype(np.float32)
    return Predictions(p, np.where(p > 0, 5, -5).astype(np.float32), np.zeros(len(p), np.float32))


def follows_nothing(pixels: np.ndarray) -> Predictions:
    p = np.tile(np.array([0.6, 0.4], np.float32), (len(pixels), 1))
    return Predictions(p, np.log(p / (1 - p)), np.zeros(len(p), np.float32))


def _prove(marked: tuple[Dataset, Seen], predict: object, tied: int = 0, batch: int = 32, **options: object) -> Proof:
    dataset, seen = marked
    spots = np.flatnonzero(seen.labels[seen.spots.image] == tied)
    return prove(
        dataset,
        seen,
        spots,
        tied,
        predict,
        GEOMETRY,
        off_object=True,
        batch=batch,
        seed=0,
        **options,  # type: ignore
    )


def test_a_mark_that_the_model_follows(marked):
    proof = _prove(marked, follows_red)
    assert proof.n == 18
    assert proof.erased.mean == proof.pasted.mean == 1
    assert (proof.turned, proof.turned_control) == (1, 0)
    assert proof.erased.p == 2 / 2**18, "all eighteen photos fall"
    assert {shot.arm for shot in proof.shots} == {"original", "inpaint", "pasted"}
    assert len({shot.position for shot in proof.shots}) == 3
    assert all(shot.probability == (shot.arm != "inpaint") for shot in proof.shots)
    assert all((shot.host >= 0) == (shot.arm == "pasted") for shot in proof.shots)
    assert len([shot for shot in proof.shots if shot.arm == "pasted"]) == 3  # 18 hosts for 18: none serves two
    assert (proof.groups, proof.blocks, proof.hosts) == (18, 18, 18)


def test_what_the_model_does_not_follow_has_no_effect(marked):
    proof = _prove(marked, follows_nothing)
    assert (proof.erased.mean, proof.pasted.mean) == (0, 0)
    assert (proof.erased.p, proof.pasted.p) == (1, 1)


def test_another_spot_than_the_mark_has_no_effect(marked):
    proof = _prove(marked, follows_red, tied=1)  # the corner of plain photos
    assert (proof.erased.mean, proof.pasted.mean) == (0, 0)


def test_batches_change_nothing(marked):
    first, second = (_prove(marked, follows_red, batch=batch) for batch in (7, 64))
    assert (first.erased, first.pasted, first.turned) == (second.erased, second.pasted, second.turned)


def test_too_few_photos_prove_nothing(marked):
    dataset, seen = marked
    spots = np.flatnonzero(seen.labels[seen.spots.image] == 0)[:9]
    proof = prove(dataset, seen, spots, 0, follows_red, GEOMETRY, off_object=True, batch=32, seed=0)
    assert proof == Proof(0)


@pytest.mark.parametrize(("cells", "n"), [(slice(0, 3), 18), (slice(2, 3), 0)])
def test_what_is_changed_off_the_object_keeps_away_from_it(marked, cells, n):
    """Of what is looked at from the left edge up to the object only what is farther off counts, if it is most of it."""
    dataset, seen = marked
    beside = np.zeros_like(seen.maps)
    beside[:, 3, cells] = 1
    close = Seen(**{**vars(seen), "maps": beside, "spots": find_spots(beside, np.ones_like(beside))})
    rims: list[np.ndarray] = []

    def watch(pixels: np.ndarray) -> Predictions:
        rims.append(pixels[:, 18:24, 12:30].reshape(len(pixels), -1))
        return follows_nothing(pixels)

    spots = np.flatnonzero(close.labels[close.spots.image] == 0)
    proof = prove(dataset, close, spots, 0, watch, GEOMETRY, off_object=True, batch=32, seed=0)
    assert proof.n == n
    if n:
        assert len(np.unique(np.concatenate(rims).round(), axis=0)) <= N, "more of them than photos: some were changed"


def test_what_a_piece_covers_is_no_effect_of_the_piece(marked):
    """Plain photos are known by the missing mark: whatever hides a host's mark turns it, so no piece is proved."""
    dataset, seen = marked
    maps = seen.maps.copy()
    maps[1::2] = 0
    maps[1::2, 0] = 1
    top = Seen(**{**vars(seen), "maps": maps, "spots": find_spots(maps, np.ones_like(maps))})
    proof = _prove((dataset, top), follows_red, tied=1)
    assert proof.pasted.mean == 0
    assert proof.turned == proof.turned_control > 0.3


@pytest.mark.parametrize(("broken", "n"), [(0, 17), (1, 18)])
def test_pictures_without_a_valid_prediction_are_left_out_with_what_they_are_compared_with(marked, broken, n):
    """NaN on whatever shows a corner of one photo: a lender (0) goes, of a host (1) what was pasted on it."""
    dataset, _ = marked
    corner = cv2.imread(str(dataset.samples[broken].path))[30:34, 30:34, ::-1].astype(np.float32)

    def breaks(pixels: np.ndarray) -> Predictions:
        said = follows_red(pixels)
        said.log_odds[(pixels[:, 30:34, 30:34] == corner).all(axis=(1, 2, 3))] = np.nan
        return said

    proof = _prove(marked, breaks)
    assert (proof.n, proof.invalid >= 1) == (n, True)
    assert proof.erased.mean == proof.pasted.mean == 1
    assert (proof.turned, proof.turned_control) == (1, 0)
    assert proof.hosts < _prove(marked, follows_red).hosts
    assert _prove(marked, follows_red).invalid == 0


def test_photos_of_a_patient_are_one_unit(marked):
    """Nine patients of two photos each prove nothing, nor are they asked; twelve are twelve, whatever their photos."""
    asked: list[int] = []

    def watch(pixels: np.ndarray) -> Predictions:
        asked.append(len(pixels))
        return follows_red(pixels)

    nine = np.arange(N)
    nine[::2] = N + np.arange(18) // 2
    assert _prove(marked, watch, groups=nine) == Proof(0)
    assert not asked
    twelve = np.arange(N)
    twelve[::2] = N + np.minimum(np.arange(18), 11)
    proof = _prove(marked, watch, groups=twelve)
    assert (proof.n, proof.groups, proof.blocks) == (18, 12, 12)
    assert proof.erased.p == proof.pasted.p == 2 / 2**12


def test_few_hosts_leave_erasing(marked):
    """Photos of class 1 are of five patients: spots are pasted, and shown, but five are no test."""
    five = np.arange(N)
    five[1::2] = N + np.arange(18) % 5
    proof = _prove(marked, follows_red, groups=five)
    assert (proof.erased.mean, proof.pasted, proof.blocks) == (1, None, 5)
    assert (proof.turned, proof.turned_control) == (1, 0)
    assert any(shot.arm == "pasted" for shot in proof.shots)
