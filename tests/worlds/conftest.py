"""The planted world and its clean twin, each with a model trained on it once."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bias_audit.planted import CLASS_NAMES, World, write_world

INPUT = 96
PER_CLASS = {"train": 100, "test": 24}
DONORS = 3


@dataclass(frozen=True)
class Trained:
    """A model with the test photos of its world: (N, H, W, 3) photos, (N, H, W) masks, labels and whether in snow."""

    world: World
    model: Any
    predict: Callable[[list[npt.NDArray[Any]]], npt.NDArray[np.int64]]
    photos: list[npt.NDArray[Any]]
    masks: list[npt.NDArray[Any]]
    labels: npt.NDArray[np.int64]
    in_snow: npt.NDArray[np.bool_]

    def on_backgrounds(self, label: str, snow: bool) -> npt.NDArray[np.int64]:
        """Predictions for all photos of a class, each on DONORS emptied test backgrounds with or without snow."""
        donors = np.flatnonzero(self.in_snow == snow)
        pasted = []
        for position, i in enumerate(np.flatnonzero(self.labels == CLASS_NAMES.index(label))):
            for k in range(DONORS):
                donor = donors[(7 * position + 11 * k) % len(donors)]
                hole = cv2.dilate(self.masks[donor], np.ones((5, 5), np.uint8))
                empty = cv2.inpaint(self.photos[donor], hole, 3, cv2.INPAINT_TELEA)
                opacity = self.masks[i][..., None] / 255 * cv2.GaussianBlur(self.masks[i], (0, 0), 1)[..., None] / 255
                pasted.append(opacity * self.photos[i] + (1 - opacity) * empty)
        return self.predict(pasted)


def train(world: World) -> Trained:
    from bias_audit.models.tensorflow.training import train_small_model

    model = train_small_model(world.images_train, world.class_names, image_size=INPUT, epochs=10, seed=0)

    def predict(photos: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
        batch = np.stack([cv2.resize(photo.astype(np.float32), (INPUT, INPUT)) for photo in photos])
        return np.asarray(model.predict(batch, verbose=0).argmax(axis=1))

    with open(world.truth, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    root = world.truth.parent
    return Trained(
        world=world,
        model=model,
        predict=predict,
        photos=[cv2.imread(str(root / row["image"]))[..., ::-1] for row in rows],
        masks=[cv2.imread(str(root / row["mask"]), cv2.IMREAD_GRAYSCALE) for row in rows],
        labels=np.array([CLASS_NAMES.index(row["label"]) for row in rows]),
        in_snow=np.array([row["cue"] == "1" for row in rows]),
    )


@dataclass(frozen=True)
class Audited:
    """An audit as the command makes it: run folder, and what it printed."""

    run: Path
    printed: str


def audit(trained: Trained, folder: Path) -> Audited:
    from bias_audit.cli import main

    trained.model.save(folder / "model.keras")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(
            ["audit", str(folder / "model.keras"), str(trained.world.images_test), "--out", str(folder / "run"),
             "--masks", str(trained.world.masks_test)]
        )  # fmt: skip
    assert code == 0
    return Audited(folder / "run", printed.getvalue())


@pytest.fixture(scope="session")
def audited_planted(planted: Trained, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return audit(planted, Path(tmp_path_factory.mktemp("audited planted")))


@pytest.fixture(scope="session")
def audited_clean(clean: Trained, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return audit(clean, Path(tmp_path_factory.mktemp("audited clean")))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(write_world(Path(tmp_path_factory.mktemp("planted")), per_class=PER_CLASS))


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(write_world(Path(tmp_path_factory.mktemp("clean")), per_class=PER_CLASS, planted=False))
