"""A world whose truth is known by construction: two hand-set models, one follows the background, one the object.

Class `a` shows a red disc on green, class `b` a white disc on blue. `follows_background` weighs green against blue,
where both discs are neutral; `follows_object` weighs red against white, where both backgrounds are neutral.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = 48
PHOTOS = 12
COLOURS = {"a": ((60, 160, 60), (220, 40, 40)), "b": ((60, 60, 160), (220, 220, 220))}


@dataclasses.dataclass(frozen=True)
class TinyWorld:
    images: Path
    masks: Path
    follows_background: Path
    follows_object: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    folder = tmp_path_factory.mktemp("tiny world")
    for label, (background, thing) in COLOURS.items():
        for number in range(PHOTOS):
            draw(folder, label, number, background, thing)
    # Background: green minus blue against blue minus green. Object: red alone against all channels bright.
    follows_background = ([[0, 0], [1, -1], [-1, 1]], [0, 0])
    follows_object = ([[1, 1], [-1, 1], [-1, 1]], [0, -2])
    return TinyWorld(
        folder / "images",
        folder / "masks",
        save_model(folder / "background.keras", *follows_background),
        save_model(folder / "object.keras", *follows_object),
    )


def draw(folder: Path, label: str, number: int, background: tuple[int, ...], thing: tuple[int, ...]) -> None:
    rng = np.random.default_rng([ord(label), number])
    mask = np.zeros((SIZE, SIZE), np.uint8)
    centre = tuple(int(value) for value in rng.integers(14, SIZE - 14, 2))
    cv2.circle(mask, centre, int(rng.integers(7, 11)), 255, -1)
    pixels = np.where(mask[..., None] > 0, thing, background) + rng.normal(0, 6, (SIZE, SIZE, 3))
    rgb = np.clip(pixels, 0, 255).astype(np.uint8)
    for kind, picture in (("images", rgb[..., ::-1]), ("masks", mask)):
        target = folder / kind / label / f"{label}_{number:02d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def save_model(path: Path, weights: list[list[float]], bias: list[float]) -> Path:
    """Rescaling, a 1x1 convolution with these weights, ReLU, pooling to 12x12, GAP, softmax."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(2, 1, activation="relu", name="colours"),
            keras.layers.AveragePooling2D(4, name="cells"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax", name="head"),
        ]
    )
    model.get_layer("colours").set_weights([np.array(weights, float)[None, None], np.array(bias, float)])
    model.get_layer("head").set_weights([40 * np.eye(2), np.zeros(2)])
    model.save(path)
    return path


@pytest.fixture(scope="session")
def finished(tiny: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the model that follows the background; tests only read it."""
    import bias_audit

    out = tmp_path_factory.mktemp("runs") / "finished"
    bias_audit.audit(tiny.follows_background, tiny.images, masks=tiny.masks, out=out, batch_size=4)
    return out
