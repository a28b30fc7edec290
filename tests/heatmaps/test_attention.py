"""The pass over the data and the permutation test on what it stored, with a model whose maps are known."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bias_audit.data.batches import Geometry
from bias_audit.data.contents import Contents
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.errors import ModelError, ResultError
from bias_audit.heatmaps import attention, permutation_tie
from bias_audit.heatmaps.cam import hires_cam
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import Explanation, Predictions
from bias_audit.run.folder import Run

SIZE, GRID, PER_CLASS = 32, (8, 8), 14
GEOMETRY = Geometry((SIZE, SIZE), 3, "stretch", "bilinear", MaskReading())


class SeesRed(Explainer):
    """Explains the labelled class by what is red, any other by what is blue; reads the class from the green level."""

    calls, name = 0, "red"

    def __init__(self) -> None:  # it has no model
        pass

    def explain(self, images: np.ndarray, labels: np.ndarray) -> Explanation:
        self.calls += len(images)
        cells = images.reshape(len(images), 8, 4, 8, 4, 3).mean(axis=(2, 4)) / 255
        odds = np.where(images[:, 0, 0, 1:2] > 128, [-1.0, 1.0], [1.0, -1.0]).astype(np.float32)
        predictions = Predictions(1 / (1 + np.exp(-odds)), odds, np.zeros(len(images), np.float32))
        of_label = np.zeros_like(cells)
        of_label[..., 0] = np.where(images[:, 31, 31, 1] == 7, -1, 1)[:, None, None]  # marked: evidence against it
        wrong = (predictions.predicted != labels)[:, None, None, None]
        of_predicted = np.where(wrong, [0, 0, 1.0], of_label).astype(np.float32)
        return Explanation(predictions, hires_cam(cells, of_predicted), hires_cam(cells, of_label))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Red objects on black; class a is recognised, class b called a, and blue is the opposite corner."""
    rng = np.random.default_rng(0)
    samples = []
    for label, name in enumerate("ab"):
        for i in range(PER_CLASS):
            pixels, mask = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
            top, left = 4 * rng.integers(0, 5, 2)
            pixels[top : top + 12, left : left + 8, 0] = mask[top : top + 12, left : left + 8] = 255
            pixels[28:, 28:, 2] = 255
            stem = tmp_path / f"{name}{i:02d}"
            if (name, i) == ("a", 1):
                pixels[31, 31, 1] = 7
            Image.fromarray(pixels).save(stem.with_suffix(".png"))
            Image.fromarray(mask).save(stem.with_suffix(".mask.png"))
            given = None if (name, i) == ("a", 2) else stem.with_suffix(".mask.png")
            samples.append(Sample(stem.name, stem.with_suffix(".png"), label, mask=given))
    samples[0].path.write_bytes(b"no picture")
    return Dataset(tuple(samples), ("a", "b"), "folder")


def started(folder: Path) -> Run:
    run = Run(folder / "run")
    run.start({}, resume=(folder / "run").exists(), overwrite=False)
    return run


def attend(dataset: Dataset, run: Run, model: Any, batch: int = 3) -> list[dict]:
    records = attention.attend(dataset, model, GEOMETRY, batch, run, lambda n, before=False: None)
    return [dict(record) for record in records]


def test_the_labelled_class_is_judged_not_the_predicted_one(dataset: Dataset, tmp_path: Path) -> None:
    run = started(tmp_path)
    records = attend(dataset, run, SeesRed())
    ties = attention.tie_to_objects(dataset, records, run, 3, GRID, seed=0)
    of_b = [record for record in records if record["label"] == "b"]
    assert not any(record["correct"] for record in of_b)
    assert all(record["background_share"] > 0.9 for record in of_b), "the predicted class's maps lie in the corner"
    assert all(record["background_excess_label"] == pytest.approx(0, abs=0.01) for record in of_b)
    for name, n in (("a", PER_CLASS - 3), ("b", PER_CLASS)):
        tie = ties[name]
        assert (tie.n, tie.reason, tie.p) == (n, "ok", pytest.approx(1 / 2001))
        assert tie.effect == pytest.approx(tie.effect_perfect, abs=1e-3)  # red is the object
    statuses = [record["tie_status"] for record in records]
    assert statuses[:3] == ["unreadable", "no positive evidence in the map", "no mask"]
    assert set(statuses[3:]) == {"ok"}
    assert all(("tie_z" in record) == (record["tie_status"] == "ok") for record in records)


