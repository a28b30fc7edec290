"""Small Keras classifiers built in every way that users build them: 12 x 16 RGB -> softmax over three classes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bias_audit.config import AuditConfig
from bias_audit.models.tensorflow.keras_model import KerasModel

SIZE = (12, 16, 3)
BATCH = 5
layers = keras.layers


def class_names(n: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(n))


def make_model(model: Any, classes: int | tuple[str, ...], **config: Any) -> KerasModel:
    """The KerasModel of a Keras model: classes by number or by name, fields of AuditConfig by keyword."""
    names = class_names(classes) if isinstance(classes, int) else classes
    return KerasModel(model, AuditConfig(**{"batch_size": BATCH, **config}), names)


def make_images(n: int = BATCH, seed: int = 0) -> np.ndarray:
    """(n, 12, 16, 3) in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, *SIZE)).astype(np.float32)


def backbone(name: str = "backbone") -> Any:
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first")(inputs)
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="second")(x)
    return keras.Model(inputs, x, name=name)


def sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input(SIZE),
            layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def functional() -> Any:
    inputs = keras.Input(SIZE)
    first = layers.Conv2D(5, 3, strides=2, padding="same", name="first")(inputs)
    x = layers.Add(name="joined")([first, layers.Conv2D(5, 1, activation="relu", name="side")(first)])
    x = layers.BatchNormalization(name="normed")(x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def nested() -> Any:
    inputs = keras.Input(SIZE)
    x = layers.Flatten()(backbone()(layers.Rescaling(2.0)(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def nested_twice() -> Any:
    inner_input, inputs = keras.Input(SIZE), keras.Input(SIZE)
    wrapped = keras.Model(inner_input, layers.Dropout(0.3)(backbone()(inner_input)), name="wrapped")
    x = layers.GlobalAveragePooling2D()(wrapped(inputs))
    alive = layers.Dense(4, activation="relu", bias_initializer="ones")  # for whatever images
    head = keras.Sequential([keras.Input((5,)), alive, layers.Dense(3, "softmax")])
    return keras.Model(inputs, head(x))


def shared() -> Any:
    inputs = keras.Input(SIZE)
    again = layers.Conv2D(3, 3, padding="same", activation="relu", name="again")
    x = layers.Flatten()(again(again(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


class Subclassed(keras.Model):
    """A model whose graph Keras does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.Conv2D(5, 3, activation="relu")]
        self.pool = layers.GlobalAveragePooling2D()
        self.out = layers.Dense(3)

    def call(self, x: Any, training: bool = False) -> Any:
        for block in self.blocks:
            x = block(x)
        return tf.nn.softmax(self.out(self.pool(x)))


def subclassed() -> Any:
    model = Subclassed()
    model(make_images(1))
    return model


def any_size() -> Any:
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, strides=2, activation="relu", name="second")(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
