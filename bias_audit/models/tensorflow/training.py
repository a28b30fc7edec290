"""Trains the small networks of the planted worlds, for the demo, the benchmark and tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.errors import DataError
from bias_audit.models.tensorflow.framework import keras

BATCH_SIZE = 16
LEARNING_RATE = 1.5e-3
COLOUR_JITTER = 0.1
"""Each channel of a training photo is scaled by 1 - COLOUR_JITTER .. 1 + COLOUR_JITTER."""

ZOOM = 0.12
"""Each training photo is scaled by 1 - ZOOM .. 1 + ZOOM, and shifted by up to ZOOM of its half side in each direction.

Otherwise the network learns white hairs at the outline, which are lost when an object is cut out: a clean model would
look guilty.
"""


def train_small_model(
    train_folder: Path,
    class_names: Sequence[str],
    *,
    image_size: int = 96,
    epochs: int = 10,
    seed: int = 0,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> keras.Model:
    """Train a small convolutional classifier from scratch on a folder per class.

    The network takes (image_size, image_size, 3) RGB in 0..255 and returns (K,) probabilities: rescaling, four blocks
    of convolution, batch normalisation and ReLU with three halvings, global average pooling and softmax. At 96 pixels
    the last map is 12 x 12. Photos are stretched to the square with bilinear interpolation, then mirrored, zoomed,
    shifted and tinted at random.

    Args:
        train_folder: folder with one folder of JPEG photos (*.jpg) per class.
        class_names: names of the class folders, in the order of the outputs.
        image_size: side of the input in pixels, a multiple of 8.
        epochs: number of passes over the photos.
        seed: seed of weights, order and augmentation; on one machine the same seed gives the same weights.
        on_epoch: called after each epoch with its number from 1, `epochs` and the training accuracy 0..1.

    Raises:
        DataError: an unreadable photo, or a class without photos.
    """
    keras.utils.set_random_seed(seed)
    images, labels = load_arrays(train_folder, class_names, image_size)
    model = small_model(image_size, len(class_names))
    optimizer = _adam(LEARNING_RATE, epochs, len(images), BATCH_SIZE)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    _fit(model, images, labels, epochs, BATCH_SIZE, seed, on_epoch)
    return model


def train_on_arrays(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    classes: int,
    *,
    head: str,
    epochs: int,
    seed: int,
    learning_rate: float = 5e-3,
    batch_size: int = BATCH_SIZE,
) -> keras.Model:
    """Train one of the benchmark's networks from scratch: seconds on one thread at 48 pixels.

    Args:
        images: (N, S, S, 3) RGB in 0..255, S a multiple of 8.
        labels: (N,) class indices 0..classes - 1.
        classes: number of outputs.
        head: key of HEADS.
        epochs: number of passes over the photos; in each pass they are mirrored, zoomed, shifted and tinted anew.
        seed: seed of weights, order and augmentation; on one machine and one thread the same seed gives the same
            weights.
        learning_rate: initial rate of Adam, which falls to 0 along a cosine.
        batch_size: photos per step.
    """
    keras.utils.set_random_seed(seed)
    model = tiny_model(images.shape[1], classes, head)
    optimizer = _adam(learning_rate, epochs, len(images), batch_size)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", jit_compile=False)
    _fit(model, images.astype(np.float32), labels, epochs, batch_size, seed)
    return model


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model so that no half-written file is left under `path`: under a temporary name, which is then renamed.

    Keras saves to a path, not to bytes, so `run.atomic` cannot be used. The temporary name is the process's own: two
    workers may train the same model at the same time.
    """
    unfinished = path.with_name(f"unfinished_{os.getpid()}_{path.name}")
    model.save(unfinished)
    os.replace(unfinished, path)