def test_a_resumed_pass_has_the_same_ties_and_needs_no_image_again(dataset: Dataset, tmp_path: Path) -> None:
    run, model = started(tmp_path), SeesRed()
    records = attend(dataset, run, model)
    first = attention.tie_to_objects(dataset, records, run, 3, GRID, seed=0)
    assert model.calls == 2 * PER_CLASS - 1
    for sample in dataset.samples:
        sample.path.unlink()
    again = attend(dataset, started(tmp_path), None)
    second = attention.tie_to_objects(dataset, again, run, 3, GRID, seed=0)
    assert [record["tie_status"] for record in again] == [record["tie_status"] for record in records]
    for name, tie in first.items():
        assert (second[name].p, second[name].effect) == (tie.p, tie.effect)
        np.testing.assert_array_equal(second[name].z, tie.z)


def test_a_file_of_two_samples_that_changes_between_two_shares_is_noticed(dataset: Dataset, tmp_path: Path) -> None:
    """Each share saw the file once; who reads both shards sees that they are not of one picture."""
    shared = dataset.samples[3].path
    twice = dataclasses.replace(dataset.samples[-1], path=shared)
    dataset = dataclasses.replace(dataset, samples=(*dataset.samples[:-1], twice))
    last = (len(dataset.samples) - 1) // (3 * attention.BATCHES_PER_SHARD)
    assert last > 0

    def share(files: range) -> None:
        contents = Contents()
        geometry = dataclasses.replace(GEOMETRY, contents=contents)
        run = Run(tmp_path / "run", share="a share")
        run.start({}, resume=True, overwrite=False)
        assert not attention.attend(dataset, SeesRed(), geometry, 3, run, lambda n, before=False: None, files)
        assert not contents.found

    share(range(last))
    Image.fromarray(np.full((SIZE, SIZE, 3), 9, np.uint8)).save(shared)
    share(range(last, last + 1))
    contents = Contents()
    geometry = dataclasses.replace(GEOMETRY, contents=contents)
    attention.attend(dataset, None, geometry, 3, started(tmp_path), lambda n, before=False: None, complete=True)
    assert dict(contents.found) == {shared: "the photo is another file than the one that was read first"}


