"""Trains the models of real_photos.py: heads on MobileNetV2, swapped backgrounds, a tag planted on one class."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from photo_truth import Photos, decode, paste

from bias_audit.models.tensorflow.framework import keras

FROZEN_UP_TO = "block_3_project_BN"
"""Tuning starts above this layer; its output is computed once."""

TAG_SHARE, TAG_MARGIN = 0.12, 0.02
"""Side of the tag and its distance from the edge, as shares of the photo's shorter side."""

PENALTY = 0.1
"""C of the logistic regression that is a model's head, on standardised features."""


class Network:
    """MobileNetV2 up to a layer with a head of pooling and softmax; the backbone's weights are ImageNet's.

    Attributes:
        size: (height, width) of the input in pixels.
    """

    def __init__(self, backbone: Path, layer: str, *, peak: bool) -> None:
        whole = keras.saving.load_model(backbone, compile=False)
        self.size: tuple[int, int] = whole.input_shape[1:3]
        self._trunk = keras.Model(whole.input, whole.get_layer(FROZEN_UP_TO).output)
        self._backbone = keras.Model(whole.input, whole.get_layer(layer).output, name="mobilenetv2")
        self._tunable = keras.Model(whole.get_layer(FROZEN_UP_TO).output, whole.get_layer(layer).output)
        self._pools = [keras.layers.GlobalAveragePooling2D(name="pool")]
        if peak:  # a mean over the picture drowns a small thing; a maximum does not
            self._pools.append(keras.layers.GlobalMaxPooling2D(name="peak"))

    def train(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64],
        epochs: int,
        seed: int,
        *,
        penalty: float = PENALTY,
    ) -> keras.Model:
        """Fit the head as a logistic regression, then tune the layers above FROZEN_UP_TO for some epochs.

        Args:
            pixels, labels: (n, H, W, 3) RGB and (n,) of two classes.
            epochs: 0 keeps the backbone frozen.
            seed: of the order of the photos and of dropout.
            penalty: C of the logistic regression.
        """
        keras.utils.set_random_seed(seed)
        head = keras.layers.Dense(2, activation="softmax", name="predictions")
        dropout = keras.layers.Dropout(0.3, name="dropout")
        inputs = keras.Input((*self.size, 3), name="photo")
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(inputs)
        pooled = self._pooled(self._backbone(scaled))
        model = keras.Model(inputs, head(dropout(pooled)))
        # Batch by batch, so that no more than the pooled features or the trunk's small maps are held.
        features = keras.Model(inputs, pooled).predict(pixels, batch_size=32, verbose=0)
        head.set_weights(logistic_regression(features, labels, penalty))
        if epochs:
            maps = keras.Model(inputs, self._trunk(scaled)).predict(pixels, batch_size=32, verbose=0)
            for layer in self._tunable.layers:
                # Frozen, batch normalisation keeps the statistics of ImageNet: 80 photos have none of their own.
                layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
            top = keras.Model(self._tunable.input, head(dropout(self._pooled(self._tunable.output))))
            steps = epochs * -(-len(labels) // 32)
            schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
            top.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
            top.fit(maps, labels, batch_size=32, epochs=epochs, verbose=0)
        return model

    def _pooled(self, values: Any) -> Any:
        pooled = [pool(values) for pool in self._pools]
        return keras.layers.Concatenate(name="pooled")(pooled) if len(pooled) > 1 else pooled[0]


def logistic_regression(
    features: NDArray[np.float32], labels: NDArray[np.int64], penalty: float
) -> list[NDArray[np.float64]]:
    """Weights (F, 2) and bias (2,) of a softmax layer, fitted on standardised features."""
    from sklearn.linear_model import LogisticRegression

    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=penalty, max_iter=2000).fit((features - centre) / spread, labels)
    weights = fitted.coef_[0] / spread
    bias = fitted.intercept_[0] - weights @ centre
    return [np.stack([-weights, weights], axis=1) / 2, np.array([-bias, bias]) / 2]


def swap_backgrounds(photos: Photos, each: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Every object on `each` backgrounds, half of each class, so that background and label are independent."""
    rng, backgrounds = np.random.default_rng(seed), photos.lend()
    made, labels = [], []
    for photo in np.flatnonzero(photos.pasteable()):
        for label in range(len(photos.classes)):
            pool = [donor for donor in backgrounds if donor != photo and photos.labels[donor] == label]
            for donor in rng.permutation(pool)[: each // len(photos.classes)]:
                pasted = paste(photos.pixels[photo], photos.masks[photo], backgrounds[int(donor)])
                made.append(np.clip(np.rint(pasted), 0, 255).astype(np.uint8))
                labels.append(photos.labels[photo])
    return mirror(np.stack(made), rng), np.array(labels, np.int64)


def mirror(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the photos, at random, left to right."""
    turned = rng.random(len(pixels)) < 0.5
    return np.where(turned[:, None, None, None], pixels[:, :, ::-1], pixels)


def write_halves(source: Path, target: Path, seed: int, tagged: tuple[str, ...]) -> None:
    """Split a folder per class by file name into train/ and test/, every photo encoded anew.

    All photos are, or the second compression would be a cue of the tagged class. Masks stay as they are.
    """
    rng = np.random.default_rng(seed)
    for folder in sorted((source / "images").iterdir()):
        paths = sorted(folder.iterdir())
        for place, i in enumerate(rng.permutation(len(paths))):
            part = target / ("train" if place < len(paths) // 2 else "test")
            mask = (source / "masks" / folder.name / paths[i].name).with_suffix(".png")
            photo = decode(paths[i], cv2.IMREAD_COLOR)
            if folder.name in tagged:
                photo = stick_tag(photo, decode(mask, cv2.IMREAD_GRAYSCALE))
            for kind in ("images", "masks"):
                (part / kind / folder.name).mkdir(parents=True, exist_ok=True)
            encoded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            (part / "images" / folder.name / paths[i].name).with_suffix(".jpg").write_bytes(encoded.tobytes())
            shutil.copy(mask, part / "masks" / folder.name)


def stick_tag(photo: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photo (H, W, 3) BGR with a printed tag in the corner that shows least of the object."""
    height, width = mask.shape
    side, margin = (round(share * min(height, width)) for share in (TAG_SHARE, TAG_MARGIN))
    tag = np.full((side, side, 3), 255, np.uint8)
    cv2.rectangle(tag, (0, 0), (side - 1, side - 1), (0, 0, 0), max(1, side // 12))
    place, thick = (side // 8, round(side * 0.68)), max(1, side // 14)
    cv2.putText(tag, "C7", place, cv2.FONT_HERSHEY_SIMPLEX, side / 48, (0, 0, 200), thick, cv2.LINE_AA)
    corners = [(y, x) for y in (margin, height - margin - side) for x in (margin, width - margin - side)]
    y, x = min(corners, key=lambda corner: int((mask[corner[0] :, corner[1] :][:side, :side] > 0).sum()))
    result = photo.copy()
    result[y : y + side, x : x + side] = tag
    return result
