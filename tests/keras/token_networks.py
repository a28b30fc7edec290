"""Vision transformers in Keras layers, as users build them: 24 x 32 RGB in patches of 8 -> tokens on a 3 x 4 grid."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

SIZE, PATCH, WIDTH = (24, 32, 3), 8, 12
GRID = (SIZE[0] // PATCH, SIZE[1] // PATCH)
TOKENS = GRID[0] * GRID[1]
layers = keras.layers


@keras.saving.register_keras_serializable("bias_audit_tests")
class ClassToken(layers.Layer):
    """Puts a learned token before the others."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="random_normal")

    def call(self, tokens: Any) -> Any:
        return keras.ops.concatenate([keras.ops.repeat(self.token, keras.ops.shape(tokens)[0], 0), tokens], axis=1)


@keras.saving.register_keras_serializable("bias_audit_tests")
class Positions(layers.Layer):
    """Adds a learned vector per place."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.embedding = self.add_weight(shape=(1, *shape[1:]), initializer="random_normal")

    def call(self, tokens: Any) -> Any:
        return tokens + self.embedding


@keras.saving.register_keras_serializable("bias_audit_tests")
class Patches(layers.Layer):
    """The keras.io example: pixels of a patch as a token, without a layer that puts out a grid."""

    def call(self, images: Any) -> Any:
        count, (height, width), depth = keras.ops.shape(images)[0], GRID, PATCH * PATCH * 3
        cut = keras.ops.reshape(images, (count, height, PATCH, width, PATCH, 3))
        return keras.ops.reshape(keras.ops.transpose(cut, (0, 1, 3, 2, 4, 5)), (count, height * width, depth))


def block(tokens: Any, number: int) -> Any:
    """Pre-norm transformer block."""
    x = layers.LayerNormalization(name=f"block_{number}_norm_1")(tokens)
    x = layers.MultiHeadAttention(2, 6, name=f"block_{number}_attention")(x, x)
    tokens = layers.Add(name=f"block_{number}_add_1")([tokens, x])
    x = layers.LayerNormalization(name=f"block_{number}_norm_2")(tokens)
    x = layers.Dense(24, activation="gelu", name=f"block_{number}_mlp_1")(x)
    x = layers.Dense(WIDTH, name=f"block_{number}_mlp_2")(x)
    return layers.Add(name=f"block_{number}_add_2")([tokens, x])


def vit(head: str = "class token", patches: str = "convolution") -> Any:
    """A vision transformer of two blocks whose head reads the class token, the mean of all tokens, or all of them."""
    inputs = keras.Input(SIZE)
    if patches == "convolution":
        x = layers.Conv2D(WIDTH, PATCH, strides=PATCH, name="patch_embedding")(inputs)
        x = layers.Reshape((TOKENS, WIDTH), name="tokens")(x)
    else:
        x = layers.Dense(WIDTH, name="projection")(Patches(name="patches")(inputs))
    if head == "class token":
        x = ClassToken(name="class_token")(x)
    x = Positions(name="positions")(x)
    for number in (1, 2):
        x = block(x, number)
    x = layers.LayerNormalization(name="norm")(x)
    if head == "class token":
        x = x[:, 0]
    else:
        x = layers.GlobalAveragePooling1D()(x) if head == "mean" else layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))


def mixer(width: int = 20) -> Any:
    """MLP-Mixer (Tolstikhin et al. 2021) of two blocks: no attention, tokens are mixed by dense layers."""
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(width, PATCH, strides=PATCH, name="stem")(inputs)
    x = layers.Reshape((TOKENS, width), name="tokens")(x)
    for number in (1, 2):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(TOKENS)(layers.Dense(16, activation="gelu")(y))
        x = layers.Add(name=f"block_{number}_add_1")([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(width)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))
        x = layers.Add(name=f"block_{number}_add_2")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(layers.GlobalAveragePooling1D()(x)))


def images(n: int, seed: int = 0) -> np.ndarray:
    """(n, 24, 32, 3) in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, *SIZE)).astype(np.float32)