def test_a_shard_that_cannot_be_written_ends_the_pass_before_the_next_one_is(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, model, before = started(tmp_path), SeesRed(), set(threading.enumerate())

    def full(name: str, arrays: object) -> Path:
        raise ResultError("no space left")

    monkeypatch.setattr(run, "write_arrays", full)
    with pytest.raises(ResultError, match="no space left"):
        attend(dataset, run, model, batch=1)
    # The first shard fails, and is noticed when the second is complete: four batches each, and those that are scored.
    assert model.calls <= 2 * attention.BATCHES_PER_SHARD + attention.SCORED_AT_ONCE + 1
    assert set(threading.enumerate()) == before


def test_a_model_that_fails_leaves_whole_shards_and_no_threads(dataset: Dataset, tmp_path: Path) -> None:
    class Fails(SeesRed):
        def explain(self, images: np.ndarray, labels: np.ndarray) -> Explanation:
            if self.calls >= 20:
                raise ModelError("it failed")
            return super().explain(images, labels)

    run, before = started(tmp_path), set(threading.enumerate())
    with pytest.raises(ModelError, match="it failed"):
        attend(dataset, run, Fails())
    assert set(threading.enumerate()) == before
    shards = sorted(path.name for path in (tmp_path / "run" / "shards").iterdir())
    assert shards == ["maps-00000.npz"]
    # A resumed pass reads it, and has what an undisturbed pass has.
    model = SeesRed()
    resumed = attend(dataset, started(tmp_path), model)
    assert model.calls == 2 * PER_CLASS - 12
    (tmp_path / "other").mkdir()
    straight = attend(dataset, started(tmp_path / "other"), SeesRed())
    assert json.dumps(resumed, sort_keys=True) == json.dumps(straight, sort_keys=True)


def test_order_batches_and_passes_over_the_shards_change_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def z_of(data: Dataset, folder: Path, batch: int) -> dict[str, float]:
        folder.mkdir()
        run = started(folder)
        records = attend(data, run, SeesRed(), batch)
        attention.tie_to_objects(data, records, run, batch, GRID, seed=5)
        return {record["image_id"]: record.get("tie_z") for record in records}

    expected = z_of(dataset, tmp_path / "straight", 3)
    order = np.random.default_rng(1).permutation(len(dataset.samples))
    shuffled = dataclasses.replace(dataset, samples=tuple(dataset.samples[i] for i in order))
    assert z_of(shuffled, tmp_path / "shuffled", 5) == pytest.approx(expected)
    monkeypatch.setattr(attention, "TIE_CELLS", 1)
    assert z_of(dataset, tmp_path / "one class at a time", 3) == pytest.approx(expected)


def test_beyond_a_thousand_classes_drawing_ends_where_all_are_tied(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(tmp_path)
    records = attend(dataset, run, SeesRed())
    asked = []

    def noted(*arrays: np.ndarray, until: int | None, **options: Any) -> Any:
        asked.append(until)
        return permutation_tie.permutation_tie(*arrays, until=until, **options)

    monkeypatch.setattr(attention, "permutation_tie", noted)
    monkeypatch.setattr(permutation_tie, "IN_FULL", 1000)
    monkeypatch.setattr(permutation_tie, "PERMUTATIONS", 100)
    ties = attention.tie_to_objects(dataset, records, run, 3, GRID, seed=0)
    # 20 / 120 is not enough for either of two, and 20 / 420 for both; 1,600 and all 2,000 are not drawn any more.
    assert asked == [100, 100, 400, 400]
    assert {tie.p for tie in ties.values()} == {20 / 420}
    assert {record["tie_status"] for record in records[3:]} == {"ok"}


def test_large_classes_are_sampled_by_the_seed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "TIE_IMAGES", 10)
    run = started(tmp_path)
    records = attend(dataset, run, SeesRed())
    chosen = []
    for seed in (0, 0, 1):
        ties = attention.tie_to_objects(dataset, [dict(record) for record in records], run, 3, GRID, seed=seed)
        assert [ties[name].n for name in "ab"] == [10, 10]
        copies = [dict(record) for record in records]
        attention.tie_to_objects(dataset, copies, run, 3, GRID, seed=seed)
        chosen.append([record["image_id"] for record in copies if record["tie_status"] == "ok"])
        assert sum(record["tie_status"] == "not sampled" for record in copies) == 2 * PER_CLASS - 3 - 20
    assert chosen[0] == chosen[1] != chosen[2]


class SeesNothing(SeesRed):
    """As SeesRed, but for an output outside the class map that takes all photos: none of them is of a class."""

    def explain(self, images: np.ndarray, labels: np.ndarray) -> Explanation:
        seen = super().explain(images, labels)
        other, all_of_them = np.full(len(images), 0.75, np.float32), np.ones(len(images), bool)
        said = dataclasses.replace(seen.predictions, other=other, outdone=all_of_them)
        return dataclasses.replace(seen, predictions=said)


def test_photos_that_are_none_of_these_keep_the_map_of_the_most_probable_class(
    dataset: Dataset, tmp_path: Path
) -> None:
    known = attend(dataset, started(tmp_path / "known"), SeesRed())[1:]
    run = started(tmp_path / "none")
    records = attend(dataset, run, SeesNothing())[1:]
    assert {record["predicted"] for record in records} == {"none of these"}
    assert not any(record["correct"] for record in records)
    assert {(record["probability"], record["probability_other"]) for record in records} == {(0.75, 0.75)}
    assert attention.explained_instead([{}, *records]) == {i + 1: row["predicted"] for i, row in enumerate(known)}
    for none, of_class in zip(records, known, strict=True):
        for name in ("log_odds", "log_odds_label", "probability_label", "background_share", "background_excess_label"):
            assert none.get(name) == pytest.approx(of_class.get(name), nan_ok=True)
    assert attention.explained_instead([{}, *known]) == {}
    places = range(1, len(dataset.samples))
    stored, before = (attention.read_maps(each, 3, list(places)) for each in (run, Run(tmp_path / "known" / "run")))
    assert all(np.array_equal(stored[place], before[place]) for place in places)