def _adam(learning_rate: float, epochs: int, count: int, batch_size: int) -> Any:
    """Adam whose rate falls to 0 along a cosine over `epochs` passes over `count` photos."""
    steps = epochs * -(-count // batch_size)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))


def _fit(
    model: keras.Model,
    images: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    epochs: int,
    batch_size: int,
    seed: int,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> None:
    """Train a compiled model, with a new order and augmentation in each epoch; `on_epoch` needs the metric accuracy."""
    rng = np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(images))
        batch = augmented(images[order], rng)
        history: Any = model.fit(batch, labels[order], batch_size=batch_size, shuffle=False, verbose=0)
        if on_epoch:
            on_epoch(epoch, epochs, float(history.history["accuracy"][0]))


def augmented(images: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Augment photos (N, S, S, 3) RGB in 0..255: mirror, zoom, shift and tint each at random."""
    count, side = len(images), images.shape[1]
    mirrored = rng.random(count) < 0.5
    zooms = rng.uniform(1 - ZOOM, 1 + ZOOM, count)
    shifts = rng.uniform(-ZOOM, ZOOM, (count, 2)) * side / 2
    tints = rng.uniform(1 - COLOUR_JITTER, 1 + COLOUR_JITTER, (count, 1, 1, 3)).astype(np.float32)
    result = np.empty_like(images)
    for i, (mirror, zoom, (right, down)) in enumerate(zip(mirrored, zooms, shifts, strict=True)):
        photo = images[i, :, ::-1] if mirror else images[i]
        centred = (1 - zoom) * side / 2
        matrix = np.array([[zoom, 0, centred + right], [0, zoom, centred + down]])
        result[i] = cv2.warpAffine(np.ascontiguousarray(photo), matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(result * tints, 0, 255), np.float32)


def small_model(image_size: int, classes: int) -> keras.Model:
    """The network of `train_small_model`, untrained and not compiled."""
    layers = keras.layers
    inputs = keras.Input((image_size, image_size, 3), name="photo")
    values = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(inputs)
    for block, (filters, stride) in enumerate(((16, 2), (32, 2), (64, 2), (64, 1)), start=1):
        values = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, name=f"conv_{block}")(values)
        values = layers.BatchNormalization(momentum=0.9, name=f"norm_{block}")(values)
        values = layers.ReLU(name=f"relu_{block}")(values)
    values = layers.GlobalAveragePooling2D(name="pool")(values)
    outputs = layers.Dense(classes, activation="softmax", name="probabilities")(values)
    return keras.Model(inputs, outputs, name="small_model")


def tiny_model(image_size: int, classes: int, head: str) -> keras.Model:
    """The network of `train_on_arrays`, untrained: four blocks with three halvings (48 pixels -> 6 x 6), and a head."""
    layers = keras.layers
    inputs = keras.Input((image_size, image_size, 3), name="photo")
    values = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(inputs)
    for block, (filters, size, stride) in enumerate(((16, 5, 2), (32, 3, 2), (48, 3, 2), (48, 3, 1)), start=1):
        values = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False, name=f"conv_{block}")(
            values
        )
        values = layers.BatchNormalization(momentum=0.9, name=f"norm_{block}")(values)
        values = layers.ReLU(name=f"relu_{block}")(values)
    outputs = layers.Dense(classes, activation="softmax", name="probabilities")(HEADS[head](values))
    return keras.Model(inputs, outputs, name=f"tiny_model_{head}")


def _pooled(values: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(name="pool")(values)


def _attended(values: Any) -> Any:
    """Four means over the cells, each weighted by learned attention: such a network can rely on one small spot."""
    layers = keras.layers
    cells = layers.Reshape((-1, values.shape[-1]), name="cells")(values)
    weights = layers.Softmax(axis=1, name="attention")(layers.Dense(4, name="attention_logits")(cells))
    return layers.Flatten(name="flatten")(layers.Dot(axes=(1, 1), name="attended")([weights, cells]))


HEADS: dict[str, Callable[[Any], Any]] = {"gap": _pooled, "attention": _attended}
"""Name -> how a feature map becomes a vector: by its mean over all cells, or by means weighted with attention."""


def load_arrays(
    folder: Path, class_names: Sequence[str], image_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Read the JPEG photos (*.jpg) of a folder per class, stretched to a square with bilinear interpolation.

    Returns:
        (N, image_size, image_size, 3) RGB in 0..255 and (N,) indices into class_names, by class, then by file name.

    Raises:
        DataError: an unreadable photo, or a class without photos.
    """
    images: list[npt.NDArray[np.float32]] = []
    labels: list[int] = []
    for label, name in enumerate(class_names):
        before = len(images)
        for path in sorted((folder / name).glob("*.jpg")):
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if pixels is None:
                raise DataError(f"{str(path)!r} is not a readable JPEG", "Delete the folder and generate it again.")
            photo = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.float32)
            square = cv2.resize(photo, (image_size, image_size), interpolation=cv2.INTER_LINEAR)
            images.append(np.asarray(square, np.float32))
            labels.append(label)
        if len(images) == before:
            raise DataError(f"no JPEG photo of class {name!r} in {str(folder / name)!r}", "Generate the world first.")
    return np.stack(images), np.asarray(labels, np.int64)
