"""Saves a classifier from Keras on PyTorch: model.keras, model.h5 and said.npy, what it says of photos.npy.

    KERAS_BACKEND=torch python saved_by_torch.py      # in the folder of photos.npy

Nothing of bias-audit is imported, since its doors import Keras on TensorFlow.
"""

from __future__ import annotations

import keras
import numpy as np

layers = keras.layers


def classifier(size: tuple[int, int, int]) -> keras.Model:
    """Convolutions, batch normalisation, pooling, softmax over three classes."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input(size)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="first")(inputs)
    x = layers.BatchNormalization(name="normed")(layers.Conv2D(5, 3, padding="same", name="second")(x))
    x = layers.GlobalAveragePooling2D()(layers.ReLU(name="last")(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))


if __name__ == "__main__":
    assert keras.config.backend() == "torch", "another backend"
    photos = np.load("photos.npy")
    model = classifier(photos.shape[1:])
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([30 * kernel, bias])  # so that the photos differ in what it says of them
    for suffix in ("keras", "h5"):
        model.save(f"model.{suffix}")
    np.save("said.npy", model.predict(photos, verbose=0))
