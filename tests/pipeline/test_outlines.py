"""Which photos get an estimated mask: those that the experiments need, in the order in which they take them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bias_audit.config import AuditConfig
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.mask_estimates import estimator
from bias_audit.data.masks import MaskReading, area_of
from bias_audit.errors import ConfigError
from bias_audit.interventions import donors
from bias_audit.pipeline import outlines
from bias_audit.run.folder import Run
from bias_audit.run.progress import QUIET, Progress

SIDE = 20


def dataset_of(folder: Path, count: int) -> Dataset:
    """Two classes of `count` pictures; the height of the white part is 1 to 20 rows of 20, another in each picture."""
    samples = []
    for label, name in enumerate("ab"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
            pixels[: 1 + (7 * i + label) % SIDE] = 150 + i  # estimates are kept by content: no two are alike
            path = folder / name / f"{i}.png"
            Image.fromarray(pixels).save(path)
            samples.append(Sample(f"{name}/{i}.png", path, label))
    return Dataset(tuple(samples), ("a", "b"), "folder")


class Counting:
    """A segmenter that knows the answer and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.calls += 1
        return pixels[..., 0] > 128


def context_of(folder: Path, dataset: Dataset, segment: Counting, **settings: int) -> SimpleNamespace:
    geometry = Geometry((SIDE, SIDE), 3, "stretch", "bilinear", MaskReading())
    outlined = dataclasses.replace(geometry, estimate=estimator(segment, "counting"))
    run = Run(folder / "run")
    (folder / "run" / "shards").mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(
        config=AuditConfig(segmenter="auto", **settings), dataset=dataset, run=run, geometry=geometry,
        outlined=outlined, estimate=outlined.estimate, progress=Progress(QUIET), given=SimpleNamespace(results=None),
    )  # fmt: skip


def records_of(dataset: Dataset) -> list[dict[str, object]]:
    return [
        {"#position": i, "status": "ok", "mask_status": "no mask", "mask_kind": ""} for i in range(len(dataset.samples))
    ]


def plan_of(dataset: Dataset, areas: dict[int, float], settings: dict[str, int]) -> donors.Plan:
    return donors.plan(dataset, areas, photos=settings["interventions"], donors=settings["donors"], seed=0)


def test_the_plan_is_that_of_estimates_of_all_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(donors, "POOL", 16)
    monkeypatch.setattr(donors, "ENOUGH_DONORS", 4)
    monkeypatch.setattr(outlines, "LOADED_AT_ONCE", 4)
    dataset, segment = dataset_of(tmp_path / "photos", 60), Counting()
    settings = {"interventions": 10, "donors": 3}
    context, records = context_of(tmp_path, dataset, segment, **settings), records_of(dataset)
    outlines.outline(context, records)
    found = {int(str(r["#position"])): r for r in records if r["mask_status"] != "no mask"}
    assert segment.calls == len(found)
    resumed, calls = records_of(dataset), segment.calls
    outlines.outline(context, resumed)
    assert (resumed, segment.calls) == (records, calls), "a resumed audit reads what it had estimated"
    assert 20 <= len(found) <= 48, "10 photos of each class, a few in vain, and no more"
    areas = {i: float(str(r["foreground_area"])) for i, r in found.items() if r["mask_status"] == "ok"}
    whole = {i: area_of(load(s, context.outlined).mask) for i, s in enumerate(dataset.samples)}
    assert all(areas[i] == whole[i] for i in areas)
    usable = {i: area for i, area in whole.items() if area is not None and 0 < area <= 0.95}
    few, every = (plan_of(dataset, given, settings) for given in (areas, usable))
    assert few.photos == every.photos
    assert few.donors == every.donors
    assert all(len(each) == 10 for each in few.photos.values())


def test_a_class_without_objects_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(donors, "POOL", 4)
    monkeypatch.setattr(donors, "ENOUGH_DONORS", 2)
    monkeypatch.setattr(outlines, "LOADED_AT_ONCE", 4)
    dataset = dataset_of(tmp_path / "photos", 40)

    class Nothing(Counting):
        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            return super().__call__(pixels) & False

    segment = Nothing()
    records = records_of(dataset)
    outlines.outline(context_of(tmp_path, dataset, segment, interventions=3, donors=1), records)
    most = outlines.MOST_TRIED * 3
    assert segment.calls == 2 * most
    assert sum(record["mask_status"] == "estimated mask without foreground" for record in records) == 2 * most


def test_drawn_masks_count_and_are_left_alone(tmp_path: Path) -> None:
    dataset, segment = dataset_of(tmp_path / "photos", 6), Counting()
    records = records_of(dataset)
    for record in records[:5]:
        record |= {"mask_status": "ok", "mask_kind": "mask", "foreground_area": 0.5}
    records[5]["status"] = "unreadable"
    outlines.outline(context_of(tmp_path, dataset, segment, interventions=50, donors=2), records)
    assert segment.calls == 6
    assert [record["mask_kind"] for record in records] == ["mask"] * 5 + [""] + ["estimated"] * 6


def test_switched_off_experiments_need_no_mask(tmp_path: Path) -> None:
    dataset, segment = dataset_of(tmp_path / "photos", 3), Counting()
    outlines.outline(context_of(tmp_path, dataset, segment, interventions=0), records_of(dataset))
    assert segment.calls == 0


@pytest.mark.parametrize(
    ("masks", "segmenter", "kept", "used"),
    [
        (None, None, None, "auto"),
        ("auto", None, None, "auto"),
        ("none", None, None, None),
        ("none", "none", None, None),
        ("auto", "my:function", None, "my:function"),
        (None, "net.onnx", None, "net.onnx"),
        (None, "none", None, None),
        ("folder", None, "folder", "auto"),  # of a data set without masks; `test_masks_that_are_there` has some
    ],
)
def test_words_and_settings(
    tmp_path: Path, masks: str | None, segmenter: str | None, kept: str | None, used: str | None
) -> None:
    given, config = outlines.named(masks, AuditConfig(segmenter=segmenter))
    assert given == kept
    assert outlines.settled(config, dataset_of(tmp_path / "photos", 1)).segmenter == used


def test_masks_that_are_there_are_enough(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "photos", 2)
    for one in (dataclasses.replace(dataset.samples[0], mask=tmp_path / "m.png"),
                dataclasses.replace(dataset.samples[0], boxes=((0, 0, 5, 5),))):  # fmt: skip
        some = dataclasses.replace(dataset, samples=(one, *dataset.samples[1:]))
        assert outlines.settled(AuditConfig(), some).segmenter is None
        assert outlines.settled(AuditConfig(segmenter="auto"), some).segmenter == "auto"


@pytest.mark.parametrize(("masks", "segmenter"), [("none", "auto"), ("none", "my:function"), ("auto", "none")])
def test_words_that_contradict_each_other(masks: str, segmenter: str) -> None:
    with pytest.raises(ConfigError, match="contradict"):
        outlines.named(masks, AuditConfig(segmenter=segmenter))


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    assert outlines.named("none", AuditConfig()) == ("none", AuditConfig())
